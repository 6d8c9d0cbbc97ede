package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/objective/ensemble"
	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// storageFlags adds --storage and, unless study is nil, --study, with completion of the
// studies in the storage.
func storageFlags(cmd *cobra.Command, storage, name *string) {
	cmd.Flags().SortFlags = false
	storageFlag(cmd, storage, "SQLite `file` or URL of a PostgreSQL or MySQL database or of attune serve with the studies")
	if name == nil {
		return
	}
	cmd.Flags().StringVar(name, "study", "", "`name` of the study (default: the one with the best score, if all studies in the file forecast the same data)")
	must(cmd.RegisterFlagCompletionFunc("study", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		var names []string
		if store, err := openStore(*storage); err == nil {
			all, _ := study.List(cmd.Context(), store)
			for _, s := range all {
				names = append(names, s.Name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}))
}

// snapshot returns the trials of a study.
func snapshot(ctx context.Context, store store, name string) (trial.Snapshot, error) {
	st, err := study.Read(ctx, store, name)
	if err != nil {
		return trial.Snapshot{}, err
	}
	defer st.Close()
	return st.Snapshot(ctx)
}

// pick returns name or, if that is empty, the default study: the only one, or the best of
// those that tuned models for the same forecast of the same data.
func pick(ctx context.Context, store store, name string) (string, error) {
	return pickOf(ctx, store, name, func(string) bool { return true })
}

// pickOf is like pick, among the studies of some models.
func pickOf(ctx context.Context, store store, name string, of func(model string) bool) (string, error) {
	all, err := study.List(ctx, store)
	if err != nil {
		return "", err
	}
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	switch {
	case len(all) == 0:
		return "", fmt.Errorf("%s contains no studies", store.Path)
	case name != "":
		return name, oneOf("study", name, names)
	case len(all) == 1:
		return all[0].Name, nil
	}
	if isTable(all[0].Attrs) {
		return pickTable(ctx, store, all)
	}
	var task job // the job that all studies must share
	best, value := "", math.NaN()
	hopeless := "" // a study with trials, none of whose models can be fitted
	answer := ""   // the study that attune optimize chose
	var suited []string
	for i, s := range all {
		j, err := readJob(s.Attrs)
		if i == 0 {
			task = j
		}
		if err != nil || !task.shares(j) {
			return "", fmt.Errorf("%s contains studies of different data or forecasts: choose one with --study: %s", store.Path, strings.Join(names, ", "))
		}
		if c, ok := choiceOf(s.Attrs); ok && j.Model == ensemble.Name {
			answer = c.Study
		}
		if !of(j.Model) {
			continue
		}
		h, err := snapshot(ctx, store, s.Name)
		if err != nil {
			return "", err
		}
		fit, unfit := usable(h, s.Attrs)
		if len(fit) > 0 {
			suited = append(suited, s.Name)
		}
		switch {
		case len(fit) > 0 && (best == "" || task.metrics()[0].Better(fit[0].Values[0], value)):
			best, value = s.Name, fit[0].Values[0]
		case len(unfit) > 0:
			hopeless = cmp.Or(hopeless, s.Name)
		}
	}
	if slices.Contains(suited, answer) {
		return answer, nil
	}
	best = cmp.Or(best, hopeless)
	if best == "" {
		return "", fmt.Errorf("%s: %w in any study", store.Path, study.ErrNoTrial)
	}
	return best, nil
}

// modelsFolder is the folder of the models of a store: those fitted to all data, and in a
// folder below it those that have not seen the test span.
func modelsFolder(storage string) string { return beside(storage) + ".models" }

// modelPath is the file of a study's model, fitted to all data.
func modelPath(storage, study string) string { return model.Path(modelsFolder(storage), study) }

func tunedFolder(storage string) string { return filepath.Join(modelsFolder(storage), "tuned") }
