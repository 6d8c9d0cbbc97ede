package lightgbm

import (
	"context"
	"slices"
	"sync"
)

// A gate admits trainings that want the same number of threads. Others wait until all
// inside have left. Trainings that wait for one another, such as the folds of a trial,
// are admitted together, even if others queued between them. The gate is needed because
// LightGBM's number of threads belongs to the process: a training that changed it would
// make the others write past buffers allocated for fewer threads.
type gate struct {
	mu      sync.Mutex
	threads int // of those inside
	inside  int
	waiting []*visitor
}

type visitor struct {
	threads int
	in      chan struct{} // closed on admission
}

var threads gate

// enter waits for admission; whoever is admitted must leave. The error is that of ctx.
func (g *gate) enter(ctx context.Context, threads int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	v := &visitor{threads, make(chan struct{})}
	g.waiting = append(g.waiting, v)
	g.admit()
	g.mu.Unlock()
	select {
	case <-v.in:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting, v); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	} else { // admitted at the same moment
		g.inside--
	}
	g.admit()
	return ctx.Err()
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.admit()
}

// admit admits waiting trainings. mu must be held.
func (g *gate) admit() {
	if g.inside == 0 && len(g.waiting) > 0 {
		g.threads = g.waiting[0].threads
	}
	g.waiting = slices.DeleteFunc(g.waiting, func(v *visitor) bool {
		if v.threads != g.threads {
			return false
		}
		g.inside++
		close(v.in)
		return true
	})
}
