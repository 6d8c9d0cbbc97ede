package main

import (
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/attune-hpo/attune/objective/ensemble"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/space"
)

func number(x float64) string {
	if math.IsNaN(x) {
		return "-"
	}
	return fmt.Sprintf("%.4g", x)
}

// estimate returns the score on the backtest and its standard error.
func (r row) estimate() string {
	if math.IsNaN(r.score()) {
		return number(r.score())
	}
	return ensemble.Estimate{Value: r.score(), Error: r.errorOf}.String()
}

// covered returns the percents of the test span within the intervals, "" if there are none.
func (r row) covered() string {
	var parts []string
	for _, c := range r.covers {
		parts = append(parts, fmt.Sprintf("%.0f", 100*c))
	}
	return strings.Join(parts, ", ")
}

// legend explains the table's columns.
const legend = `±: the standard error, by leaving out one forecast of the backtest in turn
in 80, 95 %: percents of the test values within the prediction intervals of 80 and 95 %
trial time: the durations of all trials, summed, even if they ran in parallel
rounds: number of trees or epochs at the best trial's best score (1 if it has none); the
parameters below use this number`

// write writes the report for people.
func (r *report) write(w io.Writer) error {
	metric := r.job.metrics()[0]
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %s by %s, %s\n", short(r.job.Data.File), r.job.Data.Target, r.frame[0].Freq, r.job.Span)
	fmt.Fprintf(&b, "backtest: %s of %s", plural(r.job.Windows, "forecast"), plural(r.job.Horizon, "step"))
	if r.job.Windows > 1 {
		fmt.Fprintf(&b, ", %s apart", plural(r.job.Step, "step"))
	}
	if r.job.Test > 0 {
		fmt.Fprintf(&b, "; test: the last %s, which the tuning never saw", plural(r.job.Test, "step"))
	}
	fmt.Fprint(&b, "\n\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "model\tbacktest %s", metric.Name())
	if r.job.Test > 0 {
		for _, m := range r.job.metrics() {
			fmt.Fprintf(t, "\ttest %s", m.Name())
		}
		fmt.Fprint(t, "\tin 80, 95 %")
	}
	fmt.Fprint(t, "\ttrials\tpruned\tfailed\ttrial time\trounds\n")
	for _, m := range r.rows() {
		name := m.name
		if m.baseline {
			name += " (baseline)"
		}
		fmt.Fprintf(t, "%s\t%s", name, m.estimate())
		if r.job.Test > 0 {
			for i := range r.job.metrics() {
				s := math.NaN()
				if i < len(m.test.Scores) {
					s = m.test.Scores[i]
				}
				fmt.Fprintf(t, "\t%s", number(s))
			}
			fmt.Fprintf(t, "\t%s", m.covered())
		}
		if m.baseline {
			fmt.Fprint(t, "\t\t\t\t\t\n")
			continue
		}
		rounds := "-"
		if a, ok := m.best.Attrs.Get(tune.RoundsKey); ok {
			rounds = a.JSON
		}
		made := fmt.Sprint(m.made())
		if m.notMade > 0 {
			made += fmt.Sprintf(" of %d", m.made()+m.notMade)
		}
		fmt.Fprintf(t, "\t%s\t%d\t%d\t%v\t%s\n", made, m.sum.Pruned, m.sum.Failed, m.sum.Took.Round(100*time.Millisecond), rounds)
	}
	t.Flush()
	fmt.Fprintln(&b, legend)
	for _, n := range r.notes {
		fmt.Fprintln(&b, n)
	}
	fmt.Fprintf(&b, "\n%s\n", r.verdict())
	if len(r.models) > 0 {
		fmt.Fprint(&b, "\nbest hyperparameters:\n")
	}
	for _, m := range r.models {
		if all := m.members(); all != nil {
			fmt.Fprintf(&b, "  %s (trial %d):", m.name, m.best.Number)
			for i, one := range all {
				if i > 0 {
					fmt.Fprint(&b, " +")
				}
				fmt.Fprintf(&b, " %v", one)
			}
			fmt.Fprintln(&b)
			continue
		}
		fmt.Fprintf(&b, "  %s (trial %d):", m.name, m.best.Number)
		settings, ok := tune.Settings(m.best)
		if !ok {
			settings = m.best.Params.Settings()
		}
		if len(settings) == 0 {
			fmt.Fprint(&b, " no hyperparameters")
		}
		listSettings(&b, settings)
	}
	return closing(w, &b, "data", r.final, r.commands())
}

// listSettings ends a line with settings.
func listSettings(b *strings.Builder, settings []space.Setting) {
	for _, s := range settings {
		if x, ok := s.Value.Any().(float64); ok {
			fmt.Fprintf(b, " %s=%.4g", s.Name, x)
		} else {
			fmt.Fprintf(b, " %s=%v", s.Name, s.Value)
		}
	}
	fmt.Fprintln(b)
}

// closing writes the text in b, and below it the file of the best model, if there is one, and how
// to use it.
func closing(w io.Writer, b *strings.Builder, fittedTo, final string, commands []string) error {
	if final != "" {
		fmt.Fprintf(b, "\nbest model, fitted to all %s: %s\n\nuse it with:\n", fittedTo, final)
	}
	for _, c := range commands {
		fmt.Fprintf(b, "  %s\n", c)
	}
	_, err := io.WriteString(w, regexp.MustCompile(`(?m) +$`).ReplaceAllString(b.String(), ""))
	return err
}

// commands returns commands that use the best model, if there is one.
func (r *report) commands() []string {
	if r.final == "" {
		return nil
	}
	at := fmt.Sprintf("--storage %s --study %s", quote(r.storage), quote(r.models[0].study))
	return []string{
		fmt.Sprintf("attune predict %s --output forecast.csv --plot forecast.svg", at),
		fmt.Sprintf("attune best %s --format json", at),
	}
}
