package main

import (
	"bytes"
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
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/runtime"
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
	Speed   *speed   `json:"speed,omitempty"` // with --benchmark
	Warning string   `json:"warning,omitempty"`
	Notes   []string `json:"notes,omitempty"` // where the file does not do what the model does in Python

	before []string // files of the steps before the model
}

// A speed is the speed of a model of a folder and of its ONNX file. Times are medians in seconds.
type speed struct {
	Load        float64 `json:"load_s"`   // of the ONNX file
	Native      float64 `json:"native_s"` // of a call with one row
	ONNX        float64 `json:"onnx_s"`
	Speedup     float64 `json:"speed_up"`             // Native / ONNX
	NativeRows  float64 `json:"native_100_rows_s"`    // of a call with 100 rows
	ONNXRows    float64 `json:"onnx_100_rows_s"`      // as well
	SpeedupRows float64 `json:"speed_up_of_100_rows"` // as well
	Error       string  `json:"error,omitempty"`      // why there are no times
}

// folder converts the models of a folder.
func (c *convert) folder(ctx context.Context, stdout, stderr io.Writer) error {
	if err := c.checkFolder(); err != nil {
		return err
	}
	files, err := c.list()
	if err != nil {
		return err
	}
	all := make([]*converted, len(files))
	next := make(chan int)
	bar := newMeter(stderr, len(files), "converting")
	var done sync.WaitGroup
	for range c.jobs {
		done.Go(func() {
			for i := range next {
				all[i] = c.one(ctx, files[i])
				bar.add()
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
	bar.end()
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
	if c.benchmark {
		if err := c.speeds(ctx, stderr, all); err != nil {
			return err
		}
	}
	if err := writeConverted(stdout, all, others, c.benchmark); err != nil {
		return err
	}
	for _, r := range all {
		for _, note := range r.Notes {
			fmt.Fprintf(stdout, "note: %s: %s\n", r.Model, note)
		}
		if r.Warning != "" {
			warn(stderr, errors.New(r.Warning))
		}
	}
	if c.report != "" {
		write := func(w io.Writer) error { return writeJSON(w, all) }
		if err := writeFile("report", c.report, write); err != nil {
			return err
		}
	}
	if c.page != "" {
		write := func(w io.Writer) error { return writePage(w, c.input, all, c.benchmark) }
		if err := writeFile("report-html", c.page, write); err != nil {
			return err
		}
	}
	return verdict(all, c.input)
}

// speeds measures the models that were converted, one after the other.
func (c *convert) speeds(ctx context.Context, stderr io.Writer, all []*converted) error {
	bar := newMeter(stderr, len(all), "measuring")
	defer bar.end()
	for _, r := range all {
		if r.Verdict == passed || r.Verdict == unchanged {
			file := filepath.Join(c.input, r.Model)
			report, err := deploy.PipelineMeasurement{Native: file, File: r.File, Batches: []int{1, 100}, Time: 50 * time.Millisecond, Opens: 2,
				Read: func() (*pipeline.Model, error) {
					m, _, err := c.read(file, r.before)
					return m, err
				}}.Run(ctx)
			if err != nil {
				return err
			}
			r.Speed = speedOf(report)
		}
		bar.add()
	}
	return nil
}

// speedOf returns the speeds of a report.
func speedOf(r runtime.Report) *speed {
	native, file := r.Subjects[0], r.Subjects[1]
	if e := cmp.Or(native.Error, file.Error); e != "" {
		return &speed{Error: e}
	}
	s := &speed{Load: file.Load.P50.Seconds(), Native: native.Batches[0].P50.Seconds(), ONNX: file.Batches[0].P50.Seconds(),
		NativeRows: native.Batches[1].P50.Seconds(), ONNXRows: file.Batches[1].P50.Seconds()}
	s.Speedup, s.SpeedupRows = s.Native/s.ONNX, s.NativeRows/s.ONNXRows
	return s
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
	for flag, given := range map[string]bool{"rows": c.rows != "", "contamination": c.contamination != 0, "registry": c.registry != "", "name": c.name != "", "promote": c.promote, "benchmark-json": c.benchmarkJSON != "", "benchmark-plot": c.benchmarkPlot != ""} {
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
	return cmp.Or(oneOf("form", c.form, formNames()), checkFile("report", c.report), checkFile("report-html", c.page))
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
	if len(c.before) > 0 { // they belong to models
		steps := map[string]bool{}
		for _, f := range files {
			for _, step := range c.stepsOf(f.name) {
				steps[step] = true
			}
		}
		files = slices.DeleteFunc(files, func(f modelFile) bool { return steps[filepath.Join(c.input, f.name)] })
	}
	if err != nil {
		return nil, fmt.Errorf("--input %s: %w", c.input, err)
	}
	return files, nil
}

// stepsOf returns the files of --before for a model of the folder.
func (c *convert) stepsOf(name string) []string {
	stem := strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	var files []string
	for _, before := range c.before {
		files = append(files, filepath.Join(c.input, filepath.Dir(name), strings.ReplaceAll(before, "*", stem)))
	}
	return files
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

// isModelName reports whether a file of this name should hold a model. If it holds none, it is damaged.
func isModelName(name string) bool {
	return slices.Contains([]string{".joblib", ".pkl", ".pickle", ".cbm", ".ubj"}, strings.ToLower(filepath.Ext(name)))
}

// build returns a text that differs between programs built from different sources.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	text := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			text += " " + s.Value
		}
	}
	return text
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
	o := c.options
	whole := sha256.New()
	whole.Write(data)
	r.before = c.stepsOf(f.name)
	for _, step := range r.before {
		more, err := os.ReadFile(step)
		if err != nil {
			if _, _, err := pipeline.ReadWith(bytes.NewReader(data), o); errors.Is(err, tree.ErrUnknown) {
				return nil
			}
			return fail(refused, fmt.Errorf("--before: there is no %s beside it", filepath.Base(step)))
		}
		whole.Write(more)
		o.Before = append(o.Before, bytes.NewReader(more))
	}
	m, from, err := pipeline.ReadWith(bytes.NewReader(data), o)
	r.Kind = from.Format
	switch {
	case ctx.Err() != nil, errors.Is(err, tree.ErrUnknown) && !isModelName(f.name), !c.wanted(f.name, r.Kind):
		return nil
	case err != nil:
		return fail(refused, err)
	}
	r.Notes = notes(from)
	if from.Sparse {
		r.Warning = r.Model + ": XGBoost was trained with missing values, and splits only at numbers above 0: if it was trained on a sparse matrix, its zeros counted as missing: convert it with --zeros-missing"
	}
	fmt.Fprintf(whole, "|%s|%v|%v|%v|%s", c.form, c.options.AllTrees, c.options.ZerosMissing, c.gate, build())
	source := hex.EncodeToString(whole.Sum(nil))
	if size, ok := convertedFrom(f.output, source); ok {
		r.File, r.After, r.Verdict = f.output, size, unchanged
		return r
	}
	if err := os.MkdirAll(filepath.Dir(f.output), 0o777); err != nil {
		return fail(refused, err)
	}
	form, _ := onnx.ParseForm(c.form)
	to := deploy.TreesOptions{File: f.output, KeepFailed: c.keepFailed, Form: form, Gate: c.gate,
		Info: onnx.Info{Metadata: []onnx.Property{{Key: "attune.source", Value: filepath.Base(f.name)}, {Key: sourceKey, Value: source}}}}
	var got deploy.Result
	if trees, ok := m.Trees(); ok {
		got, err = deploy.Trees(ctx, trees, nil, to)
	} else {
		got, err = deploy.Pipeline(ctx, m, nil, to)
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

// columnsOf returns the names of the table's columns.
func columnsOf(benchmark bool) []string {
	columns := []string{"model", "kind", "bytes", "ONNX"}
	if benchmark {
		columns = append(columns, "load", "native", "ONNX", "speed-up")
	}
	return append(columns, "difference", "verdict")
}

// cells returns the line of a model in the table.
func (r *converted) cells(benchmark bool) []string {
	cells := []string{r.Model, cmp.Or(r.Kind, "-"), fmt.Sprint(r.Before), "-"}
	if r.After > 0 {
		cells[3] = fmt.Sprint(r.After)
	}
	switch s := r.Speed; {
	case !benchmark:
	case s == nil || s.Error != "":
		cells = append(cells, "-", "-", "-", "-")
	default:
		cells = append(cells, seconds(s.Load), seconds(s.Native), seconds(s.ONNX), fmt.Sprintf("%.3g×", s.Speedup))
	}
	most := "-"
	if r.Most != nil {
		most = fmt.Sprintf("%.2g", *r.Most)
	}
	text := r.Verdict
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return append(cells, most, text)
}

// seconds formats a time with three digits.
func seconds(s float64) string {
	switch {
	case s < 1e-3:
		return fmt.Sprintf("%.3g µs", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.3g ms", s*1e3)
	}
	return fmt.Sprintf("%.3g s", s)
}

// writeConverted writes the table.
func writeConverted(w io.Writer, all []*converted, others int, benchmark bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(columnsOf(benchmark), "\t"))
	for _, r := range all {
		fmt.Fprintln(t, strings.Join(r.cells(benchmark), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if benchmark {
		fmt.Fprintln(w, "native, ONNX: the median time of a call with one row; load: of opening the ONNX file")
	}
	_, err := fmt.Fprintf(w, "%s; other files: %d\n", counts(all), others)
	return err
}

// counts says how many models there are of each verdict.
func counts(all []*converted) string {
	count := map[string]int{}
	for _, r := range all {
		count[r.Verdict]++
	}
	var parts []string
	for _, v := range []string{passed, unchanged, failed, refused} {
		if count[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[v], v))
		}
	}
	text := fmt.Sprintf("%d models", len(all))
	if len(all) == 1 {
		text = "1 model"
	}
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text
}
