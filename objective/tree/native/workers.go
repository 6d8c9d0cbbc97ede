package native

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// workers divide loops among goroutines, including the caller. The result must not depend
// on which goroutine computes an item, or in which order.
//
// Growing a tree takes some hundred short loops in a row. So a helper spins for some
// microseconds, looking for the next loop, before it goes to sleep. The caller takes
// every item that no helper has begun, so on a busy machine it never waits for a helper
// that is not running. Each goroutine begins with its own share, which has the same items
// in each loop, because their data is in its cache.
type workers struct {
	n       int
	loop    atomic.Pointer[loop] // the latest
	asleep  atomic.Int32
	wake    chan struct{}
	closed  atomic.Bool
	helpers sync.WaitGroup
}

// A loop calls f for the items 0 to n-1.
type loop struct {
	n       int
	f       func(worker, item int)
	shares  []share // one per worker
	pending atomic.Int64
	done    chan struct{} // receives from the helper that finishes the last item
}

// A share of a loop counts how many of its items are taken. It fills a cache line.
type share struct {
	taken atomic.Int64
	_     [56]byte
}

// patience is how often an idle worker looks before it sleeps: for about 20 µs.
const patience = 20_000

// newWorkers starts n-1 goroutines, which close ends.
func newWorkers(n int) *workers {
	w := &workers{n: n, wake: make(chan struct{}, n)}
	for k := 1; k < n; k++ {
		w.helpers.Go(func() { w.help(k) })
	}
	return w
}

func (w *workers) close() {
	w.closed.Store(true)
	close(w.wake)
	w.helpers.Wait()
}

func (w *workers) help(worker int) {
	var last *loop
	for idle := 0; ; idle++ {
		if l := w.loop.Load(); l != last {
			last = l
			if l.run(worker) {
				l.done <- struct{}{}
			}
			idle = 0
		}
		if w.closed.Load() {
			return
		}
		switch {
		case idle >= patience:
			w.asleep.Add(1)
			if w.loop.Load() == last {
				<-w.wake
			}
			w.asleep.Add(-1)
			idle = 0
		case idle%1024 == 1023:
			runtime.Gosched()
		}
	}
}

// run processes items, first those of the worker's share, until none is left. It
// reports whether it finished the last item.
func (l *loop) run(worker int) (last bool) {
	for k := range l.shares {
		k = (k + worker) % len(l.shares)
		from, to := k*l.n/len(l.shares), (k+1)*l.n/len(l.shares)
		for {
			i := from + int(l.shares[k].taken.Add(1)) - 1
			if i >= to {
				break
			}
			l.f(worker, i)
			last = l.pending.Add(-1) == 0
		}
	}
	return last
}

// each calls f for the items 0 to n-1. worker is the number of the calling goroutine, from 0.
func (w *workers) each(n int, f func(worker, item int)) {
	if w.n == 1 || n <= 1 {
		for i := range n {
			f(0, i)
		}
		return
	}
	l := &loop{n: n, f: f, shares: make([]share, w.n), done: make(chan struct{}, 1)}
	l.pending.Store(int64(n))
	w.loop.Store(l)
	for range w.asleep.Load() {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	if l.run(0) {
		return
	}
	for range patience {
		if l.pending.Load() == 0 {
			return
		}
	}
	<-l.done
}

// blockRows is the number of rows in a piece of work. Floating-point sums are taken per
// block, then over the blocks in order, so that they are the same for any number
// of workers.
const blockRows = 1 << 13

// rows calls f for consecutive blocks of n rows; block counts them from 0.
func (w *workers) rows(n int, f func(block, from, to int)) {
	w.each((n+blockRows-1)/blockRows, func(_, b int) {
		f(b, b*blockRows, min(n, (b+1)*blockRows))
	})
}

// sum adds up what f returns for consecutive blocks of n rows.
func (w *workers) sum(n int, f func(from, to int) float64) float64 {
	parts := make([]float64, (n+blockRows-1)/blockRows)
	w.rows(n, func(b, from, to int) { parts[b] = f(from, to) })
	total := 0.0
	for _, part := range parts {
		total += part
	}
	return total
}
