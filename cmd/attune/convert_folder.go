package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/tree"
)

// sourceKey is the metadata key of a converted file for the SHA-256 of the model and of the
// settings of the conversion.
const sourceKey = "attune.source.sha256"

// The verdicts on the models of a folder.
const (
	passed    = "pass"
	unchanged = "unchanged"
	failed    = "FAIL"
	refused   = "refused"
)

// A converted is a line of the table: the result for one model.
type converted struct {
	Model   string   `json:"model"` // path in the folder
	Kind    string   `json:"kind,omitempty"`
	File    string   `json:"file,omitempty"`
	Before  int64    `json:"bytes_before"`
	After   int64    `json:"bytes_after,omitempty"`
	Most    *float64 `json:"largest_difference,omitempty"` // absent if it is infinite or unknown
	Verdict string   `json:"verdict"`
	Reason  string   `json:"reason,omitempty"`
}

// folder converts the models of a folder.
func (c *convert) folder(cmd *cobra.Command) error {
	ctx, stdout := cmd.Context(), cmd.OutOrStdout()
	if err := c.checkFolder(); err != nil {
		return err
	}
	files, err := c.list()
	if err != nil {
		return err
	}
	all := make([]*converted, len(files))
	next := make(chan int)
	var done sync.WaitGroup
	for range c.jobs {
		done.Go(func() {
			for i := range next {
				all[i] = c.one(ctx, files[i])
			}
		})
	}
	names := outputNames(files)
	for i := range files {
		files[i].output = filepath.Join(c.output, names[i])
	}
	for i := range files {
		next <- i
	}
	close(next)
	done.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	others := 0
	all = slices.DeleteFunc(all, func(r *converted) bool {
		if r == nil {
			others++
		}
		return r == nil
	})
	if err := writeConverted(stdout, all, others); err != nil {
		return err
	}
	if c.report != "" {
		write := func(w io.Writer) error { return writeJSON(w, all) }
		if err := writeFile("report", c.report, write); err != nil {
			return err
		}
	}
	return verdict(all, c.input)
}

// verdict returns an error if some models of a folder were not converted.
func verdict(all []*converted, folder string) error {
	bad := 0
	for _, r := range all {
		if r.Verdict == failed || r.Verdict == refused {
			bad++
		}
	}
	switch {
	case len(all) == 0:
		return fmt.Errorf("--input %s: there is no model in it, or none that --model selects", folder)
	case bad > 0:
		return fmt.Errorf("%d of %d models were not converted: see the table", bad, len(all))
	}
	return nil
}

// checkFolder fails for flags that only apply to one model.
func (c *convert) checkFolder() error {
	for flag, given := range map[string]bool{"rows": c.rows != "", "registry": c.registry != "", "name": c.name != "", "promote": c.promote, "benchmark": c.measures()} {
		if given {
			return fmt.Errorf("--%s is for a single model: name its file instead of --input", flag)
		}
	}
	if c.jobs < 1 {
		return fmt.Errorf("--jobs %d: want 1 or more", c.jobs)
	}
	if c.output == "" {
		return errors.New("--output is empty: want a folder")
	}
	if info, err := os.Stat(c.output); err == nil && !info.IsDir() {
		return fmt.Errorf("--output %s: a file: with --input, want a folder", c.output)
	}
	if info, err := os.Stat(c.input); err != nil || !info.IsDir() {
		return fmt.Errorf("--input %s: there is no such folder", c.input)
	}
	return cmp.Or(oneOf("form", c.form, formNames()), checkFile("report", c.report))
}

// A modelFile is a file of the folder.
type modelFile struct {
	name   string // path in the folder
	output string
}

// list returns the files in the folder, except hidden ones and those in the output folder.
func (c *convert) list() ([]modelFile, error) {
	var files []modelFile
	out, _ := os.Stat(c.output) // nil if it is not there yet
	err := filepath.WalkDir(c.input, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != c.input && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			if info, err := d.Info(); err == nil && out != nil && os.SameFile(info, out) && path != c.input {
				return fs.SkipDir
			}
			return nil
		}
		if ext := strings.ToLower(filepath.Ext(path)); !d.Type().IsRegular() || ext == ".onnx" || ext == ".csv" {
			return nil
		}
		name, err := filepath.Rel(c.input, path)
		files = append(files, modelFile{name: name})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("--input %s: %w", c.input, err)
	}
	return files, nil
}

// outputNames returns the names of the files to write. The extension of a model is replaced by
// .onnx, or extended with it if two models would have the same name.
func outputNames(files []modelFile) []string {
	base := func(name string) string { return strings.TrimSuffix(name, filepath.Ext(name)) }
	count := map[string]int{}
	for _, f := range files {
		count[base(f.name)]++
	}
	names := make([]string, len(files))
	for i, f := range files {
		if names[i] = base(f.name) + ".onnx"; count[base(f.name)] > 1 {
			names[i] = f.name + ".onnx"
		}
	}
	return names
}

// one converts a model. It returns nil for a file that is not a model, or not one of --model.
func (c *convert) one(ctx context.Context, f modelFile) *converted {
	r := &converted{Model: f.name}
	fail := func(verdict string, err error) *converted {
		r.Verdict, r.Reason = verdict, plain(err)
		return r
	}
	data, err := os.ReadFile(filepath.Join(c.input, f.name))
	if err != nil {
		return fail(refused, err)
	}
	r.Before = int64(len(data))
	m, from, err := pipeline.ReadWith(strings.NewReader(string(data)), c.options)
	r.Kind = from.Format
	switch {
	case ctx.Err() != nil, errors.Is(err, tree.ErrUnknown), !c.wanted(f.name, r.Kind):
		return nil
	case err != nil:
		return fail(refused, err)
	}
	sum := sha256.Sum256(fmt.Appendf(data, "|%s|%v|%v", c.form, c.options, c.gate))
	source := hex.EncodeToString(sum[:])
	if size, ok := convertedFrom(f.output, source); ok {
		r.File, r.After, r.Verdict = f.output, size, unchanged
		return r
	}
	if err := os.MkdirAll(filepath.Dir(f.output), 0o777); err != nil {
		return fail(refused, err)
	}
	form, _ := onnx.ParseForm(c.form)
	o := deploy.TreesOptions{File: f.output, KeepFailed: c.keepFailed, Form: form, Gate: c.gate,
		Info: onnx.Info{Metadata: []onnx.Property{{Key: "attune.source", Value: filepath.Base(f.name)}, {Key: sourceKey, Value: source}}}}
	var got deploy.Result
	if trees, ok := m.Trees(); ok {
		got, err = deploy.Trees(ctx, trees, nil, o)
	} else {
		got, err = deploy.Pipeline(ctx, m, nil, o)
	}
	if most := got.Report.MaxAbsolute; got.Report.Rows > 0 && !math.IsInf(most, 0) && !math.IsNaN(most) {
		r.Most = &most
	}
	r.File, r.After = got.File, int64(got.Size)
	switch {
	case errors.Is(err, deploy.ErrFailed):
		return fail(failed, err)
	case err != nil:
		return fail(refused, err)
	}
	r.Verdict = passed
	return r
}

// wanted reports whether --model selects a model, by its file name or its kind.
func (c *convert) wanted(name, kind string) bool {
	if len(c.models) == 0 {
		return true
	}
	return slices.ContainsFunc(c.models, func(want string) bool {
		byName, err := filepath.Match(want, filepath.Base(name))
		return err == nil && byName || want == name || kind != "" && strings.Contains(strings.ToLower(kind), strings.ToLower(want))
	})
}

// convertedFrom reports whether a file was converted from the source with the given SHA-256,
// and returns the size of the file.
func convertedFrom(file, source string) (size int64, ok bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	m, err := onnx.Decode(data)
	if err != nil {
		return 0, false
	}
	return int64(len(data)), slices.Contains(m.Metadata, onnx.Property{Key: sourceKey, Value: source})
}

// writeConverted writes the table.
func writeConverted(w io.Writer, all []*converted, others int) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "model\tkind\tbytes\tONNX\tdifference\tverdict")
	count := map[string]int{}
	for _, r := range all {
		count[r.Verdict]++
		after, most := "-", "-"
		if r.After > 0 {
			after = fmt.Sprint(r.After)
		}
		if r.Most != nil {
			most = fmt.Sprintf("%.2g", *r.Most)
		}
		text := r.Verdict
		if r.Reason != "" {
			text += ": " + r.Reason
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\n", r.Model, cmp.Or(r.Kind, "-"), r.Before, after, most, text)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var parts []string
	for _, v := range []string{passed, unchanged, failed, refused} {
		if count[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[v], v))
		}
	}
	verdicts := ""
	if len(parts) > 0 {
		verdicts = ": " + strings.Join(parts, ", ")
	}
	_, err := fmt.Fprintf(w, "%d models%s; other files: %d\n", len(all), verdicts, others)
	return err
}
