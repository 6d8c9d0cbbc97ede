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
		Short: "Fetch ONNX Runtime " + onnxsetup.Version + ", which export and convert need",
		Long: `Onnxruntime puts the library of ONNX Runtime ` + onnxsetup.Version + ` into the user's cache, and prints where.
It downloads with pip or npm, as they are configured, runs no script of a package, and
keeps only a file with the SHA-256 that is expected. Done before, it does nothing.

Without a network, give it by --from the library, or the archive of the Python package
onnxruntime or of the npm package onnxruntime-node, of version ` + onnxsetup.Version + `. Another build is
used where the environment variable ` + onnxsetup.Env + ` names it.`,
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
	runtime.Flags().StringVar(&from, "from", "", "`file` to take the library from, in place of a download")
	cmd.AddCommand(runtime)
	return cmd
}
