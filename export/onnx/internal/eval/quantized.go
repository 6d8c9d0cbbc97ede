package eval

import (
	"fmt"
	"math"

	"github.com/attune-hpo/attune/export/onnx"
)

// half returns the number that 16 bits stand for.
func half(b uint16) float64 {
	sign, exponent, mantissa := 1-2*float64(b>>15), int(b>>10&31), float64(b&1023)
	switch exponent {
	case 0:
		return sign * math.Ldexp(mantissa, -24)
	case 31:
		if mantissa != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+mantissa, exponent-25)
}

// along returns which element of a scale or zero point is of element i of an array.
func along(n *onnx.Node, x, of Array, i int) int {
	if len(of.Data) == 1 {
		return 0
	}
	_, size, after := split(x.Dims, axisOf(integer(n, "axis", 1), len(x.Dims)))
	return i / after % size
}

func quantize(n *onnx.Node, in []Array) (Array, error) {
	x, scale := in[0], in[1]
	low, high := 0.0, 255.0
	out := Array{onnx.Uint8, x.Dims, make([]float64, len(x.Data))}
	if len(in) > 2 && in[2].Type == onnx.Int8 {
		out.Type, low, high = onnx.Int8, -128, 127
	}
	for i, v := range x.Data {
		at, zero := along(n, x, scale, i), 0.0
		if len(in) > 2 {
			zero = in[2].Data[at]
		}
		out.Data[i] = min(max(math.RoundToEven(float64(float32(v)/float32(scale.Data[at])))+zero, low), high)
	}
	return out, nil
}

func dequantize(n *onnx.Node, in []Array) (Array, error) {
	x, scale := in[0], in[1]
	out := Array{scale.Type, x.Dims, make([]float64, len(x.Data))}
	for i, v := range x.Data {
		at := along(n, x, scale, i)
		if len(in) > 2 {
			v -= in[2].Data[at]
		}
		out.Data[i] = v * scale.Data[at]
	}
	return out, nil
}

// dynamicQuantize gives an array as bytes, their scale and the byte that stands for 0.
func dynamicQuantize(n *onnx.Node, in []Array) ([]Array, error) {
	low, high := 0.0, 0.0
	for _, v := range in[0].Data {
		low, high = min(low, v), max(high, v)
	}
	scale := Array{onnx.Float32, nil, []float64{(high - low) / 255}}.rounded()
	if high == low {
		scale.Data[0] = 1
	}
	zero := Array{onnx.Uint8, nil, []float64{min(max(math.RoundToEven(-low/scale.Data[0]), 0), 255)}}
	out, err := quantize(n, []Array{in[0], scale, zero})
	return []Array{out, scale, zero}, err
}

func matMulInteger(n *onnx.Node, in []Array) (Array, error) {
	less := func(x Array, zero int) (Array, error) {
		out := Array{onnx.Int32, x.Dims, make([]float64, len(x.Data))}
		copy(out.Data, x.Data)
		if len(in) > zero {
			if len(in[zero].Data) != 1 {
				return out, fmt.Errorf("only with one zero point for all")
			}
			for i := range out.Data {
				out.Data[i] -= in[zero].Data[0]
			}
		}
		return out, nil
	}
	a, err := less(in[0], 2)
	if err != nil {
		return a, err
	}
	b, err := less(in[1], 3)
	if err != nil {
		return b, err
	}
	return matMul(n, []Array{a, b})
}

// quantizedLSTM runs an LSTM with the weights that the bytes stand for. The runtime
// makes bytes of the inputs and of the states too, which is left out here.
func quantizedLSTM(n *onnx.Node, in []Array) ([]Array, error) {
	weights := func(q, scale, zero Array) Array { // [directions, rows, 4·hidden] to [directions, 4·hidden, rows]
		directions, rows, cols := q.Dims[0], q.Dims[1], q.Dims[2]
		out := Array{onnx.Float32, []int{directions, cols, rows}, make([]float64, len(q.Data))}
		for i, v := range q.Data {
			d, r, c := i/cols/rows, i/cols%rows, i%cols
			at := d
			if len(scale.Data) == directions*cols {
				at = d*cols + c
			}
			out.Data[(d*cols+c)*rows+r] = (v - zero.Data[at]) * scale.Data[at]
		}
		return out
	}
	return lstm(n, []Array{in[0], weights(in[1], in[8], in[9]), weights(in[2], in[10], in[11]), in[3]})
}
