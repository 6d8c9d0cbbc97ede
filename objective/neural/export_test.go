package neural_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
	"github.com/attune-hpo/attune/objective/neural/network"
)

func TestNetwork(t *testing.T) {
	training := neural.Training{Window: 5, Epochs: 1, Transform: forecast.Diff{}, Shortcut: true}
	f := neural.New(neural.TCN{Training: training, Channels: []int{3, 4}, Norm: "layer"})
	_, err := f.Network()
	assert.ErrorIs(t, err, forecast.ErrNotFitted)
	_, err = f.Plan()
	assert.ErrorIs(t, err, forecast.ErrNotFitted)
	require.NoError(t, f.Fit(ctx, wave(60, "a", "b"), forecast.FitOptions{Horizon: 2}))
	n, err := f.Network()
	require.NoError(t, err)
	assert.Equal(t, network.TCN{Channels: []int{3, 4}, Kernel: 3, LayerNorm: true}, n.Body)
	assert.Equal(t, []any{5, false, true}, []any{n.Window, n.KeepLevel, n.Shortcut})
	p, err := f.Plan()
	require.NoError(t, err)
	assert.Equal(t, p, n.Plan)
	assert.Equal(t, []string{"a", "b"}, p.Series)
	for _, steps := range p.Transform { // standardized last
		require.Len(t, steps, 2)
		assert.Equal(t, []forecast.StepKind{forecast.StepDiff, forecast.StepAffine}, []forecast.StepKind{steps[0].Kind, steps[1].Kind})
		assert.Positive(t, steps[1].Scale)
	}
	tensors := f.Tensors()
	require.Len(t, n.Weights, len(tensors))
	for _, w := range tensors {
		got, err := n.Weight(w.Name, w.Shape...)
		require.NoError(t, err)
		assert.Equal(t, w.Data, got.Data)
	}
	_, err = n.Weight("head.weight", 4, 3)
	assert.EqualError(t, err, `network: weights "head.weight": 8 numbers of shape [4 2], want shape [4 3]`)
	_, err = n.Weight("nose")
	assert.Error(t, err)

	l := neural.NewLinear(neural.NLinear{Window: 5})
	_, err = l.Network()
	assert.ErrorIs(t, err, forecast.ErrNotFitted)
	_, err = l.Plan()
	assert.ErrorIs(t, err, forecast.ErrNotFitted)
	require.NoError(t, l.Fit(ctx, wave(60, "a"), forecast.FitOptions{Horizon: 2}))
	n, err = l.Network()
	require.NoError(t, err)
	assert.Len(t, n.Body.(network.Linear).Weights, 2)
	assert.Empty(t, n.Weights)
}

// The data that an export needs: the layers, and the weights by name.
func ExampleForecaster_Network() {
	f := neural.New(neural.LSTM{Training: neural.Training{Window: 12, Epochs: 1}, Hidden: 8})
	if err := f.Fit(ctx, passengers(), forecast.FitOptions{Horizon: 3}); err != nil {
		panic(err)
	}
	n, err := f.Network()
	if err != nil {
		panic(err)
	}
	fmt.Printf("%+v\n", n.Body)
	fmt.Println(n.Weights["lstm.0.weight_hidden"].Shape, n.Weights["head.weight"].Shape)
	// Output:
	// {Hidden:8 Layers:1 Bidirectional:false}
	// [8 32] [8 3]
}
