package nn

import (
	"fmt"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
)

// A TCNBlock is a residual block of a temporal convolutional network (Bai, Kolter and
// Koltun, arXiv:1803.01271). It has two causal convolutions over time, each followed by a
// norm, a ReLU and dropout. Their result is added to the input (after a linear layer, if
// the channels differ) and goes through another ReLU. A convolution is
//
//	y(t) = Σ_k W(k)·x(t-(Kernel-1-k)·Dilation) + b
//
// with 0 for x before the first step. The norm is either of the weights (Salimans and
// Kingma, arXiv:1602.07868) or of each step's channels (Ba et al., arXiv:1607.06450).
//
// Weights: for each convolution Kernel×in×Channels, biases, and gains of the weight
// norm or gains and biases of the layer norm; for the linear layer in×Channels and
// biases.
type TCNBlock struct {
	Channels  int
	Kernel    int
	Dilation  int
	LayerNorm bool
	Dropout   float32
	Site      uint64

	dev   device.Device
	in    Shape
	convs [2]conv
}

// A conv is one of the convolutions, with what it keeps for the backward pass.
type conv struct {
	in, n, kernel, dilation, steps int

	weight     device.Vec // normalized, or the parameter itself
	slope      device.Vec // its gradient
	norm       device.Vec // norms of the weights' columns, or x̂ of the layer norm
	rstd       device.Vec
	y          device.Vec // output of the convolution
	out        device.Vec // after norm, ReLU and dropout
	dout, dpre device.Vec
}

// Params implements [Layer].
func (l *TCNBlock) Params() []Param {
	var ps []Param
	for i, in := range []int{l.in.Features, l.Channels} {
		of := fmt.Sprintf("conv%d.", i+1)
		ps = append(ps,
			Param{of + "weight", []int{l.Kernel, in, l.Channels}, He(in * l.Kernel)},
			Param{of + "bias", []int{l.Channels}, Constant(0)})
		if l.LayerNorm {
			ps = append(ps, Param{of + "norm_gain", []int{l.Channels}, Constant(1)}, Param{of + "norm_bias", []int{l.Channels}, Constant(0)})
		} else {
			ps = append(ps, Param{of + "gain", []int{l.Channels}, Constant(1)}) // the initial |v| is near √2
		}
	}
	if l.in.Features != l.Channels {
		ps = append(ps, Param{"residual.weight", []int{l.in.Features, l.Channels}, Glorot(l.in.Features, l.Channels)},
			Param{"residual.bias", []int{l.Channels}, Constant(0)})
	}
	return ps
}

// each is the number of parameters of a convolution.
func (l *TCNBlock) each() int {
	if l.LayerNorm {
		return 4
	}
	return 3
}

// Plan implements [Layer].
func (l *TCNBlock) Plan(m *Memory, in []Shape) (Shape, error) {
	if len(in) != 1 || l.Channels < 1 || l.Kernel < 1 || l.Dilation < 1 {
		return Shape{}, fmt.Errorf("a block of %d channels, kernel %d, dilation %d over %d inputs", l.Channels, l.Kernel, l.Dilation, len(in))
	}
	l.dev, l.in = m.Device, in[0]
	n := m.Rows * l.in.Steps
	for i, from := range []int{l.in.Features, l.Channels} {
		c := conv{in: from, n: l.Channels, kernel: l.Kernel, dilation: l.Dilation, steps: l.in.Steps}
		c.out = m.Alloc(n * c.n)
		c.y, c.dpre, c.dout = m.Scratch(0, n*c.n), m.Scratch(1, n*c.n), m.Scratch(2+i, n*c.n)
		if l.LayerNorm {
			c.norm, c.rstd = m.Alloc(n*c.n), m.Alloc(n)
		} else {
			size := c.kernel * from * c.n
			c.weight, c.slope, c.norm = m.Alloc(size), m.Scratch(4, size), m.Alloc(c.n)
		}
		l.convs[i] = c
	}
	return Shape{l.in.Steps, l.Channels}, nil
}

// taps calls f for each tap of the kernel that sees any step, with the number of rows
// that it looks back. The first tap looks back the least.
func (c *conv) taps(rows int, f func(k, back, n int)) {
	for k := c.kernel - 1; k >= 0; k-- {
		if back := (c.kernel - 1 - k) * c.dilation; back < c.steps {
			f(k, back*rows, (c.steps-back)*rows)
		}
	}
}

func (l *TCNBlock) forward(p *Pass, c *conv, x device.Vec, w []device.Vec, site int) device.Vec {
	n := p.Rows * c.steps * c.n
	y, out := c.y.To(n), c.out.To(n)
	weight := w[0]
	if !l.LayerNorm {
		l.dev.WeightNorm(c.weight, c.norm, w[0], w[2])
		weight = c.weight
	}
	beta := float32(0)
	c.taps(p.Rows, func(k, back, rows int) {
		l.dev.Gemm(rows, c.n, c.in, 1, device.M(x, c.in), device.M(weight.From(k*c.in*c.n), c.n), beta, device.M(y.From(back*c.n), c.n))
		beta = 1
	})
	l.dev.AddRow(y, w[1])
	if l.LayerNorm {
		l.dev.LayerNorm(out, c.norm.To(n), c.rstd.To(n/c.n), y, w[2], w[3])
		l.dev.Relu(out, out)
	} else {
		l.dev.Relu(out, y)
	}
	if p.Train && l.Dropout > 0 {
		l.dev.Dropout(out, out, l.Dropout, p.site(l.Site, site))
	}
	return out
}

// backward sets dx, unless it is empty, and the gradients of w. It overwrites dout.
func (l *TCNBlock) backward(p *Pass, c *conv, x, dout, dx device.Vec, w, dw []device.Vec, site int) {
	n := p.Rows * c.steps * c.n
	dpre := c.dpre.To(n)
	if p.Train && l.Dropout > 0 {
		l.dev.Dropout(dout, dout, l.Dropout, p.site(l.Site, site))
	}
	// out is positive where the ReLU passed its input on. Where dropout made it 0, dout is 0 too.
	l.dev.ReluGrad(dpre, c.out.To(n), dout)
	if l.LayerNorm {
		l.dev.Zero(dw[2])
		l.dev.Zero(dw[3])
		l.dev.LayerNormGrad(dpre, dw[2], dw[3], dpre, c.norm.To(n), c.rstd.To(n/c.n), w[2])
	}
	l.dev.Zero(dw[1])
	l.dev.AddRows(dw[1], dpre)
	weight, slope := w[0], dw[0]
	if !l.LayerNorm {
		weight, slope = c.weight, c.slope
	}
	l.dev.Zero(slope) // for taps that see no step
	beta := float32(0)
	c.taps(p.Rows, func(k, back, rows int) {
		at := k * c.in * c.n
		dy := dpre.From(back * c.n)
		l.dev.Gemm(c.in, c.n, rows, 1, device.M(x, c.in).Transposed(), device.M(dy, c.n), 0, device.M(slope.From(at), c.n))
		if dx.Len() > 0 {
			l.dev.Gemm(rows, c.in, c.n, 1, device.M(dy, c.n), device.M(weight.From(at), c.n).Transposed(), beta, device.M(dx, c.in))
			beta = 1
		}
	})
	if !l.LayerNorm {
		l.dev.WeightNormGrad(dw[0], dw[2], slope, w[0], w[2], c.norm)
	}
}

// Forward implements [Layer].
func (l *TCNBlock) Forward(p *Pass, in, w []device.Vec, out device.Vec) {
	m := l.each()
	h := l.forward(p, &l.convs[0], in[0], w[:m], 0)
	h = l.forward(p, &l.convs[1], h, w[m:2*m], 1)
	if l.in.Features == l.Channels {
		l.dev.Add(out, h, in[0])
	} else {
		l.dev.Gemm(p.Rows*l.in.Steps, l.Channels, l.in.Features, 1, device.M(in[0], l.in.Features), device.M(w[2*m], l.Channels), 0, device.M(out, l.Channels))
		l.dev.AddRow(out, w[2*m+1])
		l.dev.Add(out, out, h)
	}
	l.dev.Relu(out, out)
}

// Backward implements [Layer].
func (l *TCNBlock) Backward(p *Pass, in, w []device.Vec, out, dout device.Vec, din, dw []device.Vec) {
	m, n := l.each(), dout.Len()
	first, second := &l.convs[0], &l.convs[1]
	l.dev.ReluGrad(dout, out, dout)
	dh := second.dout.To(n)
	l.dev.Copy(dh, dout)
	dfirst := first.dout.To(n)
	l.backward(p, second, first.out.To(n), dh, dfirst, w[m:2*m], dw[m:2*m], 1)
	l.backward(p, first, in[0], dfirst, din[0], w[:m], dw[:m], 0)
	if l.in.Features == l.Channels {
		if din[0].Len() > 0 {
			l.dev.Add(din[0], din[0], dout)
		}
		return
	}
	from, rows := l.in.Features, p.Rows*l.in.Steps
	l.dev.Gemm(from, l.Channels, rows, 1, device.M(in[0], from).Transposed(), device.M(dout, l.Channels), 0, device.M(dw[2*m], l.Channels))
	l.dev.Zero(dw[2*m+1])
	l.dev.AddRows(dw[2*m+1], dout)
	if din[0].Len() > 0 {
		l.dev.Gemm(rows, from, l.Channels, 1, device.M(dout, l.Channels), device.M(w[2*m], l.Channels).Transposed(), 1, device.M(din[0], from))
	}
}
