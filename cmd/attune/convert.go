package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/figure/draw"
	"github.com/attune-hpo/attune/internal/csvfile"
	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/table"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tune"
)

// convert holds the flags of the command convert.
type convert struct {
	exporter
	input         string
	models        []string
	jobs          int
	rows          string
	before        []string
	options       pipeline.ReadOptions
	contamination float64
	page          string
	benchmark     bool
	benchmarkJSON string
	benchmarkPlot string
}

func convertCommand() *cobra.Command {
	var c convert
	cmd := &cobra.Command{
		Use:   "convert [MODEL]",
		Short: "Convert a LightGBM, XGBoost, CatBoost or scikit-learn model or pipeline to ONNX, and check that it predicts the same",
		Long: `Convert reads a model and writes it to an ONNX file. It reads LightGBM's text,
XGBoost's JSON and UBJSON, CatBoost's JSON and .cbm, attune's own JSON, and what joblib.dump or
pickle.dump save of scikit-learn's models and of the estimators and boosters of LightGBM,
XGBoost and CatBoost.

Before it keeps the file, convert runs it in ONNX Runtime and compares its predictions
with those of the model itself: on generated rows, with values on every threshold and on
both sides of it, and on yours (--rows). If they differ by more than the tolerance, the file
is removed.

--form exact, the default, computes in double precision and needs ONNX Runtime 1.23 or
later. --form compatible takes the same rows on older runtimes. --form float32 takes rows in
single precision, which rounds a time in seconds or a date like 20240131. Convert then also
reports the error of the file on rows that single precision cannot represent.

From scikit-learn 0.24 and later it reads decision trees, random forests, extra trees,
gradient boosting, histogram gradient boosting and isolation forests. It also reads linear models,
naive Bayes, MLPs, support vector machines and mixtures, models of models (stacking, voting,
bagging, calibration), and the steps around a model: a Pipeline or a ColumnTransformer, scalers,
encoders, imputers, selections and vectorizers of texts, or a dict or tuple of scaler and model. The
ONNX file then computes everything, from a row of the table or a text to predictions, or to labels
and probabilities of classes. Python executes such files as programs; convert only reads them as
data.

If a model was trained with early stopping, convert takes the trees up to the best
iteration, as the library's estimators do (XGBRegressor, LGBMClassifier), and prints their
number. --all-trees takes all trees.

If the scaler, the encoder or the vectorizer before a model is a file of its own, name it with
--before: the ONNX file then starts with it. XGBoost trained on a sparse matrix takes zeros for
missing values, and its file does not say so: give --zeros-missing, unless a vectorizer or
encoder in the pipeline makes the sparse matrix.

An isolation forest has the outputs label (-1 for an anomaly, or 1), score and decision, as in
scikit-learn. --contamination 0.02 sets its threshold so that 2 % of the rows in --rows are
anomalies.

With --input, convert converts all models in a folder and its subfolders. It writes them to
the folder --output, under the same names with the extension .onnx. At the end it prints a
table with the verdict on each model, and fails if any model was not converted. It skips models
that have not changed since they were last converted. --benchmark then measures each model by
itself, when all are converted: the time to load the ONNX file, and the median time of a call
with one row. --before names a file in the folder of each model; in it, * stands for the
model's name without extension.

Convert needs ONNX Runtime. Install it with: attune setup onnxruntime`,
		Example: `  attune convert lightgbm.txt --output model.onnx
  attune convert xgboost.json --output model.onnx --form compatible --rows held-out.csv
  attune convert forest.joblib --output model.onnx
  attune convert pipeline.joblib --output model.onnx --rows table.csv
  attune convert stopped.ubj --output model.onnx --all-trees
  attune convert --input models --output onnx --report report.json
  attune convert forest.joblib --before scaler.joblib --output model.onnx
  attune convert --input models --output onnx --model '*.joblib' --model LGBM --jobs 4
  attune convert --input models --output onnx --benchmark --report report.json --report-html report.html
  attune convert --input models --output onnx --before '*_scaler.joblib'
  attune convert catboost.json --output model.onnx --benchmark --benchmark-plot speed.svg`,
		Args: func(cmd *cobra.Command, args []string) error {
			if c.input != "" && len(args) > 0 {
				return fmt.Errorf("--input %s: want no model file besides: %s", c.input, args[0])
			}
			if len(args) != 1 && c.input == "" {
				return fmt.Errorf("want one model file, not %d arguments: see %s --help", len(args), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.input != "" {
				return c.folder(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return c.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), args[0])
		},
	}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&c.input, "input", "", "`folder` of models to convert; --output is then a folder")
	f.StringArrayVar(&c.models, "model", nil, "with --input, take models of this `name or kind` alone, such as '*.joblib' or LGBMRegressor; may be repeated")
	f.IntVar(&c.jobs, "jobs", 2, "with --input, the `number` of models to convert at the same time")
	f.StringVar(&c.page, "report-html", "", "with --input, HTML `file` to write the table to")
	f.StringArrayVar(&c.before, "before", nil, "`file` with a scaler, encoder or vectorizer before the model; may be repeated, the first one first")
	f.BoolVar(&c.options.ZerosMissing, "zeros-missing", false, "take zeros for missing values in tree ensembles, as XGBoost does in sparse matrices")
	f.Float64Var(&c.contamination, "contamination", 0, "set the threshold of an isolation forest so that this `share` of --rows are anomalies (default: as trained)")
	f.StringVar(&c.rows, "rows", "", "CSV `file` of rows to compare on, with a header: columns by name, or in the model's order")
	f.BoolVar(&c.options.AllTrees, "all-trees", false, "also take the trees after the best iteration of early stopping")
	f.BoolVar(&c.benchmark, "benchmark", false, "measure both models: time to load, time per number of rows, size, memory")
	f.StringVar(&c.benchmarkJSON, "benchmark-json", "", "JSON `file` to write the measurements to")
	f.StringVar(&c.benchmarkPlot, "benchmark-plot", "", "`file` to draw the measurements to, as .svg, .png or .html")
	return cmd
}

func (c *convert) run(ctx context.Context, stdout, stderr io.Writer, file string) error {
	if len(c.models) > 0 {
		return errors.New("--model picks models of a folder: give --input")
	}
	if c.page != "" {
		return errors.New("--report-html is the table of a folder: give --input")
	}
	if err := checkPicture("benchmark-plot", c.benchmarkPlot); err != nil {
		return err
	}
	if c.contamination != 0 && c.rows == "" {
		return errors.New("--contamination is a share of rows: give --rows, such as those that the forest was trained on")
	}
	form, register, err := c.check()
	if err != nil {
		return err
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return fmt.Errorf("%s: a folder: convert its models with --input %s, and a folder as --output", quote(file), quote(file))
	}
	m, from, err := c.read(file, c.before)
	if err != nil {
		return err
	}
	if from.Sparse {
		warn(stderr, fmt.Errorf("%s: XGBoost was trained with missing values, and splits only at numbers above 0: if it was trained on a sparse matrix, its zeros counted as missing: give --zeros-missing", file))
	}
	if a, err := os.Stat(c.output); err == nil {
		if b, err := os.Stat(file); err == nil && os.SameFile(a, b) {
			return fmt.Errorf("--output %s: that is the model to convert: use another name", c.output)
		}
	}
	columns, err := c.table(m.Inputs)
	if err != nil {
		return err
	}
	if m, err = c.contaminate(file, m, columns); err != nil {
		return err
	}
	o := deploy.TreesOptions{File: c.output, KeepFailed: c.keepFailed, Register: register, Form: form, Gate: c.gate,
		Info: onnx.Info{Metadata: []onnx.Property{{Key: "attune.source", Value: filepath.Base(file)}}}}
	trees, ok := m.Trees()
	if !ok {
		return c.pipeline(ctx, stdout, file, m, from, columns, o)
	}
	rows := rowsOf(columns)
	fmt.Fprintf(stdout, "%s: %s, trees %s, features %d, outputs %d\n", file, from.Format, counted(from), len(trees.Features), trees.Outputs)
	r, err := deploy.Trees(ctx, trees, rows, o)
	if err := c.tell(stdout, r, err); err != nil {
		return err
	}
	if c.measures() {
		report, err := c.measure(ctx, file, trees, rows, form)
		return c.speed(stdout, report, err)
	}
	return nil
}

// contaminate returns m with the threshold that --contamination asks for.
func (c *convert) contaminate(file string, m *pipeline.Model, rows []pipeline.Column) (*pipeline.Model, error) {
	if c.contamination == 0 {
		return m, nil
	}
	m, err := m.Contaminated(rows, c.contamination)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

// measures reports whether both models are to be measured.
func (c *convert) measures() bool {
	return c.benchmark || c.benchmarkJSON != "" || c.benchmarkPlot != ""
}

// notes says where the ONNX file does not do what the model does in Python.
func notes(from pipeline.Source) []string {
	var out []string
	for _, encoder := range from.Strict {
		out = append(out, encoder+" raises an error for an unknown category in Python. Here it gives zeros, or a missing value.")
	}
	return out
}

// pipeline converts a model with the steps around it.
func (c *convert) pipeline(ctx context.Context, stdout io.Writer, file string, m *pipeline.Model, from pipeline.Source, columns []pipeline.Column, o deploy.TreesOptions) error {
	if o.Form == onnx.Single {
		return fmt.Errorf("--form float32: %s is more than a tree ensemble: it scales or encodes the rows first: use exact or compatible", file)
	}
	var outputs []string
	for _, out := range m.Outputs {
		outputs = append(outputs, out.Name)
	}
	fmt.Fprintf(stdout, "%s: %s, trees %s, columns %d, outputs %s\n", file, from.Format, counted(from), len(m.Inputs), strings.Join(outputs, ", "))
	for _, note := range notes(from) {
		fmt.Fprintf(stdout, "note: %s\n", note)
	}
	r, err := deploy.Pipeline(ctx, m, columns, o)
	if err := c.tell(stdout, r, err); err != nil || !c.measures() {
		return err
	}
	report, err := deploy.PipelineMeasurement{Native: file, File: c.output, Columns: columns, Read: func() (*pipeline.Model, error) {
		m, _, err := c.read(file, c.before)
		if err != nil {
			return nil, err
		}
		return c.contaminate(file, m, columns)
	}}.Run(ctx)
	return c.speed(stdout, report, err)
}

// read reads a model, and the steps before it that are files of their own.
func (c *convert) read(file string, before []string) (*pipeline.Model, pipeline.Source, error) {
	o := c.options
	for _, name := range before {
		f, err := os.Open(name)
		if err != nil {
			return nil, pipeline.Source{}, fmt.Errorf("--before: %w", err)
		}
		defer f.Close()
		o.Before = append(o.Before, f)
	}
	return readModel(file, o)
}

// readModel reads a model of any library, with the steps around it.
func readModel(file string, o pipeline.ReadOptions) (*pipeline.Model, pipeline.Source, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, pipeline.Source{}, err
	}
	defer f.Close()
	m, from, err := pipeline.ReadWith(f, o)
	if err != nil {
		return nil, from, fmt.Errorf("%s: %w", file, cmp.Or(ownModel(file), err))
	}
	return m, from, nil
}

// ownModel returns an error that says what to do with a file if it is a model that attune optimize
// has kept, else nil.
func ownModel(file string) error {
	if m, err := table.ReadFile(file); err == nil {
		return fmt.Errorf("attune trained this model, and exports it: attune export --study %s", m.Study)
	}
	m, err := tune.ReadFile(file, families()...)
	if err != nil {
		return nil
	}
	return fmt.Errorf("attune trained this model, and exports it: attune export --study %s", m.Study)
}

// rowsOf returns columns of numbers one row after the other, nil for no columns.
func rowsOf(columns []pipeline.Column) []float64 {
	var rows []float64
	for i := range columns {
		for k, x := range columns[i].Numbers {
			if rows == nil {
				rows = make([]float64, len(columns)*len(columns[i].Numbers))
			}
			rows[k*len(columns)+i] = x
		}
	}
	return rows
}

// counted says how many trees were taken, and out of how many.
func counted(from pipeline.Source) string {
	if from.Taken == from.Trees {
		return strconv.Itoa(from.Trees)
	}
	return fmt.Sprintf("%d of %d (up to the best iteration; --all-trees takes all)", from.Taken, from.Trees)
}

// table returns the rows to compare on: those of the file, or none.
func (c *convert) table(inputs []pipeline.Input) ([]pipeline.Column, error) {
	if c.rows == "" {
		return nil, nil
	}
	f, err := os.Open(c.rows)
	if err != nil {
		return nil, fmt.Errorf("--rows: %w", err)
	}
	defer f.Close()
	columns, err := readTable(f, inputs)
	if err != nil {
		return nil, fmt.Errorf("--rows %s: %w", c.rows, err)
	}
	return columns, nil
}

// readTable reads a table. The columns are those with the names of the model's features. If
// no name occurs, there must be as many columns as features. In columns of numbers, empty
// cells, NA and NaN are missing values, and True and False are 1 and 0.
func readTable(from io.Reader, inputs []pipeline.Input) ([]pipeline.Column, error) {
	in, err := csvfile.NewReader(from, 0)
	if err != nil {
		return nil, err
	}
	places := make([]int, len(inputs))
	var there, missing []string
	for i, f := range inputs {
		places[i] = slices.IndexFunc(in.Header, func(h string) bool { return f.Name != "" && h == f.Name })
		if places[i] < 0 {
			missing = append(missing, f.Name)
		} else {
			there = append(there, f.Name)
		}
	}
	if len(missing) > 0 {
		if len(there) > 0 {
			return nil, fmt.Errorf("some columns have names of the model's features (%s), but none has the name of %s: name all of them, or none", few(there), few(missing))
		}
		if len(in.Header) != len(inputs) {
			return nil, fmt.Errorf("it has %d columns, but the model has %d features, and the names differ", len(in.Header), len(inputs))
		}
		for i := range places {
			places[i] = i
		}
	}
	columns := make([]pipeline.Column, len(inputs))
	for {
		row, err := in.Read()
		if err == io.EOF {
			return columns, nil
		}
		if err != nil {
			return nil, err
		}
		for i, k := range places {
			if inputs[i].Kind == pipeline.Text {
				columns[i].Texts = append(columns[i].Texts, row[k])
				continue
			}
			x := math.NaN()
			if !slices.Contains(csvfile.NA, row[k]) {
				if x, err = cell(row[k]); err != nil {
					return nil, &csvfile.Error{Line: in.Line, Column: in.Header[k], Value: row[k], Err: errors.New("not a number")}
				}
			}
			columns[i].Numbers = append(columns[i].Numbers, x)
		}
	}
}

// cell returns the number in a cell of a table.
func cell(text string) (float64, error) {
	switch text {
	case "True", "true", "TRUE":
		return 1, nil
	case "False", "false", "FALSE":
		return 0, nil
	}
	return strconv.ParseFloat(text, 64)
}

// few returns the first few names.
func few(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", csvfile.Names(names[:most]), len(names)-most)
	}
	return csvfile.Names(names)
}

// measure compares the speed of the native model and the file.
func (c *convert) measure(ctx context.Context, file string, m *tree.Model, rows []float64, form onnx.Form) (runtime.Report, error) {
	if rows == nil {
		rows = deploy.Probe(m, form, 2000)
	}
	of := runtime.Measurement{Rows: rows, Width: len(m.Features), Outputs: m.Outputs}
	return of.Run(ctx,
		runtime.Subject{Name: "native", File: file, Open: func() (runtime.Model, error) {
			m, _, err := c.read(file, nil)
			if err != nil {
				return nil, err
			}
			trees, _ := m.Trees()
			return tree.NewPredictor(trees)
		}},
		runtime.Subject{Name: "onnx", File: c.output, Open: func() (runtime.Model, error) {
			return runtime.OpenPredictor(c.output, runtime.Config{})
		}})
}

// speed writes the measurements.
func (c *convert) speed(stdout io.Writer, report runtime.Report, err error) error {
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\n%s", report)
	if c.benchmarkJSON != "" {
		if err := writeFile("benchmark-json", c.benchmarkJSON, report.WriteJSON); err != nil {
			return err
		}
	}
	if c.benchmarkPlot == "" {
		return nil
	}
	picture, err := report.Figure()
	if err != nil {
		return err
	}
	return drawFile("benchmark-plot", c.benchmarkPlot, picture, draw.Options{})
}
