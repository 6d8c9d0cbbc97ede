package native

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/attune-hpo/attune/objective/tree/engine"
)

// friedman returns rows of Friedman's first function (Multivariate adaptive
// regression splines, 1991, eq. 61) with noise of deviation 1. Features beyond the fifth
// have no effect.
func friedman(rows, features int, seed uint64) engine.Dataset {
	r := rand.New(rand.NewPCG(seed, 1))
	d := engine.Dataset{Columns: make([][]float64, features), Label: make([]float64, rows)}
	for f := range d.Columns {
		d.Columns[f] = make([]float64, rows)
		for i := range rows {
			d.Columns[f][i] = r.Float64()
		}
	}
	for i := range rows {
		x := func(f int) float64 { return d.Columns[f][i] }
		d.Label[i] = 10*math.Sin(math.Pi*x(0)*x(1)) + 20*(x(2)-0.5)*(x(2)-0.5) + 10*x(3) + 5*x(4) + r.NormFloat64()
	}
	return d
}

// BenchmarkThreads trains on one thread and on two, in turns, and reports the speed-up as
// the ratio of the medians and of the minima. Other work on the machine disturbs the
// minima less.
func BenchmarkThreads(b *testing.B) {
	d := friedman(100_000, 20, 1)
	var seconds [2][]float64
	for b.Loop() {
		for i := range seconds {
			start := time.Now()
			if _, err := Fit(context.Background(), d, engine.Dataset{}, engine.Params{Trees: 200, Threads: i + 1}, nil); err != nil {
				b.Fatal(err)
			}
			seconds[i] = append(seconds[i], time.Since(start).Seconds())
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(seconds[0])/middle(seconds[1]), "ratio-of-medians")
	b.ReportMetric(slices.Min(seconds[0])/slices.Min(seconds[1]), "ratio-of-minima")
}

func BenchmarkFit(b *testing.B) {
	for _, c := range []struct{ rows, features, threads int }{
		{10_000, 20, 1}, {100_000, 20, 1}, {100_000, 20, 2},
	} {
		b.Run(fmt.Sprintf("%dx%d,threads=%d", c.rows, c.features, c.threads), func(b *testing.B) {
			d := friedman(c.rows, c.features, 1)
			for b.Loop() {
				if _, err := Fit(context.Background(), d, engine.Dataset{}, engine.Params{Trees: 200, Threads: c.threads}, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func middle(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}
