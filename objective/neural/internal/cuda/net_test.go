package cuda

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
	"github.com/attune-hpo/attune/objective/neural/internal/devicetest"
	"github.com/attune-hpo/attune/objective/neural/internal/nn"
)

var window = nn.Shape{Steps: 7, Features: 3}

// The networks use all layers, with dropout.
var networks = map[string]func(b *nn.Builder) nn.Value{
	"lstm": func(b *nn.Builder) nn.Value {
		h := b.Apply("lstm.0", &nn.LSTM{Hidden: 9, Bidirectional: true, Dropout: 0.3, Site: 1}, b.Input("window", window))
		h = b.Apply("lstm.1", &nn.LSTM{Hidden: 5, Bidirectional: true, Dropout: 0.3, Site: 2}, h)
		return b.Apply("head", &nn.Head{Outputs: 4, Reverse: 5}, h, b.Input("future", nn.Shape{Steps: 1, Features: 6}))
	},
	"lstm of one step": func(b *nn.Builder) nn.Value { // its recurrent weights have no input
		h := b.Apply("lstm", &nn.LSTM{Hidden: 5}, b.Input("window", nn.Shape{Steps: 1, Features: 3}))
		return b.Apply("head", &nn.Head{Outputs: 4}, h)
	},
	"tcn, weight norm, shortcut": func(b *nn.Builder) nn.Value {
		x := b.Input("window", window)
		h := b.Apply("tcn.0", &nn.TCNBlock{Channels: 5, Kernel: 3, Dilation: 1, Dropout: 0.3, Site: 1}, x)
		h = b.Apply("tcn.1", &nn.TCNBlock{Channels: 5, Kernel: 3, Dilation: 4, Dropout: 0.3, Site: 2}, h)
		return b.Apply("shortcut", &nn.Shortcut{}, b.Apply("head", &nn.Head{Outputs: 4}, h), x)
	},
	"tcn, layer norm": func(b *nn.Builder) nn.Value {
		h := b.Apply("tcn", &nn.TCNBlock{Channels: 6, Kernel: 2, Dilation: 2, LayerNorm: true, Dropout: 0.3, Site: 1}, b.Input("window", window))
		return b.Apply("head", &nn.Head{Outputs: 4}, h)
	},
	"transformer, encoder": func(b *nn.Builder) nn.Value {
		h := b.Apply("embed", &nn.Embed{Width: 8}, b.Input("window", window))
		h = b.Apply("encoder", &nn.Encoder{Block: nn.Block{Heads: 4, FeedForward: 6}, Causal: true}, h)
		return b.Apply("head", &nn.Head{Outputs: 4}, b.Apply("norm", &nn.Norm{}, h))
	},
	"transformer, encoder and decoder, shortcut": func(b *nn.Builder) nn.Value {
		of := nn.Block{Heads: 2, FeedForward: 7, Dropout: 0.3, Site: 3}
		x := b.Input("window", window)
		h := b.Apply("encoder", &nn.Encoder{Block: of}, b.Apply("embed", &nn.Embed{Width: 10, Dropout: 0.3, Site: 1}, x))
		memory := b.Apply("memory", &nn.Norm{}, h)
		of.Site = 4
		h = b.Apply("steps", &nn.Embed{Width: 10, Dropout: 0.3, Site: 2}, b.Input("future", nn.Shape{Steps: 4, Features: 2}))
		h = b.Apply("decoder", &nn.Decoder{Block: of, Layers: 2}, h, memory)
		return b.Apply("shortcut", &nn.Shortcut{}, b.Apply("head", &nn.Tokens{}, b.Apply("norm", &nn.Norm{}, h)), x)
	},
}

// trained returns the losses of some steps, and then the weights and a forecast. Batches have
// different numbers of rows.
func trained(t testing.TB, d device.Device, build func(b *nn.Builder) nn.Value, steps int) (losses []float64, weights, forecast []float32) {
	t.Helper()
	b := nn.NewBuilder(d, 6)
	net, err := b.Build(build(b), device.Loss{Kind: device.Huber, Q: 1})
	require.NoError(t, err)
	net.Init(1)
	m, v := d.Alloc(net.Weights.Len()), d.Alloc(net.Weights.Len())
	for step := range steps {
		in := batch(net, 6-step%3, uint64(step))
		loss, err := net.Step(context.Background(), in, uint64(step))
		require.NoError(t, err)
		norm := d.Norm2(net.Slopes)
		// With a small epsilon, a gradient that is 0 except for rounding, like that of a key's
		// bias, would move its weight as far as any other gradient.
		d.Adam(device.AdamStep{Rate: 3e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-3, Decay: 0.01, Step: step + 1, Scale: float32(min(1, 1/math.Sqrt(norm)))}, net.Weights, net.Slopes, m, v)
		losses = append(losses, loss, norm)
	}
	in := batch(net, 3, 99)
	loss, err := net.Loss(context.Background(), in)
	require.NoError(t, err)
	weights, forecast = make([]float32, net.Weights.Len()), make([]float32, 3*net.Out().Size())
	require.NoError(t, net.Predict(context.Background(), in, forecast))
	d.Read(weights, net.Weights)
	require.NoError(t, d.Err())
	return append(losses, loss), weights, forecast
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
		b.Weight[i] = float32(i % 3) // some have weight 0
	}
	return b
}

// Whole trainings equal those on the CPU, except for rounding, and give the same bits each time.
func testNetworks(t *testing.T) {
	for name, build := range networks {
		t.Run(name, func(t *testing.T) {
			losses, weights, forecast := trained(t, &device.CPU{}, build, 5)
			d := open(t)
			gotLosses, gotWeights, gotForecast := trained(t, d, build, 5)
			assert.InDeltaSlice(t, losses, gotLosses, 1e-4)
			assert.InDeltaSlice(t, weights, gotWeights, 2e-4)
			assert.InDeltaSlice(t, forecast, gotForecast, 1e-3)
			d.Free()
			againLosses, againWeights, _ := trained(t, open(t), build, 5)
			assert.Equal(t, gotLosses, againLosses)
			assert.Equal(t, gotWeights, againWeights)
		})
	}
}

func TestNetworks(t *testing.T) {
	t.Run("emulated", func(t *testing.T) {
		e := devicetest.Emulate(t)
		before := e.Used()
		testNetworks(t)
		assert.Equal(t, before, e.Used(), "memory is given back")
	})
	t.Run("GPU", func(t *testing.T) {
		devicetest.NeedGPU(t, opens())
		testNetworks(t)
	})
}

// Concurrent trainings give the same results as single ones.
func testBeside(t *testing.T) {
	_, alone, _ := trained(t, open(t), networks["lstm"], 4)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			d, err := Open(0, 0)
			if !assert.NoError(t, err) {
				return
			}
			defer d.Free()
			_, weights, _ := trained(t, d, networks["lstm"], 4)
			assert.Equal(t, alone, weights)
		})
	}
	all.Wait()
}

func TestBeside(t *testing.T) {
	t.Run("emulated", func(t *testing.T) {
		devicetest.Emulate(t)
		testBeside(t)
	})
	t.Run("GPU", func(t *testing.T) {
		devicetest.NeedGPU(t, opens())
		testBeside(t)
	})
}

func TestOutOfMemory(t *testing.T) {
	e := devicetest.Emulate(t)
	e.Limit(e.Used() + 24<<20)
	_, err := Open(0, 100<<20)
	require.ErrorIs(t, err, ErrMemory)
	require.EqualError(t, err, "cuda: cuda:0 (emulated): allocate 402.0 MiB: out of memory on the GPU: CUDA_ERROR_OUT_OF_MEMORY (2): 24.0 MiB free of 24.0 MiB")
	d := open(t) // with 16 MiB
	v := d.Alloc(8 << 20)
	require.ErrorIs(t, d.Err(), ErrMemory)
	d.Zero(v) // harmless
	x := []float32{1}
	d.Read(x, v.To(1))
	assert.True(t, math.IsNaN(float64(x[0])))
	assert.True(t, math.IsNaN(d.Norm2(v)))
	d.Free()
	_, _, _ = trained(t, open(t), networks["lstm"], 1) // the process can continue
}

// A kernel that fails breaks the context. The error is reported now and later.
func TestBroken(t *testing.T) {
	e := devicetest.Emulate(t)
	d := open(t)
	v := d.Alloc(10)
	e.Fail(700)
	assert.True(t, math.IsNaN(d.Norm2(v)))
	require.ErrorContains(t, d.Err(), "cuda: cuda:0 (emulated): cuStreamSynchronize: CUDA_ERROR_ILLEGAL_ADDRESS (700)")
	d.Free()
	_, err := Open(0, 0)
	require.ErrorContains(t, err, "cuda: it cannot be used until the process is restarted: CUDA_ERROR_ILLEGAL_ADDRESS (700)")
	gpusMu.Lock()
	clear(gpus) // as if the process were new
	gpusMu.Unlock()
}

func TestFreed(t *testing.T) {
	devicetest.Emulate(t)
	d := open(t)
	v := d.Alloc(3)
	d.Free()
	d.Free()
	d.Add(v, v, v)
	d.Write(v, make([]float32, 3))
	require.ErrorIs(t, d.Err(), errFreed)
}

func TestMissing(t *testing.T) {
	devicetest.Emulate(t)
	_, err := Open(1, 0)
	require.ErrorIs(t, err, ErrMissing)
	require.EqualError(t, err, "cuda: no such GPU: cuda:1: the machine has 1")
	t.Setenv("ATTUNE_LIBCUDA", t.TempDir()+"/none.so")
	_, err = Open(0, 0)
	require.ErrorIs(t, err, ErrMissing)
	require.ErrorContains(t, err, "cuda: no such GPU: no driver: ")
}

// BenchmarkStep times steps, forward, back and Adam, on the CPU, one core, and on a GPU.
func BenchmarkStep(b *testing.B) {
	lstm := func(hidden int) func(b *nn.Builder, x nn.Value) nn.Value {
		return func(b *nn.Builder, x nn.Value) nn.Value { return b.Apply("lstm", &nn.LSTM{Hidden: hidden}, x) }
	}
	tcn := func(b *nn.Builder, x nn.Value) nn.Value {
		for i, channels := range []int{32, 64, 128, 256} {
			x = b.Apply(fmt.Sprint("tcn", i), &nn.TCNBlock{Channels: channels, Kernel: 3, Dilation: 1 << i}, x)
		}
		return x
	}
	transformer := func(width int) func(b *nn.Builder, x nn.Value) nn.Value {
		return func(b *nn.Builder, x nn.Value) nn.Value {
			x = b.Apply("embed", &nn.Embed{Width: width}, x)
			for i := range 2 {
				x = b.Apply(fmt.Sprint("encoder", i), &nn.Encoder{Block: nn.Block{Heads: 4, FeedForward: 4 * width}}, x)
			}
			return b.Apply("norm", &nn.Norm{}, x)
		}
	}
	for _, n := range []struct {
		name  string
		build func(b *nn.Builder, x nn.Value) nn.Value
	}{
		{"lstm128", lstm(128)}, {"lstm512", lstm(512)}, {"tcn256", tcn}, {"transformer64", transformer(64)}, {"transformer256", transformer(256)},
	} {
		for _, rows := range []int{32, 128} {
			for _, on := range []string{"cpu", "gpu"} {
				b.Run(fmt.Sprintf("%s/batch=%d/%s", n.name, rows, on), func(b *testing.B) {
					var d device.Device = &device.CPU{}
					if on == "gpu" {
						devicetest.NeedGPU(b, opens())
						d = open(b)
					}
					builder := nn.NewBuilder(d, rows)
					x := n.build(builder, builder.Input("window", nn.Shape{Steps: 24, Features: 1}))
					net, err := builder.Build(builder.Apply("head", &nn.Head{Outputs: 12}, x), device.Loss{Kind: device.Square})
					require.NoError(b, err)
					net.Init(1)
					m, v := d.Alloc(net.Weights.Len()), d.Alloc(net.Weights.Len())
					in := batch(net, rows, 1)
					step := 0
					for b.Loop() {
						_, err := net.Step(context.Background(), in, 1)
						require.NoError(b, err)
						d.Norm2(net.Slopes) // as in a training; this also waits for the GPU
						step++
						d.Adam(device.AdamStep{Rate: 1e-4, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Step: step, Scale: 1}, net.Weights, net.Slopes, m, v)
					}
					require.NoError(b, d.Err())
				})
			}
		}
	}
}

// TestWhere logs the device that the other results are from.
func TestWhere(t *testing.T) {
	devicetest.NeedGPU(t, opens())
	d := open(t)
	var version int32
	require.Zero(t, call(d.g.driverGetVersion, uintptr(unsafe.Pointer(&version))))
	t.Logf("%s: %v, driver of CUDA %d.%d, %s; %s of %s/%s, %d cores", time.Now().UTC().Format(time.DateOnly), d,
		version/1000, version%1000/10, d.g.blas.Path, d.g.memory(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}
