package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/outage"
)

const (
	attemptTime   = 90 * time.Second // for one request and its answer; longer than workTime
	mostPatience  = 10 * time.Minute
	firstPatience = 2 * time.Second // with a server that has never answered
	lastTime      = 2 * time.Second // for one request at the end; see storage.Finish
	mostAnswer    = 1 << 30         // bytes
)

// A link talks to a server, over any number of connections. It repeats requests until they are answered.
type link struct {
	url      *url.URL // ends with root
	token    string
	patience time.Duration
	http     *http.Client
	client   string // the name of this client to the server
	outage   outage.Watch

	mu      sync.Mutex
	process string          // of the server, from its last answer; "" before the first
	next    uint64          // number of the next change
	open    map[uint64]bool // numbers of the changes that have no answer
}

func newLink(at *url.URL, token string, patience time.Duration, transport http.RoundTripper) *link {
	return &link{
		url: at.JoinPath(root), token: token, patience: patience, client: rand.Text(), open: map[uint64]bool{},
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// An attemptError is the error of a request without an answer.
type attemptError struct {
	err  error
	sent bool // the server may have received the request
}

func (e *attemptError) Error() string { return e.err.Error() }
func (e *attemptError) Unwrap() error { return e.err }

// attempt sends a request once. It returns the part of the answer after the process. Without an answer, the error is
// an attemptError.
func (l *link) attempt(ctx context.Context, method, op string, query url.Values, body []byte) (*decoder, error) {
	try, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	defer context.AfterFunc(storage.Finishing(ctx), func() { // of a server that is silent, too
		select {
		case <-time.After(lastTime):
			cancel()
		case <-try.Done():
		}
	})()
	at := *l.url
	at.Path += op
	at.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(try, method, at.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if l.token != "" {
		r.Header.Set("Authorization", "Bearer "+l.token)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", contentType)
	}
	resp, err := l.http.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the URL
		}
		if errors.Is(err, context.Canceled) && ctx.Err() == nil {
			err = fmt.Errorf("no answer in %v", lastTime)
		}
		op, isOp := errors.AsType[*net.OpError](err)
		return nil, &attemptError{err, !isOp || op.Op != "dial"}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err == nil && resp.ContentLength > int64(len(text)) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, &attemptError{err, true}
	}
	if resp.Header.Get("Content-Type") != contentType {
		return nil, foreign(resp)
	}
	l.outage.Answered()
	d := &decoder{b: text}
	l.saw(d.text())
	if d.text() == "" {
		if d.err != nil {
			return nil, &attemptError{d.err, true}
		}
		return d, nil
	}
	code, words := d.text(), d.text()
	if d.err != nil {
		return nil, &attemptError{d.err, true}
	}
	err = received(code, words)
	if errors.Is(err, errEnding) {
		return nil, &attemptError{err, false}
	}
	return nil, err
}

// foreign returns the error of an answer that is not a message of the protocol.
func foreign(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized && resp.Request.Header.Get("Authorization") == "":
		return fmt.Errorf("%w: the server requires a token: %w", storage.ErrAccess, someToken)
	case code == http.StatusUnauthorized:
		return fmt.Errorf("%w: the server does not know this token: %w", storage.ErrAccess, someToken)
	case code == http.StatusForbidden:
		return fmt.Errorf("%w: this token only reads: %w", storage.ErrAccess, someToken)
	case code == http.StatusMisdirectedRequest:
		return fmt.Errorf("%w: the server goes by another name: start it with this name as a host", storage.ErrAccess)
	case code == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%w: the server does not accept that much at once", storage.ErrFull)
	case code == http.StatusTooManyRequests || code == http.StatusBadGateway || code == http.StatusServiceUnavailable || code == http.StatusGatewayTimeout:
		return &attemptError{fmt.Errorf("the answer is %s", resp.Status), true}
	default:
		return fmt.Errorf("%w: this is not attune's server of the same version: it answers %s", storage.ErrVersion, resp.Status)
	}
}

// saw notes the process of the server that has answered.
func (l *link) saw(process string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.process = process
}

// serving returns the process of the server, "" if none has answered yet.
func (l *link) serving() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.process
}

// A patience ends some time after the last answer of the server.
type patience struct {
	link  *link
	since time.Time
	pause time.Duration
}

// wait waits before a request is repeated, unless repeating is pointless.
func (p *patience) wait(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	most := p.link.patience
	if p.link.serving() == "" { // if a server has never answered, the URL is probably wrong
		most = min(most, firstPatience)
		if none, ok := errors.AsType[*attemptError](err); ok && !none.sent {
			most = 0
		}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		most = 0
	}
	if p.since.IsZero() {
		p.since = time.Now()
	}
	if most == 0 {
		return fmt.Errorf("%w: %w: start it, or %w", storage.ErrUnreachable, err, someURL)
	}
	p.link.outage.Failed(err)
	finishing := storage.Finishing(ctx)
	if finishing.Err() != nil {
		return fmt.Errorf("%w: a run that ends does not wait for it: %w", storage.ErrUnreachable, err)
	}
	if time.Since(p.since) >= most {
		return fmt.Errorf("%w: tried for %v: %w", storage.ErrUnreachable, most, err)
	}
	if p.pause > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-finishing.Done(): // one last time
		case <-time.After(p.pause/2 + mathrand.N(p.pause)): // not all clients at once
		}
	}
	p.pause = min(max(p.pause*2, 5*time.Millisecond), time.Second)
	return nil
}

// get sends a request that changes nothing until it is answered.
func (l *link) get(ctx context.Context, op string, query url.Values) (*decoder, error) {
	again := patience{link: l}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d, err := l.attempt(ctx, http.MethodGet, op, query, nil)
		if _, none := errors.AsType[*attemptError](err); !none {
			return d, err
		}
		if err := again.wait(ctx, err); err != nil {
			return nil, err
		}
	}
}

// A change is a request that changes something, until it is answered.
type change struct {
	link    *link
	op      string
	number  uint64
	process string // of the server that the request is for
	doubt   bool   // whether that has made the change
	again   patience
}

// begin begins a change; the caller ends it.
func (l *link) begin(ctx context.Context, op string) (*change, error) {
	if l.serving() == "" {
		if _, err := l.get(ctx, "hello", nil); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &change{link: l, op: op, number: l.next, process: l.process, again: patience{link: l}}
	l.open[c.number] = true
	l.next++
	return c, nil
}

func (c *change) end() {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	delete(c.link.open, c.number)
}

// answered returns a number below which all changes have been answered.
func (l *link) answered() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	least := uint64(math.MaxUint64)
	for n := range maps.Keys(l.open) {
		least = min(least, n)
	}
	return least
}

// send sends the request until it is answered. It returns errProcess if the server has restarted, and errHandle if it
// has closed the study. The caller then checks whether the change was made, if that is in doubt, and may send it
// again.
func (c *change) send(ctx context.Context, args []byte) (*decoder, error) {
	e := encoder{b: make([]byte, 0, len(args)+100)}
	e.text(c.link.client)
	e.uint(c.number)
	e.uint(c.link.answered())
	e.text(c.process)
	body := slices.Concat(e.b, args)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d, err := c.link.attempt(ctx, http.MethodPost, c.op, nil, body)
		none, ok := errors.AsType[*attemptError](err)
		if !ok {
			return d, err
		}
		c.doubt = c.doubt || none.sent
		if err := c.again.wait(ctx, err); err != nil {
			if c.doubt && errors.Is(err, storage.ErrUnreachable) {
				err = fmt.Errorf("%w; the server may have made the change", err)
			}
			return nil, err
		}
	}
}

// renewed addresses the change to the current process of the server.
func (c *change) renewed() {
	c.process, c.doubt = c.link.serving(), false
}

// parse reads the URL of a server.
func parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: %w", storage.ErrPath, someURL)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}
