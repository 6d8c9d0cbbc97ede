package remote

import (
	"sync"
	"time"
)

// sessionTime is how long a handler remembers its answers to a silent client. It is longer than any client retries.
const sessionTime = 2 * mostPatience

// A requestID identifies a change, however often its request comes.
type requestID struct {
	client string
	number uint64
}

// sessions remember the outcome of changes until their clients have confirmed it. So a change whose answer was lost
// is made only once.
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

// An outcome is the result of a change. It is valid once ended is closed.
type outcome struct {
	ended  chan struct{}
	answer []byte
	err    error
}

// begin returns the outcome of a change. The first caller must make the change. The client has confirmed all its
// changes with numbers below answered.
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
		for n := range c.outcomes { // few: the client's concurrent changes
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
