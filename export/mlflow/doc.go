// Package mlflow logs studies to an MLflow tracking server, over its REST API.
//
// A study is a parent run, and each of its trials that has started is a nested run:
//
//	server, err := mlflow.FromEnv()      // MLFLOW_TRACKING_URI etc.
//	tracker := mlflow.NewTracker(mlflow.Config{Client: server, Experiment: "prices"})
//	defer tracker.Close(ctx)             // sends the rest
//	st, err := study.Open(ctx, store, "net", study.Config{Sampler: s, Observer: tracker})
//
// A [Tracker] logs the trials of its own process as they run. A [Mirror] logs an existing
// study. It does not change what the server already has. So a second push sends only new
// trials, and a push completes what a tracker could not send.
//
// # What is logged
//
// The run of a trial has
//
//   - the parameters, as text;
//   - the metric intermediate_value at each reported step; with several objectives
//     intermediate_value.NAME for each. attune does not record the time
//     of a report, so reports get times a millisecond apart, from the start of the trial;
//   - a metric for each objective, under its name, or value, or value_0 and so on, and
//     constraint.NAME for each constraint;
//   - a metric for each attribute that is a number, and a tag for each that is not. The
//     trials of forecasters carry train_mape, valid_mape, train_rmse and so on;
//   - the tags attune.state and attune.error. Complete trials are FINISHED, pruned ones
//     KILLED, failed ones FAILED.
//
// The parent run has the attributes of the study as tags, and the best value so far as the
// metric best, with the trial's number as its step. Its description and the tags
// attune.best_trial and attune.best_params give the best trial with its parameters.
//
// MLflow allows letters, digits, spaces and _-./: in names. Other characters become _. It
// limits names to 250 bytes, parameters to 6,000 characters and tags to 8,000. Longer ones
// are cut and end in an ellipsis.
//
// # Several processes
//
// Processes that track one study share its parent run. They find it by the tag attune.study,
// which is a hash of the study's name and seed. Each logs its own trials. Studies with the
// same name and seed need separate experiments.
package mlflow
