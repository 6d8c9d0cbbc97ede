// Package attune is the root of a library for hyperparameter optimisation: define
// a search space, write an objective, get the best trial.
//
// There is nothing to import here. Start with package study, whose documentation
// shows a whole study; the README shows the way from there.
//
//   - [github.com/attune-hpo/attune/space]: parameters and search spaces
//   - [github.com/attune-hpo/attune/study]: studies, objectives, runs
//   - [github.com/attune-hpo/attune/sampler/tpe]: the sampler to start with
//   - [github.com/attune-hpo/attune/pruner]: stopping hopeless trials early
//   - [github.com/attune-hpo/attune/storage/sqlite]: studies that outlive their process
package attune
