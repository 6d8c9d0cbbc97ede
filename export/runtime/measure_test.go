package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/figure"
)

// The quantiles from buckets are accurate to within 2 %.
func TestLatency(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() time.Duration{
		"few":     func() time.Duration { return time.Duration(r.IntN(40)) },
		"skewed":  func() time.Duration { return time.Duration(1000 * r.ExpFloat64() * 50) },
		"decades": func() time.Duration { return time.Duration(1) << r.IntN(62) },
	} {
		t.Run(name, func(t *testing.T) {
			var l Latency
			var times []time.Duration
			for range 5000 {
				d := draw()
				l.Add(d)
				times = append(times, d)
			}
			got, want := l.Summary(), summarize(times)
			require.Equal(t, want.Calls, got.Calls)
			require.Equal(t, want.Max, got.Max)
			require.InEpsilon(t, want.Mean+1, got.Mean+1, 1e-9)
			require.InEpsilon(t, want.SD+1, got.SD+1, 1e-9)
			require.InEpsilon(t, want.P50+1, got.P50+1, 0.02)
			require.InEpsilon(t, want.P99+1, got.P99+1, 0.02)
		})
	}
	var l Latency
	require.Equal(t, Summary{}, l.Summary())
	require.Equal(t, Summary{}, summarize(nil))
	l.Add(-5) // a clock set back
	l.Add(1<<63 - 1)
	require.Equal(t, uint64(2), l.Summary().Calls)
	last := -1
	for _, d := range []time.Duration{0, 1, 31, 32, 63, 64, 65, 66, 127, 128, 1 << 20, 1<<63 - 1} {
		require.GreaterOrEqual(t, bucket(d), last)
		last = bucket(d)
		require.InDelta(t, float64(d), float64(middle(last)), float64(d)/32)
	}
	require.Equal(t, len(l.buckets)-1, last)
}

func TestSummary(t *testing.T) {
	got := summarize([]time.Duration{4, 1, 3, 2})
	require.Equal(t, Summary{Calls: 4, Mean: 2, SD: 1, P50: 2, P99: 4, Max: 4}, got) // 2.5 and 1.29 ns
}

func TestMeasure(t *testing.T) {
	library(t)
	rows := normal(1, 40)
	m := Measurement{Rows: rows, Width: features, Batches: []int{1, 64}, Time: time.Millisecond, Opens: 2}
	native := nativeTrees(t, 100)
	report, err := m.Run(t.Context(),
		Subject{Name: "onnx", File: file("trees_double"), Open: func() (Model, error) {
			return OpenPredictor(file("trees_double"), Config{})
		}},
		Subject{Name: "<native>", Open: func() (Model, error) { return native, nil }},
		Subject{Name: "absent", File: "absent", Open: nil},
		Subject{Name: "refused", Open: func() (Model, error) { return nil, errors.New("refused") }},
		Subject{Name: "failing", Open: func() (Model, error) { return failing(errors.New("no")), nil }},
	)
	require.NoError(t, err)
	require.Len(t, rows, 40*features, "the caller's rows stay as they are")
	for i, s := range report.Subjects[:2] {
		require.Empty(t, s.Error)
		require.Len(t, s.Batches, 2)
		require.Contains(t, []int{1, 64}, s.Best)
		require.Equal(t, uint64(2), s.Load.Calls)
		for _, b := range s.Batches {
			assert.Positive(t, b.Mean)
			assert.GreaterOrEqual(t, b.P99, b.P50)
			assert.GreaterOrEqual(t, b.Calls, uint64(2*rounds))
			assert.InEpsilon(t, float64(b.Rows)*1e9/float64(b.Mean), b.RowsPerSecond, 1e-9)
		}
		require.Equal(t, []int64{100552, 0}[i], s.File)
	}
	for i, want := range []string{"absent", "refused", "batches of 1: no"} {
		require.Contains(t, report.Subjects[2+i].Error, want)
		require.Empty(t, report.Subjects[2+i].Batches)
	}
	table := report.String()
	require.Contains(t, table, "rows/s")
	require.Contains(t, table, "refused: refused\n")
	require.Equal(t, 1+4+3, strings.Count(table, "\n"))

	var b bytes.Buffer
	require.NoError(t, report.WriteJSON(&b))
	var back Report
	require.NoError(t, json.Unmarshal(b.Bytes(), &back))
	require.Equal(t, report, back)
	require.Contains(t, b.String(), `"p99_ns"`)

	f, err := report.Figure()
	require.NoError(t, err)
	line, ok := f.Panels[0].Marks[2].(figure.Line)
	require.True(t, ok)
	require.Equal(t, "<native>", line.Name)
	require.Len(t, line.X, len(report.Subjects[1].Batches))
	for i, b := range report.Subjects[1].Batches {
		require.InDelta(t, b.Rows, line.X[i], 0)
		require.InDelta(t, float64(b.P50.Nanoseconds())/1000/float64(b.Rows), line.Y[i], 1e-9)
	}
}

// A model returned with an error is ignored: Close would panic on a nil *Predictor.
func TestMeasureOpenFails(t *testing.T) {
	m := Measurement{Rows: []float64{1, 2}, Width: 1, Batches: []int{1}, Time: time.Microsecond}
	for name, open := range map[string]func() (Model, error){
		"at once": func() (Model, error) { return OpenPredictor("absent.onnx", Config{}) },
		"later": func() func() (Model, error) {
			opened := 0
			return func() (Model, error) {
				if opened++; opened > 1 {
					return (*Predictor)(nil), errors.New("absent.onnx: no more")
				}
				return times(1), nil
			}
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			r, err := m.Run(t.Context(), Subject{Name: "one", Open: open}, Subject{Name: "two", Open: func() (Model, error) { return times(1), nil }})
			require.NoError(t, err)
			require.Contains(t, r.Subjects[0].Error, "absent.onnx")
			require.Empty(t, r.Subjects[1].Error)
		})
	}
}

// A counted model counts how often it is closed.
type counted struct {
	Model
	closed func()
}

func (c counted) Close() error {
	c.closed()
	return nil
}

// A model closed before the memory is measured would leave memory for the next one.
func TestMeasureTakesTheMemoryFirst(t *testing.T) {
	opened, closed := 0, 0
	open := func() (Model, error) {
		opened++
		return counted{times(1), func() {
			closed++
			assert.GreaterOrEqual(t, opened, 2*(1+3), "closed before all were opened side by side")
		}}, nil
	}
	m := Measurement{Rows: []float64{1, 2}, Width: 1, Batches: []int{1}, Time: time.Microsecond, Opens: 3}
	_, err := m.Run(t.Context(), Subject{Name: "one", Open: open}, Subject{Name: "two", Open: open})
	require.NoError(t, err)
	require.Equal(t, 2*(1+3+3), opened)
	require.Equal(t, opened, closed)
}

func TestMeasureBad(t *testing.T) {
	one := Subject{Name: "one", Open: func() (Model, error) { return times(1), nil }}
	good := Measurement{Rows: []float64{1, 2}, Width: 1, Batches: []int{1}, Time: time.Microsecond}
	for name, change := range map[string]func(*Measurement){
		"no rows":         func(m *Measurement) { m.Rows = nil },
		"no width":        func(m *Measurement) { m.Width = 0 },
		"half a row":      func(m *Measurement) { m.Width, m.Rows = 2, make([]float64, 3) },
		"a batch of none": func(m *Measurement) { m.Batches = []int{1, 0} },
		"no batches":      func(m *Measurement) { m.Batches = []int{} },
		"negative":        func(m *Measurement) { m.Outputs = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			m := good
			change(&m)
			_, err := m.Run(t.Context(), one)
			require.ErrorIs(t, err, ErrInput)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := good.Run(ctx, one)
	require.ErrorIs(t, err, context.Canceled)
	r, err := good.Run(t.Context(), one)
	require.NoError(t, err)
	f, err := r.Figure()
	require.NoError(t, err)
	require.Len(t, f.Panels[0].Marks, 2, "a line of one point, and the point")
	require.Equal(t, 1, r.Subjects[0].Best)
	_, err = Report{}.Figure()
	require.ErrorIs(t, err, ErrInput)
	require.Contains(t, Report{}.String(), "rows/s")
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ns", 999: "999 ns", 1000: "1 µs", 12345: "12.3 µs", 999_999: "999 µs", 2500 * time.Microsecond: "2.5 ms", 90 * time.Second: "90 s",
	} {
		assert.Equal(t, want, short(d))
	}
	for n, want := range map[int64]string{-1: "-", 0: "-", 999: "999 B", 100552: "100.6 kB", 2e6: "2 MB", 3e12: "3000 GB"} {
		assert.Equal(t, want, size(n))
	}
}
