package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/export/registry"
)

func registryCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "registry",
		Short: "Manage versions of exported models",
		Long: `Registry manages a folder of exported models. Each model has numbered versions, which never
change. A version is the ONNX file and, if there is one, the model it was exported from.
One version of each model can be live: services load that one, and so does
attune predict --registry.

Add a version with attune export --registry, or an existing file with attune registry add.
Each version has a file SHA256SUMS; sha256sum -c checks it.`,
		Example: `  attune export --output model.onnx --registry models --name passengers --promote
  attune registry list passengers
  attune registry rollback passengers
  attune predict --registry models --name passengers --data newer.csv`,
	}
	cmd.PersistentFlags().StringVar(&dir, "registry", "models", "`folder` of the registry")
	cmd.AddCommand(addCommand(&dir), listCommand(&dir), showCommand(&dir), verifyCommand(&dir),
		changeCommand(&dir, "promote NAME VERSION", "Check the files of a version and make it the live one",
			func(ctx context.Context, r *registry.Registry, name string, number int) (string, error) {
				return fmt.Sprintf("version %d, live", number), r.Promote(ctx, name, number)
			}),
		changeCommand(&dir, "rollback NAME", "Make the previously live version live again",
			func(ctx context.Context, r *registry.Registry, name string, _ int) (string, error) {
				v, err := r.Rollback(ctx, name)
				return fmt.Sprintf("version %d, live", v.Number), err
			}),
		changeCommand(&dir, "delete NAME VERSION", "Remove a version that is not live",
			func(ctx context.Context, r *registry.Registry, name string, number int) (string, error) {
				return fmt.Sprintf("version %d, deleted", number), r.Delete(ctx, name, number)
			}))
	return group(cmd)
}

// openRegistry returns the registry in an existing folder.
func openRegistry(dir string) (*registry.Registry, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("--registry %s: there is no such folder: attune export --registry creates it, and so does attune registry add", quote(dir))
	case err != nil:
		return nil, fmt.Errorf("--registry %s: %w", quote(dir), err)
	case !info.IsDir():
		return nil, fmt.Errorf("--registry %s: a file: want a folder", dir)
	}
	return registry.Open(dir)
}

// versionNumber reads the version number after the name of a model, 0 if there is none.
func versionNumber(args []string) (int, error) {
	if len(args) < 2 {
		return 0, nil
	}
	n, err := strconv.Atoi(args[1])
	if err != nil || n < 1 {
		return 0, fmt.Errorf("version %s: want a whole number from 1: attune registry list shows them", quote(args[1]))
	}
	return n, nil
}

// words fails unless the number of arguments matches the capitalised words in usage. Words
// in brackets are optional.
func words(usage string) cobra.PositionalArgs {
	names := strings.Fields(usage)[1:]
	least := len(slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s[0] == '[' }))
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > len(names) {
			return fmt.Errorf("want %s, not %d arguments: see %s --help", strings.Join(names, " "), len(args), cmd.CommandPath())
		}
		return nil
	}
}

// changeCommand returns a command that changes a model and prints the result.
func changeCommand(dir *string, usage, short string, do func(ctx context.Context, r *registry.Registry, name string, number int) (string, error)) *cobra.Command {
	return &cobra.Command{
		Use: usage, Short: short, Args: words(usage),
		Example: "  attune registry " + strings.NewReplacer("NAME", "passengers", "VERSION", "2").Replace(usage),
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := versionNumber(args)
			if err != nil {
				return err
			}
			r, err := openRegistry(*dir)
			if err != nil {
				return err
			}
			done, err := do(cmd.Context(), r, args[0], number)
			if err != nil {
				return instead(r, args[0], number, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %s\n", *dir, args[0], done)
			return err
		},
	}
}
