package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/figure/draw"
	"github.com/attune-hpo/attune/trial"
)

// A Panel is a part of the page about the model that a study tuned. Parts that are empty are
// left out.
type Panel struct {
	Title  string
	Text   string         // sentences
	Figure *figure.Figure // a plot
	Head   []string       // headings of a table
	Rows   [][]string     // its rows, each as long as Head
	Code   string         // a command to copy
}

// A modelPage is the content of the page about a model.
type modelPage struct {
	Title, Study, StudyLink string
	Panels                  []modelPanel
}

type modelPanel struct {
	Panel
	ID          string
	Light, Dark string // the plot
}

// panels returns the panels of the study's model. They are made once a minute at most.
func (d *Dashboard) panels(ctx context.Context, name string) ([]Panel, string, error) {
	x, err := d.index(ctx, name)
	if err != nil {
		return nil, "", err
	}
	h := x.study.Header()
	var make func(context.Context) ([]Panel, error)
	if d.config.Model != nil {
		make = d.config.Model(h)
	}
	if make == nil {
		return nil, "", problem{http.StatusNotFound, "The study tuned no model that this dashboard knows."}
	}
	version := fmt.Sprintf("%s-%d", x.key.version, time.Now().Unix()/60)
	p := d.models.made(passedKey{x.key, version}, func() panelsOf {
		all, err := make(context.WithoutCancel(ctx))
		return panelsOf{all, err}
	})
	return p.all, version, p.err
}

type panelsOf struct {
	all []Panel
	err error
}

// hasModel reports whether there is a page about the model of a study.
func (d *Dashboard) hasModel(h trial.Header) bool {
	return d.config.Model != nil && d.config.Model(h) != nil
}

// model shows the model that the study ?name tuned.
func (d *Dashboard) model(w http.ResponseWriter, r *http.Request) error {
	name := r.URL.Query().Get("name")
	panels, version, err := d.panels(r.Context(), name)
	if err != nil {
		return err
	}
	p := modelPage{Title: "Model of " + name, Study: name, StudyLink: "study" + with(&url.URL{}, "name", name)}
	for i, panel := range panels {
		m := modelPanel{Panel: panel, ID: "p" + strconv.Itoa(i)}
		if panel.Figure != nil {
			m.Light = "model.svg" + with(&url.URL{}, "name", name, "panel", strconv.Itoa(i), "v", version)
			m.Dark = m.Light + "&theme=dark"
		}
		p.Panels = append(p.Panels, m)
	}
	d.execute(w, r, "model.html", p)
	return nil
}

// modelPlot draws the plot of panel ?panel of the model of study ?name.
func (d *Dashboard) modelPlot(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	panels, _, err := d.panels(r.Context(), q.Get("name"))
	if err != nil {
		return err
	}
	i, err := strconv.Atoi(q.Get("panel"))
	if err != nil || i < 0 || i >= len(panels) || panels[i].Figure == nil {
		return problem{http.StatusNotFound, "There is no such plot."}
	}
	var b strings.Builder
	if err := draw.SVG(&b, *panels[i].Figure, draw.Options{Dark: q.Get("theme") == "dark", Width: widthOf(q)}); err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", imagePolicy)
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "private, max-age=60")
	w.Write([]byte(b.String()))
	return nil
}
