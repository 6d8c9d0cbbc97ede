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

// A plotter is the command plot.
type plotter struct {
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
	for _, kind := range plot.Kinds() {
		cmd.AddCommand(plotKindCommand(kind))
	}
	return cmd
}

func plotKindCommand(kind plot.Kind) *cobra.Command {
	var p plotter
	cmd := &cobra.Command{
		Use:     kind.Name,
		Short:   "Draw " + kind.About,
		Example: fmt.Sprintf("  attune plot %s --storage attune.db --study airpassengers-passengers/lightgbm --output %[1]s.svg", kind.Name),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.run(cmd.Context(), kind)
		},
	}
	storageFlags(cmd, &p.storage, &p.study)
	f := cmd.Flags()
	if kind.Several {
		f.StringSliceVar(&p.also, "also", nil, "`names` of more studies to show")
	}
	if kind.Objective {
		f.StringVar(&p.objective, "objective", "", "`name` or number, from 0, of the objective (default: the first one)")
	}
	if kind.Params {
		f.StringSliceVar(&p.params, "params", nil, "`names` of the hyperparameters to show (default: the most important)")
	}
	f.StringVar(&p.output, "output", "", "`file` to draw to, as .svg, .png or .html")
	f.IntVar(&p.options.Width, "width", 800, "width in `pixels`")
	f.IntVar(&p.options.Height, "height", 0, "height in `pixels` (default: as high as needed)")
	f.BoolVar(&p.options.Dark, "dark", false, "draw on a dark ground; a page of HTML is light or dark as its reader prefers")
	must(cmd.MarkFlagRequired("output"))
	return cmd
}

func (p *plotter) run(ctx context.Context, kind plot.Kind) error {
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
	h, err := openSnapshot(ctx, p.storage, p.study)
	if err != nil {
		return err
	}
	choice := plot.Choice{Params: p.params}
	for _, name := range p.also {
		h, err := openSnapshot(ctx, p.storage, name)
		if err != nil {
			return err
		}
		choice.Also = append(choice.Also, h)
	}
	names := objectiveNames(h.Header())
	switch {
	case kind.Name == "importance":
		if choice.Target, err = objectiveFlag(h.Header(), p.objective); err != nil {
			return err
		}
	case p.objective != "":
		if choice.Objective = slices.Index(names, p.objective); choice.Objective < 0 {
			return oneOf("objective", p.objective, names)
		}
	}
	f, err := kind.Make(ctx, h, choice)
	if err != nil {
		return err
	}
	return drawFile("output", p.output, f, p.options)
}
