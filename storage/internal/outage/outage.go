// Package outage tells a program when a server is away, and when it is back.
package outage

import (
	"sync"
	"time"
)

// Slack is how long a server may give no answer before it is away. Restarts of a proxy and the
// like are shorter, and nobody is told of them.
const Slack = time.Second

// A Watch is told what became of requests, and tells Away. It is safe for concurrent use.
type Watch struct {
	// Away is called with why a server gives no answer, once, and with nil when it answers again;
	// never twice at once. It may be nil.
	Away func(err error)

	mu    sync.Mutex
	since time.Time // of the first request without an answer; 0: the last one had one
	told  bool
}

// Failed says that a request had no answer.
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

// Answered says that a request had an answer.
func (w *Watch) Answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since = time.Time{}
	if w.told {
		w.told = false
		w.Away(nil)
	}
}
