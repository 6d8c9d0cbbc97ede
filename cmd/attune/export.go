package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/quantize"
	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/export/validate"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tune"
)

// An exporter has the common parts of the commands that write ONNX.
type exporter struct {
	output     string
	form       string
	gate       validate.Gate
	keepFailed bool
	report     string
	registry   string
	name       string
	promote    bool
}

func (e *exporter) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&e.output, "output", "", "ONNX `file` to write; it appears once it has passed the comparison")
	f.StringVar(&e.form, "form", "exact", "`form` of trees: exact (double), compatible (double, for ONNX Runtime 1.16 and later) or float32 (rows of single precision)")
	complete(cmd, "form", formNames()...)
	f.Float64Var(&e.gate.RTol, "rtol", 0, "relative `tolerance` (default 1e-3, or 0 with --atol)")
	f.Float64Var(&e.gate.ATol, "atol", 0, "absolute `tolerance`, added to the relative one (default 1e-4, or 0 with --rtol)")
	f.Float64Var(&e.gate.Beyond, "beyond", 0, "`share` of the values that may exceed the tolerance (default 0; 0.01 with --form float32)")
	f.BoolVar(&e.gate.Equal, "equal", false, "require predictions that are equal bit for bit")
	f.BoolVar(&e.keepFailed, "keep-failed", false, "keep a file that does not pass, as NAME.failed.onnx")
	f.StringVar(&e.report, "report", "", "JSON `file` to write the comparison to")
	f.StringVar(&e.registry, "registry", "", "`folder` of a model registry to add the file to")
	f.StringVar(&e.name, "name", "", "`name` of the model in the registry")
	f.BoolVar(&e.promote, "promote", false, "make it the live version in the registry")
	must(cmd.MarkFlagRequired("output"))
}

// formNames are the values of --form.
func formNames() []string {
	var names []string
	for _, f := range onnx.Forms {
		names = append(names, f.String())
	}
	return names
}

// check refuses conflicting flags. It returns the form and the registry, or nil without one.
func (e *exporter) check() (form onnx.Form, to *deploy.Registration, err error) {
	if e.output == "" {
		return form, nil, errors.New("--output is empty: want a file")
	}
	if err := cmp.Or(oneOf("form", e.form, formNames()), checkFile("output", e.output), checkFile("report", e.report)); err != nil {
		return form, nil, err
	}
	form, _ = onnx.ParseForm(e.form)
	if e.registry == "" {
		if e.name != "" || e.promote {
			return form, nil, errors.New("--name and --promote need a registry: name its folder with --registry")
		}
		return form, nil, nil
	}
	if e.name == "" {
		return form, nil, errors.New("--registry: name the model with --name")
	}
	to = &deploy.Registration{Name: e.name, Promote: e.promote}
	if to.Registry, err = registry.Open(e.registry); err != nil {
		return form, nil, fmt.Errorf("--registry: %w", err)
	}
	return form, to, checkModelName(to.Registry, e.name)
}

// checkModelName fails if the value of --name cannot be the name of a model.
func checkModelName(r *registry.Registry, name string) error {
	if _, err := r.Versions(name); errors.Is(err, registry.ErrName) {
		return fmt.Errorf("--name %s: %w", quote(name), registry.ErrName)
	}
	return nil
}

// tell writes the comparison of the export, even if it failed.
func (e *exporter) tell(w io.Writer, r deploy.Result, err error) error {
	if r.Report.Rows == 0 {
		return err
	}
	if r.Raw != nil {
		fmt.Fprintf(w, "raw outputs: %s\npredictions: ", r.Raw)
	}
	if r.Form == onnx.Single && r.Probe != nil {
		fmt.Fprint(w, "rows as float32: ")
	}
	fmt.Fprint(w, r.Report)
	if r.Probe != nil {
		fmt.Fprint(w, probed(r))
	}
	if e.report != "" {
		write := func(w io.Writer) error {
			return writeJSON(w, struct {
				Pass   bool             `json:"pass"`
				Form   string           `json:"form"`
				Bytes  int              `json:"bytes"`
				File   string           `json:"file,omitempty"`
				Opsets map[string]int64 `json:"opsets"`
				Report validate.Report  `json:"report"`
				Raw    *validate.Report `json:"raw,omitempty"`
				Probe  *validate.Report `json:"probe,omitempty"`
			}{r.Pass(), r.Form.String(), r.Size, r.File, opsets(r.Opsets), r.Report, r.Raw, r.Probe})
		}
		if at := writeFile("report", e.report, write); at != nil {
			return cmp.Or(err, at)
		}
	}
	if r.File != "" {
		var needs []string
		for _, o := range r.Opsets {
			needs = append(needs, fmt.Sprintf("%s %d", cmp.Or(o.Domain, "opset"), o.Version))
		}
		fmt.Fprintf(w, "%s: %d bytes, %s, for ONNX Runtime %s and later\n", r.File, r.Size, strings.Join(needs, ", "), r.Form.Stamp().Least)
	}
	if r.Version.Number > 0 {
		live := ""
		if e.promote {
			live = ", live"
		}
		fmt.Fprintf(w, "%s: %s, version %d%s\n", e.registry, r.Version.Name, r.Version.Number, live)
	}
	return err
}

// opsets returns the version of each domain of operators. The standard's is ai.onnx.
func opsets(of []onnx.Opset) map[string]int64 {
	out := make(map[string]int64, len(of))
	for _, o := range of {
		out[cmp.Or(o.Domain, "ai.onnx")] = o.Version
	}
	return out
}

// probed describes, in one line, the comparison on rows at the thresholds.
func probed(r deploy.Result) string {
	p := r.Probe
	values := fmt.Sprintf("%d of %d values", p.Beyond, p.Rows*p.Outputs)
	switch {
	case p.Pass && p.Beyond == 0:
		return fmt.Sprintf("rows at the thresholds: pass, %d rows, differences up to %.3g\n", p.Rows, p.MaxAbsolute)
	case r.Form == onnx.Single:
		return fmt.Sprintf("rows at the thresholds that float32 cannot hold: %s are wrong, by up to %.3g: --form compatible takes such rows\n", values, p.MaxAbsolute)
	}
	return fmt.Sprintf("rows at the thresholds: FAIL, %s beyond the tolerance, by up to %.3g\n", values, p.MaxAbsolute)
}

// exportONNX holds the flags of the command export.
type exportONNX struct {
	exporter
	storage string
	study   string
	data    string
	windows int
	quant   string
}

func exportCommand() *cobra.Command {
	var e exportONNX
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Export the best model of a study to ONNX, and check that it predicts the same",
		Long: `Export writes the best model of a study to an ONNX file. The file takes raw values and
returns forecasts: it includes the features and the transforms.

The window of statistical models, baselines and most ensembles is the whole series, from the first
value that they were fitted to. Other models take the last values.

Before it keeps the file, export runs it in ONNX Runtime and compares its forecasts with
those of the model itself, on windows of the data. If they differ by more than the
tolerance, the file is removed.

The file of a model of a table takes a column of numbers or texts for each feature, with its
name. It includes the encoding of categories and the treatment of missing values.

Export needs ONNX Runtime. Install it with: attune setup onnxruntime`,
		Example: `  attune export --output model.onnx
  attune export --storage attune.db --study airpassengers-passengers/lightgbm --output model.onnx --form compatible
  attune export --output model.onnx --registry models --name passengers --promote`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	storageFlags(cmd, &e.storage, &e.study)
	e.flags(cmd)
	cmd.Flags().StringVar(&e.data, "data", "", "CSV `file` with data to compare on (default: the data that the study was made with)")
	cmd.Flags().StringVar(&e.quant, "quantize", "", "make a network smaller: `fp16 or int8`; the default tolerance is then a tenth of the predictions' standard deviation")
	complete(cmd, "quantize", "fp16", "int8")
	cmd.Flags().IntVar(&e.windows, "windows", 200, "maximum `number` of windows to compare on")
	return cmd
}

func (e *exportONNX) run(ctx context.Context, stdout, stderr io.Writer) error {
	if e.windows < 1 {
		return fmt.Errorf("--windows %d: want 1 or more", e.windows)
	}
	form, register, err := e.check()
	if err != nil {
		return err
	}
	if e.quant != "" {
		if err := oneOf("quantize", e.quant, []string{"fp16", "int8"}); err != nil {
			return err
		}
	}
	if done, err := e.table(ctx, form, register, stdout, stderr); done || err != nil {
		return err
	}
	o := deploy.ForecasterOptions{File: e.output, KeepFailed: e.keepFailed, Register: register, Form: form, Gate: e.gate,
		Windows: e.windows, Quantize: quantize.Kind(e.quant)}
	m, frame, err := e.load(ctx, stderr)
	if err != nil {
		return err
	}
	if e.quant != "" && !isNetwork(m.Family) {
		return fmt.Errorf("--quantize %s: only networks can be quantized: export %s without --quantize", e.quant, m.Family)
	}
	fmt.Fprintf(stdout, "%s, trial %d of study %s\n", m.Family, m.Trial, m.Study)
	r, err := deploy.Model(ctx, m, frame, o)
	if errors.Is(err, quantize.ErrNothing) {
		return fmt.Errorf("--quantize %s: %w: the network is too small to gain: export without --quantize", e.quant, err)
	}
	return e.tell(stdout, r, err)
}

// load returns the best model of the study and the data to compare on.
func (e *exportONNX) load(ctx context.Context, stderr io.Writer) (tune.Model, forecast.Frame, error) {
	store, err := openStore(e.storage)
	if err != nil {
		return tune.Model{}, nil, err
	}
	name, err := pick(ctx, store, e.study)
	if err != nil {
		return tune.Model{}, nil, err
	}
	m, from, err := bestModel(ctx, e.storage, name, e.data, stderr)
	if err != nil {
		return m, nil, err
	}
	frame, _, err := from.series()
	return m, frame, whither(err, e.data)
}
