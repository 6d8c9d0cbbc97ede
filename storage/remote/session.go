package remote

import (
	"sync"
	"time"
)

// sessionTime is how long a handler remembers what it answered to a client that is silent. It is
// longer than any client tries again.
const sessionTime = 2 * mostPatience

// A requestID tells a change from all others, however often its request comes.
type requestID struct {
	client string
	number uint64
}

// sessions remember what became of changes until their clients have heard of it. So a change whose
// answer was lost is made once.
type sessions struct {
	mu      sync.Mutex
	clients map[string]*session
	swept   time.Time
}

// A session is with one client.
type session struct {
	outcomes map[uint64]*outcome
	answered uint64 // all changes with lower numbers were
	used     time.Time
}

// An outcome is what became of a change, once ended is closed.
type outcome struct {
	ended  chan struct{}
	answer []byte
	err    error
}

// begin returns the outcome of a change, which the caller makes if it is the first to ask. All
// changes of the client with numbers below answered have been.
func (s *sessions) begin(id requestID, answered uint64) (o *outcome, first bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.sweep(now)
	c := s.clients[id.client]
	if c == nil {
		c = &session{outcomes: map[uint64]*outcome{}}
		if s.clients == nil {
			s.clients = map[string]*session{}
		}
		s.clients[id.client] = c
	}
	c.used = now
	if c.answered < answered {
		c.answered = answered
		for n := range c.outcomes { // few: what the client does at once
			if n < answered {
				delete(c.outcomes, n)
			}
		}
	}
	if id.number < c.answered {
		return nil, false, errLate
	}
	if o := c.outcomes[id.number]; o != nil {
		return o, false, nil
	}
	o = &outcome{ended: make(chan struct{})}
	c.outcomes[id.number] = o
	return o, true, nil
}

// sweep forgets clients that have been silent. The caller holds mu.
func (s *sessions) sweep(now time.Time) {
	if now.Sub(s.swept) < time.Minute {
		return
	}
	s.swept = now
	for name, c := range s.clients {
		if now.Sub(c.used) > sessionTime {
			delete(s.clients, name)
		}
	}
}
