package nn_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
	"github.com/attune-hpo/attune/objective/neural/internal/nn"
)

// A network is a small network of each kind, for batches of at most 5 rows.
type network struct {
	name    string
	dropout float32
	build   func(b *nn.Builder) nn.Value
}

var window = nn.Shape{Steps: 7, Features: 3}

func networks() []network {
	return []network{
		{"head", 0, func(b *nn.Builder) nn.Value {
			return b.Apply("head", &nn.Head{Outputs: 4}, b.Input("window", window))
		}},
		{"head with a future", 0, func(b *nn.Builder) nn.Value {
			return b.Apply("head", &nn.Head{Outputs: 4}, b.Input("window", window), b.Input("future", nn.Shape{Steps: 1, Features: 6}))
		}},
		{"lstm", 0, func(b *nn.Builder) nn.Value {
			h := b.Apply("lstm", &nn.LSTM{Hidden: 5}, b.Input("window", window))
			return b.Apply("head", &nn.Head{Outputs: 2}, h)
		}},
		{"head and shortcut", 0, func(b *nn.Builder) nn.Value {
			x := b.Input("window", window)
			return b.Apply("shortcut", &nn.Shortcut{}, b.Apply("head", &nn.Head{Outputs: 4}, x), x)
		}},
		{"tokens and shortcut", 0, func(b *nn.Builder) nn.Value {
			x, future := b.Input("window", window), b.Input("future", nn.Shape{Steps: 4, Features: 2})
			return b.Apply("shortcut", &nn.Shortcut{}, b.Apply("tokens", &nn.Tokens{}, future), x)
		}},
		{"lstm, two layers both ways, dropout", 0.3, func(b *nn.Builder) nn.Value {
			h := b.Apply("lstm.0", &nn.LSTM{Hidden: 4, Bidirectional: true, Dropout: 0.3, Site: 1}, b.Input("window", window))
			h = b.Apply("lstm.1", &nn.LSTM{Hidden: 3, Bidirectional: true, Dropout: 0.3, Site: 2}, h)
			return b.Apply("head", &nn.Head{Outputs: 2, Reverse: 3}, h)
		}},
		{"tcn, weight norm", 0, func(b *nn.Builder) nn.Value {
			h := b.Apply("tcn.0", &nn.TCNBlock{Channels: 5, Kernel: 3, Dilation: 1}, b.Input("window", window))
			h = b.Apply("tcn.1", &nn.TCNBlock{Channels: 5, Kernel: 3, Dilation: 2}, h)
			return b.Apply("head", &nn.Head{Outputs: 2}, h)
		}},
		{"tcn, layer norm, dropout, taps before the window", 0.3, func(b *nn.Builder) nn.Value {
			h := b.Apply("tcn.0", &nn.TCNBlock{Channels: 4, Kernel: 2, Dilation: 1, LayerNorm: true, Dropout: 0.3, Site: 1}, b.Input("window", window))
			h = b.Apply("tcn.1", &nn.TCNBlock{Channels: 6, Kernel: 3, Dilation: 4, LayerNorm: true, Dropout: 0.3, Site: 2}, h)
			return b.Apply("head", &nn.Head{Outputs: 2}, h)
		}},
		{"transformer, encoder", 0, func(b *nn.Builder) nn.Value {
			h := b.Apply("embed", &nn.Embed{Width: 8}, b.Input("window", window))
			h = b.Apply("encoder.0", &nn.Encoder{Block: nn.Block{Heads: 2, FeedForward: 10}}, h)
			h = b.Apply("encoder.1", &nn.Encoder{Block: nn.Block{Heads: 4, FeedForward: 6}, Causal: true}, h)
			h = b.Apply("norm", &nn.Norm{}, h)
			return b.Apply("head", &nn.Head{Outputs: 2}, h)
		}},
		{"transformer, encoder and decoder, dropout", 0.3, func(b *nn.Builder) nn.Value {
			of := nn.Block{Heads: 2, FeedForward: 7, Dropout: 0.3, Site: 3}
			h := b.Apply("embed", &nn.Embed{Width: 10, Dropout: 0.3, Site: 1}, b.Input("window", window))
			h = b.Apply("encoder.0", &nn.Encoder{Block: of}, h)
			memory := b.Apply("memory", &nn.Norm{}, h)
			of.Site = 4
			h = b.Apply("steps", &nn.Embed{Width: 10, Dropout: 0.3, Site: 2}, b.Input("future", nn.Shape{Steps: 4, Features: 2}))
			h = b.Apply("decoder", &nn.Decoder{Block: of, Layers: 1}, h, memory)
			return b.Apply("head", &nn.Tokens{}, b.Apply("norm", &nn.Norm{}, h))
		}},
	}
}

func (n network) make(t testing.TB) *nn.Net {
	t.Helper()
	b := nn.NewBuilder(&device.CPU{}, 5)
	net, err := b.Build(n.build(b), device.Loss{Kind: device.Square})
	require.NoError(t, err)
	net.Init(1)
	r := rand.New(rand.NewPCG(3, 3)) // so that no bias is 0 and no gain 1
	w := net.Weights.Host()
	for i := range w {
		w[i] += float32(0.1 * r.NormFloat64())
	}
	return net
}

// Weights depend on the seed, and differ between tensors.
func TestInit(t *testing.T) {
	b := nn.NewBuilder(&device.CPU{}, 1)
	h := b.Apply("a", &nn.LSTM{Hidden: 8}, b.Input("window", nn.Shape{Steps: 2, Features: 8}))
	net, err := b.Build(b.Apply("b", &nn.LSTM{Hidden: 8}, h), device.Loss{Kind: device.Square})
	require.NoError(t, err)
	weights := func(seed uint64) []float32 {
		net.Init(seed)
		return append([]float32{}, net.Weights.Host()...)
	}
	w := weights(1)
	assert.Equal(t, w, weights(1))
	other := weights(2)
	const n, cells = 8 * 32, 2*8*32 + 32 // sizes of a tensor and of a layer
	random := map[string][]float32{"a input": w[:n], "a hidden": w[n : 2*n], "b input": w[cells : cells+n], "b hidden": w[cells+n : cells+2*n], "seed 2": other[:n]}
	for name, x := range random {
		for _, v := range x {
			require.LessOrEqual(t, math.Abs(float64(v)), math.Sqrt(6./16)+1e-6, name)
		}
		for than, y := range random {
			if name != than {
				assert.NotSubset(t, x, y[:4], "%s, %s", name, than)
			}
		}
	}
	bias := w[2*n : cells]
	assert.Equal(t, []float32{0, 1, 0, 0}, []float32{bias[0], bias[8], bias[16], bias[24]})
}

func batch(net *nn.Net, rows int, seed uint64) nn.Batch {
	r := rand.New(rand.NewPCG(seed, 9))
	normal := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		return x
	}
	b := nn.Batch{Rows: rows}
	for _, s := range net.Inputs() {
		b.Inputs = append(b.Inputs, normal(rows*s.Size()))
	}
	b.Truth = normal(rows * net.Out().Size())
	b.Weight = make([]float32, len(b.Truth))
	for i := range b.Weight {
		b.Weight[i] = 0.5 + r.Float32()
	}
	return b
}

// The gradient of every layer, along random directions, is the central difference of the
// loss for at least one of several step sizes: long steps meet the kinks of ReLUs, and short
// ones the rounding of single precision. TestPyTorch is more sensitive.
func TestGradientsAreDifferences(t *testing.T) {
	for _, n := range networks() {
		t.Run(n.name, func(t *testing.T) {
			net := n.make(t)
			ctx := context.Background()
			for _, rows := range []int{5, 2} {
				b := batch(net, rows, uint64(rows))
				_, err := net.Step(ctx, b, 77)
				require.NoError(t, err)
				slopes := append([]float32{}, net.Slopes.Host()...)
				w := net.Weights.Host()
				base := append([]float32{}, w...)
				r := rand.New(rand.NewPCG(uint64(rows), 5))
				at := 0
				for _, p := range net.Params() {
					n := p.Size()
					d := make([]float32, n)
					norm, along := 0.0, 0.0
					for i := range d {
						d[i] = float32(r.NormFloat64()) + 2*slopes[at+i] // partly along the gradient, so that the difference is not tiny
					}
					for i := range d {
						norm += float64(d[i]) * float64(d[i])
						along += float64(slopes[at+i]) * float64(d[i])
					}
					off := math.Inf(1)
					for _, step := range []float64{8e-3, 2e-3, 5e-4} {
						if off < 1e-2 {
							break
						}
						eps := step / math.Sqrt(norm)
						shifted := func(sign float64) float64 {
							for i := range d {
								w[at+i] = base[at+i] + float32(sign*eps*float64(d[i]))
							}
							loss, err := net.Step(ctx, b, 77)
							require.NoError(t, err)
							return loss
						}
						slope := (shifted(1) - shifted(-1)) / (2 * eps)
						off = min(off, math.Abs(slope-along)/(math.Abs(along)+0.05))
					}
					copy(w, base)
					assert.Less(t, off, 1e-2, "%d rows: %s: %v", rows, p.Name, along)
					at += n
				}
			}
		})
	}
}
