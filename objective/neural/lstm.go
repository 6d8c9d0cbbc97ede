package neural

import (
	"fmt"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural/internal/nn"
	"github.com/attune-hpo/attune/space"
)

// An LSTM is a stack of layers of long short-term memory (Hochreiter and Schmidhuber, Neural
// Computation 9, 1997), followed by a linear layer that maps the last state of each
// direction to all steps of the forecast.
type LSTM struct {
	Training
	Hidden        int         `json:"hidden_size"`   // units per layer and direction; default 64
	Layers        int         `json:"num_layers"`    // default 1
	Bidirectional bool        `json:"bidirectional"` // adds units that run back in time
	Dropout       float64     `json:"dropout"`       // after each layer, in [0, 1); default 0
	Quick         bool        `json:"-"`             // search small networks that train in seconds
	Search        space.Space `json:"-"`             // parameters that replace those of the same name in the default space, or are added to it
}

// Name returns "lstm".
func (LSTM) Name() string { return "lstm" }

// Rounds returns the setting that counts rounds of training: "epochs".
func (LSTM) Rounds() string { return "epochs" }

// Space implements [Model]: the file spaces/lstm.yaml, or lstm-quick.yaml.
func (l LSTM) Space(train forecast.Frame) space.Space {
	return defaultSpace("lstm", l.Quick, train, l.Search)
}

// New implements [Model]. The settings are hidden_size, num_layers, bidirectional,
// dropout, and those of [Training]: window, transform, subtract_last (the opposite of
// [Training.KeepLevel]), shortcut, calendar (names separated by commas, or none),
// learning_rate, epochs, batch_size, loss, optimizer, weight_decay, clip (0 for no
// clipping), schedule, patience (0 for no early stopping) and device.
func (l LSTM) New(settings space.Settings) (forecast.Forecaster, error) {
	err := apply("lstm", settings, append(l.fields(),
		whole("hidden_size", &l.Hidden, 1),
		whole("num_layers", &l.Layers, 1),
		boolean("bidirectional", func(b bool) { l.Bidirectional = b }),
		number("dropout", func(v float64) { l.Dropout = v })))
	return newForecaster(l, err)
}

// newForecaster returns a forecaster of a model that was checked with the error err.
func newForecaster(m Model, err error) (forecast.Forecaster, error) {
	if err == nil {
		if _, err = m.ready(); err != nil {
			err = pkg.Errorf("%s: %w", m.Name(), err)
		}
	}
	if err != nil {
		return nil, err
	}
	return New(m), nil
}

func (l LSTM) ready() (design, error) {
	var c check
	l.Training = l.Training.normalize(&c)
	c.whole("hidden_size", &l.Hidden, 64, 1, maxUnits)
	c.whole("num_layers", &l.Layers, 1, 1, maxLayers)
	c.real("dropout", &l.Dropout, 0, 0, 1)
	return design{model: l, training: l.Training, network: l.network}, c.err
}

func (l LSTM) with(t Training) Model {
	l.Training = t
	return l
}

func (l LSTM) network(b *nn.Builder, window, future nn.Value, horizon int) nn.Value {
	h := window
	for i := range l.Layers {
		h = b.Apply(fmt.Sprintf("lstm.%d", i), &nn.LSTM{Hidden: l.Hidden, Bidirectional: l.Bidirectional, Dropout: float32(l.Dropout), Site: uint64(i)}, h)
	}
	reverse := 0
	if l.Bidirectional {
		reverse = l.Hidden
	}
	return head(b, h, future, horizon, reverse)
}
