// Package network represents fitted networks as data. It is for programs that write
// networks to other formats, and does not import the code that trains and runs them.
//
// Package neural defines what the layers compute, and makes a [Network] of a forecaster.
package network

import (
	"slices"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/forecast"
)

const pkg fault.Package = "network"

// A Network is a fitted forecaster that outputs all steps at once.
//
// Its input has the shape [window, features]. The features are the target after
// Plan.Transform, minus its last value unless KeepLevel is set, and the columns, past ones
// before those known in advance, each as (v-Shift)/Scale. For the steps to forecast it
// sees the columns known in advance. The last value is added to its output, and then the
// transform is undone.
type Network struct {
	// Plan says how series are read. Its Transform ends with the standardization of the
	// target. The lags of its Features are the window.
	Plan         forecast.Plan
	Window       int
	KeepLevel    bool
	Shift, Scale []float64 // of columns, past ones first
	Body         Body
	Shortcut     bool // has a shortcut.weight, window×horizon, that is linear in the target
	// Weights are single precision. Their names are those of Forecaster.Tensors in
	// package neural. Do not change them.
	Weights map[string]Tensor
}

// A Tensor is a part of the weights. Data is row by row.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Weight returns the tensor of a name. It fails if the tensor is missing or has another shape.
func (n *Network) Weight(name string, shape ...int) (Tensor, error) {
	t, ok := n.Weights[name]
	size := 1
	for _, d := range shape {
		size *= d
	}
	if !ok || !slices.Equal(t.Shape, shape) || len(t.Data) != size {
		return t, pkg.Errorf("weights %q: %d numbers of shape %v, want shape %v", name, len(t.Data), t.Shape, shape)
	}
	return t, nil
}

// A Body says which layers the network has: an [LSTM], a [TCN], a [Transformer] or a
// [Linear].
type Body interface{ body() }

// An LSTM has the layers lstm.0, lstm.1 and so on, and a linear head on their last state.
// Gates are in the order i, f, g, o.
type LSTM struct {
	Hidden, Layers int
	Bidirectional  bool
}

// A TCN has the residual blocks tcn.0, tcn.1 and so on, with dilations 1, 2, 4 …, and a
// linear head on the last step.
type TCN struct {
	Channels  []int // of each block
	Kernel    int
	LayerNorm bool // if false, weights are normalized
}

// A Transformer has the blocks encoder.0, encoder.1 and so on. If DecoderLayers is not 0,
// it has a decoder, whose tokens are the steps of the forecast. Otherwise it has a linear
// head on the last token.
type Transformer struct {
	Width, Heads, FeedForward    int
	EncoderLayers, DecoderLayers int
	Causal                       bool // the encoder is causal; the decoder always is
}

// A Linear is a linear function of the window, step by step, followed by the columns known
// in advance, step by step. It has no Weights.
type Linear forecast.Linear

func (LSTM) body()        {}
func (TCN) body()         {}
func (Transformer) body() {}
func (Linear) body()      {}

// LayerNormEpsilon is added to the variance in layer norms.
const LayerNormEpsilon = 1e-5
