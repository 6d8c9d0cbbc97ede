package nn_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
	"github.com/attune-hpo/attune/objective/neural/internal/nn"
)

// The networks of testdata/pytorch.py.
var torchNetworks = map[string]func(b *nn.Builder) nn.Value{
	"lstm": func(b *nn.Builder) nn.Value {
		h := b.Apply("lstm.0", &nn.LSTM{Hidden: 5, Bidirectional: true}, b.Input("window", window))
		h = b.Apply("lstm.1", &nn.LSTM{Hidden: 5, Bidirectional: true}, h)
		return b.Apply("head", &nn.Head{Outputs: 2, Reverse: 5}, h)
	},
	"tcn, weight norm": func(b *nn.Builder) nn.Value { return torchTCN(b, false) },
	"tcn, layer norm":  func(b *nn.Builder) nn.Value { return torchTCN(b, true) },
	"transformer, encoder": func(b *nn.Builder) nn.Value {
		return b.Apply("head", &nn.Head{Outputs: 2}, torchEncoder(b))
	},
	"transformer, encoder and decoder": func(b *nn.Builder) nn.Value {
		memory := torchEncoder(b)
		y := b.Apply("steps", &nn.Embed{Width: 8}, b.Input("future", nn.Shape{Steps: 4, Features: 2}))
		y = b.Apply("decoder", &nn.Decoder{Block: nn.Block{Heads: 2, FeedForward: 10}, Layers: 2}, y, memory)
		return b.Apply("head", &nn.Tokens{}, b.Apply("decoder_norm", &nn.Norm{}, y))
	},
}

func torchTCN(b *nn.Builder, layer bool) nn.Value {
	h := b.Apply("tcn.0", &nn.TCNBlock{Channels: 5, Kernel: 3, Dilation: 1, LayerNorm: layer}, b.Input("window", window))
	h = b.Apply("tcn.1", &nn.TCNBlock{Channels: 5, Kernel: 3, Dilation: 4, LayerNorm: layer}, h)
	return b.Apply("head", &nn.Head{Outputs: 2}, h)
}

func torchEncoder(b *nn.Builder) nn.Value {
	of := nn.Block{Heads: 2, FeedForward: 10}
	h := b.Apply("embed", &nn.Embed{Width: 8}, b.Input("window", window))
	h = b.Apply("encoder.0", &nn.Encoder{Block: of}, h)
	h = b.Apply("encoder.1", &nn.Encoder{Block: of, Causal: true}, h)
	return b.Apply("norm", &nn.Norm{}, h)
}

// Outputs and gradients equal those of PyTorch's modules with the same weights. PyTorch
// computes in double precision, so the tolerance covers the rounding of single precision.
func TestPyTorch(t *testing.T) {
	text, err := os.ReadFile("testdata/torch.json")
	require.NoError(t, err)
	var golden struct {
		Rows     int
		Networks []struct {
			Name      string
			Weights   map[string][]float32
			Gradients map[string][]float64
			Inputs    [][]float32
			Truth     []float32
			Output    []float64
			Loss      float64
		}
	}
	require.NoError(t, json.Unmarshal(text, &golden))
	require.Len(t, golden.Networks, len(torchNetworks))
	for _, g := range golden.Networks {
		t.Run(g.Name, func(t *testing.T) {
			b := nn.NewBuilder(&device.CPU{}, golden.Rows+1) // with spare room
			net, err := b.Build(torchNetworks[g.Name](b), device.Loss{Kind: device.Square})
			require.NoError(t, err)
			w := net.Weights.Host()
			require.Len(t, net.Params(), len(g.Weights))
			for at, i := 0, 0; i < len(net.Params()); i++ {
				p := net.Params()[i]
				require.Len(t, g.Weights[p.Name], p.Size(), p.Name)
				copy(w[at:], g.Weights[p.Name])
				at += p.Size()
			}
			in := nn.Batch{Rows: golden.Rows, Inputs: g.Inputs, Truth: g.Truth, Weight: make([]float32, len(g.Truth))}
			for i := range in.Weight {
				in.Weight[i] = 1
			}
			out := make([]float32, len(g.Output))
			require.NoError(t, net.Predict(context.Background(), in, out))
			near(t, g.Output, out, "output")
			loss, err := net.Step(context.Background(), in, 1)
			require.NoError(t, err)
			assert.InEpsilon(t, g.Loss, loss, 1e-5)
			at := 0
			for _, p := range net.Params() {
				near(t, g.Gradients[p.Name], net.Slopes.Host()[at:at+p.Size()], p.Name)
				at += p.Size()
			}
		})
	}
}

// near asserts that no number deviates by more than 1e-5 of the largest.
func near(t *testing.T, want []float64, got []float32, name string) {
	t.Helper()
	require.Len(t, got, len(want), name)
	most, off := 1e-2, 0.0
	for i, v := range want {
		most, off = max(most, math.Abs(v)), max(off, math.Abs(v-float64(got[i])))
	}
	assert.Less(t, off/most, 1e-5, name)
}
