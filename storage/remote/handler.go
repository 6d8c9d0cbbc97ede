package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"iter"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

const (
	// root is the path below which the handler answers; the number is the version of the protocol.
	root = "/ledger/v1/"
	// contentType says that an answer is a message, and not the words of a proxy.
	contentType = "application/x-attune-ledger"

	messageBytes = 4 << 20          // size after which an answer with trials ends and says that there are more
	longPoll     = 20 * time.Second // for which a client waits in one request
	workTime     = time.Minute      // for a change, which continues without its client
)

// A Handler serves a store to the clients that [Server] returns. It is an [http.Handler] for the
// paths below /ledger/. Close it in the end.
//
// It trusts its clients. The program that serves it must add tokens, TLS and limits, as attune serve does. Requests
// that change nothing have the method GET, all others POST.
type Handler struct {
	store   storage.Store
	process string // distinguishes this value from all others
	mux     *http.ServeMux

	ctx  context.Context // done when the handler ends
	stop context.CancelFunc
	mu   sync.Mutex     // held while ctx ends or work grows
	work sync.WaitGroup // changes that are being made

	studies  studies
	sessions sessions
}

// NewHandler returns a handler that serves a store.
func NewHandler(store storage.Store) *Handler {
	h := &Handler{store: store, process: rand.Text(), mux: http.NewServeMux()}
	h.ctx, h.stop = context.WithCancel(context.Background())
	h.studies.store = store
	for op, f := range reads {
		h.mux.HandleFunc("GET "+root+op, func(w http.ResponseWriter, r *http.Request) { h.read(w, r, f) })
	}
	for op, f := range changes {
		h.mux.HandleFunc("POST "+root+op, func(w http.ResponseWriter, r *http.Request) { h.change(w, r, f) })
	}
	h.mux.HandleFunc("/ledger/", func(w http.ResponseWriter, r *http.Request) {
		h.refuse(w, fmt.Errorf("%w: the server answers below %s: give client and server the same version of attune", errProtocol, root))
	})
	return h
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// Route returns the route that a request takes, as in "POST /ledger/v1/write", for metrics and logs.
func (h *Handler) Route(r *http.Request) string {
	_, route := h.mux.Handler(r)
	return route
}

// Close ends waiting requests, waits for changes in progress, and releases the store. Later requests fail; clients
// retry them.
func (h *Handler) Close() error {
	h.mu.Lock()
	h.stop()
	h.mu.Unlock()
	h.work.Wait()
	return h.studies.close()
}

func (h *Handler) answer(w http.ResponseWriter, e *encoder) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(e.b)))
	w.Write(e.b) // a client that is gone needs no answer
}

// message begins an answer: the process, and no error.
func (h *Handler) message() *encoder {
	e := &encoder{}
	e.text(h.process)
	e.text("")
	return e
}

func (h *Handler) refuse(w http.ResponseWriter, err error) {
	if h.ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, storage.ErrClosed)) {
		err = errEnding
	}
	r, text := refusalOf(err)
	e := &encoder{}
	e.text(h.process)
	e.text("error")
	e.text(r.code)
	e.text(text)
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(r.status)
	w.Write(e.b)
}

// read answers a request that changes nothing.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, f func(*Handler, context.Context, *http.Request, *encoder) error) {
	if h.ctx.Err() != nil {
		h.refuse(w, errEnding)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(h.ctx, cancel)()
	e := h.message()
	if err := f(h, ctx, r, e); err != nil {
		h.refuse(w, err)
		return
	}
	h.answer(w, e)
}

// summarizer returns the store as a [storage.Summarizer], if it is one.
func (h *Handler) summarizer() (storage.Summarizer, error) {
	tells, ok := h.store.(storage.Summarizer)
	if !ok {
		return nil, fmt.Errorf("%w: the server's store does not summarize studies", errors.ErrUnsupported)
	}
	return tells, nil
}

// every writes the number of values and then, with write, the values. It fails with the first error.
func every[T any](e *encoder, values iter.Seq2[T, error], write func(T)) error {
	var all []T
	for v, err := range values {
		if err != nil {
			return err
		}
		all = append(all, v)
	}
	e.count(len(all))
	for _, v := range all {
		write(v)
	}
	return nil
}

// reads are the requests that change nothing.
var reads = map[string]func(*Handler, context.Context, *http.Request, *encoder) error{
	"hello": func(*Handler, context.Context, *http.Request, *encoder) error { return nil },
	"studies": func(h *Handler, ctx context.Context, _ *http.Request, e *encoder) error {
		return every(e, h.store.Studies(ctx), e.header)
	},
	"open": func(h *Handler, ctx context.Context, r *http.Request, e *encoder) error {
		o, header, err := h.studies.open(ctx, r.URL.Query().Get("name"))
		if err != nil {
			return err
		}
		o.describe(e, header)
		return nil
	},
	"row": func(h *Handler, ctx context.Context, r *http.Request, e *encoder) error {
		rower, ok := h.store.(storage.Rower)
		if !ok {
			return fmt.Errorf("%w: the server's store numbers trials by study only", errors.ErrUnsupported)
		}
		number, err := strconv.Atoi(r.URL.Query().Get("number"))
		if err != nil {
			return fmt.Errorf("%w: number: %w", errMessage, err)
		}
		row, err := rower.Row(ctx, r.URL.Query().Get("name"), number)
		e.uint(uint64(row))
		return err
	},
	"summaries": func(h *Handler, ctx context.Context, _ *http.Request, e *encoder) error {
		tells, err := h.summarizer()
		if err != nil {
			return err
		}
		return every(e, tells.Summaries(ctx), e.summary)
	},
	"preview": func(h *Handler, ctx context.Context, r *http.Request, e *encoder) error {
		tells, err := h.summarizer()
		if err != nil {
			return err
		}
		newest, err := strconv.Atoi(r.URL.Query().Get("newest"))
		if err != nil || newest < 0 {
			return fmt.Errorf("%w: newest: %q is not a number of trials", errMessage, r.URL.Query().Get("newest"))
		}
		p, err := tells.Preview(ctx, r.URL.Query().Get("name"), newest)
		if err != nil {
			return err
		}
		e.summary(p.Summary)
		e.records(p.Front)
		e.records(p.Running)
		e.records(p.Newest)
		e.bool(p.Reported)
		e.floats(p.Values)
		return nil
	},
	"header": func(h *Handler, ctx context.Context, r *http.Request, e *encoder) error {
		return h.studies.asked(r, func(o *opened) error {
			header, err := o.ledger.Header(ctx)
			if err == nil {
				e.header(header)
			}
			return err
		})
	},
	"since": func(h *Handler, ctx context.Context, r *http.Request, e *encoder) error {
		return h.studies.asked(r, func(o *opened) error {
			after, err := cursor(r)
			if err != nil {
				return err
			}
			for u, err := range o.ledger.Since(ctx, after) {
				if err != nil {
					return err
				}
				if len(e.b) > messageBytes {
					e.byte(more)
					return nil
				}
				e.byte(another)
				e.update(u)
			}
			e.byte(last)
			return nil
		})
	},
	"wait": func(h *Handler, ctx context.Context, r *http.Request, e *encoder) error {
		return h.studies.asked(r, func(o *opened) error {
			after, err := cursor(r)
			if err != nil {
				return err
			}
			long, cancel := context.WithTimeout(ctx, longPoll)
			defer cancel()
			err = storage.Wait(long, o.ledger, after)
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				err = nil // the client asks again
			}
			return err
		})
	},
}

// What follows in an answer with trials.
const (
	last    = iota // nothing
	another        // a trial
	more           // nothing, but there are more trials
)

func cursor(r *http.Request) (storage.Cursor, error) {
	n, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: the query: after", errMessage)
	}
	return storage.Cursor(n), nil
}

// change answers a request that changes something. The change is made once, however often the request comes, and
// continues if the client disconnects.
func (h *Handler) change(w http.ResponseWriter, r *http.Request, f func(*Handler, context.Context, *decoder, *encoder) error) {
	body, err := io.ReadAll(r.Body)
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		h.refuse(w, fmt.Errorf("%w: the server takes at most %d bytes at once: add fewer trials", storage.ErrFull, large.Limit))
		return
	}
	if err != nil {
		h.refuse(w, fmt.Errorf("%w: %w", errMessage, err))
		return
	}
	d := &decoder{b: body}
	id := requestID{d.text(), d.uint()}
	answered, process := d.uint(), d.text()
	if d.err != nil {
		h.refuse(w, d.err)
		return
	}
	if process != h.process {
		h.refuse(w, errProcess)
		return
	}
	o, first, err := h.sessions.begin(id, answered)
	if err != nil {
		h.refuse(w, err)
		return
	}
	if first {
		h.make(o, d, f)
	}
	select {
	case <-o.ended:
	case <-r.Context().Done():
		return
	}
	if o.err != nil {
		h.refuse(w, o.err)
		return
	}
	h.answer(w, &encoder{b: o.answer})
}

// make makes a change.
func (h *Handler) make(o *outcome, d *decoder, f func(*Handler, context.Context, *decoder, *encoder) error) {
	o.err = errors.New("it panicked") // unless it returns
	defer close(o.ended)
	if !h.enter() {
		o.err = errEnding
		return
	}
	defer h.work.Done()
	ctx, cancel := context.WithTimeout(context.Background(), workTime)
	defer cancel()
	e := h.message()
	if o.err = f(h, ctx, d, e); errors.Is(o.err, context.DeadlineExceeded) {
		o.err = fmt.Errorf("%w: it took longer than %v", storage.ErrBusy, workTime)
	}
	o.answer = e.b
}

// enter counts a change that is being made, unless the handler has ended.
func (h *Handler) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil {
		return false
	}
	h.work.Add(1)
	return true
}

// changes are the requests that change something.
var changes = map[string]func(*Handler, context.Context, *decoder, *encoder) error{
	"create": func(h *Handler, ctx context.Context, d *decoder, e *encoder) error {
		header := d.header()
		if err := d.end(); err != nil {
			return err
		}
		l, err := h.store.Create(ctx, header)
		if err != nil {
			return err
		}
		header, err = l.Header(ctx)
		h.studies.add(header.Name, l).describe(e, header)
		return err
	},
	"rename": func(h *Handler, ctx context.Context, d *decoder, _ *encoder) error {
		from, to := d.text(), d.text()
		if err := d.end(); err != nil {
			return err
		}
		return h.store.Rename(ctx, from, to)
	},
	"delete": func(h *Handler, ctx context.Context, d *decoder, _ *encoder) error {
		name := d.text()
		if err := d.end(); err != nil {
			return err
		}
		return h.store.Delete(ctx, name)
	},
	"annotate": onLedger(func(ctx context.Context, l storage.Ledger, d *decoder, _ *encoder) error {
		attrs, notes := d.attrs(), d.attrs()
		if err := d.end(); err != nil {
			return err
		}
		return l.Annotate(ctx, attrs, notes)
	}),
	"add": onLedger(func(ctx context.Context, l storage.Ledger, d *decoder, e *encoder) error {
		records := list(d, 1, d.record)
		if err := d.end(); err != nil {
			return err
		}
		numbers, err := l.Add(ctx, records...)
		e.numbers(numbers)
		return err
	}),
	"start": onLedger(func(ctx context.Context, l storage.Ledger, d *decoder, e *encoder) error {
		at, key := d.time(), d.text()
		if err := d.end(); err != nil {
			return err
		}
		r, err := l.Start(ctx, at, key)
		e.record(r)
		return err
	}),
	"write": onLedger(func(ctx context.Context, l storage.Ledger, d *decoder, _ *encoder) error {
		number, changes := d.number(), d.changes()
		if err := d.end(); err != nil {
			return err
		}
		return l.Write(ctx, number, changes...)
	}),
	"renew": onLeaser(func(ctx context.Context, l storage.Leaser, d *decoder, _ *encoder) error {
		numbers := d.numbers()
		if err := d.end(); err != nil {
			return err
		}
		return l.Renew(ctx, numbers...)
	}),
	"release": onLeaser(func(ctx context.Context, l storage.Leaser, d *decoder, _ *encoder) error {
		numbers := d.numbers()
		if err := d.end(); err != nil {
			return err
		}
		return l.Release(ctx, numbers...)
	}),
	"reap": onLeaser(reap),
}

// onLedger returns a change of the study whose handle comes first in the request.
func onLedger(f func(context.Context, storage.Ledger, *decoder, *encoder) error) func(*Handler, context.Context, *decoder, *encoder) error {
	return func(h *Handler, ctx context.Context, d *decoder, e *encoder) error {
		return h.studies.use(d.uint(), func(o *opened) error { return f(ctx, o.ledger, d, e) })
	}
}

func onLeaser(f func(context.Context, storage.Leaser, *decoder, *encoder) error) func(*Handler, context.Context, *decoder, *encoder) error {
	return onLedger(func(ctx context.Context, l storage.Ledger, d *decoder, e *encoder) error {
		leaser, ok := l.(storage.Leaser)
		if !ok {
			return fmt.Errorf("%w: this storage has no leases", errMessage)
		}
		return f(ctx, leaser, d, e)
	})
}

// A reply says which trial the client wants to enqueue in place of a failed one.
type reply struct {
	failed uint64 // the sum of the failed trial, as the client has seen it
	again  trial.Record
	ok     bool
}

// unasked is the panic that ends a Reap because the client's reply for a failed trial is missing. Reap then changes
// nothing.
type unasked trial.Record

// reap makes a Reap whose Retry is a function of the client's. The request has the function's
// results as far as the client knows which are wanted. The answer is a trial for which there is
// none, and nothing has changed then; or the trials that were reaped.
func reap(ctx context.Context, l storage.Leaser, d *decoder, e *encoder) (err error) {
	at, grace, held, retries := d.time(), time.Duration(d.int()), d.numbers(), d.bool()
	replies := map[int]reply{}
	for range d.count(2) {
		number := d.number()
		replies[number] = reply{d.uint(), d.record(), d.bool()}
	}
	if err := d.end(); err != nil {
		return err
	}
	var retry storage.Retry
	if retries {
		retry = func(failed trial.Record) (trial.Record, bool) {
			r, ok := replies[failed.Number]
			if !ok || r.failed != sum(failed) {
				panic(unasked(failed))
			}
			return r.again, r.ok
		}
	}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case unasked:
			e.bool(false)
			e.record(trial.Record(p))
			err = nil
		default:
			panic(p)
		}
	}()
	reaped, err := l.Reap(ctx, held, grace, at, retry)
	if err != nil {
		return err
	}
	e.bool(true)
	e.count(len(reaped))
	for _, r := range reaped {
		e.record(r)
	}
	return nil
}

// sum returns a checksum that identifies a record.
func sum(r trial.Record) uint64 {
	var e encoder
	e.record(r)
	f := fnv.New64a()
	f.Write(e.b)
	return f.Sum64()
}
