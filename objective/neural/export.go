package neural

import (
	"fmt"
	"slices"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural/network"
)

// Network returns f as data, for exports. It fails with [forecast.ErrNotFitted], and
// with [forecast.ErrConfig] for a transform of another package.
func (f *Forecaster) Network() (*network.Network, error) {
	tensors := f.Tensors()
	f.mu.Lock()
	defer f.mu.Unlock()
	if tensors == nil || f.net == nil {
		return nil, fmt.Errorf("%s: network: %w", f.name(), forecast.ErrNotFitted)
	}
	n, err := f.view.network()
	if err != nil {
		return nil, fmt.Errorf("%s: network: %w", f.name(), err)
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

// Network returns f as data, for exports. It fails as [Forecaster.Network] does.
func (f *Linear) Network() (*network.Network, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.ridge == nil {
		return nil, fmt.Errorf("neural: nlinear: network: %w", forecast.ErrNotFitted)
	}
	n, err := f.view.network()
	var l forecast.Linear
	if err == nil {
		l, err = f.ridge.Linear()
	}
	if err != nil {
		return nil, fmt.Errorf("neural: nlinear: network: %w", err)
	}
	n.Body = network.Linear(l)
	return n, nil
}

// network returns how v sees series.
func (v *view) network() (*network.Network, error) {
	n := &network.Network{Window: v.window, KeepLevel: v.keepLevel}
	p := &n.Plan
	p.Strategy, p.Horizon, p.Freq = forecast.Direct, v.horizon, v.freq
	p.Past, p.Known, p.Series = slices.Clone(v.past), slices.Clone(v.known), slices.Clone(v.ids)
	p.Features.Lags = []int{v.window}
	if len(v.past) > 0 {
		p.Features.PastLags = []int{v.window}
	}
	if len(v.known) > 0 {
		p.Features.KnownLags = []int{0, v.window}
	}
	for i, f := range v.fitted {
		steps, err := forecast.PlanSteps(f)
		if err != nil {
			return nil, err
		}
		p.Transform = append(p.Transform, append(steps, forecast.PlanStep{Kind: forecast.StepAffine, Shift: v.scales[i].Mean, Scale: v.scales[i].Deviation}))
	}
	for _, c := range v.columns {
		n.Shift, n.Scale = append(n.Shift, c.Mean), append(n.Scale, c.Deviation)
	}
	return n, nil
}
