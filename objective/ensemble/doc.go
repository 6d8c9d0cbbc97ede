// Package ensemble combines forecasters: it chooses weights by what the forecasters predicted
// in the folds of a backtest, and judges the choice on folds that it was not made on.
//
//	choice, err := ensemble.Choose(back, candidates)
//	if choice.Better {
//		f, err := ensemble.Family{Of: families}.New(ensemble.Settings(members))
//		...
//	}
//
// An ensemble is a family of package tune, whose hyperparameters are its members: it is
// fitted, saved and loaded as any forecaster is.
package ensemble
