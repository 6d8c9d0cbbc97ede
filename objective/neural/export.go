package neural

import (
	"slices"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural/network"
)

// Network returns f as data, for exports. It fails with [forecast.ErrNotFitted] before
// Fit, and with [forecast.ErrConfig] if the transform is from another package.
func (f *Forecaster) Network() (*network.Network, error) {
	tensors := f.Tensors()
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.view.network(f.name())
	if err != nil {
		return nil, err
	}
	n.Shortcut = f.design.training.Shortcut
	n.Weights = map[string]network.Tensor{}
	for _, t := range tensors {
		n.Weights[t.Name] = network.Tensor{Shape: t.Shape, Data: t.Data}
	}
	switch m := f.design.model.(type) {
	case LSTM:
		n.Body = network.LSTM{Hidden: m.Hidden, Layers: m.Layers, Bidirectional: m.Bidirectional}
	case TCN:
		n.Body = network.TCN{Channels: slices.Clone(m.Channels), Kernel: m.Kernel, LayerNorm: m.Norm == "layer"}
	case Transformer:
		n.Body = network.Transformer{Width: m.Width, Heads: m.Heads, FeedForward: m.FeedForward,
			EncoderLayers: m.EncoderLayers, DecoderLayers: max(0, m.DecoderLayers), Causal: m.Causal}
	}
	return n, nil
}

// Network returns f as data, for exports. It fails like [Forecaster.Network].
func (f *Linear) Network() (*network.Network, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	n, err := f.view.network("nlinear")
	if err != nil {
		return nil, err
	}
	l, err := f.ridge.Linear()
	if err != nil {
		return nil, pkg.Errorf("nlinear: network: %w", err)
	}
	n.Body = network.Linear(l)
	return n, nil
}

// Plan returns the steps of f before and after its network, like [forecast.Tabular.Plan].
// Its transform ends with the standardization of the target. Its Features say how far the
// network looks back. The columns of the calendar are the last of those known in advance.
// It fails like [Forecaster.Network].
func (f *Forecaster) Plan() (forecast.Plan, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.view.plan(f.name())
}

// Plan returns the steps of f before and after its regression, like [Forecaster.Plan].
func (f *Linear) Plan() (forecast.Plan, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.view.plan("nlinear")
}

func (v *view) plan(name string) (forecast.Plan, error) {
	if v == nil {
		return forecast.Plan{}, pkg.Errorf("%s: plan: %w", name, forecast.ErrNotFitted)
	}
	p := forecast.Plan{Strategy: forecast.Direct, Horizon: v.horizon, Freq: v.freq,
		Past: slices.Clone(v.past), Known: slices.Clone(v.known), Series: slices.Clone(v.ids)}
	p.Features.Lags = []int{v.window}
	if len(v.past) > 0 {
		p.Features.PastLags = []int{v.window}
	}
	if len(v.known) > 0 {
		p.Features.KnownLags = []int{0, v.window}
	}
	for i, f := range v.fitted {
		p.Transform = append(p.Transform, append(f.Steps(), forecast.PlanStep{Kind: forecast.StepAffine, Shift: v.scales[i].Mean, Scale: v.scales[i].Deviation}))
	}
	return p, nil
}

// network returns the data of v for exports.
func (v *view) network(name string) (*network.Network, error) {
	p, err := v.plan(name)
	if err != nil {
		return nil, err
	}
	n := &network.Network{Plan: p, Window: v.window, KeepLevel: v.keepLevel}
	for _, c := range v.columns {
		n.Shift, n.Scale = append(n.Shift, c.Mean), append(n.Scale, c.Deviation)
	}
	return n, nil
}
