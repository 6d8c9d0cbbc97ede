package nn

import (
	"fmt"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
)

// An LSTM is a layer of long short-term memory (Hochreiter and Schmidhuber 1997; with
// the forget gate of Gers et al. 2000): with z the input x(t) and the state h(t-1),
//
//	i = σ(Wi z + bi)  f = σ(Wf z + bf)  g = tanh(Wg z + bg)  o = σ(Wo z + bo)
//	c(t) = f·c(t-1) + i·g               h(t) = o·tanh(c(t))
//
// Its output is h(t) at all steps, after dropout. A bidirectional layer has a second such
// layer that runs back in time; its states follow those of the first.
//
// Weights, for each direction: x.features×4·Hidden for the input, Hidden×4·Hidden for
// the state, and 4·Hidden biases. The gates are in the order i, f, g, o.
type LSTM struct {
	Hidden        int
	Bidirectional bool
	Dropout       float32
	Site          uint64 // distinguishes its dropout from that of other layers

	dev  device.Device
	in   Shape
	dirs []lstmDirection
	zero device.Vec // the state before the first step
	dc   device.Vec
	drop device.Vec // the gradient before the dropout
	step device.Vec // the gradient of h(t)
}

// An lstmDirection is what a direction keeps for the backward pass, by step.
type lstmDirection struct{ gates, c, tanhC, h device.Vec }

func (l *LSTM) directions() int {
	if l.Bidirectional {
		return 2
	}
	return 1
}

// Params implements [Layer].
func (l *LSTM) Params() []Param {
	f, h := l.in.Features, l.Hidden
	var ps []Param
	for d := range l.directions() {
		of := [...]string{"", "_reverse"}[d]
		ps = append(ps,
			Param{"weight_input" + of, []int{f, 4 * h}, Glorot(f, h)},
			Param{"weight_hidden" + of, []int{h, 4 * h}, Glorot(h, h)},
			Param{"bias" + of, []int{4 * h}, func(w []float32, _ uint64) {
				clear(w)
				for i := range h { // initially remember (Jozefowicz et al., ICML 2015)
					w[h+i] = 1
				}
			}})
	}
	return ps
}

// Plan implements [Layer].
func (l *LSTM) Plan(m *Memory, in []Shape) (Shape, error) {
	if len(in) != 1 || l.Hidden < 1 {
		return Shape{}, fmt.Errorf("an LSTM of %d units over %d inputs", l.Hidden, len(in))
	}
	l.dev, l.in = m.Device, in[0]
	states := m.Rows * l.in.Steps * l.Hidden
	for range l.directions() {
		l.dirs = append(l.dirs, lstmDirection{m.Alloc(4 * states), m.Alloc(states), m.Alloc(states), m.Alloc(states)})
	}
	n := m.Rows * l.Hidden
	l.zero, l.dc, l.step = m.Alloc(n), m.Scratch(0, n), m.Scratch(1, n)
	if l.Dropout > 0 {
		l.drop = m.Scratch(2, states*l.directions())
	}
	return Shape{l.in.Steps, l.Hidden * l.directions()}, nil
}

// Forward implements [Layer].
func (l *LSTM) Forward(p *Pass, in, w []device.Vec, out device.Vec) {
	steps, h := l.in.Steps, l.Hidden
	n := p.Rows * h // of one step
	for d, dir := range l.dirs {
		wx, wh, bias := w[3*d], w[3*d+1], w[3*d+2]
		gates := dir.gates.To(4 * n * steps)
		l.dev.Gemm(p.Rows*steps, 4*h, l.in.Features, 1, device.M(in[0], l.in.Features), device.M(wx, 4*h), 0, device.M(gates, 4*h))
		l.dev.AddRow(gates, bias)
		l.dev.Recurrent(0, h, 4*h, device.M(wh, 4*h))
		for s := range steps {
			t, before := l.at(d, s)
			c, hidden := l.zero.To(n), device.Vec{}
			if s > 0 {
				c, hidden = dir.c.Part(before*n, (before+1)*n), dir.h.Part(before*n, (before+1)*n)
			}
			g := gates.Part(t*4*n, (t+1)*4*n)
			if s > 0 {
				l.dev.GemmRecurrent(0, p.Rows, device.M(hidden, h), 1, device.M(g, 4*h))
			}
			l.dev.LSTMCell(dir.h.Part(t*n, (t+1)*n), dir.c.Part(t*n, (t+1)*n), dir.tanhC.Part(t*n, (t+1)*n), g, c, h)
			if p.stopped() {
				return
			}
		}
		cols := h * len(l.dirs)
		l.dev.CopyRows(device.M(out.From(d*h), cols), device.M(dir.h, h), p.Rows*steps, h)
	}
	if p.Train && l.Dropout > 0 {
		l.dev.Dropout(out, out, l.Dropout, p.site(l.Site, 0))
	}
}

// at returns the time of step s of a direction, and that of the step before.
func (l *LSTM) at(direction, s int) (t, before int) {
	if direction == 1 {
		return l.in.Steps - 1 - s, l.in.Steps - s
	}
	return s, s - 1
}

// Backward implements [Layer].
func (l *LSTM) Backward(p *Pass, in, w []device.Vec, _, dout device.Vec, din, dw []device.Vec) {
	steps, h := l.in.Steps, l.Hidden
	n, rows := p.Rows*h, p.Rows*steps
	if p.Train && l.Dropout > 0 {
		l.dev.Dropout(l.drop.To(dout.Len()), dout, l.Dropout, p.site(l.Site, 0))
		dout = l.drop.To(dout.Len())
	}
	cols := h * len(l.dirs)
	for d, dir := range l.dirs {
		wx, wh := w[3*d], w[3*d+1]
		gates := dir.gates.To(4 * n * steps)
		dc, dh := l.dc.To(n), l.step.To(n)
		l.dev.Zero(dc)
		l.dev.Recurrent(0, 4*h, h, device.M(wh, 4*h).Transposed())
		for s := steps - 1; s >= 0; s-- {
			t, before := l.at(d, s)
			l.dev.CopyRows(device.M(dh, h), device.M(dout.From(t*p.Rows*cols+d*h), cols), p.Rows, h)
			if s < steps-1 {
				after := 2*t - before
				l.dev.GemmRecurrent(0, p.Rows, device.M(gates.Part(after*4*n, (after+1)*4*n), 4*h), 1, device.M(dh, h))
			}
			c := l.zero.To(n)
			if s > 0 {
				c = dir.c.Part(before*n, (before+1)*n)
			}
			g := gates.Part(t*4*n, (t+1)*4*n) // from here on, the gradient of the gates
			l.dev.LSTMCellGrad(g, dc, dh, g, dir.tanhC.Part(t*n, (t+1)*n), c, h)
			if p.stopped() {
				return
			}
		}
		l.dev.Gemm(l.in.Features, 4*h, rows, 1, device.M(in[0], l.in.Features).Transposed(), device.M(gates, 4*h), 0, device.M(dw[3*d], 4*h))
		states, slopes := dir.h.To((steps-1)*n), gates.From(4*n)
		if d == 1 {
			states, slopes = dir.h.Part(n, steps*n), gates.To(4*n*(steps-1))
		}
		l.dev.Gemm(h, 4*h, rows-p.Rows, 1, device.M(states, h).Transposed(), device.M(slopes, 4*h), 0, device.M(dw[3*d+1], 4*h))
		l.dev.Zero(dw[3*d+2])
		l.dev.AddRows(dw[3*d+2], gates)
		if din[0].Len() > 0 {
			l.dev.Gemm(rows, l.in.Features, 4*h, 1, device.M(gates, 4*h), device.M(wx, 4*h).Transposed(), float32(d), device.M(din[0], l.in.Features))
		}
	}
}
