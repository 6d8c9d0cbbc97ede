package study

import "github.com/attune-hpo/attune/trial"

// An Observer watches a run. Any function may be nil. Calls are serialized within
// a run, and the run waits for each, so they should be quick. Records are values
// and may be kept.
type Observer struct {
	// Begin is called first. Total is the number of trials that the run will
	// finish at most, or 0 if it is not known; h is the study before the run.
	Begin func(total int, h trial.Snapshot)
	// Start is called when a trial is about to be evaluated.
	Start func(r trial.Record)
	// Report is called after each report that was recorded.
	Report func(r trial.Record, report trial.Report)
	// Finish is called when a trial has finished; h is the study then.
	Finish func(r trial.Record, h trial.Snapshot)
	// Warn is called for what the run survives and someone should know: a trial
	// that another worker took for dead, one of another worker that was found
	// dead and enqueued again.
	Warn func(err error)
	// End is called last, with what Optimize returns.
	End func(err error)
}

// Tee returns an Observer that calls each of the given ones, in order.
func Tee(observers ...Observer) Observer {
	each := func(call func(o Observer)) {
		for _, o := range observers {
			call(o.filled())
		}
	}
	return Observer{
		Begin:  func(total int, h trial.Snapshot) { each(func(o Observer) { o.Begin(total, h) }) },
		Start:  func(r trial.Record) { each(func(o Observer) { o.Start(r) }) },
		Report: func(r trial.Record, rep trial.Report) { each(func(o Observer) { o.Report(r, rep) }) },
		Finish: func(r trial.Record, h trial.Snapshot) { each(func(o Observer) { o.Finish(r, h) }) },
		Warn:   func(err error) { each(func(o Observer) { o.Warn(err) }) },
		End:    func(err error) { each(func(o Observer) { o.End(err) }) },
	}
}

// filled returns o with functions that do nothing in place of nil.
func (o Observer) filled() Observer {
	if o.Begin == nil {
		o.Begin = func(int, trial.Snapshot) {}
	}
	if o.Start == nil {
		o.Start = func(trial.Record) {}
	}
	if o.Report == nil {
		o.Report = func(trial.Record, trial.Report) {}
	}
	if o.Finish == nil {
		o.Finish = func(trial.Record, trial.Snapshot) {}
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	if o.End == nil {
		o.End = func(error) {}
	}
	return o
}
