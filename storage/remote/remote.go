// Package remote keeps studies in the store of another process, which serves it over HTTP.
//
//	store := remote.Server("https://tuning.example.com:8080")
//	store.Token = os.Getenv("ATTUNE_SERVE_TOKEN")
//	st, err := study.Open(ctx, store, "lightgbm", study.Config{Sampler: tpe.New(tpe.Config{})})
//
// The server is attune serve --listen, or a program of your own with a [Handler]:
//
//	h := remote.NewHandler(sqlite.File("attune.db"))
//	defer h.Close()
//	http.Handle("/ledger/", h)
//
// So workers on many machines share a SQLite file, or a database whose password they need not know. Everything works
// as with the server's own store: waiting for changes, reading without the right to change and, if that store has
// them, leases. The client samples and prunes.
//
// # Broken connections
//
// A request that is not answered is sent again, for up to [Store.Patience]. The server makes each change once,
// however often it is requested, and repeats its answer. If the server restarts in between, the client reads the
// study to see whether the change was made. If the restart leaves open whether a trial was begun, the client begins
// another one; the first is reaped when its lease ends.
//
// If the server does not answer the first request, the method fails at once.
//
// # Caveats
//
//   - A process keeps the records of an open study in memory, as does the server.
//   - [storage.Leaser.Reap] takes two requests if a worker is dead, and otherwise one.
//   - Over plain HTTP, anyone on the network can read the studies and the token. Use https, or a trusted network.
package remote

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// Hints for an invalid URL, and for a token that the server refuses.
var (
	someURL   = fault.Hint{Field: "remote.Store.URL", Want: "set %s to https://host:port"}
	someToken = fault.Hint{Field: "remote.Store.Token", Want: "set %s to a token of the server"}
)

// A Store is a store behind a server. Its fields must not change once it is in use. It is safe for
// concurrent use, and must not be copied.
//
// Errors wrap those of the server's store, and [storage.ErrPath] for an invalid URL, [storage.ErrUnreachable] if no
// server answers, [storage.ErrAccess] if it refuses the token, and [storage.ErrVersion] if the server has another
// version or is not attune's. No error contains the token.
type Store struct {
	// URL names the server, as in https://tuning.example.com:8080. A password in it is the token.
	URL string
	// Token is the token that the server requires. Default: the password in URL, or none.
	Token string
	// Patience is how long to retry while the server is unavailable. At most 10 minutes. Default 1 minute.
	Patience time.Duration
	// Away, if not nil, is called with the reason when the server has not answered for a second, and
	// with nil when it answers again. It must not use the Store.
	Away func(err error)
	// Transport carries the requests. Default: one of this Store's own, with the system's
	// certificates and the proxy that HTTPS_PROXY names.
	Transport http.RoundTripper

	once sync.Once
	link *link
	err  error // in URL
}

var _ storage.Reader = (*Store)(nil)

// Server returns the store that a server serves, with default settings. It does not connect.
func Server(url string) *Store { return &Store{URL: url} }

// Address returns the URL of the server without user and password.
func (s *Store) Address() string {
	u, err := parse(s.URL)
	if err != nil {
		return "http://"
	}
	u.User = nil
	return u.String()
}

// connect returns the link with the server.
func (s *Store) connect() (*link, error) {
	s.once.Do(func() {
		u, err := parse(s.URL)
		if err != nil {
			s.err = err
			return
		}
		token, patience, transport := s.Token, s.Patience, s.Transport
		if password, ok := u.User.Password(); ok && token == "" {
			token = password
		}
		u.User = nil
		if patience <= 0 {
			patience = time.Minute
		}
		if transport == nil {
			own := http.DefaultTransport.(*http.Transport).Clone()
			own.MaxIdleConns, own.MaxIdleConnsPerHost = 0, 64 // one for each request at once
			transport = own
		}
		s.link = newLink(u, token, min(patience, mostPatience), transport)
		s.link.outage.Away = s.Away
	})
	return s.link, s.err
}

// wrap adds the operation to an error.
func (s *Store) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, storage.ErrUnreachable) || errors.Is(err, storage.ErrVersion) || errors.Is(err, storage.ErrAccess) {
		op += " on " + s.Address()
	}
	return pkg.Errorf("%s: %w", op, err)
}

// change makes a change of the catalogue. If the server restarted before it answered, settled reports whether err
// shows that the change was made.
func (s *Store) change(ctx context.Context, op string, args []byte, settled func(err error) bool) (*decoder, error) {
	l, err := s.connect()
	if err != nil {
		return nil, err
	}
	c, err := l.begin(ctx, op)
	if err != nil {
		return nil, err
	}
	defer c.end()
	lost := false
	for {
		d, err := c.send(ctx, args)
		switch {
		case errors.Is(err, errProcess):
			lost = lost || c.doubt
			c.renewed()
		case lost && err != nil && settled(err):
			return &decoder{}, nil
		default:
			return d, err
		}
	}
}

// Create implements [storage.Store].
func (s *Store) Create(ctx context.Context, header trial.Header) (storage.Ledger, error) {
	op := fmt.Sprintf("create study %q", header.Name)
	header, err := storage.CanonicalStudy(header)
	if err != nil {
		return nil, s.wrap(op, err)
	}
	var e encoder
	e.header(header)
	d, err := s.change(ctx, "create", e.b, func(error) bool { return false })
	if err != nil {
		return nil, s.wrap(op, err)
	}
	return s.ledger(op, d)
}

// ledger returns the ledger that an answer describes.
func (s *Store) ledger(op string, d *decoder) (storage.Ledger, error) {
	l := &ledger{store: s, link: s.link, closed: make(chan struct{})}
	leases, err := l.take(d)
	if err != nil {
		return nil, s.wrap(op, err)
	}
	if leases {
		return leaser{l}, nil
	}
	return l, nil
}

func (s *Store) open(ctx context.Context, name string) (*decoder, error) {
	l, err := s.connect()
	if err != nil {
		return nil, err
	}
	return l.get(ctx, "open", url.Values{"name": {name}})
}

// Open implements [storage.Store].
func (s *Store) Open(ctx context.Context, name string) (storage.Ledger, error) {
	op := fmt.Sprintf("open study %q", name)
	d, err := s.open(ctx, name)
	if err != nil {
		return nil, s.wrap(op, err)
	}
	return s.ledger(op, d)
}

// Read implements [storage.Reader]. A read-only token is enough for it.
func (s *Store) Read(ctx context.Context, name string) (storage.Ledger, error) {
	op := fmt.Sprintf("open study %q", name)
	d, err := s.open(ctx, name)
	if err != nil {
		return nil, s.wrap(op, err)
	}
	l, err := s.ledger(op, d)
	if err != nil {
		return nil, err
	}
	if leases, ok := l.(leaser); ok {
		l = leases.ledger
	}
	l.(*ledger).readOnly = true
	return l, nil
}

// Row implements [storage.Rower]. It fails with [errors.ErrUnsupported] if the server's store has
// no such numbers.
func (s *Store) Row(ctx context.Context, study string, number int) (int64, error) {
	row, err := s.row(ctx, study, number)
	return row, s.wrap(fmt.Sprintf("look up a trial of study %q", study), err)
}

func (s *Store) row(ctx context.Context, study string, number int) (int64, error) {
	l, err := s.connect()
	if err != nil {
		return 0, err
	}
	d, err := l.get(ctx, "row", url.Values{"name": {study}, "number": {strconv.Itoa(number)}})
	if err != nil {
		return 0, err
	}
	return int64(d.uint()), d.end()
}

var _ storage.Summarizer = (*Store)(nil)

// Summaries implements [storage.Summarizer]. It fails with [errors.ErrUnsupported] if the server's store is no
// Summarizer.
func (s *Store) Summaries(ctx context.Context) iter.Seq2[trial.Summary, error] {
	return func(yield func(trial.Summary, error) bool) {
		all, err := s.summaries(ctx)
		if err != nil {
			yield(trial.Summary{}, s.wrap("list studies", err))
			return
		}
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
	}
}

func (s *Store) summaries(ctx context.Context) ([]trial.Summary, error) {
	l, err := s.connect()
	if err != nil {
		return nil, err
	}
	d, err := l.get(ctx, "summaries", nil)
	if err != nil {
		return nil, err
	}
	return list(d, 14, d.summary), d.end()
}

// Preview implements [storage.Summarizer]. It fails with [errors.ErrUnsupported] if the server's store is no
// Summarizer.
func (s *Store) Preview(ctx context.Context, name string, newest int) (storage.Preview, error) {
	p, err := s.preview(ctx, name, newest)
	return p, s.wrap(fmt.Sprintf("read study %q", name), err)
}

func (s *Store) preview(ctx context.Context, name string, newest int) (storage.Preview, error) {
	l, err := s.connect()
	if err != nil {
		return storage.Preview{}, err
	}
	d, err := l.get(ctx, "preview", url.Values{"name": {name}, "newest": {strconv.Itoa(newest)}})
	if err != nil {
		return storage.Preview{}, err
	}
	p := storage.Preview{Summary: d.summary(), Front: list(d, 10, d.record), Running: list(d, 10, d.record), Newest: list(d, 10, d.record), Reported: d.bool(), Values: d.floats()}
	if b := p.Summary.Best; b != nil && len(p.Front) == 1 {
		p.Summary.Best = &p.Front[0]
	}
	return p, d.end()
}

// Studies implements [storage.Store].
func (s *Store) Studies(ctx context.Context) iter.Seq2[trial.Header, error] {
	return func(yield func(trial.Header, error) bool) {
		all, err := s.studies(ctx)
		if err != nil {
			yield(trial.Header{}, s.wrap("list studies", err))
			return
		}
		for _, h := range all {
			if err := ctx.Err(); err != nil {
				yield(trial.Header{}, s.wrap("list studies", err))
				return
			}
			if !yield(h, nil) {
				return
			}
		}
	}
}

func (s *Store) studies(ctx context.Context) ([]trial.Header, error) {
	l, err := s.connect()
	if err != nil {
		return nil, err
	}
	d, err := l.get(ctx, "studies", nil)
	if err != nil {
		return nil, err
	}
	return list(d, 5, d.header), d.end()
}

// Rename implements [storage.Store].
func (s *Store) Rename(ctx context.Context, from, to string) error {
	var e encoder
	e.text(from)
	e.text(to)
	_, err := s.change(ctx, "rename", e.b, func(err error) bool {
		if !errors.Is(err, storage.ErrNotExist) {
			return false
		}
		_, err = s.open(ctx, to)
		return err == nil
	})
	return s.wrap(fmt.Sprintf("rename study %q to %q", from, to), err)
}

// Delete implements [storage.Store].
func (s *Store) Delete(ctx context.Context, name string) error {
	var e encoder
	e.text(name)
	_, err := s.change(ctx, "delete", e.b, func(err error) bool { return errors.Is(err, storage.ErrNotExist) })
	return s.wrap(fmt.Sprintf("delete study %q", name), err)
}
