package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/export"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/backtest"
)

func bestCommand() *cobra.Command {
	var storage, name, format, file string
	cmd := &cobra.Command{
		Use:   "best",
		Short: "Show the best trial of a study",
		Long: `Best shows the best trial of a study. With another --format it prints its
hyperparameters for a program: as JSON, YAML, a literal of Go or Python, or the arguments of
a command line. They include the fixed hyperparameters, and the number of trees or epochs.`,
		Example: `  attune best
  attune best --storage attune.db --study airpassengers-passengers/lightgbm --format yaml --output best.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmp.Or(oneOf("format", format, bestFormats()), checkFile("output", file)); err != nil {
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
				return fmt.Errorf("study %q has several objectives and no single best trial: see attune trials", name)
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
				if format == "json" {
					return bestJSON(w, best)
				}
				if format != "text" {
					return export.Settings(w, export.Form(format), settingsOf(best))
				}
				return writeBest(w, storage, st, best, better)
			})
		},
	}
	storageFlags(cmd, &storage, &name)
	formatFlag(cmd, &format, bestFormats()...)
	cmd.Flags().StringVar(&file, "output", "", "output `file` (default: standard output)")
	return cmd
}

// bestFormats returns the values of --format.
func bestFormats() []string {
	all := []string{"text"}
	for _, f := range export.Forms() {
		all = append(all, string(f))
	}
	return all
}

// settingsOf returns the hyperparameters of a trial. For a forecaster they include the fixed ones
// and the number of rounds.
func settingsOf(r trial.Record) []space.Setting {
	if all, ok := tune.Settings(r); ok {
		return all
	}
	return r.Params.Settings()
}

// bestJSON writes all that a training job needs. For a forecaster this includes the fixed
// hyperparameters and the number of rounds.
func bestJSON(w io.Writer, best trial.Record) error {
	if _, ok := tune.Settings(best); !ok {
		return export.ParamsJSON(w, best)
	}
	a, _ := best.Attrs.Get(tune.SettingsKey)
	var b bytes.Buffer
	if err := json.Indent(&b, nested(a.JSON), "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}

// member finds the members of an ensemble, which are JSON in strings.
var member = regexp.MustCompile(`("member\d+": )("(?:[^"\\]|\\.)*")`)

// nested returns settings in which the members of an ensemble are objects.
func nested(settings string) []byte {
	return member.ReplaceAllFunc([]byte(settings), func(found []byte) []byte {
		part := member.FindSubmatch(found)
		var text string
		if json.Unmarshal(part[2], &text) != nil || !json.Valid([]byte(text)) {
			return found
		}
		return append(slices.Clip(part[1]), text...)
	})
}

// unshown are the attributes of a trial that are not for people to read.
var unshown = []string{tune.SettingsKey, tune.IntervalsKey, backtest.Key}

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
	settings := settingsOf(best)
	for _, s := range settings {
		fmt.Fprintf(t, "  %s\t%s\n", s.Name, s.Value)
	}
	if len(settings) == 0 {
		fmt.Fprintln(t, "  no hyperparameters")
	}
	if len(best.Attrs) > 0 {
		section("attributes")
		for _, a := range best.Attrs {
			if slices.Contains(unshown, a.Key) {
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

// paramsJSON returns the output of bestJSON.
func paramsJSON(r trial.Record) json.RawMessage {
	var b bytes.Buffer
	if err := bestJSON(&b, r); err != nil {
		return nil
	}
	return b.Bytes()
}
