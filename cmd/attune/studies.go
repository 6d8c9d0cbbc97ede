package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/export"
	"github.com/attune-hpo/attune/internal/atomicfile"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/space/spaceyaml"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// storageFlags adds --storage and, unless study is nil, --study, which completes to
// what the storage holds.
func storageFlags(cmd *cobra.Command, storage, name *string) {
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(storage, "storage", "attune.db", "SQLite `file` of the studies")
	if name == nil {
		return
	}
	cmd.Flags().StringVar(name, "study", "", "`name` of the study (default: the best of those that tuned models on the same data)")
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
func snapshot(ctx context.Context, store *sqlite.Store, name string) (trial.Snapshot, error) {
	st, err := study.Read(ctx, store, name)
	if err != nil {
		return trial.Snapshot{}, err
	}
	defer st.Close()
	return st.Snapshot(ctx)
}

// pick returns the name of the study to look at if none is given: the only one, or the
// best of those that tuned models for the same forecast of the same data.
func pick(ctx context.Context, store *sqlite.Store, name string) (string, error) {
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
		return "", fmt.Errorf("%s holds no studies", store.Path)
	case name != "":
		return name, oneOf("study", name, names)
	case len(all) == 1:
		return all[0].Name, nil
	}
	var task job
	best, value := "", math.NaN()
	hopeless := "" // has trials, of which no model can be fitted
	for i, s := range all {
		j, err := readJob(s.Attrs)
		if i == 0 {
			task = j
		}
		j.Model, j.Engine, j.Fixed, j.MaxRounds, j.Patience = task.Model, task.Engine, task.Fixed, task.MaxRounds, task.Patience
		if err != nil || task.conflict("", j) != nil {
			return "", fmt.Errorf("%s holds studies of different things: choose one with --study: %s", store.Path, strings.Join(names, ", "))
		}
		h, err := snapshot(ctx, store, s.Name)
		if err != nil {
			return "", err
		}
		fit, unfit := usable(h, s.Attrs)
		switch {
		case len(fit) > 0 && (best == "" || task.metrics()[0].Better(fit[0].Values[0], value)):
			best, value = s.Name, fit[0].Values[0]
		case len(unfit) > 0:
			hopeless = cmp.Or(hopeless, s.Name)
		}
	}
	best = cmp.Or(best, hopeless)
	if best == "" {
		return "", fmt.Errorf("%s: %w in any study", store.Path, study.ErrNoTrial)
	}
	return best, nil
}

func studiesCommand() *cobra.Command {
	var storage, format string
	cmd := &cobra.Command{
		Use:   "studies",
		Short: "List the studies of a storage",
		Example: `  attune studies
  attune studies --storage attune.db --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("format", format, []string{"text", "json"}); err != nil {
				return err
			}
			store, err := openStore(storage)
			if err != nil {
				return err
			}
			list, err := summaries(cmd.Context(), store)
			if err != nil {
				return err
			}
			if format == "json" {
				return writeJSON(cmd.OutOrStdout(), list)
			}
			return writeSummaries(cmd.OutOrStdout(), list)
		},
	}
	storageFlags(cmd, &storage, nil)
	formatFlag(cmd, &format, "text", "json")
	return cmd
}

func formatFlag(cmd *cobra.Command, format *string, values ...string) {
	cmd.Flags().StringVar(format, "format", values[0], strings.Join(values, ", "))
	complete(cmd, "format", values...)
}

func summaries(ctx context.Context, store *sqlite.Store) ([]trial.Summary, error) {
	all, err := study.List(ctx, store)
	if err != nil {
		return nil, err
	}
	list := []trial.Summary{}
	for _, s := range all {
		h, err := snapshot(ctx, store, s.Name)
		if err != nil {
			return nil, err
		}
		list = append(list, h.Summary())
	}
	return list, nil
}

func writeSummaries(w io.Writer, list []trial.Summary) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "study\tobjective\tbest\tcomplete\tpruned\tfailed\trunning\twaiting\tlatest trial")
	for _, s := range list {
		var directions []string
		for i := range s.Header.Objectives() {
			directions = append(directions, s.Header.Direction(i).String())
		}
		objective := strings.Join(directions, ", ")
		if names := s.Header.Metrics(); len(names) == 1 {
			objective += " " + names[0]
		}
		best, latest := "-", "-"
		if s.Best != nil {
			best = fmt.Sprintf("%.6g", s.Best.Values[0])
		}
		if !s.Latest.IsZero() {
			latest = utc(s.Latest)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", s.Header.Name, objective, best, s.Complete, s.Pruned, s.Failed, s.Running, s.Waiting, latest)
	}
	return t.Flush()
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// checkFile fails if a file that a flag names cannot be written: before the work that makes
// its content.
func checkFile(flag, file string) error {
	if file == "" {
		return nil
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return fmt.Errorf("--%s %s: a folder: want a file", flag, file)
	}
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return fmt.Errorf("--%s %s: there is no folder %s", flag, file, filepath.Dir(file))
	}
	return nil
}

// regular opens a file to be read, and more than once. Its errors do not name the file.
func regular(file string) (*os.File, error) {
	info, err := os.Stat(file)
	path := new(fs.PathError)
	switch {
	case errors.As(err, &path):
		return nil, path.Err
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("a folder: want a file")
	case !info.Mode().IsRegular():
		return nil, errors.New("a device or a pipe: want a file")
	}
	return os.Open(file)
}

// output writes to a file, or to standard output if it has no name.
func output(stdout io.Writer, file string, write func(io.Writer) error) error {
	if file == "" {
		return write(stdout)
	}
	return writeFile("output", file, write)
}

// writeFile writes the file that a flag names, whole or not at all.
func writeFile(flag, file string, write func(io.Writer) error) error {
	err := atomicfile.Write(file, write)
	if err == nil {
		return nil
	}
	// The name of the file until it is whole would say nothing to anyone.
	if path := new(fs.PathError); errors.As(err, &path) && strings.HasPrefix(filepath.Base(path.Path), "."+filepath.Base(file)+".") {
		err = path.Err
	}
	return fmt.Errorf("--%s %s: %w", flag, file, err)
}

func bestCommand() *cobra.Command {
	var storage, name, format, file string
	cmd := &cobra.Command{
		Use:   "best",
		Short: "Show the best trial of a study",
		Long: `Best shows the best trial of a study. As JSON or YAML that is what a training job
reads: one mapping of the parameters' names to their values, those that were fixed and
the number of trees or epochs among them.`,
		Example: `  attune best
  attune best --storage attune.db --study airpassengers-passengers/lightgbm --format yaml --output best.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmp.Or(oneOf("format", format, []string{"text", "json", "yaml"}), checkFile("output", file)); err != nil {
				return err
			}
			store, err := openStore(storage)
			if err != nil {
				return err
			}
			if name, err = pick(cmd.Context(), store, name); err != nil {
				return err
			}
			st, err := study.Read(cmd.Context(), store, name)
			if err != nil {
				return err
			}
			defer st.Close()
			best, err := st.Best(cmd.Context())
			if errors.Is(err, study.ErrObjectives) {
				return fmt.Errorf("study %q has several objectives, and so no one best trial: see attune trials", name)
			}
			if err != nil {
				return fmt.Errorf("study %q: %w", name, err)
			}
			h, err := st.Snapshot(cmd.Context())
			if err != nil {
				return err
			}
			attrs, err := st.Attrs(cmd.Context())
			if err != nil {
				return err
			}
			fit, better := usable(h, attrs)
			if len(fit) > 0 {
				best = fit[0]
			}
			return output(cmd.OutOrStdout(), file, func(w io.Writer) error {
				switch format {
				case "json":
					return bestJSON(w, best)
				case "yaml":
					if settings, ok := tune.Settings(best); ok {
						return spaceyaml.WriteSettings(w, settings)
					}
					return export.ParamsYAML(w, best)
				}
				return writeBest(w, storage, st, best, better)
			})
		},
	}
	storageFlags(cmd, &storage, &name)
	formatFlag(cmd, &format, "text", "json", "yaml")
	cmd.Flags().StringVar(&file, "output", "", "`file` to write to (default: standard output)")
	return cmd
}

// bestJSON writes all that a training job needs: of a forecaster also what was fixed,
// and the number of rounds.
func bestJSON(w io.Writer, best trial.Record) error {
	if _, ok := tune.Settings(best); !ok {
		return export.ParamsJSON(w, best)
	}
	a, _ := best.Attrs.Get(tune.SettingsKey)
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(a.JSON), "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}

func writeBest(w io.Writer, storage string, st study.Reader, best trial.Record, better []unfit) error {
	var b bytes.Buffer
	metric := "value"
	if m := st.Header().Metrics(); len(m) == 1 {
		metric = m[0]
	}
	fmt.Fprintf(&b, "study %s, trial %d\n", st.Name(), best.Number)
	fmt.Fprintf(&b, "%s %.6g\n", metric, best.Values[0])
	if len(better) > 0 {
		fmt.Fprintln(&b, unfitNote(better, best.Number))
	}
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	section := func(title string) { fmt.Fprintf(t, "%s:\n", title) }
	section("parameters")
	settings, ok := tune.Settings(best)
	if !ok {
		settings = best.Params.Settings()
	}
	for _, s := range settings {
		fmt.Fprintf(t, "  %s\t%s\n", s.Name, s.Value)
	}
	if len(best.Attrs) > 0 {
		section("attributes")
		for _, a := range best.Attrs {
			if a.Key == tune.SettingsKey {
				continue
			}
			fmt.Fprintf(t, "  %s\t%s\n", a.Key, a.JSON)
		}
	}
	t.Flush()
	if at := modelPath(storage, st.Name()); exists(at) {
		fmt.Fprintf(&b, "model: %s\n", at)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// paramsJSON returns all that bestJSON writes.
func paramsJSON(r trial.Record) json.RawMessage {
	var b bytes.Buffer
	if err := bestJSON(&b, r); err != nil {
		return nil
	}
	return b.Bytes()
}

// writeTrials writes trials as CSV. Those that Ctrl-C cut short, which attune studies does
// not count as failed, have the state interrupted.
func writeTrials(w io.Writer, h trial.Snapshot) error {
	all := export.All(h)
	var b bytes.Buffer
	if err := all.CSV(&b); err != nil {
		return err
	}
	if !slices.ContainsFunc(all.Trials, trial.Record.Interrupted) {
		_, err := w.Write(b.Bytes())
		return err
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		return err
	}
	state := slices.Index(rows[0], "state")
	for i, t := range all.Trials {
		if t.Interrupted() {
			rows[1+i][state] = "interrupted"
		}
	}
	return csv.NewWriter(w).WriteAll(rows)
}

func trialsCommand() *cobra.Command {
	var storage, name, format, file string
	cmd := &cobra.Command{
		Use:   "trials",
		Short: "Write all trials of a study as a table",
		Long: `Trials writes all trials of a study. In CSV the state of those that Ctrl-C cut short is
interrupted; they did not fail, and were begun anew when the study was resumed.`,
		Example: `  attune trials --storage attune.db --study airpassengers-passengers/lightgbm --output trials.csv
  attune trials --format jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmp.Or(oneOf("format", format, []string{"csv", "jsonl"}), checkFile("output", file)); err != nil {
				return err
			}
			store, err := openStore(storage)
			if err != nil {
				return err
			}
			if name, err = pick(cmd.Context(), store, name); err != nil {
				return err
			}
			h, err := snapshot(cmd.Context(), store, name)
			if err != nil {
				return err
			}
			write := func(w io.Writer) error { return writeTrials(w, h) }
			if format == "jsonl" {
				write = export.All(h).JSONL
			}
			return output(cmd.OutOrStdout(), file, write)
		},
	}
	storageFlags(cmd, &storage, &name)
	formatFlag(cmd, &format, "csv", "jsonl")
	cmd.Flags().StringVar(&file, "output", "", "`file` to write to (default: standard output)")
	return cmd
}
