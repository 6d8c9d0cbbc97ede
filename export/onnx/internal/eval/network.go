package eval

import (
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/export/onnx"
)

// manyOps are operators with several outputs.
var manyOps = map[string]func(n *onnx.Node, in []Array) ([]Array, error){
	"LSTM":                  lstm,
	"DynamicQuantizeLSTM":   quantizedLSTM,
	"DynamicQuantizeLinear": dynamicQuantize,
}

// matMul multiplies the matrices of the last two axes; those before are broadcast.
func matMul(_ *onnx.Node, in []Array) (Array, error) {
	a, b := in[0], in[1]
	ra, rb := len(a.Dims), len(b.Dims)
	if ra < 2 || rb < 2 || a.Dims[ra-1] != b.Dims[rb-2] {
		return Array{}, fmt.Errorf("%v by %v", a.Dims, b.Dims)
	}
	batch, err := broadcast(Array{Dims: a.Dims[:ra-2]}, Array{Dims: b.Dims[:rb-2]})
	if err != nil {
		return Array{}, err
	}
	rows, inner, cols := a.Dims[ra-2], a.Dims[ra-1], b.Dims[rb-1]
	// Which matrix of each is multiplied with which.
	numbers := func(dims []int) []float64 {
		at := Array{Dims: dims, Data: make([]float64, size(dims))}
		for i := range at.Data {
			at.Data[i] = float64(i)
		}
		return at.stretch(batch)
	}
	out := Array{Type: a.Type, Dims: append(slices.Clone(batch), rows, cols), Data: make([]float64, size(batch)*rows*cols)}
	ofA, ofB := numbers(a.Dims[:ra-2]), numbers(b.Dims[:rb-2])
	for m := range size(batch) {
		x, y := a.Data[int(ofA[m])*rows*inner:], b.Data[int(ofB[m])*inner*cols:]
		for r := range rows {
			to := out.Data[(m*rows+r)*cols:][:cols]
			for k, v := range x[r*inner : (r+1)*inner] {
				for c, w := range y[k*cols : (k+1)*cols] {
					to[c] += v * w
				}
			}
		}
	}
	return out, nil
}

func layerNorm(n *onnx.Node, in []Array) (Array, error) {
	x, width := in[0], in[0].Dims[len(in[0].Dims)-1]
	if a := integer(n, "axis", -1); axisOf(a, len(x.Dims)) != len(x.Dims)-1 || len(in) != 3 || len(in[1].Data) != width || len(in[2].Data) != width {
		return Array{}, fmt.Errorf("only of the last axis, with gains and biases")
	}
	epsilon := 1e-5
	if v, ok := n.Attr("epsilon").(onnx.Float); ok {
		epsilon = float64(v)
	}
	out := Array{x.Type, x.Dims, make([]float64, len(x.Data))}
	for at := 0; at < len(x.Data); at += width {
		row := x.Data[at : at+width]
		mean, square := 0.0, 0.0
		for _, v := range row {
			mean += v / float64(width)
		}
		for _, v := range row {
			square += (v - mean) * (v - mean) / float64(width)
		}
		for i, v := range row {
			out.Data[at+i] = (v-mean)/math.Sqrt(square+epsilon)*in[1].Data[i] + in[2].Data[i]
		}
	}
	return out, nil
}

// ints returns a list that is an attribute.
func ints(n *onnx.Node, name string, otherwise ...int64) []int64 {
	if v, ok := n.Attr(name).(onnx.Ints); ok {
		return v
	}
	return otherwise
}

func conv(n *onnx.Node, in []Array) (Array, error) {
	x, w := in[0], in[1]
	if len(x.Dims) != 3 || len(w.Dims) != 3 || x.Dims[1] != w.Dims[1] || integer(n, "group", 1) != 1 {
		return Array{}, fmt.Errorf("only over one axis, without groups")
	}
	pads, stride, dilation := ints(n, "pads", 0, 0), int(ints(n, "strides", 1)[0]), int(ints(n, "dilations", 1)[0])
	batch, channels, steps := x.Dims[0], x.Dims[1], x.Dims[2]
	outs, taps := w.Dims[0], w.Dims[2]
	length := (steps+int(pads[0]+pads[1])-dilation*(taps-1)-1)/stride + 1
	out := Array{x.Type, []int{batch, outs, length}, make([]float64, batch*outs*length)}
	for b := range batch {
		for o := range outs {
			to := out.Data[(b*outs+o)*length:][:length]
			if len(in) > 2 && in[2].Data != nil {
				for t := range to {
					to[t] = in[2].Data[o]
				}
			}
			for c := range channels {
				from := x.Data[(b*channels+c)*steps:][:steps]
				for k, v := range w.Data[(o*channels+c)*taps:][:taps] {
					for t := range to {
						if at := t*stride + k*dilation - int(pads[0]); at >= 0 && at < steps {
							to[t] += v * from[at]
						}
					}
				}
			}
		}
	}
	return out, nil
}

// lstm runs an LSTM from a state of 0.
func lstm(n *onnx.Node, in []Array) ([]Array, error) {
	x, w, r := in[0], in[1], in[2]
	if len(in) > 4 || integer(n, "layout", 0) != 0 || n.Attr("activations") != nil {
		return nil, fmt.Errorf("only of a sequence and a state of 0, by the usual activations")
	}
	steps, batch, features := x.Dims[0], x.Dims[1], x.Dims[2]
	directions, h := r.Dims[0], r.Dims[2]
	if w.Dims[2] != features || integer(n, "hidden_size", 0) != h || len(w.Data) != directions*4*h*features || len(r.Data) != directions*4*h*h {
		return nil, fmt.Errorf("weights %v and %v for %v", w.Dims, r.Dims, x.Dims)
	}
	backward := []bool{false, true}[:directions]
	if d, _ := n.Attr("direction").(onnx.String); d == "reverse" {
		backward = []bool{true}
	}
	all := Array{x.Type, []int{steps, directions, batch, h}, make([]float64, steps*directions*batch*h)}
	last := Array{x.Type, []int{directions, batch, h}, make([]float64, directions*batch*h)}
	cells := Array{x.Type, last.Dims, make([]float64, directions*batch*h)}
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for d, back := range backward {
		for b := range batch {
			state, cell, gates := last.Data[(d*batch+b)*h:][:h], cells.Data[(d*batch+b)*h:][:h], make([]float64, 4*h)
			for s := range steps {
				t := s
				if back {
					t = steps - 1 - s
				}
				for j := range gates {
					sum := 0.0
					if len(in) > 3 {
						sum = in[3].Data[d*8*h+j] + in[3].Data[d*8*h+4*h+j]
					}
					for k, v := range x.Data[(t*batch+b)*features:][:features] {
						sum += v * w.Data[(d*4*h+j)*features+k]
					}
					for k, v := range state {
						sum += v * r.Data[(d*4*h+j)*h+k]
					}
					gates[j] = sum
				}
				for j := range h { // i, o, f, c
					cell[j] = sigmoid(gates[2*h+j])*cell[j] + sigmoid(gates[j])*math.Tanh(gates[3*h+j])
					state[j] = sigmoid(gates[h+j]) * math.Tanh(cell[j])
				}
				copy(all.Data[((t*directions+d)*batch+b)*h:][:h], state)
			}
		}
	}
	return []Array{all, last, cells}, nil
}
