package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

func studiesCommand() *cobra.Command {
	var storage, format string
	cmd := &cobra.Command{
		Use:   "studies",
		Short: "List the studies in a storage file",
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

func summaries(ctx context.Context, store store) ([]trial.Summary, error) {
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

// oneLine returns a name as it is or, if it has characters that would break a table or steer a
// terminal, quoted.
func oneLine(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
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
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", oneLine(s.Header.Name), objective, best, s.Complete, s.Pruned, s.Failed, s.Running, s.Waiting, latest)
	}
	return t.Flush()
}
