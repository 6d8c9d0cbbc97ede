package forecast

import (
	"context"
	"errors"
)

// InSample returns forecasts of a fitted model from within its training data. They begin at
// up to the given number of origins, evenly spaced over the second half of each series, and
// have horizon steps each. The difference between these scores and a backtest's shows how much a model
// overfits. InSample skips origins without the rows or values that a forecast needs.
func InSample(ctx context.Context, model Forecaster, train Frame, horizon, origins int) ([]Sample, error) {
	var all []Sample
	for _, s := range train {
		last := s.Len() - horizon
		first := min(s.Len()/2, last)
		if first < 1 {
			continue
		}
		n := min(origins, last-first+1)
		for i := range n {
			o := last
			if n > 1 {
				o = first + i*(last-first)/(n-1)
			}
			next, err := model.Predict(ctx, Frame{s.Until(o, horizon)}, horizon)
			if errors.Is(err, ErrShort) || errors.Is(err, ErrMissing) {
				continue
			}
			if err != nil {
				return nil, err
			}
			all = append(all, Sample{Truth: s.Y[o : o+horizon], Forecast: next[0].Y, Train: s.Y[:o], Season: s.Freq.Season()})
		}
	}
	return all, nil
}
