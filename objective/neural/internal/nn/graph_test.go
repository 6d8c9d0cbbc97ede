package nn

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
)

// two returns a network with two identical layers.
func two(t testing.TB, middle Layer) (*Net, Batch) {
	t.Helper()
	b := NewBuilder(&device.CPU{}, 3)
	h := b.Apply("a", &LSTM{Hidden: 2}, b.Input("window", Shape{4, 2}))
	if middle != nil {
		h = b.Apply("middle", middle, h)
	}
	h = b.Apply("b", &LSTM{Hidden: 2}, h)
	net, err := b.Build(b.Apply("head", &Head{Outputs: 2}, h), device.Loss{Kind: device.Square})
	require.NoError(t, err)
	net.Init(5)
	return net, batchOf(net)
}

// gorgonia's machine and our walker run the same graph with the same bits. So the order is
// right, no operation's inputs are overwritten, and identical layers are not merged, as
// gorgonia merges operations with the same hash.
func TestTapeMachineAgrees(t *testing.T) {
	for name, make := range map[string]func() (*Net, Batch){
		"a chain":       func() (*Net, Batch) { return two(t, nil) },
		"two that meet": func() (*Net, Batch) { return meeting(t) },
	} {
		t.Run(name, func(t *testing.T) {
			net, in := make()
			loss, err := net.Step(context.Background(), in, 1)
			require.NoError(t, err)
			slopes := slices.Clone(net.Slopes.Host())

			net, in = make()
			machine := gorgonia.NewTapeMachine(net.graph)
			// Its finalizer holds the machine in a cycle, so that it is never collected.
			runtime.SetFinalizer(machine, nil)
			for range 3 { // also with memory from earlier runs
				net.begin(context.Background(), in, Pass{Train: true, Seed: 1})
				require.NoError(t, machine.RunAll())
				assert.Equal(t, loss, net.measured)
				assert.Equal(t, slopes, net.Slopes.Host())
				at := 0
				for _, g := range net.gradients {
					host := g.Value().Data().([]float32)
					assert.Equal(t, slopes[at:at+len(host)], host)
					at += len(host)
				}
				assert.Equal(t, len(slopes), at)
				machine.Reset()
			}
		})
	}
}

// meeting returns a network in which two sequences meet.
func meeting(t testing.TB) (*Net, Batch) {
	b := NewBuilder(&device.CPU{}, 3)
	of := Block{Heads: 2, FeedForward: 3, Dropout: 0.2}
	memory := b.Apply("encoder", &Encoder{Block: of}, b.Apply("embed", &Embed{Width: 4}, b.Input("window", Shape{4, 2})))
	h := b.Apply("decoder", &Decoder{Block: of, Layers: 2}, b.Apply("steps", &Embed{Width: 4}, b.Input("future", Shape{2, 1})), memory)
	net, err := b.Build(b.Apply("head", &Tokens{}, h), device.Loss{Kind: device.Square})
	require.NoError(t, err)
	net.Init(5)
	return net, batchOf(net)
}

// batchOf returns a batch of three rows for a network.
func batchOf(net *Net) Batch {
	in := Batch{Rows: 3}
	for _, s := range net.Inputs() {
		x := make([]float32, 3*s.Size())
		for i := range x {
			x[i] = float32(i%5) - 2
		}
		in.Inputs = append(in.Inputs, x)
	}
	in.Truth, in.Weight = make([]float32, 3*net.Out().Size()), make([]float32, 3*net.Out().Size())
	for i := range in.Weight {
		in.Truth[i], in.Weight[i] = float32(i), 1
	}
	return in
}

// A faulty is a layer with a bug.
type faulty struct {
	Norm
	how string
}

func (l *faulty) Backward(p *Pass, in, w []device.Vec, out, dout device.Vec, din, dw []device.Vec) {
	panic(l.how)
}

// A panic within gorgonia's machine would end the process.
func TestPanicIsAnError(t *testing.T) {
	net, in := two(t, &faulty{how: "oh dear"})
	_, err := net.Step(context.Background(), in, 1)
	require.ErrorIs(t, err, errPanic)
	require.EqualError(t, err, "nn: middle: an operation panicked: oh dear")

	net.begin(context.Background(), in, Pass{Train: true})
	machine := gorgonia.NewTapeMachine(net.graph)
	runtime.SetFinalizer(machine, nil)
	assert.ErrorContains(t, machine.RunAll(), "oh dear")
}

// An expiring context is done after it has been asked a number of times.
type expiring struct {
	context.Context
	asks int
}

func (c *expiring) Err() error {
	if c.asks--; c.asks < 0 {
		return context.Canceled
	}
	return nil
}

func TestStepIsCancelledWithin(t *testing.T) {
	net, in := two(t, nil)
	var asks int
	for asks = 0; ; asks++ {
		c := &expiring{context.Background(), asks}
		_, err := net.Step(c, in, 1)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, context.Canceled)
	}
	assert.Greater(t, asks, 16) // the context is also checked between the time steps of a layer
}

func TestStepAllocatesNothing(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	net, in := two(t, &Encoder{Block: Block{Heads: 2, FeedForward: 3, Dropout: 0.1}})
	ctx := context.Background()
	step := func() {
		if _, err := net.Step(ctx, in, 1); err != nil {
			t.Fatal(err)
		}
	}
	step()
	assert.Zero(t, testing.AllocsPerRun(20, step))
}

func TestBuildRefuses(t *testing.T) {
	in := Shape{4, 6}
	for _, test := range []struct {
		name  string
		build func(b *Builder) Value
		want  string
	}{
		{"two layers of one name, which gorgonia would merge", func(b *Builder) Value {
			return b.Apply("a", &Norm{}, b.Apply("a", &Norm{}, b.Input("x", in)))
		}, "nn: a: the name is taken"},
		{"a value that two layers learn from", func(b *Builder) Value {
			h := b.Apply("a", &Norm{}, b.Input("x", in))
			return b.Apply("c", &Decoder{Block: Block{Heads: 1, FeedForward: 1}, Layers: 1}, b.Apply("b", &Norm{}, h), h)
		}, "nn: c: another layer already provides the gradient of a"},
		{"heads that do not divide the width", func(b *Builder) Value {
			return b.Apply("a", &Encoder{Block: Block{Heads: 4, FeedForward: 1}}, b.Input("x", in))
		}, "nn: a: a block of 4 heads, feed forward 1, over inputs of [{4 6}]"},
		{"an LSTM without units", func(b *Builder) Value {
			return b.Apply("a", &LSTM{}, b.Input("x", in))
		}, "nn: a: an LSTM of 0 units over 1 inputs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := NewBuilder(&device.CPU{}, 2)
			_, err := b.Build(test.build(b), device.Loss{Kind: device.Square})
			require.EqualError(t, err, test.want)
		})
	}
}

var errEarly = errors.New("early")

func TestCauseOfCancellation(t *testing.T) {
	net, in := two(t, nil)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errEarly)
	_, err := net.Step(ctx, in, 1)
	require.ErrorIs(t, err, errEarly)
	_, err = net.Loss(ctx, in)
	require.ErrorIs(t, err, errEarly)
	require.ErrorIs(t, net.Predict(ctx, in, nil), errEarly)
}

// Networks can be built concurrently, from a program's start. Run alone under the race
// detector, this tests the lock around gorgonia's constants.
func TestBuildSideBySide(t *testing.T) {
	nets := make([]*Net, 4)
	var all sync.WaitGroup
	for i := range nets {
		all.Go(func() { nets[i], _ = two(t, nil) })
	}
	all.Wait()
	for _, n := range nets {
		assert.Len(t, n.back, len(nets[0].back))
	}
}
