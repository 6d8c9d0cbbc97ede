package nn

import (
	"fmt"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
)

// A Head is a linear layer that maps the last step of its first input to the output. It
// uses all steps of a second input, if there is one. Its output has one step.
//
// Weights: features×Outputs, those of the second input, Outputs biases.
type Head struct {
	Outputs int
	Reverse int // number of features at the end that run back in time: they are taken from the first step

	dev device.Device
	in  []Shape
}

// Params implements [Layer].
func (l *Head) Params() []Param {
	in := l.in[0].Features
	ps := []Param{{"weight", []int{in, l.Outputs}, Glorot(in, l.Outputs)}, {"bias", []int{l.Outputs}, Constant(0)}}
	if len(l.in) > 1 {
		size := l.in[1].Size()
		ps = append(ps, Param{"weight_future", []int{size, l.Outputs}, Glorot(size, l.Outputs)})
	}
	return ps
}

// Plan implements [Layer].
func (l *Head) Plan(m *Memory, in []Shape) (Shape, error) {
	if l.Outputs < 1 || len(in) < 1 || len(in) > 2 || len(in) == 2 && in[1].Steps != 1 {
		return Shape{}, fmt.Errorf("a head of %d outputs over inputs of %v", l.Outputs, in)
	}
	l.dev, l.in = m.Device, in
	return Shape{1, l.Outputs}, nil
}

// ends calls f with the parts of the first input that are used: their place in it and in
// the weights, and their size.
func (l *Head) ends(rows int, f func(at, from, n int)) {
	s := l.in[0]
	f((s.Steps-1)*rows*s.Features, 0, s.Features-l.Reverse)
	if l.Reverse > 0 {
		f(s.Features-l.Reverse, s.Features-l.Reverse, l.Reverse)
	}
}

// Forward implements [Layer].
func (l *Head) Forward(p *Pass, in, w []device.Vec, out device.Vec) {
	h := l.Outputs
	l.dev.Zero(out)
	l.dev.AddRow(out, w[1])
	l.ends(p.Rows, func(at, from, n int) {
		l.dev.Gemm(p.Rows, h, n, 1, device.M(in[0].From(at), l.in[0].Features), device.M(w[0].From(from*h), h), 1, device.M(out, h))
	})
	if len(in) > 1 {
		k := l.in[1].Features
		l.dev.Gemm(p.Rows, h, k, 1, device.M(in[1], k), device.M(w[2], h), 1, device.M(out, h))
	}
}

// Backward implements [Layer].
func (l *Head) Backward(p *Pass, in, w []device.Vec, _, dout device.Vec, din, dw []device.Vec) {
	h := l.Outputs
	l.dev.Zero(dw[1])
	l.dev.AddRows(dw[1], dout)
	l.dev.Zero(din[0])
	l.ends(p.Rows, func(at, from, n int) {
		stride := l.in[0].Features
		l.dev.Gemm(n, h, p.Rows, 1, device.M(in[0].From(at), stride).Transposed(), device.M(dout, h), 0, device.M(dw[0].From(from*h), h))
		if din[0].Len() > 0 {
			l.dev.Gemm(p.Rows, n, h, 1, device.M(dout, h), device.M(w[0].From(from*h), h).Transposed(), 0, device.M(din[0].From(at), stride))
		}
	})
	if len(in) > 1 {
		k := l.in[1].Features
		l.dev.Gemm(k, h, p.Rows, 1, device.M(in[1], k).Transposed(), device.M(dout, h), 0, device.M(dw[2], h))
	}
}

// A Shortcut adds a linear function to its first input, which a [Head] or [Tokens] made.
// The function is of the first feature of the second input, at all its steps: the
// autoregressive component of Lai et al., arXiv:1703.07015.
//
// Weights: steps×outputs, initially 0.
type Shortcut struct {
	dev device.Device
	in  []Shape
	x   device.Vec // the feature, by step and row
}

// Params implements [Layer].
func (l *Shortcut) Params() []Param {
	return []Param{{"weight", []int{l.in[1].Steps, l.in[0].Size()}, Constant(0)}}
}

// Plan implements [Layer].
func (l *Shortcut) Plan(m *Memory, in []Shape) (Shape, error) {
	if len(in) != 2 || in[0].Steps != 1 && in[0].Features != 1 {
		return Shape{}, fmt.Errorf("a shortcut over inputs of %v", in)
	}
	l.dev, l.in, l.x = m.Device, in, m.Alloc(m.Rows*in[1].Steps)
	return in[0], nil
}

// Forward implements [Layer].
func (l *Shortcut) Forward(p *Pass, in, w []device.Vec, out device.Vec) {
	steps, outputs := l.in[1].Steps, l.in[0].Size()
	l.dev.CopyRows(device.M(l.x, 1), device.M(in[1], l.in[1].Features), p.Rows*steps, 1)
	l.dev.Copy(out, in[0])
	x, weight := device.M(l.x, p.Rows).Transposed(), device.M(w[0], outputs)
	if l.in[0].Steps == 1 {
		l.dev.Gemm(p.Rows, outputs, steps, 1, x, weight, 1, device.M(out, outputs))
	} else {
		l.dev.Gemm(outputs, p.Rows, steps, 1, weight.Transposed(), x.Transposed(), 1, device.M(out, p.Rows))
	}
}

// Backward implements [Layer].
func (l *Shortcut) Backward(p *Pass, _, _ []device.Vec, _, dout device.Vec, din, dw []device.Vec) {
	steps, outputs := l.in[1].Steps, l.in[0].Size()
	l.dev.Copy(din[0], dout)
	x, slope := device.M(l.x, p.Rows), device.M(dw[0], outputs)
	if l.in[0].Steps == 1 {
		l.dev.Gemm(steps, outputs, p.Rows, 1, x, device.M(dout, outputs), 0, slope)
	} else {
		l.dev.Gemm(steps, outputs, p.Rows, 1, x, device.M(dout, p.Rows).Transposed(), 0, slope)
	}
}
