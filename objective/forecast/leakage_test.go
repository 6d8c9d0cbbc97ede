package forecast

import (
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everything has every kind of feature.
func everything() Features {
	f := Features{
		Lags: []int{1, 2, 5}, Seasonal: []int{3, 7}, PastLags: []int{6, 8}, KnownLags: []int{0, 2}, SeriesID: true,
		Rolling: []Rolling{{Stat: Mean, Window: 3}, {Stat: Std, Window: 4, Lag: 2}, {Stat: Min, Window: 2}, {Stat: Max, Window: 5, Lag: 3}},
	}
	for c := range calendar {
		f.Calendar = append(f.Calendar, c)
	}
	slices.Sort(f.Calendar)
	return f
}

// panel has two series that begin and end at different times.
func panel(r *rand.Rand) Frame {
	numbers := func(n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = 5 + 4*r.Float64()
		}
		return v
	}
	one := func(id string, start, n int) Series {
		d := Frequency{N: 1, Unit: Day}
		return Series{ID: id, Start: d.Add(day(2024, 1, 1), start), Freq: d, Y: numbers(n),
			Past: []Column{{"p", numbers(n)}}, Known: []Column{{"k", numbers(n + 6)}}}
	}
	return Frame{one("a", 0, 60), one("b", 9, 48)}
}

// disturb returns a copy in which everything differs that is unknown at a fold's origin: the
// target and past columns after it, and the columns known in advance after the steps to
// forecast.
func disturb(f Frame, fold Fold, ahead int) Frame {
	f = slices.Clone(f)
	change := func(v []float64, from int) []float64 {
		v = slices.Clone(v)
		for i := max(0, from); i < len(v); i++ {
			v[i] = 1000 + 3*v[i]
		}
		return v
	}
	for i, s := range f {
		k := s.knownAt(fold.Origin)
		f[i].Y = change(s.Y, k)
		f[i].Past = []Column{{"p", change(s.Past[0].Values, k)}}
		f[i].Known = []Column{{"k", change(s.Known[0].Values, k+ahead)}}
	}
	return f
}

var transforms = []Transform{nil, Log{}, Log1p{}, Diff{}, Diff{Lag: 7}, Standard{}, MinMax{}, Chain{Log{}, Diff{Lag: 7}, Diff{}, Standard{}}}

// Values after an origin do not affect the tables, the transforms and the forecasts made
// there: they are the same, bit for bit.
func TestNothingLeaks(t *testing.T) {
	frame := panel(rand.New(rand.NewPCG(1, 2)))
	for n, splits := range []Splits{
		{Horizon: 4}, {Horizon: 3, Windows: 3}, {Horizon: 4, Windows: 4, Step: 1, Gap: 2}, {Horizon: 2, Windows: 2, Train: 30, Step: 5},
	} {
		folds, err := splits.Folds(frame)
		require.NoError(t, err)
		horizon := splits.Gap + splits.Horizon
		for _, strategy := range []Strategy{Direct, Pooled, Joint, Recursive} {
			for k, transform := range transforms {
				if n > 0 && k > 0 && k < len(transforms)-1 {
					continue // the first splits test each transform alone, all test their chain
				}
				for _, holdout := range []int{0, horizon} {
					recipe := Recipe{Features: everything(), Transform: transform, Anchored: k%2 > 0, Strategy: strategy, Horizon: horizon}
					name := fmt.Sprintf("%+v/%s/%d/%d", splits, strategy, k, holdout)
					for i, fold := range folds {
						again, err := splits.Folds(disturb(frame, fold, horizon))
						require.NoError(t, err)
						require.Equal(t, see(t, recipe, fold, holdout), see(t, recipe, again[i], holdout), name)
					}
				}
			}
		}
	}
}

// A sight is everything that a model sees in a fold.
type sight struct {
	Tables     uint64 // a hash
	Transforms string
	Forecast   string
}

// digest adds the bits of numbers, NaN included, to a hash.
func digest(h hash.Hash64, tables ...Table) {
	for _, t := range tables {
		for _, m := range []Matrix{t.X, t.Y} {
			b := make([]byte, 0, 8*len(m.Data)+16)
			b = binary.LittleEndian.AppendUint64(b, uint64(m.Rows))
			for _, v := range m.Data {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
			}
			h.Write(b)
		}
	}
}

func see(t *testing.T, recipe Recipe, fold Fold, holdout int) sight {
	t.Helper()
	p, err := recipe.Fit(fold.Train, holdout)
	require.NoError(t, err)
	var out sight
	h := fnv.New64a()
	for _, f := range p.fitted {
		b, err := MarshalFitted(f)
		require.NoError(t, err)
		out.Transforms += string(b)
	}
	cut := fold.Train.before(holdout)
	for m := range p.Models() {
		train, valid, err := p.Tables(fold.Train, m, holdout)
		require.NoError(t, err)
		require.Positive(t, train.X.Rows)
		require.Equal(t, holdout > 0, valid.X.Rows > 0)
		for i := range train.X.Rows {
			if train.Target(i).After(cut) || !train.Origin(i).Before(train.Target(i)) {
				t.Fatalf("row %d: origin %v, target %v, cut %v", i, train.Origin(i), train.Target(i), cut)
			}
		}
		for i := range valid.X.Rows {
			if !valid.Target(i).After(cut) || valid.Target(i).After(fold.Origin) || !valid.Origin(i).Before(valid.Target(i)) {
				t.Fatalf("held-out row %d: origin %v, target %v, cut %v", i, valid.Origin(i), valid.Target(i), cut)
			}
		}
		digest(h, train, valid)
	}
	out.Tables = h.Sum64()
	model := &Tabular{Recipe: recipe, New: func() Regressor { return &Ridge{Lambda: 1} }}
	require.NoError(t, model.Fit(t.Context(), fold.Train, FitOptions{Holdout: holdout}))
	next, err := model.Predict(t.Context(), fold.Train, recipe.Horizon)
	require.NoError(t, err)
	out.Forecast = fmt.Sprint(next)
	return out
}

// Within a training frame, too, a row uses nothing after its own origin.
func TestRowsKnowNothingBehindTheirOrigin(t *testing.T) {
	frame := panel(rand.New(rand.NewPCG(3, 4)))
	const horizon = 4
	for _, strategy := range []Strategy{Direct, Pooled, Joint, Recursive} {
		for k, transform := range transforms {
			p, err := Recipe{Features: everything(), Transform: transform, Anchored: k%2 > 0, Strategy: strategy, Horizon: horizon}.Fit(frame, 0)
			require.NoError(t, err)
			for m := range p.Models() {
				before, _, err := p.Tables(frame, m, 0)
				require.NoError(t, err)
				for _, origin := range []int{20, 33, 52} {
					at := Fold{Origin: frame[0].Time(origin)}
					// Columns known in advance are known up to the horizon after each origin.
					after, _, err := p.Tables(disturb(frame, at, horizon), m, 0)
					require.NoError(t, err)
					require.Equal(t, before.X.Rows, after.X.Rows)
					seen := 0
					for i := range before.X.Rows {
						if !before.Origin(i).After(at.Origin) {
							seen++
							require.Equal(t, bits(before.X.Row(i)), bits(after.X.Row(i)))
						}
					}
					assert.Positive(t, seen)
				}
			}
		}
	}
}

func bits(v []float64) []uint64 {
	b := make([]uint64, len(v))
	for i, x := range v {
		b[i] = math.Float64bits(x)
	}
	return b
}

// The test above would find a leak: a row after the origin differs.
func TestDisturbanceIsSeen(t *testing.T) {
	frame := panel(rand.New(rand.NewPCG(3, 4)))
	p, err := Recipe{Features: everything(), Strategy: Direct, Horizon: 1}.Fit(frame, 0)
	require.NoError(t, err)
	before, _, err := p.Tables(frame, 0, 0)
	require.NoError(t, err)
	after, _, err := p.Tables(disturb(frame, Fold{Origin: frame[0].Time(30)}, 0), 0, 0)
	require.NoError(t, err)
	changed := map[string]bool{}
	for i := range before.X.Rows {
		for j, v := range before.X.Row(i) {
			if w := after.X.Row(i)[j]; v != w && !(math.IsNaN(v) && math.IsNaN(w)) {
				changed[before.Names[j]] = true
			}
		}
	}
	for _, name := range before.Names[:len(before.Names)-len(calendar)] {
		assert.Equal(t, name != "series", changed[name], name)
	}
}
