package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/dashboard"
	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/trial"
)

// A modelPage makes the dashboard's page about the forecaster of a study. It fits nothing but
// baselines: it shows the models that attune optimize kept.
type modelPage struct {
	storage  string // as the flag has it
	registry string // a folder, or empty
	study    string
	job      job
	frame    forecast.Frame // its data, if they can be read
	panels   []dashboard.Panel
}

// modelPages returns what makes the page of a study: nil if it tuned no forecaster.
func modelPages(storage, registry string) func(trial.Header) func(context.Context) ([]dashboard.Panel, error) {
	return func(h trial.Header) func(context.Context) ([]dashboard.Panel, error) {
		j, err := readJob(h.Attrs)
		if err != nil {
			return nil
		}
		return func(ctx context.Context) ([]dashboard.Panel, error) {
			p := modelPage{storage: storage, registry: registry, study: h.Name, job: j}
			err := p.make(ctx)
			return p.panels, err
		}
	}
}

func (p *modelPage) add(panel dashboard.Panel) { p.panels = append(p.panels, panel) }

// lacks adds a panel that says why there is nothing else in it.
func (p *modelPage) lacks(title string, err error) {
	p.add(dashboard.Panel{Title: title, Text: capital(err.Error()) + "."})
}

func capital(s string) string { return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] }

// make makes all panels. What is missing is said in a sentence of its panel.
func (p *modelPage) make(ctx context.Context) error {
	store, err := openStore(p.storage)
	if err != nil {
		return err
	}
	s, err := openJob(ctx, store, p.study)
	if err != nil {
		return err
	}
	defer s.Close()
	frame, missing := s.read()
	p.frame = frame

	m, err := tune.ReadFile(modelPath(p.storage, p.study), families()...)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("no model is fitted to all data yet: attune predict fits one")
	}
	if cause := cmp.Or(err, missing); cause != nil {
		p.lacks("Forecast", cause)
	} else if f, text, err := p.forecast(ctx, m); err != nil {
		p.lacks("Forecast", err)
	} else {
		p.add(dashboard.Panel{Title: "Forecast", Text: text, Figure: &f})
	}
	if err := p.windows(ctx, s); err != nil {
		p.lacks("Backtest", err)
	}
	if missing != nil {
		p.lacks("Beside baselines", missing)
	} else if err := p.backtest(ctx, s); err != nil {
		p.lacks("Beside baselines", err)
	}
	if err == nil {
		p.importance(m)
	}
	p.commands()
	if p.registry != "" {
		if err := p.versions(); err != nil {
			p.lacks("Registry", err)
		}
	}
	return ctx.Err()
}

// forecast draws what the model expects after the end of the first series, with its intervals.
func (p *modelPage) forecast(ctx context.Context, m tune.Model) (f figure.Figure, text string, err error) {
	one := p.frame[:1]
	next, err := m.Forecaster.Predict(ctx, one, m.Horizon)
	if err != nil {
		return f, "", err
	}
	f, err = forecast.Plot{Label: p.job.Data.Target, Title: fmt.Sprintf("%s, next %d %ss, by %s", p.job.Data.Target, m.Horizon, one[0].Freq.Unit, m.Family),
		Truth: one[0], Last: max(3*m.Horizon, 40), Forecasts: []forecast.Line{{Name: m.Family, Series: next[0]}}}.Figure()
	if err != nil {
		return f, "", err
	}
	text = fmt.Sprintf("By trial %d, fitted to all data.", m.Trial)
	if n := len(p.frame); n > 1 {
		text += fmt.Sprintf(" Shown is the first of %d series, %s.", n, one[0].ID)
	}
	if m.Intervals == nil {
		return f, text + " It has no intervals: its backtest had too few errors.", nil
	}
	var bands []figure.Mark
	for _, level := range slices.Backward(shownLevels) {
		lower, upper, err := m.Intervals.Around(next, one, level)
		if err != nil {
			return f, "", err
		}
		b := figure.Band{Name: fmt.Sprintf("%.0f %% interval", 100*level), Colour: figure.Orange, Low: lower[0].Y, High: upper[0].Y}
		for i := range next[0].Y {
			b.X = append(b.X, float64(next[0].Time(i).Unix()))
		}
		bands = append(bands, b)
	}
	f.Panels[0].Marks = append(bands, f.Panels[0].Marks...)
	return f, text, nil
}

// windows draws what the best trial forecast in the windows of the tuning.
func (p *modelPage) windows(ctx context.Context, s *jobStudy) error {
	h, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	f, err := plot.Backtest(h)
	if err != nil {
		return err
	}
	p.add(dashboard.Panel{Title: "Backtest", Figure: &f,
		Text: "What the best trial forecast in the windows of the tuning. Each window was forecast by a model that had not seen it."})
	return nil
}

// backtest compares the model with baselines, where it was tuned and on the test span, which it
// has not seen, and draws its forecasts there.
func (p *modelPage) backtest(ctx context.Context, s *jobStudy) error {
	best, err := s.Best(ctx)
	if err != nil {
		return err
	}
	metric := p.job.metrics()[0]
	back, err := p.job.tuning(p.frame)
	if err != nil {
		return err
	}
	tuning, err := back.Compare(ctx)
	if err != nil {
		return err
	}
	panel := dashboard.Panel{Title: "Beside baselines", Head: []string{"", metric.Name() + " in tuning"}}
	panel.Text = fmt.Sprintf("Tuning had %d windows of %d steps.", len(back.Folds()), p.job.Horizon)
	scores := map[string][]string{p.job.Model: {fmt.Sprintf("%.4g", best.Values[0])}}
	order := []string{p.job.Model}
	for _, r := range tuning.Rows {
		scores[r.Name] = []string{fmt.Sprintf("%.4g", first(r.Scores))}
		order = append(order, r.Name)
	}
	if p.job.Test > 0 {
		text, f, tested, err := p.tested(ctx)
		if err != nil {
			text = "On the test span: " + err.Error() + "."
		}
		panel.Text += " " + text
		panel.Figure = f
		panel.Head = append(panel.Head, metric.Name()+" on the test span")
		for _, name := range order {
			cell := ""
			if r, ok := tested[name]; ok {
				cell = fmt.Sprintf("%.4g", first(r.Scores))
			}
			scores[name] = append(scores[name], cell)
		}
	} else {
		panel.Text += " There is no test span: attune optimize --test keeps one."
	}
	for _, name := range order {
		panel.Rows = append(panel.Rows, append([]string{name}, scores[name]...))
	}
	p.add(panel)
	return nil
}

// tested returns the results of the model and of the baselines on the test span.
func (p *modelPage) tested(ctx context.Context) (text string, f *figure.Figure, by map[string]forecast.Result, err error) {
	h := min(p.job.Horizon, p.job.Test)
	span, err := p.job.span(p.frame, h, p.job.Test/h)
	if err != nil {
		return "", nil, nil, err
	}
	base, err := span.Compare(ctx)
	if err != nil {
		return "", nil, nil, err
	}
	by = map[string]forecast.Result{}
	for _, r := range base.Rows {
		by[r.Name] = r
	}
	m, err := tune.ReadFile(model.Path(tunedFolder(p.storage), p.study), families()...)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, by, fmt.Errorf("the model that has not seen it was not kept")
	}
	if err != nil {
		return "", nil, by, err
	}
	r, err := span.Run(ctx, p.job.Model, frozen{m.Forecaster}, forecast.RunOptions{})
	if err != nil {
		return "", nil, by, err
	}
	by[p.job.Model] = r
	one := p.frame[0]
	drawn, err := forecast.Plot{Label: p.job.Data.Target, Title: "The test span, which the model has not seen", Truth: one, Last: p.job.Test + max(2*h, 30), Forecasts: r.Lines(one.ID)}.Figure()
	return fmt.Sprintf("The test span has %d steps.", p.job.Test), &drawn, by, err
}

// importance shows which features the trees of a model split by.
func (p *modelPage) importance(m tune.Model) {
	const most = 25
	const title = "Importance of the features"
	none := fmt.Errorf("%s is no model of trees, and only these say which features matter", m.Family)
	t, ok := m.Forecaster.(*forecast.Tabular)
	if !ok {
		p.lacks(title, none)
		return
	}
	names := t.FeatureNames()
	gains := make([]float64, len(names))
	splits, sum := make([]float64, len(names)), 0.0
	for _, one := range t.Models() {
		r, ok := one.(*treeforecast.Regressor)
		if !ok || r.Model() == nil {
			p.lacks(title, none)
			return
		}
		for i, imp := range r.Model().Importance() {
			if i < len(names) {
				gains[i] += imp.Gain
				splits[i] += float64(imp.Splits)
				sum += imp.Gain
			}
		}
	}
	of, label := gains, "share of the gain of all splits in %"
	if sum == 0 { // the library does not say it
		of, label = splits, "share of the splits in %"
		for _, n := range splits {
			sum += n
		}
	}
	order := make([]int, len(names))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(of[b], of[a]) })
	bars := figure.Bars{Colour: figure.Blue}
	panel := figure.Panel{X: figure.Axis{Label: label}, Y: figure.Axis{Scale: figure.Names}}
	for _, i := range order[:min(most, len(order))] {
		share := 100 * of[i] / max(sum, 1e-300)
		panel.Y.Names = append(panel.Y.Names, names[i])
		bars.Length = append(bars.Length, share)
		bars.Text = append(bars.Text, fmt.Sprintf("%.3g %%", share))
	}
	panel.Marks = []figure.Mark{bars}
	f := figure.Figure{Title: "What the trees of " + m.Family + " look at", Panels: []figure.Panel{panel}}
	p.add(dashboard.Panel{Title: title, Figure: &f, Text: left(len(names)-most, "features of less importance are left out.")})
}

func left(n int, text string) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n) + " " + text
}

// commands says how to use the model elsewhere.
func (p *modelPage) commands() {
	from := fmt.Sprintf("--storage %s --study %s", quote(short(p.storage)), quote(p.study))
	code := fmt.Sprintf("attune predict %s --output forecast.csv\n", from)
	text := "Predict forecasts; export writes an ONNX file, and keeps it only if it predicts the same."
	code += fmt.Sprintf("attune export %s --output model.onnx\n", from)
	p.add(dashboard.Panel{Title: "Use it", Text: text, Code: code})
}

// versions lists what the registry has of the study, and what servers saw of it in the shadow.
func (p *modelPage) versions() error {
	r, err := openRegistry(p.registry)
	if err != nil {
		return err
	}
	names, err := r.Names()
	if err != nil {
		return err
	}
	panel := dashboard.Panel{Title: "Registry", Head: []string{"model", "version", "of trial", "added", "live since", "files", "note"}}
	shadows := dashboard.Panel{Title: "In the shadow", Head: []string{"model", "version", "beside", "rows", "disagreed", "failed runs", "not compared", "since", "until"},
		Text: "Servers let a version predict the same rows as the live one. Rows disagree if a label differs, or a number differs by more than 0.1 %."}
	for _, name := range names {
		of := map[int]bool{} // the versions of the study
		all, err := versions(r, name)
		if err != nil {
			return err
		}
		for _, v := range slices.Backward(all) {
			if v.Meta["attune.study"] != p.study {
				continue
			}
			since := ""
			if v.Live {
				since = utc(v.Promoted)
			}
			of[v.Number] = true
			panel.Rows = append(panel.Rows, []string{name, strconv.Itoa(v.Number), v.Meta["attune.trial"], utc(v.Created), since, files(v.Files), v.Note})
		}
		compared, err := r.Comparisons(name)
		if err != nil {
			return err
		}
		for _, c := range slices.Backward(compared) {
			if of[c.Live] || of[c.Shadow] {
				shadows.Rows = append(shadows.Rows, comparisonRow(name, c))
			}
		}
	}
	if len(panel.Rows) == 0 {
		panel.Head, panel.Text = nil, "It has no version of a model of this study: attune export --registry adds one."
	}
	p.add(panel)
	if len(shadows.Rows) == 0 {
		shadows.Head, shadows.Text = nil, "No server has let a version predict beside the live one: attune serve-model --shadow does."
	}
	p.add(shadows)
	return nil
}

func comparisonRow(name string, c registry.Comparison) []string {
	share := ""
	if c.Rows > 0 {
		share = fmt.Sprintf(" (%.3g %%)", 100*float64(c.Disagreements)/float64(c.Rows))
	}
	return []string{name, strconv.Itoa(c.Shadow), strconv.Itoa(c.Live), strconv.FormatUint(c.Rows, 10), strconv.FormatUint(c.Disagreements, 10) + share,
		strconv.FormatUint(c.Failures, 10), strconv.FormatUint(c.Dropped, 10), utc(c.Since), utc(c.Until)}
}

func files(all []registry.File) string {
	var names []string
	for _, f := range all {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}
