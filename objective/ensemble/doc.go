// Package ensemble combines forecasters. It chooses their weights by their predictions in the
// folds of a backtest, and scores the choice on folds that were not used to make it.
//
//	choice, err := ensemble.Choose(back, candidates)
//	if choice.Better {
//		settings, err := ensemble.Settings(members)
//		f, err := ensemble.Family{Of: families}.New(settings)
//		...
//	}
//
// An ensemble is a family of package tune whose hyperparameters are its members. It is
// fitted, saved and loaded like any forecaster.
package ensemble
