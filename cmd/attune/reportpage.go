package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	exportreport "github.com/attune-hpo/attune/export/report"
	"github.com/attune-hpo/attune/objective/tune"
)

func reportCommand() *cobra.Command {
	var storage, name, file string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write everything about a study into one page",
		Long: `Report writes a page of HTML with everything about a study: the best hyperparameters, ready
to be copied, all plots, the best trials and the errors. The page needs no network and no
other file.`,
		Example: `  attune report --output report.html
  attune report --storage attune.db --study airpassengers-passengers/lightgbm --output report.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return fmt.Errorf("--output is empty: want a file")
			}
			if err := checkFile("output", file); err != nil {
				return err
			}
			h, err := openSnapshot(cmd.Context(), storage, name)
			if err != nil {
				return err
			}
			return writeFile("output", file, func(w io.Writer) error {
				return exportreport.HTML(cmd.Context(), w, h, exportreport.Options{Settings: tune.Settings})
			})
		},
	}
	storageFlags(cmd, &storage, &name)
	cmd.Flags().StringVar(&file, "output", "", "HTML `file` to write")
	must(cmd.MarkFlagRequired("output"))
	return cmd
}
