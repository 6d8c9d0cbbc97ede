package nn

import (
	"fmt"
	"math"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
)

// The layers of a transformer (Vaswani et al., arXiv:1706.03762), with each norm before
// its sublayer (Xiong et al., arXiv:2002.04745):
//
//	x + dropout(attention(norm(x)))        x + dropout(W₂·relu(W₁·norm(x) + b₁) + b₂)
//
// Below, a width is the number of features of a token.

// An Embed maps steps to tokens: a linear layer, plus the position as sines and cosines,
// followed by dropout.
//
// Weights: features×Width and biases.
type Embed struct {
	Width   int
	Dropout float32
	Site    uint64

	dev  device.Device
	in   Shape
	lin  linear
	at   device.Vec // the positions
	drop device.Vec // the gradient before the dropout
}

// Params implements [Layer].
func (l *Embed) Params() []Param { return linearParams("", l.in.Features, l.Width) }

// Plan implements [Layer].
func (l *Embed) Plan(m *Memory, in []Shape) (Shape, error) {
	if len(in) != 1 || l.Width < 1 {
		return Shape{}, fmt.Errorf("an embedding of width %d over %d inputs", l.Width, len(in))
	}
	l.dev, l.in = m.Device, in[0]
	l.lin = linear{m.Device, l.in.Features, l.Width}
	at := make([]float32, l.in.Steps*l.Width)
	for i := range l.Width {
		length := math.Pow(10000, float64(i/2*2)/float64(l.Width))
		for t := range l.in.Steps {
			at[t*l.Width+i] = float32(math.Sin(float64(t)/length + float64(i%2)*math.Pi/2))
		}
	}
	l.at = m.Alloc(len(at))
	m.Write(l.at, at)
	if l.Dropout > 0 {
		l.drop = m.Scratch(0, m.Rows*l.in.Steps*l.Width)
	}
	return Shape{l.in.Steps, l.Width}, nil
}

// Forward implements [Layer].
func (l *Embed) Forward(p *Pass, in, w []device.Vec, out device.Vec) {
	l.lin.forward(out, in[0], w)
	n := p.Rows * l.Width
	for t := range l.in.Steps {
		l.dev.AddRow(out.Part(t*n, (t+1)*n), l.at.Part(t*l.Width, (t+1)*l.Width))
	}
	if p.Train && l.Dropout > 0 {
		l.dev.Dropout(out, out, l.Dropout, p.site(l.Site, 0))
	}
}

// Backward implements [Layer].
func (l *Embed) Backward(p *Pass, in, w []device.Vec, _, dout device.Vec, din, dw []device.Vec) {
	if p.Train && l.Dropout > 0 {
		drop := l.drop.To(dout.Len())
		l.dev.Dropout(drop, dout, l.Dropout, p.site(l.Site, 0))
		dout = drop
	}
	l.lin.backward(din[0], dw, in[0], dout, w, 0)
}

// linear is a linear layer: x·W + b, for any number of rows.
type linear struct {
	dev     device.Device
	in, out int
}

func linearParams(name string, in, out int) []Param {
	return []Param{{name + "weight", []int{in, out}, Glorot(in, out)}, {name + "bias", []int{out}, Constant(0)}}
}

func (l *linear) forward(y, x device.Vec, w []device.Vec) {
	l.dev.Gemm(x.Len()/l.in, l.out, l.in, 1, device.M(x, l.in), device.M(w[0], l.out), 0, device.M(y, l.out))
	l.dev.AddRow(y, w[1])
}

// backward sets dx, unless it is empty, to beta·dx plus its gradient.
func (l *linear) backward(dx device.Vec, dw []device.Vec, x, dy device.Vec, w []device.Vec, beta float32) {
	rows := x.Len() / l.in
	l.dev.Gemm(l.in, l.out, rows, 1, device.M(x, l.in).Transposed(), device.M(dy, l.out), 0, device.M(dw[0], l.out))
	l.dev.Zero(dw[1])
	l.dev.AddRows(dw[1], dy)
	if dx.Len() > 0 {
		l.dev.Gemm(rows, l.in, l.out, 1, device.M(dy, l.out), device.M(w[0], l.out).Transposed(), beta, device.M(dx, l.in))
	}
}

// A Norm is a layer norm of each token (Ba et al., arXiv:1607.06450).
//
// Weights: gains and biases.
type Norm struct {
	in Shape
	n  norm
}

// Params implements [Layer].
func (l *Norm) Params() []Param { return normParams("", l.in.Features) }

// Plan implements [Layer].
func (l *Norm) Plan(m *Memory, in []Shape) (Shape, error) {
	if len(in) != 1 {
		return Shape{}, fmt.Errorf("a norm of %d inputs", len(in))
	}
	l.in, l.n = in[0], newNorm(m, m.Rows*in[0].Steps, in[0].Features)
	return l.in, nil
}

// Forward implements [Layer].
func (l *Norm) Forward(_ *Pass, in, w []device.Vec, out device.Vec) { l.n.forward(out, in[0], w) }

// Backward implements [Layer].
func (l *Norm) Backward(_ *Pass, _, w []device.Vec, _, dout device.Vec, din, dw []device.Vec) {
	l.n.backward(din[0], dw, dout, w)
}

// norm is a layer norm, with what it keeps for the backward pass.
type norm struct {
	dev     device.Device
	width   int
	x, rstd device.Vec
}

func normParams(name string, width int) []Param {
	return []Param{{name + "gain", []int{width}, Constant(1)}, {name + "bias", []int{width}, Constant(0)}}
}

func newNorm(m *Memory, tokens, width int) norm {
	return norm{m.Device, width, m.Alloc(tokens * width), m.Alloc(tokens)}
}

func (n *norm) forward(y, x device.Vec, w []device.Vec) {
	n.dev.LayerNorm(y, n.x.To(x.Len()), n.rstd.To(x.Len()/n.width), x, w[0], w[1])
}

// backward sets dx, which may be dy.
func (n *norm) backward(dx device.Vec, dw []device.Vec, dy device.Vec, w []device.Vec) {
	n.dev.Zero(dw[0])
	n.dev.Zero(dw[1])
	n.dev.LayerNormGrad(dx, dw[0], dw[1], dy, n.x.To(dy.Len()), n.rstd.To(dy.Len()/n.width), w[0])
}

// attention is attention with several heads. Q, K and V are linear in the tokens. Each
// head computes softmax(QKᵀ/√d)·V, where d is its width. A linear layer combines the heads.
type attention struct {
	dev          device.Device
	width, heads int
	steps, seen  int // number of querying tokens and of tokens attended to
	causal       bool
	lin          linear
	q, k, v, o   device.Vec
	p            device.Vec // by row and head: steps×seen
	dq, dk, dv   device.Vec
	do, dp       device.Vec
}

// attentionParams returns four pairs of weights and biases.
func attentionParams(name string, width int) []Param {
	var ps []Param
	for _, of := range []string{"query.", "key.", "value.", "out."} {
		ps = append(ps, linearParams(name+of, width, width)...)
	}
	return ps
}

func newAttention(m *Memory, width, heads, steps, seen int, causal bool) attention {
	asks, told, scores := m.Rows*steps*width, m.Rows*seen*width, m.Rows*heads*steps*seen
	return attention{m.Device, width, heads, steps, seen, causal, linear{m.Device, width, width},
		m.Alloc(asks), m.Alloc(told), m.Alloc(told), m.Alloc(asks), m.Alloc(scores),
		m.Scratch(0, asks), m.Scratch(1, told), m.Scratch(2, told), m.Scratch(3, asks), m.Scratch(4, scores)}
}

// tokens returns the matrices of all rows and heads. A matrix is a head's part of the
// tokens of a row, and begins a head's width after the one before.
func (a *attention) tokens(v device.Vec, rows int) device.Matrix {
	return device.Matrix{Vec: v, Stride: rows * a.width}
}

// forward sets y for the tokens x, which attend to the tokens m.
func (a *attention) forward(y, x, m device.Vec, rows int, w []device.Vec) {
	asks, told := rows*a.steps*a.width, rows*a.seen*a.width
	q, k, v, o := a.q.To(asks), a.k.To(told), a.v.To(told), a.o.To(asks)
	a.lin.forward(q, x, w[0:])
	a.lin.forward(k, m, w[2:])
	a.lin.forward(v, m, w[4:])
	d, count := a.width/a.heads, rows*a.heads
	p := device.M(a.p.To(count*a.steps*a.seen), a.seen)
	root := float32(1 / math.Sqrt(float64(d)))
	a.dev.Gemms(count, a.steps, a.seen, d, root, a.tokens(q, rows), d, a.tokens(k, rows).Transposed(), d, 0, p, a.steps*a.seen)
	a.dev.Softmax(p.Vec, p.Vec, a.seen, a.causal)
	a.dev.Gemms(count, a.steps, d, a.seen, 1, p, a.steps*a.seen, a.tokens(v, rows), d, 0, a.tokens(o, rows), d)
	a.lin.forward(y, o, w[6:])
}

// backward sets dx to the gradient of x, and dm to beta·dm plus that of m.
// dx and dm may be the same if beta is 1.
func (a *attention) backward(dx, dm device.Vec, beta float32, dw []device.Vec, x, m, dy device.Vec, rows int, w []device.Vec) {
	asks, told := rows*a.steps*a.width, rows*a.seen*a.width
	q, k, v, o := a.q.To(asks), a.k.To(told), a.v.To(told), a.o.To(asks)
	dq, dk, dv, do := a.dq.To(asks), a.dk.To(told), a.dv.To(told), a.do.To(asks)
	d, count, each := a.width/a.heads, rows*a.heads, a.steps*a.seen
	p, dp := device.M(a.p.To(count*each), a.seen), device.M(a.dp.To(count*each), a.seen)
	root := float32(1 / math.Sqrt(float64(d)))
	a.lin.backward(do, dw[6:], o, dy, w[6:], 0)
	a.dev.Gemms(count, a.steps, a.seen, d, 1, a.tokens(do, rows), d, a.tokens(v, rows).Transposed(), d, 0, dp, each)
	a.dev.Gemms(count, a.seen, d, a.steps, 1, p.Transposed(), each, a.tokens(do, rows), d, 0, a.tokens(dv, rows), d)
	a.dev.SoftmaxGrad(dp.Vec, p.Vec, dp.Vec, a.seen)
	a.dev.Gemms(count, a.steps, d, a.seen, root, dp, each, a.tokens(k, rows), d, 0, a.tokens(dq, rows), d)
	a.dev.Gemms(count, a.seen, d, a.steps, root, dp.Transposed(), each, a.tokens(q, rows), d, 0, a.tokens(dk, rows), d)
	a.lin.backward(dx, dw[0:], x, dq, w[0:], 0)
	a.lin.backward(dm, dw[2:], m, dk, w[2:], beta)
	a.lin.backward(dm, dw[4:], m, dv, w[4:], 1)
}

// A Block has the settings that all blocks of a transformer share.
type Block struct {
	Heads       int // must divide the width
	FeedForward int // units of the layer in between
	Dropout     float32
	Site        uint64
}

func (b Block) check(inputs int, in []Shape) error {
	if len(in) != inputs || b.Heads < 1 || in[0].Features%b.Heads != 0 || b.FeedForward < 1 || in[0].Features != in[len(in)-1].Features {
		return fmt.Errorf("a block of %d heads, feed forward %d, over inputs of %v", b.Heads, b.FeedForward, in)
	}
	return nil
}

// A part is what is added to the tokens of a block: attention or feed-forward layers.
type part struct {
	norm
	attend            *attention // nil for feed-forward layers
	up, down          linear
	normed, dnormed   device.Vec
	between, dbetween device.Vec
	out               device.Vec
}

func attendParams(name string, width int) []Param {
	return append(normParams(name+"norm.", width), attentionParams(name, width)...)
}

func forwardParams(name string, width, between int) []Param {
	ps := append(normParams(name+"norm.", width), linearParams(name+"up.", width, between)...)
	return append(ps, linearParams(name+"down.", between, width)...)
}

// The parameters of the parts.
const (
	ofAttention   = 10
	ofFeedForward = 6
)

func newPart(m *Memory, s Shape, attend *attention, between int) part {
	n := m.Rows * s.Steps
	return part{
		norm: newNorm(m, n, s.Features), attend: attend, up: linear{m.Device, s.Features, between}, down: linear{m.Device, between, s.Features},
		normed: m.Alloc(n * s.Features), dnormed: m.Scratch(5, n*s.Features),
		between: m.Alloc(n * between), dbetween: m.Scratch(6, n*between), out: m.Scratch(7, n*s.Features),
	}
}

// forward sets y, which may be x, to x plus the part's output. m are the tokens attended
// to; if it is empty, these are the normalized x.
func (b *part) forward(p *Pass, of Block, y, x, m device.Vec, w []device.Vec, site int) {
	n := x.Len()
	normed, out := b.normed.To(n), b.out.To(n)
	b.norm.forward(normed, x, w)
	if b.attend != nil {
		if m.Len() == 0 {
			m = normed
		}
		b.attend.forward(out, normed, m, p.Rows, w[2:])
	} else {
		between := b.between.To(n / b.width * of.FeedForward)
		b.up.forward(between, normed, w[2:])
		b.dev.Relu(between, between)
		b.down.forward(out, between, w[4:])
	}
	if p.Train && of.Dropout > 0 {
		b.dev.Dropout(out, out, of.Dropout, p.site(of.Site, site))
	}
	b.dev.Add(y, x, out)
}

// backward replaces the gradient of y in dx by that of x, and adds to dm.
func (b *part) backward(p *Pass, of Block, dx, m, dm device.Vec, w, dw []device.Vec, site int) {
	n := dx.Len()
	normed, dnormed, dout := b.normed.To(n), b.dnormed.To(n), dx
	if p.Train && of.Dropout > 0 {
		dout = b.out.To(n)
		b.dev.Dropout(dout, dx, of.Dropout, p.site(of.Site, site))
	}
	switch {
	case b.attend == nil:
		size := n / b.width * of.FeedForward
		between, dbetween := b.between.To(size), b.dbetween.To(size)
		b.down.backward(dbetween, dw[4:], between, dout, w[4:], 0)
		b.dev.ReluGrad(dbetween, between, dbetween)
		b.up.backward(dnormed, dw[2:], normed, dbetween, w[2:], 0)
	case m.Len() == 0:
		b.attend.backward(dnormed, dnormed, 1, dw[2:], normed, normed, dout, p.Rows, w[2:])
	default:
		b.attend.backward(dnormed, dm, 1, dw[2:], normed, m, dout, p.Rows, w[2:])
	}
	b.norm.backward(dnormed, dw, dnormed, w)
	b.dev.Add(dx, dx, dnormed)
}

// An Encoder is a block in which tokens attend to one another, followed by feed-forward
// layers.
//
// Weights: for attention, gains and biases of the norm, then query, key, value and out,
// each width×width and biases; for feed forward, gains and biases, then up and down and
// their biases.
type Encoder struct {
	Block
	Causal bool // a token attends only to itself and those before it

	in      Shape
	dev     device.Device
	attend  part
	forward part
}

// Params implements [Layer].
func (l *Encoder) Params() []Param {
	return append(attendParams("attention.", l.in.Features), forwardParams("feed_forward.", l.in.Features, l.FeedForward)...)
}

// Plan implements [Layer].
func (l *Encoder) Plan(m *Memory, in []Shape) (Shape, error) {
	if err := l.check(1, in); err != nil {
		return Shape{}, err
	}
	l.in, l.dev = in[0], m.Device
	a := newAttention(m, l.in.Features, l.Heads, l.in.Steps, l.in.Steps, l.Causal)
	l.attend = newPart(m, l.in, &a, 0)
	l.forward = newPart(m, l.in, nil, l.FeedForward)
	return l.in, nil
}

// Forward implements [Layer].
func (l *Encoder) Forward(p *Pass, in, w []device.Vec, out device.Vec) {
	l.attend.forward(p, l.Block, out, in[0], device.Vec{}, w, 0)
	l.forward.forward(p, l.Block, out, out, device.Vec{}, w[ofAttention:], 1)
}

// Backward implements [Layer].
func (l *Encoder) Backward(p *Pass, in, w []device.Vec, _, dout device.Vec, din, dw []device.Vec) {
	l.forward.backward(p, l.Block, dout, device.Vec{}, device.Vec{}, w[ofAttention:], dw[ofAttention:], 1)
	l.attend.backward(p, l.Block, dout, device.Vec{}, device.Vec{}, w, dw, 0)
	l.dev.Copy(din[0], dout)
}

// A Decoder is a stack of blocks in which tokens attend to those before them, and then to
// all tokens of another sequence, the second input. Feed-forward layers follow.
//
// Weights: for each block, those of attention, of attention to the other sequence, and
// of feed forward, as in [Encoder].
type Decoder struct {
	Block
	Layers int

	in    []Shape
	dev   device.Device
	parts []part // three for each layer
}

var decoderParts = [...]string{"attention", "memory", "feed_forward"}

// at returns the index of the first parameter of a part.
func (l *Decoder) at(i int) int {
	return i/3*(2*ofAttention+ofFeedForward) + i%3*ofAttention
}

// Params implements [Layer].
func (l *Decoder) Params() []Param {
	var ps []Param
	for i := range 3 * l.Layers {
		name := fmt.Sprintf("%d.%s.", i/3, decoderParts[i%3])
		if i%3 < 2 {
			ps = append(ps, attendParams(name, l.in[0].Features)...)
		} else {
			ps = append(ps, forwardParams(name, l.in[0].Features, l.FeedForward)...)
		}
	}
	return ps
}

// Plan implements [Layer].
func (l *Decoder) Plan(m *Memory, in []Shape) (Shape, error) {
	if err := l.check(2, in); err != nil || l.Layers < 1 {
		return Shape{}, fmt.Errorf("%d layers: %w", l.Layers, err)
	}
	l.in, l.dev = in, m.Device
	width, steps := in[0].Features, in[0].Steps
	for range l.Layers {
		own := newAttention(m, width, l.Heads, steps, steps, true)
		other := newAttention(m, width, l.Heads, steps, in[1].Steps, false)
		l.parts = append(l.parts, newPart(m, in[0], &own, 0), newPart(m, in[0], &other, 0), newPart(m, in[0], nil, l.FeedForward))
	}
	return in[0], nil
}

// memory returns the tokens that part i attends to, v or none.
func memory(i int, v device.Vec) device.Vec {
	if i%3 == 1 {
		return v
	}
	return device.Vec{}
}

// Forward implements [Layer].
func (l *Decoder) Forward(p *Pass, in, w []device.Vec, out device.Vec) {
	x := in[0]
	for i := range l.parts {
		l.parts[i].forward(p, l.Block, out, x, memory(i, in[1]), w[l.at(i):], i)
		x = out
	}
}

// Backward implements [Layer].
func (l *Decoder) Backward(p *Pass, in, w []device.Vec, _, dout device.Vec, din, dw []device.Vec) {
	l.dev.Zero(din[1])
	for i := len(l.parts) - 1; i >= 0; i-- {
		l.parts[i].backward(p, l.Block, dout, memory(i, in[1]), din[1], w[l.at(i):], dw[l.at(i):], i)
	}
	l.dev.Copy(din[0], dout)
}

// Tokens maps each token to one number, linearly. Its output has as many steps as its
// input.
//
// Weights: features×1 and a bias.
type Tokens struct {
	lin linear
	in  Shape
}

// Params implements [Layer].
func (l *Tokens) Params() []Param { return linearParams("", l.in.Features, 1) }

// Plan implements [Layer].
func (l *Tokens) Plan(m *Memory, in []Shape) (Shape, error) {
	if len(in) != 1 {
		return Shape{}, fmt.Errorf("a head of %d inputs", len(in))
	}
	l.in, l.lin = in[0], linear{m.Device, in[0].Features, 1}
	return Shape{l.in.Steps, 1}, nil
}

// Forward implements [Layer].
func (l *Tokens) Forward(_ *Pass, in, w []device.Vec, out device.Vec) { l.lin.forward(out, in[0], w) }

// Backward implements [Layer].
func (l *Tokens) Backward(_ *Pass, in, w []device.Vec, _, dout device.Vec, din, dw []device.Vec) {
	l.lin.backward(din[0], dw, in[0], dout, w, 0)
}
