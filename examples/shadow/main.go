// Shadow tests new versions of a model on live traffic: the live version answers, the new one predicts the same rows
// in its shadow, and is promoted only if the two agree. A registry keeps the versions, and rolls back.
//
// It needs ONNX Runtime, which attune setup onnxruntime downloads.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/native"
)

const name = "demand"

// train returns a model of the demand for ice cream on days of some temperature and
// hours of sun; units is what a mistaken version counts it in.
func train(ctx context.Context, days int, units float64) (*tree.Model, error) {
	r := rand.New(rand.NewPCG(1, 1))
	d := engine.Dataset{Names: []string{"temperature", "sun"}, Columns: make([][]float64, 2)}
	for range days {
		temperature, sun := 15+10*r.NormFloat64(), 14*r.Float64()
		d.Columns[0] = append(d.Columns[0], temperature)
		d.Columns[1] = append(d.Columns[1], sun)
		d.Label = append(d.Label, units*(100*math.Exp(temperature/20)+10*sun))
	}
	return native.Fit(ctx, d, engine.Dataset{}, engine.Params{Trees: 50, LearningRate: 0.1}, nil)
}

// put exports a model into the registry: an ONNX file that is proven to predict the
// same, and the native model beside it.
func put(ctx context.Context, r *registry.Registry, m *tree.Model, form onnx.Form, promote bool) (registry.Version, error) {
	result, err := deploy.Trees(ctx, m, nil, deploy.TreesOptions{Form: form, Register: &deploy.Registration{Registry: r, Name: name, Promote: promote}})
	return result.Version, err
}

// open runs the ONNX file of a version, and the native model where that fails.
func open(v registry.Version) (*runtime.Fallback, error) {
	path, err := v.Path(registry.Native)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	m, err := tree.Read(file)
	if err != nil {
		return nil, err
	}
	path, err = v.Path(registry.ONNX)
	if err != nil {
		return nil, err
	}
	return deploy.OpenTrees(path, m, runtime.Config{})
}

// try has a version shadow the one that is live, and promotes it if they agree.
func try(ctx context.Context, r *registry.Registry, candidate registry.Version) error {
	now, err := r.Live(name)
	if err != nil {
		return err
	}
	live, err := open(now)
	if err != nil {
		return err
	}
	next, err := open(candidate)
	if err != nil {
		return errors.Join(err, live.Close())
	}
	shadow := &runtime.Shadow{Live: live, Candidate: next, Log: slog.New(slog.DiscardHandler)}
	defer shadow.Close()

	traffic := rand.New(rand.NewPCG(2, 2))
	out := make([]float64, 10)
	for range 20 {
		rows := make([]float64, 2*len(out))
		for i := range out {
			rows[2*i], rows[2*i+1] = 15+10*traffic.NormFloat64(), 14*traffic.Float64()
		}
		if err := shadow.Predict(rows, out); err != nil {
			return err
		}
	}
	stats := shadow.Stats()
	fmt.Printf("version %d in the shadow of %d: %d of %d rows disagree, %d errors\n",
		candidate.Number, now.Number, stats.Disagreements, stats.Rows, stats.Errors)
	if stats.Disagreements > 0 || stats.Errors > 0 {
		fmt.Printf("version %d stays live\n", now.Number)
		return nil
	}
	return r.Promote(ctx, name, candidate.Number)
}

func run(ctx context.Context, dir string) error {
	r, err := registry.Open(dir)
	if err != nil {
		return err
	}
	model, err := train(ctx, 2000, 1)
	if err != nil {
		return err
	}
	if _, err := put(ctx, r, model, onnx.Exact, true); err != nil {
		return err
	}
	// The same model for older runtimes, and one that was trained on dozens by mistake.
	smaller, err := put(ctx, r, model, onnx.Compatible, false)
	if err != nil {
		return err
	}
	mistaken, err := train(ctx, 2000, 1.0/12)
	if err != nil {
		return err
	}
	wrong, err := put(ctx, r, mistaken, onnx.Exact, false)
	if err != nil {
		return err
	}
	for _, v := range []registry.Version{smaller, wrong} {
		if err := try(ctx, r, v); err != nil {
			return err
		}
	}
	live, err := r.Live(name)
	if err != nil {
		return err
	}
	before, err := r.Rollback(ctx, name)
	if err != nil {
		return err
	}
	fmt.Printf("live was version %d, and is %d after a roll back\n", live.Number, before.Number)
	return nil
}

func main() {
	dir, err := os.MkdirTemp("", "shadow")
	if err != nil {
		log.Fatal(err)
	}
	err = run(context.Background(), dir)
	os.RemoveAll(dir)
	if err != nil {
		log.Fatal(err)
	}
}
