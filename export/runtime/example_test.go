package runtime_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/figure/draw"
)

// native predicts like the file testdata/linear.onnx.
var native = runtime.Func(func(rows, out []float64) error {
	for i := range out {
		out[i] = rows[3*i] + 2*rows[3*i+1] + 3*rows[3*i+2] + 0.5
	}
	return nil
})

func Example() {
	p, err := runtime.OpenPredictor("testdata/linear.onnx", runtime.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	out := make([]float64, 2)
	if err := p.Predict([]float64{1, 2, 3, 0, 0, 1}, out); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out, "on the", p.Session().Provider())
}

func ExampleOpen() {
	s, err := runtime.Open("testdata/two_inputs.onnx", runtime.Config{Threads: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	out, err := s.Run(ctx, tensor.List{
		{Name: "a", Shape: []int64{1, 2}, Data: []float32{1, 2}},
		{Name: "b", Shape: []int64{1, 2}, Data: []float32{10, 20}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out[0].Name, out[0].Data)
}

// The native model answers on a machine without ONNX Runtime, and if the file is damaged.
func ExampleOpenFallback() {
	f := runtime.OpenFallback("testdata/linear.onnx", runtime.Config{Log: slog.New(slog.DiscardHandler)}, runtime.PredictorConfig{}, native)
	defer f.Close()
	out := make([]float64, 1)
	if err := f.Predict([]float64{1, 2, 3}, out); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out)
	// Output: [14.5]
}

func ExampleShadow() {
	candidate := runtime.Func(func(rows, out []float64) error {
		err := native(rows, out)
		for i, v := range out {
			if v > 10 {
				out[i] = 10 // the new model was trained on smaller values
			}
		}
		return err
	})
	s := &runtime.Shadow{Live: native, Candidate: candidate, Log: slog.New(slog.DiscardHandler)}
	out := make([]float64, 2)
	if err := s.Predict([]float64{0, 0, 1, 1, 2, 3}, out); err != nil {
		fmt.Println(err)
		return
	}
	stats := s.Stats()
	fmt.Println("answered:", out)
	fmt.Printf("%d of %d rows disagree\n", stats.Disagreements, stats.Rows)
	fmt.Println("worst:", stats.Worst.Row, stats.Worst.Live, stats.Worst.Candidate)
	// Output:
	// answered: [3.5 14.5]
	// 1 of 2 rows disagree
	// worst: [1 2 3] 14.5 10
}

func ExampleAB() {
	ab := &runtime.AB{A: native, B: native, Share: 0.25, Name: "spring"}
	out := make([]float64, 1)
	for range 100 {
		if err := ab.Predict([]float64{1, 2, 3}, out); err != nil {
			fmt.Println(err)
			return
		}
	}
	stats := ab.Stats()
	fmt.Println(stats.A.Calls, stats.B.Calls)
	// Output: 75 25
}

func ExampleMeasurement() {
	m := runtime.Measurement{Rows: []float64{1, 2, 3, 4, 5, 6}, Width: 3, Batches: []int{1, 10}, Time: time.Millisecond}
	report, err := m.Run(context.Background(),
		runtime.Subject{Name: "native", Open: func() (runtime.Model, error) { return native, nil }},
		runtime.Subject{Name: "onnx", File: "testdata/linear.onnx", Open: func() (runtime.Model, error) {
			return runtime.OpenPredictor("testdata/linear.onnx", runtime.Config{})
		}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(io.Discard, report) // a table, whose times differ from run to run
	fmt.Println(report.Subjects[0].Name, "was called with", report.Subjects[0].Batches[1].Rows, "rows")
	if f, err := report.Figure(); err == nil { // the same as a picture
		err = draw.SVG(io.Discard, f, draw.Options{})
		if err != nil {
			fmt.Println(err)
		}
	}
	// Output: native was called with 10 rows
}
