package nn_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
	"github.com/attune-hpo/attune/objective/neural/internal/nn"
)

// A step: batch 32, window 24, one feature, 12 outputs; forward, back, Adam.
func benchmarkStep(b *testing.B, build func(b *nn.Builder, window nn.Value) nn.Value) {
	d := &device.CPU{}
	builder := nn.NewBuilder(d, 32)
	net, err := builder.Build(build(builder, builder.Input("window", nn.Shape{Steps: 24, Features: 1})), device.Loss{Kind: device.Square})
	if err != nil {
		b.Fatal(err)
	}
	net.Init(1)
	m, v := d.Alloc(net.Weights.Len()), d.Alloc(net.Weights.Len())
	in := batch(net, 32, 1)
	step := 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := net.Step(context.Background(), in, 1); err != nil {
			b.Fatal(err)
		}
		step++
		d.Adam(device.AdamStep{Rate: 1e-4, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Step: step, Scale: 1}, net.Weights, net.Slopes, m, v)
	}
}

func lstm(hidden int) func(b *nn.Builder, x nn.Value) nn.Value {
	return func(b *nn.Builder, x nn.Value) nn.Value {
		return b.Apply("head", &nn.Head{Outputs: 12}, b.Apply("lstm", &nn.LSTM{Hidden: hidden}, x))
	}
}

func BenchmarkStepLSTM32(b *testing.B)  { benchmarkStep(b, lstm(32)) }
func BenchmarkStepLSTM128(b *testing.B) { benchmarkStep(b, lstm(128)) }

// 4 blocks of 32 channels.
func BenchmarkStepTCN(b *testing.B) {
	benchmarkStep(b, func(b *nn.Builder, x nn.Value) nn.Value {
		for i := range 4 {
			x = b.Apply(fmt.Sprint("tcn", i), &nn.TCNBlock{Channels: 32, Kernel: 3, Dilation: 1 << i}, x)
		}
		return b.Apply("head", &nn.Head{Outputs: 12}, x)
	})
}

// 2 layers of width 32, 4 heads, feed forward 128.
func BenchmarkStepTransformer(b *testing.B) {
	benchmarkStep(b, func(b *nn.Builder, x nn.Value) nn.Value {
		x = b.Apply("embed", &nn.Embed{Width: 32}, x)
		for i := range 2 {
			x = b.Apply(fmt.Sprint("encoder", i), &nn.Encoder{Block: nn.Block{Heads: 4, FeedForward: 128}}, x)
		}
		return b.Apply("head", &nn.Head{Outputs: 12}, b.Apply("norm", &nn.Norm{}, x))
	})
}

// The largest networks of the search spaces. The benchmark builds the graph, with its
// gradients and order, and then the weights, which is what a first step needs. Package
// neural benchmarks all corners of the spaces.
func BenchmarkBuild(b *testing.B) {
	for _, test := range []struct {
		name  string
		rows  int
		build func(b *nn.Builder) nn.Value
	}{
		{"lstm", 128, func(b *nn.Builder) nn.Value {
			x := b.Input("window", nn.Shape{Steps: 30, Features: 1})
			for i := range 4 {
				x = b.Apply(fmt.Sprint("lstm", i), &nn.LSTM{Hidden: 512, Bidirectional: true, Dropout: 0.1}, x)
			}
			return b.Apply("head", &nn.Head{Outputs: 14, Reverse: 512}, x)
		}},
		{"tcn", 128, func(b *nn.Builder) nn.Value {
			x := b.Input("window", nn.Shape{Steps: 30, Features: 1})
			for i, channels := range []int{32, 64, 128, 256} {
				x = b.Apply(fmt.Sprint("tcn", i), &nn.TCNBlock{Channels: channels, Kernel: 7, Dilation: 1 << i, Dropout: 0.1}, x)
			}
			return b.Apply("head", &nn.Head{Outputs: 14}, x)
		}},
		{"transformer", 64, func(b *nn.Builder) nn.Value {
			x := b.Apply("embed", &nn.Embed{Width: 256}, b.Input("window", nn.Shape{Steps: 30, Features: 1}))
			of := nn.Block{Heads: 8, FeedForward: 1024, Dropout: 0.1}
			for i := range 4 {
				x = b.Apply(fmt.Sprint("encoder", i), &nn.Encoder{Block: of}, x)
			}
			x = b.Apply("memory", &nn.Norm{}, x)
			y := b.Apply("steps", &nn.Embed{Width: 256}, b.Input("future", nn.Shape{Steps: 14, Features: 1}))
			y = b.Apply("decoder", &nn.Decoder{Block: of, Layers: 4}, y, x)
			return b.Apply("head", &nn.Tokens{}, b.Apply("norm", &nn.Norm{}, y))
		}},
	} {
		build := func(b *testing.B, d device.Device) *nn.Net {
			builder := nn.NewBuilder(d, test.rows)
			net, err := builder.Build(test.build(builder), device.Loss{Kind: device.Square})
			if err != nil {
				b.Fatal(err)
			}
			return net
		}
		b.Run(test.name+"/graph", func(b *testing.B) {
			for b.Loop() {
				build(b, &device.Dry{})
			}
		})
		b.Run(test.name+"/whole", func(b *testing.B) {
			for b.Loop() {
				build(b, &device.CPU{}).Init(1)
			}
		})
	}
}
