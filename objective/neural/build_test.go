package neural

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
)

// Settings that do not affect the shape of a network.
var shapeless = map[string]bool{"dropout": true, "learning_rate": true, "epochs": true}

// corners calls f with each combination of the least and greatest values of those settings
// in a space that affect the shape of a network.
func corners(s space.Space, f func(name string, settings space.Settings)) {
	var names []string
	var choices [][]space.Setting
	for _, a := range s {
		if shapeless[a.Name] {
			continue
		}
		ends := []space.Setting{{Name: a.Name, Value: a.Distribution.Decode(a.Distribution.At(0))},
			{Name: a.Name, Value: a.Distribution.Decode(a.Distribution.At(a.Distribution.Len() - 1))}}
		names, choices = append(names, a.Name), append(choices, ends)
	}
	for i := range 1 << len(names) {
		var settings space.Settings
		var text []string
		for k := range names {
			c := choices[k][i>>k&1]
			settings, text = append(settings, c), append(text, fmt.Sprintf("%s=%s", c.Name, c.Value))
		}
		f(strings.ReplaceAll(strings.Join(text, ","), `"`, ""), settings)
	}
}

// families are the networks, with their shipped spaces.
var families = []interface {
	Model
	Rounds() string
}{LSTM{}, TCN{}, Transformer{}, LSTM{Quick: true}, TCN{Quick: true}, Transformer{Quick: true}}

// builder returns a function that builds the network of settings: everything that a fit
// does before its first step, for a horizon of 14.
func builder(tb testing.TB, m Model, settings space.Settings) func() {
	f, err := m.New(settings)
	require.NoError(tb, err)
	d, err := f.(*Forecaster).model.ready()
	require.NoError(tb, err)
	v := &view{window: d.training.Window, horizon: 14}
	return func() {
		net, _, err := d.build(v, d.training.Batch)
		require.NoError(tb, err)
		net.Init(1)
		net.Device.Alloc(net.Weights.Len())
		net.Device.Alloc(net.Weights.Len())
		d.newBatch(v, d.training.Batch)
	}
}

// The work of a fit before its first step, at each corner of the shipped spaces.
// Building and compiling a model must take less than 50 ms: go test -run - -bench Build
func BenchmarkBuild(b *testing.B) {
	for i, m := range families {
		name := m.Name()
		if i >= len(families)/2 {
			name += "-quick"
		}
		corners(m.Space(nil), func(corner string, settings space.Settings) {
			b.Run(name+"/"+corner, func(b *testing.B) {
				build := builder(b, m, settings)
				for b.Loop() {
					build()
				}
			})
		})
	}
}
