//go:build unix

package native

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// BenchmarkAgainstLightGBM trains on the same data as LightGBM, in turns, on one
// thread each. It reports medians over the seeds: attune's CPU time in seconds, its ratio
// to LightGBM's, and the ratio of the test errors. It needs ATTUNE_PYTHON, a Python that
// has lightgbm and numpy.
func BenchmarkAgainstLightGBM(b *testing.B) {
	python := os.Getenv("ATTUNE_PYTHON")
	if python == "" {
		b.Skip("ATTUNE_PYTHON is not set")
	}
	const features, trees, tests = 20, 200, 20_000
	for _, rows := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("%dx%d,trees=%d", rows, features, trees), func(b *testing.B) {
			var ours, times, errors []float64
			for seed := uint64(1); b.Loop(); seed++ {
				train, test := friedman(rows, features, seed), friedman(tests, features, 1000+seed)
				path := filepath.Join(b.TempDir(), "data")
				writeColumns(b, path, train, test)
				start := cpuSeconds()
				m, err := Fit(context.Background(), train, engine.Dataset{}, engine.Params{Trees: trees}, nil)
				require.NoError(b, err)
				our := cpuSeconds() - start
				out, err := exec.Command(python, "testdata/against_lightgbm.py", path,
					fmt.Sprint(rows), fmt.Sprint(tests), fmt.Sprint(features), fmt.Sprint(trees), "31", "1").Output()
				require.NoError(b, err)
				var made, trained, rmse float64
				_, err = fmt.Sscan(string(out), &made, &trained, &rmse)
				require.NoError(b, err)
				ours = append(ours, our)
				times = append(times, our/(made+trained))
				errors = append(errors, rootMeanSquare(m, test)/rmse)
				b.Logf("seed %d: ours %.3f s, theirs %.3f + %.3f s; rmse %.4f, theirs %.4f", seed, our, made, trained, rootMeanSquare(m, test), rmse)
			}
			b.ReportMetric(middle(ours), "cpu-s")
			b.ReportMetric(middle(times), "cpu-ratio")
			b.ReportMetric(middle(errors), "rmse-ratio")
		})
	}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return float64(usage.Utime.Nano()) / 1e9
}

func writeColumns(b *testing.B, path string, ds ...engine.Dataset) {
	var all []byte
	for _, d := range ds {
		for _, column := range append(slices.Clip(d.Columns), d.Label) {
			for _, v := range column {
				all = binary.LittleEndian.AppendUint64(all, math.Float64bits(v))
			}
		}
	}
	require.NoError(b, os.WriteFile(path, all, 0o600))
}

func rootMeanSquare(m *tree.Model, d engine.Dataset) float64 {
	sum := 0.0
	for i, p := range predict(m, d) {
		sum += (p - d.Label[i]) * (p - d.Label[i])
	}
	return math.Sqrt(sum / float64(d.Rows()))
}
