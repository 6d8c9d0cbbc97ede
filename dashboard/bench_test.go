package dashboard_test

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/dashboard"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/trial"
)

// A study of 100,000 trials and 20 parameters: the page as it is opened, with a filter that
// was not used before, and its plots.
func BenchmarkLargeStudy(b *testing.B) {
	var axes []space.Axer
	for i := range 20 {
		axes = append(axes, space.Float(fmt.Sprintf("p%02d", i), 0, 1))
	}
	s := space.Of(axes...)
	h := trial.NewHistory(trial.Header{Name: "large"})
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 100_000 {
		r := trial.Record{Number: i, State: trial.Complete, Params: space.Params{Space: s, Point: make([]float64, len(s))}}
		for k := range r.Params.Point {
			r.Params.Point[k] = rng.Float64()
		}
		r.Values = []float64{r.Params.Point[0] + 0.1*r.Params.Point[1]}
		h.Put(r)
	}
	store := new(memory.Store)
	add(b, store, h.Snapshot())
	d := dashboard.New(store, dashboard.Config{})
	defer d.Close()
	get := func(b *testing.B, address string) int {
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest("GET", address, nil))
		require.Equal(b, 200, w.Code, w.Body.String())
		return w.Body.Len()
	}
	get(b, "/study?name=large") // reads it
	b.Run("page", func(b *testing.B) {
		bytes := 0
		for b.Loop() {
			bytes = get(b, "/study?name=large")
		}
		b.ReportMetric(float64(bytes), "bytes")
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB")
	})
	n := 0
	b.Run("filter", func(b *testing.B) {
		for b.Loop() {
			n++
			get(b, "/study?name=large&filter="+url.QueryEscape(fmt.Sprintf("p00<0.5 number>=%d", n)))
		}
	})
	for _, kind := range []string{"history", "importance", "parallel", "slice", "contour", "rank", "edf", "timeline"} {
		b.Run(kind, func(b *testing.B) {
			for b.Loop() {
				n++ // not from the cache
				get(b, "/plot.svg?name=large&kind="+kind+"&filter="+url.QueryEscape(fmt.Sprintf("number>=%d", n)))
			}
		})
	}
}
