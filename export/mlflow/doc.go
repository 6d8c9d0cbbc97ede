// Package mlflow logs studies to an MLflow tracking server, over its REST API.
//
// A study is a parent run, and each of its trials that has started is a nested run:
//
//	server, err := mlflow.FromEnv()      // MLFLOW_TRACKING_URI and its kin
//	tracker := mlflow.NewTracker(mlflow.Config{Client: server, Experiment: "prices"})
//	defer tracker.Close(ctx)             // sends what is left
//	st, err := study.Open(ctx, store, "net", study.Config{Sampler: s, Observer: tracker})
//
// A [Tracker] logs what its process does while it does it. A [Mirror] logs a study that
// exists: what the server has is left alone, so a second push sends only what is new, and
// a push completes what a tracker could not send.
//
// # What is logged
//
// The run of a trial has
//
//   - the parameters, as text;
//   - the metric intermediate_value at each reported step. attune keeps no time of a
//     report: here reports are a millisecond apart, from the start of the trial on;
//   - a metric for each objective, under its name, or value, or value_0 and so on, and
//     constraint.NAME for each constraint;
//   - a metric for each attribute that is a number, and a tag for each that is not. The
//     trials of forecasters carry train_mape, valid_mape, train_rmse and so on;
//   - the tags attune.state and attune.error. Complete trials are FINISHED, pruned ones
//     KILLED, failed ones FAILED.
//
// The parent run has the attributes of the study as tags, the best value so far as the
// metric best, by number of trial, and the best trial with its parameters as its
// description and as the tags attune.best_trial and attune.best_params.
//
// MLflow allows letters, digits, spaces and _-./: in names. Other characters become _. It
// bounds names to 250 bytes, parameters to 6,000 characters and tags to 8,000: what is
// longer is cut, and ends in an ellipsis.
//
// # Several processes
//
// Processes that track one study share its parent run, which they find by the tag
// attune.study: a hash of the study's name and seed. Each logs its own trials. Use an
// experiment of its own for a study that shares both with another.
package mlflow
