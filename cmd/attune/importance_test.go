package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// studies returns a folder with a file attune.db of two studies of 60 trials each: "bowl"
// has one objective, and "trade" has two that conflict.
func studies(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	store := sqlite.File(filepath.Join(dir, "attune.db"))
	x, y := space.Float("x", 0, 1), space.Float("y", 1e-3, 1, space.Log())
	c := space.Categorical("c", "red", "green")
	declared := space.Of(x, y, c)
	add := func(name string, cfg study.Config, values func(x, y float64, c string) []float64) {
		cfg.Space, cfg.Sampler = declared, random.Sampler{}
		st, err := study.Create(t.Context(), store, name, cfg)
		require.NoError(t, err)
		defer st.Close()
		require.NoError(t, st.Optimize(t.Context(), study.MultiFunc(func(_ context.Context, tr *study.Trial) ([]float64, error) {
			return values(x.Suggest(tr), y.Suggest(tr), c.Suggest(tr)), nil
		}), study.Run{Trials: 60}))
	}
	add("bowl", study.Config{Metrics: []string{"rmse"}}, func(x, y float64, c string) []float64 {
		return []float64{(x-0.3)*(x-0.3) + 0.1*y}
	})
	add("trade", study.Config{Directions: []trial.Direction{trial.Minimize, trial.Maximize}, Metrics: []string{"loss", "speed"}},
		func(x, y float64, c string) []float64 { return []float64{x, x + y} })
	return dir
}

func TestImportance(t *testing.T) {
	t.Parallel()
	dir := studies(t)
	text := succeed(t, dir, "importance", "--study", "bowl")
	assert.Contains(t, text, "study bowl: importance for rmse, by PED-ANOVA\nbest 6 of 60 trials\nparameter  share")
	assert.Regexp(t, `\nx +\d+\.\d % +\d+\.\d % +60 +█+\n`, text)
	text = succeed(t, dir, "importance", "--study", "trade")
	assert.Contains(t, text, "importance for Pareto front")

	var r struct {
		Of     string
		R2     float64
		Params []struct {
			Name  string
			Share float64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(succeed(t, dir, "importance", "--study", "trade", "--method", "fanova", "--objective", "loss", "--format", "json")), &r))
	assert.Equal(t, "loss", r.Of)
	assert.Equal(t, "x", r.Params[0].Name)
	assert.Greater(t, r.R2, 0.5)
	assert.Contains(t, succeed(t, dir, "importance", "--study", "bowl", "--method", "fanova"), "the forest predicts unseen ones with R²")
	text = succeed(t, dir, "importance", "--study", "bowl", "--method", "permutation")
	assert.Contains(t, text, "the increases do not add up to 100 %\nparameter  increase")

	for args, want := range map[string]string{
		"--study trade --method fanova": "--method fanova explains one objective: choose it with --objective: loss, speed",
		"--study trade --objective x":   "--objective x: want one of loss, speed, duration",
		"--study bowl --method shap":    "--method shap: want one of ped-anova, fanova, permutation",
		"--study bowl --best 2":         "--best 2 --baseline 1: want 0 < --best < --baseline <= 1",
		"--study none":                  "--study none: want one of bowl, trade",
	} {
		o := attune(t, dir, append([]string{"importance"}, strings.Fields(args)...)...)
		assert.Equal(t, 1, o.code, args)
		assert.Equal(t, "attune: "+want+"\n", o.stderr, args)
	}
}
