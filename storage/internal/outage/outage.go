// Package outage reports when a server becomes unavailable, and when it is back.
package outage

import (
	"sync"
	"time"
)

// Slack is how long a server may give no answer before it counts as unavailable. Restarts of a proxy and the like are
// shorter, and are not reported.
const Slack = time.Second

// A Watch records the outcome of requests, and calls Away. It is safe for concurrent use.
type Watch struct {
	// Away is called once with the reason when the server becomes unavailable, and with nil when it answers again;
	// never concurrently. It may be nil.
	Away func(err error)

	mu    sync.Mutex
	since time.Time // of the first request without an answer; 0: the last one had one
	told  bool
}

// Failed records that a request had no answer.
func (w *Watch) Failed(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since.IsZero() {
		w.since = time.Now()
	}
	if w.Away != nil && !w.told && time.Since(w.since) >= Slack {
		w.told = true
		w.Away(err)
	}
}

// Answered records that a request had an answer.
func (w *Watch) Answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since = time.Time{}
	if w.told {
		w.told = false
		w.Away(nil)
	}
}
