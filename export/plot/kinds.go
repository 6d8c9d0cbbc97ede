package plot

import (
	"context"
	"errors"
	"strings"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/importance"
	"github.com/attune-hpo/attune/trial"
)

// A Kind is a named plot, for programs that offer all plots.
type Kind struct {
	Name  string // one word in lower case
	About string // the content of the plot, as the end of a sentence
	// The fields of a Choice that apply.
	Objective, Params, Several bool
	Make                       func(ctx context.Context, h trial.Snapshot, c Choice) (figure.Figure, error)
}

// A Choice says what to show of a study. The zero value means the first objective and the
// most important parameters.
type Choice struct {
	Objective int
	Params    []string
	Also      []trial.Snapshot  // more studies
	Target    importance.Target // target of importance
	Trials    []int             // numbers of trials to highlight among intermediate values, or to show the backtest of
}

// Kinds returns all plots, in display order.
func Kinds() []Kind {
	return []Kind{
		{Name: "history", About: "the progress of the objective", Objective: true, Several: true, Make: func(_ context.Context, h trial.Snapshot, c Choice) (figure.Figure, error) {
			return History(c.Objective, append([]trial.Snapshot{h}, c.Also...)...)
		}},
		{Name: "front", About: "the Pareto front of several objectives", Make: func(_ context.Context, h trial.Snapshot, _ Choice) (figure.Figure, error) {
			return Front(h)
		}},
		{Name: "hypervolume", About: "the growth of the hypervolume of several objectives", Make: func(_ context.Context, h trial.Snapshot, _ Choice) (figure.Figure, error) {
			return Hypervolume(h)
		}},
		{Name: "importance", About: "how much each parameter matters", Objective: true, Make: func(ctx context.Context, h trial.Snapshot, c Choice) (figure.Figure, error) {
			r, err := importance.PEDANOVA{Target: c.Target}.Evaluate(ctx, h)
			if err != nil {
				if errors.Is(err, importance.ErrTrials) || errors.Is(err, importance.ErrFlat) || errors.Is(err, importance.ErrParams) {
					err = lacks(ErrNothing, "%s", strings.TrimPrefix(fault.Text(err, nil), "PED-ANOVA: "))
				}
				return figure.Figure{}, failed("importance", h, err)
			}
			return Importance(r), nil
		}},
		{Name: "parallel", About: "each trial as a line across all parameters", Params: true, Make: func(_ context.Context, h trial.Snapshot, c Choice) (figure.Figure, error) {
			return Parallel(h, c.Params...)
		}},
		{Name: "slice", About: "the objective over each parameter", Objective: true, Params: true, Make: func(_ context.Context, h trial.Snapshot, c Choice) (figure.Figure, error) {
			return Slice(h, c.Objective, c.Params...)
		}},
		{Name: "contour", About: "the objective over pairs of parameters", Objective: true, Params: true, Make: func(_ context.Context, h trial.Snapshot, c Choice) (figure.Figure, error) {
			return Contour(h, c.Objective, c.Params...)
		}},
		{Name: "rank", About: "trials over pairs of parameters, coloured by rank", Objective: true, Params: true, Make: func(_ context.Context, h trial.Snapshot, c Choice) (figure.Figure, error) {
			return Rank(h, c.Objective, c.Params...)
		}},
		{Name: "edf", About: "the share of trials that are at least as good as each value", Objective: true, Several: true, Make: func(_ context.Context, h trial.Snapshot, c Choice) (figure.Figure, error) {
			return EDF(c.Objective, append([]trial.Snapshot{h}, c.Also...)...)
		}},
		{Name: "intermediate", About: "the intermediate values that trials reported", Make: func(_ context.Context, h trial.Snapshot, c Choice) (figure.Figure, error) {
			return Intermediate(h, c.Trials...)
		}},
		{Name: "regret", About: "a bound on what is left to gain", Make: func(ctx context.Context, h trial.Snapshot, _ Choice) (figure.Figure, error) {
			return Regret(ctx, h)
		}},
		{Name: "timeline", About: "when each trial ran", Make: func(_ context.Context, h trial.Snapshot, _ Choice) (figure.Figure, error) {
			return Timeline(h)
		}},
		{Name: "backtest", About: "the forecasts in the windows of the backtest, beside the actual values", Make: func(_ context.Context, h trial.Snapshot, c Choice) (figure.Figure, error) {
			return Backtest(h, c.Trials...)
		}},
	}
}
