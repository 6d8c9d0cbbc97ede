package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/internal/onnxsetup"
)

func setupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "setup",
		Short:   "Install libraries that some commands need",
		Example: "  attune setup onnxruntime",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("which? There is attune setup onnxruntime: see %s --help", cmd.CommandPath())
		},
	}
	var from string
	runtime := &cobra.Command{
		Use:   "onnxruntime",
		Short: "Download ONNX Runtime " + onnxsetup.Version + ", which export and convert need",
		Long: `Onnxruntime puts the ONNX Runtime ` + onnxsetup.Version + ` library into the user's cache, and prints its
path. It downloads with pip or npm in their own configuration, runs no script of a package,
and keeps only a file with the expected SHA-256. If the library is there already, it does
nothing.

Without a network, use --from with the library, or with the archive of the Python package
onnxruntime or of the npm package onnxruntime-node, version ` + onnxsetup.Version + `. To use another build, set
the environment variable ` + onnxsetup.Env + ` to its path.`,
		Example: `  attune setup onnxruntime
  attune setup onnxruntime --from onnxruntime-` + onnxsetup.Version + `-cp312-cp312-manylinux_2_28_x86_64.whl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fetch := func() (string, error) { return onnxsetup.Setup(cmd.Context()) }
			if from != "" {
				fetch = func() (string, error) { return onnxsetup.From(from) }
			}
			file, err := fetch()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), file)
			return err
		},
	}
	runtime.Flags().StringVar(&from, "from", "", "`file` to take the library from, instead of a download")
	cmd.AddCommand(runtime)
	return cmd
}
