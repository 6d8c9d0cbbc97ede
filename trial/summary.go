package trial

import "time"

// A Summary is a study in a few numbers, as a list of studies shows it.
type Summary struct {
	Header      Header
	Complete    int
	Pruned      int
	Failed      int // without the interrupted ones
	Interrupted int // see [Record.Interrupted]
	Running     int
	Waiting     int
	Best        *Record       // the result of [Snapshot.Best]; nil if there is none. Read only
	Begun       time.Time     // the earliest start of a finished trial; zero if there is none
	Latest      time.Time     // when the last trial finished; zero if none has
	Took        time.Duration // the sum of the durations of complete and pruned trials
}

// Summary returns the summary of s. It reads all finished trials.
func (s Snapshot) Summary() Summary {
	out := Summary{
		Header:      s.header,
		Complete:    s.Count(Complete),
		Pruned:      s.Count(Pruned),
		Failed:      s.Count(Failed) - s.Interrupted(),
		Interrupted: s.Interrupted(),
		Running:     s.Count(Running),
		Waiting:     s.Count(Waiting),
	}
	if best, ok := s.Best(); ok {
		out.Best = &best
	}
	for i := range s.finished {
		r := &s.finished[i]
		if !r.Started.IsZero() && (out.Begun.IsZero() || r.Started.Before(out.Begun)) {
			out.Begun = r.Started
		}
		if r.Finished.After(out.Latest) {
			out.Latest = r.Finished
		}
		if r.State == Complete || r.State == Pruned {
			out.Took += r.Duration()
		}
	}
	return out
}
