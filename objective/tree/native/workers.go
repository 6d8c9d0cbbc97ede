package native

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// workers share out loops among goroutines, the caller among them. What is
// computed must not depend on who computes it, nor in which order.
//
// Growing a tree takes some hundred short loops, one upon the other. So a helper
// looks out for the next one for some microseconds before it goes to sleep, and the
// caller takes every item that no helper has begun: on a busy machine it waits for
// nobody who is not running. Each begins with a share of its own, the same items of
// one loop as of the next, because what they need is in its cache.
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
	shares  []share // one a worker
	pending atomic.Int64
	done    chan struct{} // told by a helper that finishes the last item
}

// A share of a loop knows how many of its items are taken. It fills a cache line.
type share struct {
	taken atomic.Int64
	_     [56]byte
}

// patience is how often idle workers look before they sleep: some 20 µs.
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

// run works on items, first those of the worker's share, until none is left and
// reports whether it finished the last.
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

// each calls f for the items 0 to n-1; worker is the number of the goroutine, from 0.
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

// blockRows is how many rows a piece of work has. Floating-point sums are taken by
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
