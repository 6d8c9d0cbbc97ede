package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/figure/draw"
	"github.com/attune-hpo/attune/importance"
	"github.com/attune-hpo/attune/trial"
)

// pictures are the formats of pictures, by the extension of the file.
var pictures = map[string]func(io.Writer, figure.Figure, draw.Options) error{".svg": draw.SVG, ".png": draw.PNG, ".html": draw.HTML}

// checkPicture fails if a file is given and its name has no known extension.
func checkPicture(flag, file string) error {
	if file == "" || pictures[strings.ToLower(filepath.Ext(file))] != nil {
		return nil
	}
	return fmt.Errorf("--%s %s: want a name that ends in .svg, .png or .html", flag, file)
}

// drawFile draws a figure to the file of a flag.
func drawFile(flag, file string, f figure.Figure, o draw.Options) error {
	write := pictures[strings.ToLower(filepath.Ext(file))]
	return writeFile(flag, file, func(w io.Writer) error { return write(w, f, o) })
}

// A plotted is a kind of plot.
type plotted struct {
	name, short string
	several     bool // it shows several studies
	params      bool // it shows parameters
	objective   bool // it shows an objective
	make        func(p *plotter, h []trial.Snapshot, objective int) (figure.Figure, error)
}

var plots = []plotted{
	{name: "history", short: "how the objective got better", several: true, objective: true, make: func(_ *plotter, h []trial.Snapshot, i int) (figure.Figure, error) {
		return plot.History(i, h...)
	}},
	{name: "intermediate", short: "what trials reported on their way", make: func(_ *plotter, h []trial.Snapshot, _ int) (figure.Figure, error) {
		return plot.Intermediate(h[0])
	}},
	{name: "importance", short: "how much each hyperparameter matters", objective: true, make: func(p *plotter, h []trial.Snapshot, _ int) (figure.Figure, error) {
		target, err := objectiveFlag(h[0].Header(), p.objective)
		if err != nil {
			return figure.Figure{}, err
		}
		r, err := importance.PEDANOVA{Target: target}.Evaluate(p.ctx, h[0])
		if err != nil {
			return figure.Figure{}, fmt.Errorf("study %s: %w", h[0].Header().Name, err)
		}
		return plot.Importance(r), nil
	}},
	{name: "slice", short: "the objective over each hyperparameter", params: true, objective: true, make: func(p *plotter, h []trial.Snapshot, i int) (figure.Figure, error) {
		return plot.Slice(h[0], i, p.params...)
	}},
	{name: "contour", short: "the objective over pairs of hyperparameters", params: true, objective: true, make: func(p *plotter, h []trial.Snapshot, i int) (figure.Figure, error) {
		return plot.Contour(h[0], i, p.params...)
	}},
	{name: "rank", short: "trials over pairs of hyperparameters, coloured by rank", params: true, objective: true, make: func(p *plotter, h []trial.Snapshot, i int) (figure.Figure, error) {
		return plot.Rank(h[0], i, p.params...)
	}},
	{name: "parallel", short: "each trial as a line across all hyperparameters", params: true, make: func(p *plotter, h []trial.Snapshot, _ int) (figure.Figure, error) {
		return plot.Parallel(h[0], p.params...)
	}},
	{name: "front", short: "the Pareto front of several objectives", make: func(_ *plotter, h []trial.Snapshot, _ int) (figure.Figure, error) {
		return plot.Front(h[0])
	}},
	{name: "hypervolume", short: "how the volume grew that trials with several objectives dominate", make: func(_ *plotter, h []trial.Snapshot, _ int) (figure.Figure, error) {
		return plot.Hypervolume(h[0])
	}},
	{name: "edf", short: "which share of the trials is at least as good as a value", several: true, objective: true, make: func(_ *plotter, h []trial.Snapshot, i int) (figure.Figure, error) {
		return plot.EDF(i, h...)
	}},
	{name: "timeline", short: "when each trial ran", make: func(_ *plotter, h []trial.Snapshot, _ int) (figure.Figure, error) {
		return plot.Timeline(h[0])
	}},
}

// A plotter is the command plot.
type plotter struct {
	ctx               context.Context
	storage, study    string
	also              []string
	objective, output string
	params            []string
	options           draw.Options
}

func plotCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "plot",
		Short: "Draw a study",
		Long: `Plot draws a study to a file. Its extension selects the form: .svg and .png are pictures, .html
is a self-contained page.`,
		Example: `  attune plot history --study airpassengers-passengers/lightgbm --output history.svg
  attune plot slice --params learning_rate,num_leaves --output slice.png --width 1000`,
	})
	for _, kind := range plots {
		cmd.AddCommand(kind.command())
	}
	return cmd
}

func (kind plotted) command() *cobra.Command {
	var p plotter
	cmd := &cobra.Command{
		Use:     kind.name,
		Short:   "Draw " + kind.short,
		Example: fmt.Sprintf("  attune plot %s --storage attune.db --study airpassengers-passengers/lightgbm --output %[1]s.svg", kind.name),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.ctx = cmd.Context()
			return p.run(kind)
		},
	}
	storageFlags(cmd, &p.storage, &p.study)
	f := cmd.Flags()
	if kind.several {
		f.StringSliceVar(&p.also, "also", nil, "`names` of more studies to show")
	}
	if kind.objective {
		f.StringVar(&p.objective, "objective", "", "`name` or number, from 0, of the objective (default: the first one)")
	}
	if kind.params {
		f.StringSliceVar(&p.params, "params", nil, "`names` of the hyperparameters to show (default: the most important)")
	}
	f.StringVar(&p.output, "output", "", "`file` to draw to, as .svg, .png or .html")
	f.IntVar(&p.options.Width, "width", 800, "width in `pixels`")
	f.IntVar(&p.options.Height, "height", 0, "height in `pixels` (default: as high as needed)")
	f.BoolVar(&p.options.Dark, "dark", false, "draw on a dark ground; a page of HTML is light or dark as its reader prefers")
	must(cmd.MarkFlagRequired("output"))
	return cmd
}

func (p *plotter) run(kind plotted) error {
	if p.output == "" {
		return fmt.Errorf("--output is empty: want a file")
	}
	if err := cmp.Or(checkPicture("output", p.output), checkFile("output", p.output)); err != nil {
		return err
	}
	if w := p.options.Width; w < 200 || w > 10000 {
		return fmt.Errorf("--width %d: want 200 to 10000", w)
	}
	if h := p.options.Height; h != 0 && h < 120 || h > 10000 {
		return fmt.Errorf("--height %d: want 120 to 10000", h)
	}
	h, err := openSnapshot(p.ctx, p.storage, p.study)
	if err != nil {
		return err
	}
	all := []trial.Snapshot{h}
	for _, name := range p.also {
		h, err := openSnapshot(p.ctx, p.storage, name)
		if err != nil {
			return err
		}
		all = append(all, h)
	}
	objective := 0
	if kind.objective && p.objective != "" && kind.name != "importance" {
		names := objectiveNames(h.Header())
		objective = slices.Index(names, p.objective)
		if objective < 0 {
			return oneOf("objective", p.objective, names)
		}
	}
	f, err := kind.make(p, all, objective)
	if err != nil {
		return err
	}
	return drawFile("output", p.output, f, p.options)
}
