package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/objective/ensemble"
	"github.com/attune-hpo/attune/objective/table"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tune"
)

func addCommand(dir *string) *cobra.Command {
	const usage = "add NAME FILE.onnx"
	var native, note string
	var promote bool
	cmd := &cobra.Command{
		Use:   usage,
		Short: "Add an exported model as a new version",
		Long: `Add adds an ONNX file to the registry as a new version of a model. With --native it adds the
model that the file was exported from, too: attune predict needs it, and a service can
fall back on it. Add checks that both files can be read. It does not compare their
predictions; attune export does.`,
		Example: `  attune registry add passengers model.onnx --native attune.db.models/model-air%2Flightgbm.json
  attune registry add passengers model.onnx --note "with the data of May" --promote
  attune registry add passengers attune.db.models/model-air%2Fets.json --promote`,
		Args: words(usage),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := draft(args[1], native)
			if err != nil {
				return err
			}
			d.Note = note
			r, err := registry.Open(*dir)
			if err != nil {
				return err
			}
			v, err := r.Put(cmd.Context(), args[0], d)
			if err != nil {
				return err
			}
			live := ""
			if promote {
				if err := r.Promote(cmd.Context(), v.Name, v.Number); err != nil {
					return err
				}
				live = ", live"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, version %d%s\n", *dir, v.Name, v.Number, live)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&native, "native", "", "`file` of the model that it was exported from")
	f.StringVar(&note, "note", "", "`text` that describes the version")
	f.BoolVar(&promote, "promote", false, "make it the live version")
	f.SortFlags = false
	return cmd
}

// draft returns a version made of the files of a model. It fails if file is not ONNX, or if
// native is not a native model or not the one that file was exported from.
func draft(file, native string) (registry.Draft, error) {
	d := registry.Draft{Files: map[string]io.Reader{}, Meta: map[string]string{}}
	data, err := os.ReadFile(file)
	if err != nil {
		return d, err
	}
	m, err := onnx.Decode(data)
	if err != nil && !errors.Is(err, onnx.ErrUnsupported) {
		if native, no := tune.ReadFile(file, families()...); no == nil {
			return nativeDraft(native, data)
		}
		return d, fmt.Errorf("%s: %w", file, err)
	}
	if m != nil {
		for _, p := range m.Metadata {
			d.Meta[p.Key] = p.Value
		}
	}
	d.Files[registry.ONNX] = bytes.NewReader(data)
	if native == "" {
		return d, nil
	}
	if data, err = os.ReadFile(native); err != nil {
		return d, fmt.Errorf("--native: %w", err)
	}
	d.Files[registry.Native] = bytes.NewReader(data)
	save, err := saver(native, data)
	if err != nil {
		return d, fmt.Errorf("--native: %w", err)
	}
	if err := deploy.Match(d.Meta, save); err != nil {
		if !errors.Is(err, deploy.ErrMismatch) {
			return d, fmt.Errorf("--native %s: %w", native, err)
		}
		return d, fmt.Errorf("--native %s: it is not the model that %s was exported from: export it again, or name that model", native, file)
	}
	return d, nil
}

// needsONNX reports whether the registry takes a model only with an ONNX file. Statistical models and ensembles are
// also used natively.
func needsONNX(model string) bool { return !isStatistical(model) && model != ensemble.Name }

// nativeDraft returns a version with only a native model.
func nativeDraft(m tune.Model, data []byte) (registry.Draft, error) {
	if needsONNX(m.Family) {
		return registry.Draft{}, fmt.Errorf("this is a native model: add the ONNX file that attune export makes of %s, and this file with --native", m.Family)
	}
	return registry.Draft{
		Files: map[string]io.Reader{registry.Native: bytes.NewReader(data)},
		Meta:  map[string]string{"attune.family": m.Family, "attune.study": m.Study, "attune.trial": strconv.Itoa(m.Trial)},
	}, nil
}

// saver returns a function that saves the native model in data: one of attune optimize, or
// trees in a format of attune convert.
func saver(file string, data []byte) (func(io.Writer) error, error) {
	m, err := tune.ReadFile(file, families()...)
	if err == nil {
		return m.Forecaster.Save, nil
	}
	if of, no := table.ReadFile(file); no == nil {
		return of.Write, nil
	}
	if trees, no := tree.Read(bytes.NewReader(data)); no == nil {
		return func(w io.Writer) error { return tree.Write(w, trees) }, nil
	}
	return nil, err
}
