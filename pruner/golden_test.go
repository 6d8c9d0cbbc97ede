package pruner

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/trial"
)

// golden is testdata/golden.json; its README says what is in it.
type golden struct {
	Studies  []goldenStudy
	Wilcoxon []struct {
		D []float64
		P float64
	}
	Percentiles []struct {
		X       []float64
		Q, Want float64
	}
}

type goldenStudy struct {
	Name, Pruner, Direction, Kind, Pattern string
	Settings                               json.RawMessage
	Trials                                 []struct {
		R [][3]loose
		S string
		V float64
		N []loose
	}
}

// loose is a number, or one of the words that JSON lacks.
type loose float64

func (l *loose) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		b = b[1 : len(b)-1]
	}
	v, err := strconv.ParseFloat(string(b), 64)
	*l = loose(v)
	return err
}

func readGolden(t testing.TB) golden {
	data, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	var g golden
	require.NoError(t, json.Unmarshal(data, &g))
	require.NotEmpty(t, g.Studies)
	return g
}

func (s goldenStudy) pruner(t *testing.T) Pruner {
	into := func(p any) { require.NoError(t, json.Unmarshal(s.Settings, p)) }
	switch s.Pruner {
	case "Median":
		var p Median
		into(&p)
		return p
	case "Percentile":
		var p Percentile
		into(&p)
		return p
	case "Threshold":
		var p Threshold
		into(&p)
		return p
	case "Patient":
		var p Patient
		into(&p)
		p.Patience = cmp.Or(p.Patience, -1)
		return p
	case "PatientMedian":
		p := Patient{Pruner: Median{Startup: 2, Warmup: -1}}
		into(&p)
		p.Patience = cmp.Or(p.Patience, -1)
		return p
	case "Wilcoxon":
		var p Wilcoxon
		into(&p)
		return p
	case "SuccessiveHalving":
		var p optunaHalving
		into(&p.SuccessiveHalving)
		return p
	case "Hyperband":
		var p Hyperband
		into(&p)
		p.MinResource, p.ReductionFactor = cmp.Or(p.MinResource, 1), cmp.Or(p.ReductionFactor, 3)
		return p
	}
	require.Fail(t, "no pruner", s.Pruner)
	return nil
}

// optunaHalving is SuccessiveHalving with Optuna's defaults.
type optunaHalving struct{ SuccessiveHalving }

func (o optunaHalving) Prune(t trial.Record, h trial.Snapshot) (string, bool) {
	p := o.SuccessiveHalving
	p.ReductionFactor = cmp.Or(p.ReductionFactor, 4)
	if p.MinResource == 0 {
		if h.Horizon() < 0 {
			return "", false
		}
		p.MinResource = max(1, h.Horizon()/100)
	}
	return p.Prune(t, h)
}

// Every report of every trial, one trial after another, gets Optuna's verdict.
func TestVerdictsAreThoseOfOptuna(t *testing.T) {
	for _, s := range readGolden(t).Studies {
		halving := s.Pruner == "SuccessiveHalving" || s.Pruner == "Hyperband"
		t.Run(fmt.Sprintf("%s%s %s %s", s.Pruner, s.Settings, s.Direction, s.Kind), func(t *testing.T) {
			// If one report reached several rungs at once, only the notes say with which values a pruned trial competed
			// there.
			replay(t, s, halving)
		})
		if halving && s.Pattern == "dense" {
			t.Run(fmt.Sprintf("%s%s %s %s, no notes", s.Pruner, s.Settings, s.Direction, s.Kind), func(t *testing.T) {
				replay(t, s, false)
			})
		}
	}
}

func replay(t *testing.T, s goldenStudy, notes bool) {
	p := s.pruner(t)
	d := trial.Minimize
	if s.Direction == "maximize" {
		d = trial.Maximize
	}
	h := trial.NewHistory(trial.Header{Name: s.Name, Directions: []trial.Direction{d}})
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for number, want := range s.Trials {
		r := trial.Record{Number: number, State: trial.Running, Started: start}
		var err error
		for _, report := range want.R {
			h.Put(r.Clip()) // older than what is judged
			r, err = r.Apply(trial.Reported{Step: int(report[0]), Value: float64(report[1])})
			require.NoError(t, err)
			snapshot := h.Snapshot()
			reason, prune := p.Prune(r, snapshot)
			require.Equal(t, report[2] == 1, prune, "trial %d at step %v: %s", number, report[0], reason)
			require.Equal(t, prune, reason != "")
			h.Put(r.Clip()) // as old as what is judged
			again, same := p.Prune(r, h.Snapshot())
			require.Equal(t, prune, same)
			require.Equal(t, reason, again)
			if sc, ok := p.(Scoper); ok {
				again, sameVerdict := p.Prune(r, sc.Scope(number, snapshot))
				require.Equal(t, prune, sameVerdict)
				require.Equal(t, reason, again)
			}
		}
		end := trial.Finished{State: trial.Complete, Values: []float64{want.V}, At: start.Add(time.Duration(number+1) * time.Minute)}
		switch want.S {
		case "P":
			end.State, end.Values = trial.Pruned, nil
		case "F":
			end.State, end.Values = trial.Failed, nil
		}
		for k, v := range want.N {
			if notes {
				a, err := trial.NewAttr(fmt.Sprintf("completed_rung_%d", k), float64(v))
				require.NoError(t, err)
				r, err = r.Apply(trial.Noted(a))
				require.NoError(t, err)
			}
		}
		r, err = r.Apply(end)
		require.NoError(t, err)
		h.Put(r.Clip())
	}
}

func TestSignedRankIsThatOfSciPy(t *testing.T) {
	for i, c := range readGolden(t).Wilcoxon {
		assert.InEpsilon(t, c.P, signedRank(c.D), 1e-12, "case %d of %d differences: %v", i, len(c.D), c.D)
	}
}

func TestPercentilesAreThoseOfNumPy(t *testing.T) {
	for i, c := range readGolden(t).Percentiles {
		before := append([]float64{}, c.X...)
		x := append([]float64{math.NaN()}, c.X...)
		got, n, worse := beyond(math.Inf(1), x, c.Q, trial.Minimize)
		assert.True(t, worse)
		assert.Equal(t, len(c.X), n)
		assert.Equal(t, c.Want, got, "case %d: percentile %v of %v", i, c.Q, c.X)
		assert.Equal(t, before, x[1:], "changed")
		got, _, worse = beyond(math.Inf(-1), x, c.Q, trial.Maximize)
		assert.True(t, worse)
		assert.Equal(t, c.Want, got, "case %d, maximizing", i)
	}
}
