package onnx

import (
	"errors"
	"fmt"
	"slices"
)

// A rule infers the outputs of a node. Omitted inputs are zero facts, and there are at least as many as least.
type rule struct {
	least int
	infer func(n *Node, in []fact) ([]fact, error)
}

// rules has the operators whose outputs can be inferred.
var rules = map[string]rule{
	"Abs": {1, inferSame}, "Ceil": {1, inferSame}, "Floor": {1, inferSame}, "Round": {1, inferSame},
	"Neg": {1, inferSame}, "Reciprocal": {1, inferSame}, "Exp": {1, inferSame}, "Log": {1, inferSame},
	"Sqrt": {1, inferSame}, "Sign": {1, inferSame}, "Sin": {1, inferSame}, "Cos": {1, inferSame},
	"Sigmoid": {1, inferSame}, "Tanh": {1, inferSame}, "Relu": {1, inferSame}, "LeakyRelu": {1, inferSame},
	"Elu": {1, inferSame}, "Selu": {1, inferSame}, "HardSigmoid": {1, inferSame}, "HardSwish": {1, inferSame},
	"Erf": {1, inferSame}, "Gelu": {1, inferSame}, "Mish": {1, inferSame}, "Softplus": {1, inferSame},
	"Softsign": {1, inferSame}, "Softmax": {1, inferSame}, "LogSoftmax": {1, inferSame},
	"Identity": {1, inferSame}, "Clip": {1, inferSame}, "Dropout": {1, inferSame},
	"LayerNormalization": {1, inferSame}, "CumSum": {2, inferSame},

	"Not": {1, inferTest}, "IsNaN": {1, inferTest}, "IsInf": {1, inferTest},

	"Add": {2, inferElementwise}, "Sub": {2, inferElementwise}, "Mul": {2, inferElementwise},
	"Div": {2, inferElementwise}, "Mod": {2, inferElementwise}, "PRelu": {2, inferElementwise},
	"Max": {1, inferElementwise}, "Min": {1, inferElementwise}, "Sum": {1, inferElementwise},
	"Mean": {1, inferElementwise},

	"And": {2, inferComparison}, "Or": {2, inferComparison}, "Xor": {2, inferComparison},
	"ArgMax": {1, inferArgMax}, "TopK": {2, inferTopK}, "StringNormalizer": {1, inferSame}, "StringConcat": {2, inferConcatTexts}, "RegexFullMatch": {1, inferTest}, "TfIdfVectorizer": {1, inferTfIdf}, "Equal": {2, inferComparison}, "Less": {2, inferComparison}, "LessOrEqual": {2, inferComparison},
	"Greater": {2, inferComparison}, "GreaterOrEqual": {2, inferComparison},
	"Pow": {2, inferPow}, "Where": {3, inferWhere},

	"ReduceSum": {1, inferReduce}, "ReduceMean": {1, inferReduce}, "ReduceMax": {1, inferReduce},
	"ReduceMin": {1, inferReduce}, "ReduceProd": {1, inferReduce}, "ReduceL1": {1, inferReduce},
	"ReduceL2": {1, inferReduce}, "ReduceLogSum": {1, inferReduce}, "ReduceLogSumExp": {1, inferReduce},
	"ReduceSumSquare": {1, inferReduce},

	"Cast": {1, inferCast}, "Constant": {0, inferConstant}, "Shape": {1, inferShape},
	"Concat": {1, inferConcat}, "Gather": {2, inferGather}, "GatherElements": {2, inferGatherElements}, "ScatterElements": {3, inferSame},
	"Reshape": {2, inferReshape}, "Expand": {2, inferExpand}, "Transpose": {1, inferTranspose},
	"Unsqueeze": {1, inferUnsqueeze}, "Squeeze": {1, inferSqueeze}, "Slice": {1, inferSlice},

	"MatMul": {2, inferMatMul}, "Gemm": {2, inferGemm}, "LSTM": {3, inferLSTM}, "Conv": {2, inferConv},

	"Scan": {1, inferScan}, "Range": {3, inferRange},

	"DynamicQuantizeLinear": {1, inferDynamicQuantize}, "QuantizeLinear": {2, inferQuantize},
	"DequantizeLinear": {2, inferDequantize}, "MatMulInteger": {2, inferMatMulInteger},
}

// inferSame infers an operator whose output has the type and dimensions of its first input.
func inferSame(_ *Node, in []fact) ([]fact, error) {
	return []fact{{in[0].typ, in[0].dims, nil}}, nil
}

// inferTest infers a test of each element.
func inferTest(_ *Node, in []fact) ([]fact, error) {
	return []fact{{Bool, in[0].dims, nil}}, nil
}

func inferElementwise(_ *Node, in []fact) ([]fact, error) { return elementwise(0, in...) }

func inferComparison(_ *Node, in []fact) ([]fact, error) { return elementwise(Bool, in...) }

// inferPow infers a power, whose exponent may be of another type.
func inferPow(_ *Node, in []fact) ([]fact, error) {
	in[1].typ = in[0].typ
	return elementwise(0, in...)
}

func inferWhere(_ *Node, in []fact) ([]fact, error) {
	if in[0].typ != 0 && in[0].typ != Bool {
		return nil, fmt.Errorf("the condition is %v, not %v", in[0].typ, Bool)
	}
	out, err := elementwise(0, in[1:]...)
	if err != nil {
		return nil, err
	}
	out[0].dims, err = broadcast(out[0].dims, in[0].dims)
	return out, err
}

func inferCast(n *Node, in []fact) ([]fact, error) {
	to, ok := n.Attr("to").(Int)
	if !ok {
		return nil, errors.New("no attribute to")
	}
	return []fact{{DataType(to), in[0].dims, nil}}, nil
}

func inferConstant(n *Node, _ []fact) ([]fact, error) {
	if t, ok := n.Attr("value").(Tensor); ok {
		return []fact{factOf(&t)}, nil
	}
	return make([]fact, 1), nil
}

func inferShape(n *Node, in []fact) ([]fact, error) {
	out := fact{typ: Int64, dims: []Dim{Unknown}}
	if !in[0].ranked() || n.Attrs != nil {
		return []fact{out}, nil
	}
	out.dims = Fixed(int64(len(in[0].dims)))
	sizes := make([]int64, len(in[0].dims))
	for i, d := range in[0].dims {
		if !d.known() {
			return []fact{out}, nil
		}
		sizes[i] = d.Size
	}
	t := NewTensor("", sizes)
	out.value = &t
	return []fact{out}, nil
}

func inferGatherElements(_ *Node, in []fact) ([]fact, error) {
	return []fact{{in[0].typ, in[1].dims, nil}}, nil
}

func inferExpand(_ *Node, in []fact) ([]fact, error) {
	out := fact{typ: in[0].typ}
	to, ok := in[1].ints()
	if !ok {
		return []fact{out}, nil
	}
	var err error
	out.dims, err = broadcast(in[0].dims, Fixed(to...))
	return []fact{out}, err
}

// inferTopK infers the largest numbers along an axis and their places.
func inferTopK(n *Node, in []fact) ([]fact, error) {
	values := fact{typ: in[0].typ}
	if k, ok := in[1].ints(); ok && len(k) == 1 && in[0].ranked() {
		axis := int(attrInteger(n, "axis", -1))
		if axis < 0 {
			axis += len(in[0].dims)
		}
		if axis < 0 || axis >= len(in[0].dims) {
			return nil, fmt.Errorf("axis %d of %d", axis, len(in[0].dims))
		}
		values.dims = slices.Clone(in[0].dims)
		values.dims[axis] = Dim{Size: k[0]}
	}
	return []fact{values, {typ: Int64, dims: values.dims}}, nil
}

func inferArgMax(n *Node, in []fact) ([]fact, error) {
	out := fact{typ: Int64}
	if !in[0].ranked() || attrInteger(n, "keepdims", 1) == 0 {
		return []fact{out}, nil
	}
	along, err := axis(attrInteger(n, "axis", 0), len(in[0].dims))
	if err != nil {
		return nil, err
	}
	out.dims = slices.Clone(in[0].dims)
	out.dims[along] = Dim{Size: 1}
	return []fact{out}, nil
}

func inferTranspose(n *Node, in []fact) ([]fact, error) {
	out := fact{typ: in[0].typ}
	if !in[0].ranked() {
		return []fact{out}, nil
	}
	perm, ok := n.Attr("perm").(Ints)
	if !ok {
		for i := range in[0].dims {
			perm = append(perm, int64(len(in[0].dims)-1-i))
		}
	}
	if len(perm) != len(in[0].dims) {
		return nil, fmt.Errorf("perm of %d for %d dimensions", len(perm), len(in[0].dims))
	}
	for i, p := range perm {
		if p < 0 || p >= int64(len(perm)) || slices.Contains(perm[:i], p) {
			return nil, fmt.Errorf("perm %v is not a permutation", perm)
		}
		out.dims = append(out.dims, in[0].dims[p])
	}
	return []fact{out}, nil
}

func inferDynamicQuantize(_ *Node, in []fact) ([]fact, error) {
	return []fact{{Uint8, in[0].dims, nil}, {Float32, []Dim{}, nil}, {Uint8, []Dim{}, nil}}, nil
}

func inferQuantize(n *Node, in []fact) ([]fact, error) {
	out := fact{typ: Uint8, dims: in[0].dims}
	if len(in) > 2 {
		out.typ = in[2].typ
	}
	return []fact{out}, scales(n, in[0].dims, in[1:])
}

func inferDequantize(n *Node, in []fact) ([]fact, error) {
	if len(in) > 2 && in[0].typ != 0 && in[2].typ != 0 && in[0].typ != in[2].typ {
		return nil, fmt.Errorf("elements of type %v with a zero point of %v", in[0].typ, in[2].typ)
	}
	return []fact{{in[1].typ, in[0].dims, nil}}, scales(n, in[0].dims, in[1:])
}

func inferMatMulInteger(n *Node, in []fact) ([]fact, error) {
	for i, f := range in {
		if f.typ != 0 && f.typ != Uint8 && f.typ != Int8 {
			return nil, fmt.Errorf("input %d has elements of type %v", i, f.typ)
		}
	}
	in[0].typ, in[1].typ = Int32, Int32
	return inferMatMul(n, in)
}
