package onnx

import (
	"fmt"
	"math"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural/network"
)

// A net is a network under construction.
type net struct {
	*forecaster
	n *network.Network
}

// network returns the output of a network, [batch, horizon] DOUBLE, before the transform is undone.
func (f *forecaster) network(n *network.Network) Value {
	g := net{f, n}
	w, horizon := n.Window, f.plan.Horizon
	z, level := f.z, f.Slice(f.z, 1, w-1, w)
	if !n.KeepLevel {
		z = f.Op("Sub", nil, z, level)
	}
	window := f.Op("Unsqueeze", nil, z, f.Integers(2))
	var future Value // none without columns known in advance
	past := len(f.plan.Past)
	if past > 0 {
		window = f.Concat(2, window, f.Scale(f.past, n.Shift[:past], n.Scale[:past]))
	}
	if f.known.name != "" {
		known := f.Scale(f.known, n.Shift[past:], n.Scale[past:])
		window, future = f.Concat(2, window, f.Slice(known, 1, 0, w)), f.Slice(known, 1, w, w+horizon)
	}
	features := window.Width()
	window = f.Reshape(window, 0, int64(w*features))
	seen := window
	if future.name != "" {
		future = f.Reshape(future, 0, int64(horizon*len(f.plan.Known)))
		seen = f.Concat(1, seen, future)
	}
	// A NaN in a row must give no forecast, in any runtime and with any quantization: so 0 or NaN is added to the
	// forecast. The network gets zeros instead of the row, so that other rows are not affected.
	missing := f.Op("Mul", nil, f.Op("ReduceSum", nil, seen, f.Integers(-1)), f.Number(seen, 0))
	var out Value
	if l, ok := n.Body.(network.Linear); ok {
		out = f.Linear(forecast.Linear(l), seen)
	} else {
		whole := f.Op("Equal", nil, missing, f.Number(missing, 0))
		clean := func(v Value) Value { return f.Cast(f.Op("Where", nil, whole, v, f.Number(v, 0)), Float32) }
		window = f.Reshape(clean(window), 0, int64(w), int64(features))
		if future.name != "" {
			future = clean(future)
		}
		switch body := n.Body.(type) {
		case network.LSTM:
			out = g.head(g.lstm(body, window), future)
		case network.TCN:
			out = g.head(g.tcn(body, window), future)
		case network.Transformer:
			out = g.transformer(body, window, future)
		default:
			f.fail("forecaster: a network of %T: %w", n.Body, ErrUnsupported)
		}
		if n.Shortcut {
			out = f.Op("Add", nil, out, f.Op("MatMul", nil, clean(z), g.weight("shortcut.weight", w, horizon)))
		}
		out = f.Cast(out, Float64)
	}
	if !n.KeepLevel {
		out = f.Op("Add", nil, out, level)
	}
	return f.Op("Add", nil, out, missing)
}

// tensor returns weights of a shape.
func (g *net) tensor(name string, shape ...int) []float32 {
	t, err := g.n.Weight(name, shape...)
	if err != nil {
		g.fail("forecaster: %w: %w", ErrInvalid, err)
		size := 1
		for _, d := range shape {
			size *= d
		}
		return make([]float32, size)
	}
	return t.Data
}

func (b *Builder) floats32(x []float32, shape ...int) Value {
	dims := make([]int64, len(shape))
	for i, d := range shape {
		dims[i] = int64(d)
	}
	return b.Const(NewTensor("", x, dims...))
}

func (g *net) weight(name string, shape ...int) Value {
	return g.floats32(g.tensor(name, shape...), shape...)
}

// linear returns x·W + b.
func (g *net) linear(name string, x Value, in, out int) Value {
	return g.Op("Add", nil, g.Op("MatMul", nil, x, g.weight(name+".weight", in, out)), g.weight(name+".bias", out))
}

// pick returns one index of an axis, and removes the axis.
func (b *Builder) pick(v Value, axis, i int) Value {
	return b.Op("Gather", []Attr{{"axis", Int(axis)}}, v, b.Const(Scalar("", int64(i))))
}

func (b *Builder) transpose(v Value, perm ...int64) Value {
	return b.Op("Transpose", []Attr{{"perm", Ints(perm)}}, v)
}

// head returns the steps of the forecast, linear in features [batch, n] and in the
// future.
func (g *net) head(x, future Value) Value {
	horizon := g.plan.Horizon
	out := g.linear("head", x, max(0, x.Width()), horizon)
	if future.name != "" {
		out = g.Op("Add", nil, out, g.Op("MatMul", nil, future, g.weight("head.weight_future", future.Width(), horizon)))
	}
	return out
}

// lstm returns the last states of the last layer, of both directions: [batch, n].
func (g *net) lstm(l network.LSTM, window Value) Value {
	names, direction := []string{""}, "forward"
	if l.Bidirectional {
		names, direction = []string{"", "_reverse"}, "bidirectional"
	}
	h, d := l.Hidden, len(names)
	x := g.transpose(window, 1, 0, 2)
	for i := range l.Layers {
		in := x.Width()
		var w, r, bias []float32
		for _, of := range names {
			name := func(tensor string) string { return fmt.Sprintf("lstm.%d.%s%s", i, tensor, of) }
			w = append(w, gates(g.tensor(name("weight_input"), in, 4*h), in, h)...)
			r = append(r, gates(g.tensor(name("weight_hidden"), h, 4*h), h, h)...)
			bias = append(append(bias, gates(g.tensor(name("bias"), 4*h), 1, h)...), make([]float32, 4*h)...)
		}
		out := g.Node(Node{Op: "LSTM", Attrs: []Attr{{"direction", String(direction)}, {"hidden_size", Int(h)}}}, 2,
			x, g.floats32(w, d, 4*h, in), g.floats32(r, d, 4*h, h), g.floats32(bias, d, 8*h))
		if i == l.Layers-1 {
			return g.Reshape(g.transpose(out[1], 1, 0, 2), 0, int64(d*h))
		}
		x = g.Reshape(g.transpose(out[0], 0, 2, 1, 3), 0, 0, int64(d*h)) // of [steps, directions, batch, hidden]
		if g.err != nil {
			break
		}
	}
	return x
}

// gates turns weights rows×4·hidden with the gates in the order i, f, g, o to the order
// i, o, f, g, and the matrix on its side: 4·hidden×rows.
func gates(w []float32, rows, hidden int) []float32 {
	out := make([]float32, 0, len(w))
	for _, gate := range []int{0, 3, 1, 2} {
		for j := range hidden {
			for r := range rows {
				out = append(out, w[r*4*hidden+gate*hidden+j])
			}
		}
	}
	return out
}

// tcn returns the last step of the last block: [batch, channels].
func (g *net) tcn(t network.TCN, window Value) Value {
	steps := g.n.Window
	x := g.transpose(window, 0, 2, 1) // [batch, channels, steps]
	in := window.Width()
	for i, channels := range t.Channels {
		name, dilation := fmt.Sprintf("tcn.%d.", i), 1<<i
		h := g.conv(t, name+"conv1.", x, in, channels, dilation)
		h = g.conv(t, name+"conv2.", h, channels, channels, dilation)
		if in != channels {
			w := g.tensor(name+"residual.weight", in, channels)
			side := make([]float32, 0, len(w))
			for o := range channels {
				for c := range in {
					side = append(side, w[c*channels+o])
				}
			}
			x = g.Op("Conv", []Attr{{"kernel_shape", Ints{1}}}, x, g.floats32(side, channels, in, 1), g.weight(name+"residual.bias", channels))
		}
		x, in = g.Op("Relu", nil, g.Op("Add", nil, h, x)), channels
	}
	return g.pick(x, 2, steps-1)
}

// conv returns a causal convolution, with its norm and a ReLU.
func (g *net) conv(t network.TCN, name string, x Value, in, channels, dilation int) Value {
	w, bias := g.tensor(name+"weight", t.Kernel, in, channels), g.weight(name+"bias", channels)
	scale := make([]float32, channels)
	for o := range scale {
		scale[o] = 1
	}
	if !t.LayerNorm {
		gain, sums := g.tensor(name+"gain", channels), make([]float32, channels)
		for i, v := range w {
			sums[i%channels] += v * v
		}
		for o, s := range sums {
			scale[o] = gain[o] / float32(math.Sqrt(float64(s)))
		}
	}
	// Taps before the window have no effect.
	taps := min(t.Kernel, (g.n.Window-1)/dilation+1)
	side := make([]float32, 0, len(w))
	for o := range channels {
		for c := range in {
			for k := t.Kernel - taps; k < t.Kernel; k++ {
				side = append(side, w[(k*in+c)*channels+o]*scale[o])
			}
		}
	}
	y := g.Op("Conv", []Attr{{"dilations", Ints{int64(dilation)}}, {"kernel_shape", Ints{int64(taps)}}, {"pads", Ints{int64((taps - 1) * dilation), 0}}},
		x, g.floats32(side, channels, in, taps), bias)
	if t.LayerNorm {
		y = g.norm(name+"norm_", g.transpose(y, 0, 2, 1))
		y = g.transpose(y, 0, 2, 1)
	}
	return g.Op("Relu", nil, y)
}

// norm returns a layer norm of the last axis.
func (g *net) norm(name string, x Value) Value {
	width := max(0, x.Width())
	return g.Op("LayerNormalization", []Attr{{"axis", Int(-1)}, {"epsilon", Float(network.LayerNormEpsilon)}},
		x, g.weight(name+"gain", width), g.weight(name+"bias", width))
}

// transformer returns the steps of the forecast: [batch, horizon].
func (g *net) transformer(t network.Transformer, window, future Value) Value {
	steps, horizon := g.n.Window, g.plan.Horizon
	x := g.embed("embed", window, steps, t.Width)
	for i := range t.EncoderLayers {
		name := fmt.Sprintf("encoder.%d.", i)
		normed := g.norm(name+"attention.norm.", x)
		asks := normed
		causal := t.Causal
		if t.DecoderLayers == 0 && i == t.EncoderLayers-1 {
			// Only the last token is used, which attends to all.
			asks, x, causal = g.Slice(asks, 1, steps-1, steps), g.Slice(x, 1, steps-1, steps), false
		}
		x = g.Op("Add", nil, x, g.attend(t, name+"attention.", asks, normed, causal))
		x = g.feedForward(t, name+"feed_forward.", x)
	}
	x = g.norm("encoder.norm.", x)
	if t.DecoderLayers == 0 {
		return g.head(g.Reshape(x, 0, int64(t.Width)), future)
	}
	if future.name != "" {
		future = g.Reshape(future, 0, int64(horizon), int64(len(g.plan.Known)))
	}
	y := g.embed("steps", future, horizon, t.Width)
	for i := range t.DecoderLayers {
		name := fmt.Sprintf("decoder.%d.", i)
		normed := g.norm(name+"attention.norm.", y)
		y = g.Op("Add", nil, y, g.attend(t, name+"attention.", normed, normed, true))
		y = g.Op("Add", nil, y, g.attend(t, name+"memory.", g.norm(name+"memory.norm.", y), x, false))
		y = g.feedForward(t, name+"feed_forward.", y)
	}
	return g.Reshape(g.linear("head", g.norm("decoder.norm.", y), t.Width, 1), 0, int64(horizon))
}

// embed returns tokens [batch, steps, width], with their positions added. Without features they are the same for the
// whole batch: [1, steps, width].
func (g *net) embed(name string, x Value, steps, width int) Value {
	at := make([]float32, steps*width)
	bias := g.tensor(name+".bias", width)
	for i := range at {
		angle := float64(i/width) / math.Pow(10000, float64(i%width/2*2)/float64(width))
		at[i] = bias[i%width] + float32(math.Sin(angle+float64(i%width%2)*math.Pi/2))
	}
	places := g.floats32(at, 1, steps, width)
	if x.name == "" {
		return places
	}
	return g.Op("Add", nil, g.Op("MatMul", nil, x, g.weight(name+".weight", x.Width(), width)), places)
}

func (g *net) feedForward(t network.Transformer, name string, x Value) Value {
	between := g.Op("Relu", nil, g.linear(name+"up", g.norm(name+"norm.", x), t.Width, t.FeedForward))
	return g.Op("Add", nil, x, g.linear(name+"down", between, t.FeedForward, t.Width))
}

// attend returns the attention of tokens x to tokens m. If causal, x is m, and a token attends only to itself and
// earlier ones.
func (g *net) attend(t network.Transformer, name string, x, m Value, causal bool) Value {
	var q, k, v Value
	if x.name == m.name {
		all := g.project(t, name, x, "query", "key", "value")
		q, k, v = all[0], all[1], all[2]
	} else {
		both := g.project(t, name, m, "key", "value")
		q, k, v = g.project(t, name, x, "query")[0], both[0], both[1]
	}
	scores := g.Op("MatMul", nil, q, g.transpose(k, 0, 1, 3, 2))
	asks := int(tokens(x))
	if causal {
		mask := make([]float32, asks*asks)
		for i := range mask {
			if i%asks > i/asks {
				mask[i] = -1e30 // its exponential is 0, and it is finite
			}
		}
		scores = g.Op("Add", nil, scores, g.floats32(mask, asks, asks))
	}
	of := g.Op("MatMul", nil, g.Op("Softmax", []Attr{{"axis", Int(-1)}}, scores), v)
	return g.linear(name+"out", g.Reshape(g.transpose(of, 0, 2, 1, 3), 0, int64(asks), int64(t.Width)), t.Width, t.Width)
}

// tokens returns the number of tokens in [batch, tokens, width].
func tokens(x Value) int64 {
	if len(x.Dims) != 3 {
		return 0
	}
	return x.Dims[1].Size
}

// project returns linear functions of tokens, computed in one multiplication, by head: each [batch, heads, tokens,
// width of a head]. Queries are divided by the square root of that width.
func (g *net) project(t network.Transformer, name string, x Value, of ...string) []Value {
	width, n := t.Width, len(of)
	w, bias := make([]float32, width*n*width), make([]float32, n*width)
	for i, part := range of {
		scale := float32(1)
		if part == "query" {
			scale = float32(1 / math.Sqrt(float64(width/t.Heads)))
		}
		for at, v := range g.tensor(name+part+".weight", width, width) {
			w[at/width*n*width+i*width+at%width] = v * scale
		}
		for at, v := range g.tensor(name+part+".bias", width) {
			bias[i*width+at] = v * scale
		}
	}
	all := g.Op("Add", nil, g.Op("MatMul", nil, x, g.floats32(w, width, n*width)), g.floats32(bias, n*width))
	heads := g.Reshape(all, 0, tokens(x), int64(n), int64(t.Heads), int64(width/t.Heads))
	heads = g.transpose(heads, 2, 0, 3, 1, 4)
	out := make([]Value, n)
	for i := range out {
		out[i] = g.pick(heads, 0, i)
	}
	return out
}
