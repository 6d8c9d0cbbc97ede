package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/export"
	"github.com/attune-hpo/attune/trial"
)

func trialsCommand() *cobra.Command {
	var storage, name, format, file string
	cmd := &cobra.Command{
		Use:   "trials",
		Short: "Print all trials of a study as a table",
		Long: `Trials prints all trials of a study as a table. In CSV, trials that Ctrl-C cut short have
the state interrupted: they did not fail, and the study runs them again when it resumes.`,
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
	cmd.Flags().StringVar(&file, "output", "", "output `file` (default: standard output)")
	return cmd
}

// writeTrials writes trials as CSV. Trials that Ctrl-C cut short have the state
// interrupted; attune studies does not count them as failed.
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
