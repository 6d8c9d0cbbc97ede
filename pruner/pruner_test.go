package pruner

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/trial"
)

// curve returns a trial that reported values at steps 0, 1, ...
func curve(number int, values ...float64) trial.Record {
	r := trial.Record{Number: number, State: trial.Running}
	for step, v := range values {
		r.Reports = append(r.Reports, trial.Report{Step: step, Value: v})
	}
	return r
}

// done returns r complete, with its last report as the value.
func done(r trial.Record) trial.Record {
	r.State = trial.Complete
	if n := len(r.Reports); n > 0 && !math.IsNaN(r.Reports[n-1].Value) {
		r.Values = []float64{r.Reports[n-1].Value}
	} else {
		r.Values = []float64{0}
	}
	r.Finished = time.Unix(int64(r.Number), 0)
	return r
}

func history(d trial.Direction, records ...trial.Record) trial.Snapshot {
	h := trial.NewHistory(trial.Header{Name: "study", Directions: []trial.Direction{d}})
	for _, r := range records {
		h.Put(r)
	}
	return h.Snapshot()
}

var all = []Pruner{
	None{}, Median{}, Percentile{}, SuccessiveHalving{}, Hyperband{}, Threshold{}, Patient{}, Wilcoxon{}, Extrapolation{},
	Patient{Pruner: Median{Warmup: -1}, Patience: -1}, Threshold{Lower: new(0.0), Upper: new(1.0)},
}

func TestReasonsAreForPeople(t *testing.T) {
	five := []trial.Record{
		done(curve(0, 1, 0.5)), done(curve(1, 2, 0.6)), done(curve(2, 3, 0.7)), done(curve(3, 4, 0.8)), done(curve(4, 5, 0.9)),
	}
	tests := map[string]struct {
		pruner Pruner
		trial  trial.Record
		d      trial.Direction
		want   string // none: not pruned
	}{
		"median":                   {Median{Warmup: -1}, curve(9, 9, 0.75), 0, "0.75 by step 1 is worse than the median 0.7 of 5 trials"},
		"equal to the median":      {Median{Warmup: -1}, curve(9, 9, 0.7), 0, ""},
		"the best of all counts":   {Median{Warmup: -1}, curve(9, 0.1, 9), 0, ""},
		"median, maximizing":       {Median{Warmup: -1}, curve(9, 0, 0.65), trial.Maximize, "0.65 by step 1 is worse than the median 0.7 of 5 trials"},
		"median, warming up":       {Median{}, curve(9, 9, 9), 0, ""},
		"nobody was there":         {Median{Warmup: -1}, curve(9, 9, 9, 9), 0, ""},
		"too few were there":       {Median{Warmup: -1, MinTrials: 6}, curve(9, 9, 9), 0, ""},
		"too few trials":           {Median{Warmup: -1, Startup: 6}, curve(9, 9, 9), 0, ""},
		"only NaN":                 {Median{Warmup: -1}, curve(9, math.NaN(), math.NaN()), 0, "only NaN up to step 1"},
		"quarter":                  {Percentile{Percentile: 25, Warmup: -1}, curve(9, 9, 0.65), 0, "0.65 by step 1 is worse than the 25th percentile 0.6 of 5 trials"},
		"threshold above":          {Threshold{Upper: new(1.0)}, curve(9, 2), 0, "2 at step 0 is above 1"},
		"threshold below":          {Threshold{Lower: new(0.0)}, curve(9, -2), 0, "-2 at step 0 is below 0"},
		"threshold reached":        {Threshold{Lower: new(2.0), Upper: new(2.0)}, curve(9, 2), 0, ""},
		"NaN, no threshold":        {Threshold{}, curve(9, math.NaN()), 0, "NaN at step 0"},
		"infinite, no threshold":   {Threshold{}, curve(9, math.Inf(1)), 0, ""},
		"impatient":                {Patient{Patience: -1}, curve(9, 1, 2), 0, "no better than 1 since step 1"},
		"patient":                  {Patient{Patience: 1}, curve(9, 1, 2), 0, ""},
		"patient, NaN after":       {Patient{Patience: -1}, curve(9, 1, math.NaN()), 0, ""},
		"patient, none before NaN": {Patient{Patience: -1}, curve(9, math.NaN(), 5), 0, ""},
		"patient, asking another":  {Patient{Pruner: Median{Warmup: -1}, Patience: -1}, curve(9, 8, 9), 0, "no better than 8 since step 1; 8 by step 1 is worse than the median 0.7 of 5 trials"},
		"rung":                     {SuccessiveHalving{MinResource: 1, ReductionFactor: 4}, curve(9, 9, 0.55), 0, "0.55 at step 1 is not among the best 1 of 6 at rung 0"},
		"rung won":                 {SuccessiveHalving{MinResource: 1}, curve(9, 9, 0.5), 0, ""},
		"rung, NaN":                {SuccessiveHalving{MinResource: 1}, curve(9, 9, math.NaN()), 0, "NaN at step 1"},
		"rung, to be filled first": {SuccessiveHalving{MinResource: 1, Bootstrap: 6}, curve(9, 9, 0), 0, "rung 0 at step 1 has 6 of the 7 values it needs first"},
		"bracket":                  {Hyperband{MaxResource: 1}, curve(9, 9, 0.75), 0, "0.75 at step 1 is not among the best 3 of 6 at rung 0 of bracket 0"},
		"signed ranks":             {Wilcoxon{P: 0.3}, curve(9, 2, 2), 0, "worse than trial 0 with p = 0.25 over 2 steps"},
		"average as good":          {Wilcoxon{P: 1}, curve(9, 1, 0.5), 0, ""},
		"infinite, signed ranks":   {Wilcoxon{P: 1}, curve(9, 9, math.Inf(1)), 0, ""},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			got, prune := c.pruner.Prune(c.trial, history(c.d, five...))
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.want != "", prune)
		})
	}
}

func TestNothingIsPrunedWithoutReasonToCompare(t *testing.T) {
	for _, p := range all {
		for _, h := range []trial.Snapshot{{}, history(trial.Minimize), history(trial.Maximize, curve(3, 1, 2))} {
			_, prune := p.Prune(curve(0), h)
			assert.False(t, prune, "%T, no report", p)
			_, prune = p.Prune(curve(0, 0.5), h)
			assert.False(t, prune, "%T, one report", p)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, p := range all {
		if v, ok := p.(interface{ Validate() error }); ok {
			assert.NoError(t, v.Validate(), "%T", p)
		}
	}
	tests := map[string]Pruner{
		"percentile below 0":           Percentile{Percentile: -1, Warmup: -1, Startup: -1},
		"percentile above 100":         Percentile{Percentile: 100.1, Warmup: -1, Startup: -1},
		"percentile NaN":               Percentile{Percentile: math.NaN(), Warmup: -1, Startup: -1},
		"negative interval":            Median{Interval: -1, Warmup: -1, Startup: -1},
		"negative trials":              Median{MinTrials: -1, Warmup: -1, Startup: -1},
		"thresholds crossed":           Threshold{Lower: new(1.0), Upper: new(0.0)},
		"threshold NaN":                Threshold{Lower: new(math.NaN())},
		"threshold, negative interval": Threshold{Interval: -1},
		"negative difference":          Patient{MinDelta: -1},
		"patience for a bad pruner":    Patient{Pruner: Median{Interval: -1}},
		"negative optimism":            Extrapolation{Optimism: -1, Startup: -1},
		"optimism NaN":                 Extrapolation{Optimism: math.NaN(), Startup: -1},
		"keep above 1":                 Extrapolation{Keep: 1.1, Startup: -1},
		"p below 0":                    Wilcoxon{P: -0.1},
		"p above 1":                    Wilcoxon{P: 1.1},
		"factor of 1":                  SuccessiveHalving{ReductionFactor: 1, MinResource: 1},
		"negative factor":              SuccessiveHalving{ReductionFactor: -2, MinResource: 1},
		"negative resource":            SuccessiveHalving{MinResource: -1},
		"negative rate":                SuccessiveHalving{MinEarlyStoppingRate: -1, MinResource: 1},
		"negative bootstrap":           SuccessiveHalving{Bootstrap: -1, MinResource: 1},
		"bootstrap without resource":   SuccessiveHalving{Bootstrap: 1},
		"brackets, factor of 1":        Hyperband{ReductionFactor: 1, MaxResource: 9},
		"brackets, no room":            Hyperband{MinResource: 4, MaxResource: 3},
		"brackets, negative":           Hyperband{MaxResource: -3},
		"brackets, bootstrap":          Hyperband{Bootstrap: 1},
	}
	h := history(trial.Minimize, done(curve(0, 0, 0, 0)), done(curve(1, 1, 1, 1)))
	for name, p := range tests {
		t.Run(name, func(t *testing.T) {
			assert.ErrorIs(t, p.(interface{ Validate() error }).Validate(), ErrInvalid)
			_, prune := p.Prune(curve(2, 0, 1, math.NaN()), h)
			assert.False(t, prune, "an invalid pruner never prunes")
		})
	}
}

func TestZeroValuesAreTheDefaults(t *testing.T) {
	var records []trial.Record
	for i := range 4 {
		records = append(records, done(curve(i, make([]float64, 30)...)))
	}
	bad := func(steps int) trial.Record { return curve(9, slices.Repeat([]float64{1}, steps+1)...) }
	prunes := func(p Pruner, step int) bool {
		_, prune := p.Prune(bad(step), history(trial.Minimize, records...))
		return prune
	}
	assert.False(t, prunes(Median{}, 10), "4 complete trials")
	records = append(records, done(curve(4, make([]float64, 30)...)))
	assert.False(t, prunes(Median{}, 9), "step 9")
	assert.True(t, prunes(Median{}, 10), "5 complete trials, step 10")
	assert.True(t, prunes(Percentile{}, 10))
	assert.True(t, prunes(Median{Warmup: -1}, 0))
	// A trial is not compared with pruned and failed trials.
	for i := range records {
		records[i].State = trial.Pruned
	}
	assert.False(t, prunes(Median{Startup: -1, Warmup: -1}, 10))
}

func TestWarmupFor(t *testing.T) {
	for steps, want := range map[int]int{-1: 1, 0: 1, 1: 1, 9: 1, 10: 2, 14: 2, 52: 10, 100: 20, 1000: 200} {
		assert.Equal(t, want, WarmupFor(steps), "%d steps", steps)
	}
}

// Maximizing the negated objective gives the same verdicts.
func TestVerdictsMirror(t *testing.T) {
	negated := func(r trial.Record) trial.Record {
		r.Reports, r.Values = slices.Clone(r.Reports), slices.Clone(r.Values)
		for i := range r.Reports {
			r.Reports[i].Value *= -1
		}
		for i := range r.Values {
			r.Values[i] *= -1
		}
		return r
	}
	rng := rand.New(rand.NewPCG(1, 2))
	pruners := []Pruner{
		Median{Warmup: -1}, SuccessiveHalving{ReductionFactor: 2}, SuccessiveHalving{MinResource: 1}, Hyperband{}, Patient{Patience: 1}, Wilcoxon{}, Extrapolation{},
	}
	var records, mirrored []trial.Record
	verdicts := 0
	for n := range 100 {
		values := make([]float64, 1+rng.IntN(12))
		for i := range values {
			values[i] = float64(rng.IntN(30))
		}
		r := curve(n, values...)
		for _, p := range pruners {
			reason, prune := p.Prune(r, history(trial.Minimize, records...))
			_, same := p.Prune(negated(r), history(trial.Maximize, mirrored...))
			require.Equal(t, prune, same, "%T, trial %d: %s", p, n, reason)
			if prune {
				verdicts++
			}
		}
		records, mirrored = append(records, done(r)), append(mirrored, negated(done(r)))
	}
	assert.Greater(t, verdicts, 50)
}

func TestRungs(t *testing.T) {
	note := func(r trial.Record, k string, v string) trial.Record {
		r.Notes = r.Notes.With(trial.Attr{Key: "completed_rung_" + k, JSON: v})
		return r
	}
	pruned := curve(1, 9, 8, 7, 6, 5)
	pruned.State = trial.Pruned
	late := trial.Record{State: trial.Pruned, Reports: []trial.Report{{Step: 1, Value: 3}, {Step: 100, Value: 2}}}
	tests := map[string]struct {
		trial trial.Record
		rung  rung
		want  float64
		ok    bool
	}{
		"at the step":                      {curve(0, 9, 8, 7), rung{0, 1, 0}, 8, true},
		"not so far":                       {curve(0, 9, 8, 7), rung{1, 3, 1}, 0, false},
		"no report":                        {curve(0), rung{0, 1, 0}, 0, false},
		"beyond the step":                  {late, rung{1, 4, 1}, 2, true},
		"pruned with it below":             {late, rung{2, 16, 4}, 0, false},
		"pruned here":                      {pruned, rung{2, 4, 2}, 5, true},
		"NaN is passed over":               {curve(0, 9, math.NaN(), 7), rung{0, 1, 0}, 7, true},
		"Python says":                      {note(curve(0, 9, 8, 7), "0", "0.5"), rung{0, 1, 0}, 0.5, true},
		"Python says that it was not here": {note(curve(0, 9, 8, 7), "0", "0.5"), rung{1, 2, 1}, 0, false},
		"Python's infinity":                {note(note(curve(0), "0", "1"), "1", "-Infinity"), rung{1, 2, 1}, math.Inf(-1), true},
		"not a number":                     {note(curve(0), "0", `"x"`), rung{0, 1, 0}, 0, false},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := c.rung.value(&c.trial)
			assert.Equal(t, c.ok, ok)
			if c.ok {
				assert.Equal(t, c.want, got)
			}
		})
	}
}

// A rung is judged once, whatever is reported later. goptuna judges rungs again, and overwrites them.
func TestARungIsJudgedOnce(t *testing.T) {
	p := SuccessiveHalving{MinResource: 2, ReductionFactor: 2}
	h := history(trial.Minimize, done(curve(0, 0, 0, 0, 0, 0)))
	_, prune := p.Prune(curve(1, 5, 5, 5), h)
	assert.True(t, prune, "first at step 2")
	_, prune = p.Prune(curve(1, 5, 5, 5, 5), h)
	assert.False(t, prune, "step 3 lies between the rungs")
	_, prune = p.Prune(curve(1, 5, 5, 5, 5, 5), h)
	assert.True(t, prune, "step 4 is the second")
}

func TestRungsDoNotOverflow(t *testing.T) {
	last := trial.Record{State: trial.Running, Reports: []trial.Report{{Step: math.MaxInt - 1, Value: 1}}}
	for _, p := range []Pruner{
		SuccessiveHalving{MinResource: 1, ReductionFactor: 2}, SuccessiveHalving{MinResource: 3, MinEarlyStoppingRate: 1000},
		Hyperband{MaxResource: math.MaxInt}, Hyperband{MaxResource: math.MaxInt, ReductionFactor: math.MaxInt}, Hyperband{},
	} {
		h := history(trial.Minimize, done(last))
		_, prune := p.Prune(last, h)
		assert.False(t, prune, "the best of all")
	}
}

func TestBudgets(t *testing.T) {
	tests := map[string]struct {
		p    Hyperband
		want []uint64
	}{
		"27 by 3":    {Hyperband{MinResource: 1, MaxResource: 27, ReductionFactor: 3}, []uint64{27, 12, 6, 4}}, // Python: [ceil(4*3**s/(s+1)) for s in (3, 2, 1, 0)]
		"26 by 3":    {Hyperband{MaxResource: 26, MinResource: 1, ReductionFactor: 3}, []uint64{9, 5, 3}},
		"243 by 3":   {Hyperband{MaxResource: 243, MinResource: 1, ReductionFactor: 3}, []uint64{243, 98, 41, 18, 9, 6}}, // six brackets; a logarithm that rounds down gives five
		"1000 by 10": {Hyperband{MinResource: 1, MaxResource: 1000, ReductionFactor: 10}, []uint64{1000, 134, 20, 4}},
		"2 to 27":    {Hyperband{MinResource: 2, MaxResource: 27, ReductionFactor: 2}, []uint64{8, 6, 4, 4}},
		"one":        {Hyperband{MaxResource: 1}, []uint64{1}},
		"not known":  {Hyperband{}, nil},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, c.p.budgets(trial.Snapshot{}))
		})
	}
	assert.Equal(t, []uint64{9, 5, 3}, Hyperband{MinResource: 1, ReductionFactor: 3}.budgets(history(trial.Minimize, done(curve(0, make([]float64, 20)...)))))
	assert.Empty(t, Hyperband{MinResource: 30}.budgets(history(trial.Minimize, done(curve(0, make([]float64, 20)...)))))
}

func TestHyperbandScopes(t *testing.T) {
	p := Hyperband{MinResource: 1, MaxResource: 27, ReductionFactor: 3}
	var records []trial.Record
	for n := range 400 {
		r := curve(n, 1, 2)
		if n%4 != 0 {
			r = done(r)
		}
		records = append(records, r)
	}
	h := history(trial.Minimize, records...)
	sizes := map[int]int{}
	seen := map[int]bool{}
	for n := range records {
		part := p.Scope(n, h)
		numbers := part.Records()
		assert.True(t, slices.ContainsFunc(numbers, func(r trial.Record) bool { return r.Number == n }), "a trial is in its own bracket")
		if !seen[numbers[0].Number] {
			seen[numbers[0].Number] = true
			sizes[len(numbers)] = len(numbers)
		}
		assert.Equal(t, numbers, p.Scope(n, part).Records(), "scoped twice")
	}
	assert.Len(t, seen, 4)
	total := 0
	for _, n := range sizes {
		total += n
	}
	assert.Equal(t, 400, total, "brackets share the trials out")
	assert.Equal(t, h.Len(), Hyperband{}.Scope(0, history(trial.Minimize)).Len()+h.Len(), "one bracket as long as nothing is known")
}

// The first trial to finish determines the settings that were left to the pruner. Later and longer trials do not change
// them.
func TestResourcesStayFixed(t *testing.T) {
	long := done(curve(1, make([]float64, 3000)...))
	first := done(curve(2, make([]float64, 500)...))
	first.Finished = long.Finished.Add(-time.Second)
	for _, records := range [][]trial.Record{{first}, {first, long}, {long, first}} {
		h := history(trial.Minimize, records...)
		p := SuccessiveHalving{}
		_, prune := p.Prune(curve(9, 1, 1, 1, 1), h)
		assert.False(t, prune, "it is not at 499/10 = 50 yet")
		_, prune = p.Prune(curve(9, slices.Repeat([]float64{1}, 51)...), h)
		assert.True(t, prune)
	}
}

// The ranks are right for any order of the values, even if the sample is misleading.
func TestRanked(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	orders := map[string]func(i int) float64{
		"random":    func(int) float64 { return rng.NormFloat64() },
		"ascending": func(i int) float64 { return float64(i) },
		"equal":     func(int) float64 { return 1 },
		"periodic":  func(i int) float64 { return float64(i % 9) },
		"misled": func(i int) float64 {
			return math.Float64frombits(math.Float64bits(float64(count(i%9 == 0))) + uint64(i))
		},
		"infinite": func(i int) float64 { return math.Inf(i%3 - 1) },
	}
	for name, value := range orders {
		t.Run(name, func(t *testing.T) {
			values := make([]float64, 9999)
			for i := range values {
				values[i] = value(i)
			}
			sorted := slices.Sorted(slices.Values(values))
			values = append(values, math.NaN(), math.NaN())
			for _, low := range []int{0, 1, 100, 2500, 5000, 9000, 9997} {
				a, b := ranked(values, 9999, low, low+1)
				assert.Equal(t, sorted[low:low+2], []float64{a, b}, "rank %d", low)
			}
			a, b := ranked(values, 9999, 9998, 9998)
			assert.Equal(t, []float64{sorted[9998], sorted[9998]}, []float64{a, b})
		})
	}
}

func TestPrunersShareSnapshots(t *testing.T) {
	var records []trial.Record
	for n := range 200 {
		records = append(records, done(curve(n, float64(n%17), float64(n%13), float64(n%7))))
	}
	h := history(trial.Minimize, records...)
	var wg sync.WaitGroup
	for _, p := range append(all, Median{Warmup: -1}, SuccessiveHalving{MinResource: 1}) {
		want, _ := p.Prune(curve(999, 5, 6, 7), history(trial.Minimize, records...))
		for range 4 {
			wg.Go(func() {
				got, _ := p.Prune(curve(999, 5, 6, 7), h)
				assert.Equal(t, want, got)
			})
		}
	}
	wg.Wait()
}

func TestVerdictsDoNotAllocateByTheNumberOfTrials(t *testing.T) {
	h, r := large(10_000)
	for _, p := range []Pruner{Median{Warmup: -1}, SuccessiveHalving{MinResource: 1}, Hyperband{MaxResource: 20}, Extrapolation{}} {
		p.Prune(r, h)
		assert.Less(t, testing.AllocsPerRun(20, func() { p.Prune(r, h) }), 60.0, "%T", p)
	}
}

func TestThresholdsPrint(t *testing.T) {
	assert.Equal(t, "{Lower:nil Upper:0.1 Warmup:3 Interval:0}", Threshold{Upper: new(0.1), Warmup: 3}.String())
}

// large returns a history of n complete trials of 20 steps and a trial that is
// the worst of all at step 16.
func large(n int) (trial.Snapshot, trial.Record) {
	rng := rand.New(rand.NewPCG(5, 6))
	h := trial.NewHistory(trial.Header{Name: "large"})
	values := make([]float64, 20)
	for number := range n {
		for i := range values {
			values[i] = rng.NormFloat64()
		}
		h.Put(done(curve(number, values...)))
	}
	return h.Snapshot(), curve(n, slices.Repeat([]float64{9}, 17)...)
}

func BenchmarkPrune(b *testing.B) {
	h, worst := large(100_000)
	middle := curve(worst.Number, slices.Repeat([]float64{0}, 17)...)
	for name, p := range map[string]Pruner{
		"Median": Median{}, "Percentile": Percentile{Percentile: 10}, "SuccessiveHalving": SuccessiveHalving{MinResource: 1}, "Hyperband": Hyperband{},
		"Extrapolation": Extrapolation{},
	} {
		for name2, r := range map[string]trial.Record{"worst": worst, "middle": middle} {
			b.Run(name+"/"+name2, func(b *testing.B) {
				p.Prune(r, h)
				b.ReportAllocs()
				for b.Loop() {
					p.Prune(r, h)
				}
			})
		}
	}
}
