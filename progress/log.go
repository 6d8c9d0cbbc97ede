package progress

import (
	"context"
	"fmt"
	"log/slog"
	"math"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// Log returns an observer that logs a study to l:
//
//	level  message            attributes
//	INFO   run started        study, trials (0 if not known), finished (before the run)
//	DEBUG  trial started      trial
//	DEBUG  trial reported     trial, step, value
//	INFO   trial complete     trial, values, params, duration, best (if it is)
//	INFO   trial pruned       trial, step (the last), params, duration, reason
//	INFO   trial interrupted  trial, params, duration, error
//	WARN   trial failed       trial, params, duration, error
//	INFO   trial enqueued again  trial (the one that failed)
//	WARN   run warning        error
//	INFO   run ended
//	ERROR  run ended          error
//
// Params is a group with each parameter under its name. A failed trial's params
// are those that had been suggested. NaN and the infinities are strings, since a
// [slog.JSONHandler] has no numbers for them.
func Log(l *slog.Logger) study.Observer {
	return study.ObserverFunc(func(ctx context.Context, e study.Event) {
		log := func(level slog.Level, message string, attrs ...slog.Attr) { l.LogAttrs(ctx, level, message, attrs...) }
		switch e := e.(type) {
		case study.Began:
			log(slog.LevelInfo, "run started", slog.String("study", e.Study.Header().Name), slog.Int("trials", e.Total), slog.Int("finished", e.Study.Len()))
		case study.Asked:
			log(slog.LevelDebug, "trial started", slog.Int("trial", e.Trial.Number))
		case study.Reported:
			log(slog.LevelDebug, "trial reported", slog.Int("trial", e.Trial.Number), slog.Int("step", e.Report.Step), reported(e))
		case study.Told:
			logTrial(log, e.Trial, e.Study)
		case study.Continued:
			log(slog.LevelDebug, "run continues", slog.String("reason", e.Reason))
		case study.Retried:
			log(slog.LevelInfo, "trial enqueued again", slog.Int("trial", e.Trial.Number))
		case study.Warned:
			log(slog.LevelWarn, "run warning", slog.Any("error", e.Err))
		case study.Ended:
			if e.Err != nil {
				log(slog.LevelError, "run ended", slog.Any("error", e.Err))
				return
			}
			if e.Reason != "" {
				log(slog.LevelInfo, "run ended", slog.String("reason", e.Reason))
				return
			}
			log(slog.LevelInfo, "run ended")
		}
	})
}

// logTrial logs a trial that has finished.
func logTrial(log func(slog.Level, string, ...slog.Attr), r trial.Record, h trial.Snapshot) {
	id, params, took := slog.Int("trial", r.Number), params(r), slog.Duration("duration", r.Duration())
	switch {
	case r.State == trial.Pruned:
		log(slog.LevelInfo, "trial pruned", id, slog.Int("step", r.LastStep()), params, took, slog.String("reason", r.Err))
	case r.Interrupted():
		log(slog.LevelInfo, "trial interrupted", id, params, took, slog.String("error", r.Err))
	case r.State == trial.Failed:
		log(slog.LevelWarn, "trial failed", id, params, took, slog.String("error", r.Err))
	default:
		values := make([]any, len(r.Values))
		for i, x := range r.Values {
			values[i] = number("", x).Value.Any()
		}
		attrs := []slog.Attr{id, slog.Any("values", values), params, took}
		if best, ok := h.Best(); ok && best.Number == r.Number {
			attrs = append(attrs, slog.Bool("best", true))
		}
		log(slog.LevelInfo, "trial complete", attrs...)
	}
}

func params(r trial.Record) slog.Attr {
	attrs := make([]slog.Attr, 0, len(r.Params.Point))
	for name, l := range r.Params.All() {
		if x, ok := l.Any().(float64); ok {
			attrs = append(attrs, number(name, x))
			continue
		}
		attrs = append(attrs, slog.Any(name, l.Any()))
	}
	return slog.Attr{Key: "params", Value: slog.GroupValue(attrs...)}
}

func number(key string, x float64) slog.Attr {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return slog.String(key, space.Lit(x).String())
	}
	return slog.Float64(key, x)
}

// reported returns what was reported: a value, or one of each objective.
func reported(e study.Reported) slog.Attr {
	if len(e.Values) > 1 {
		return slog.String("values", fmt.Sprint(e.Values))
	}
	return number("value", e.Report.Value)
}
