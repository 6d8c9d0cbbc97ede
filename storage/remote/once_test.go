package remote_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/remote"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A server that a test restarts. It is an [http.RoundTripper] to whatever handler serves now.
type restarting struct {
	t     *testing.T
	store storage.Store

	mu      sync.Mutex
	handler *remote.Handler
	loses   string         // the request whose next answer is lost
	then    func()         // what happens then, before the request is sent again
	asked   map[string]int // how often, by request
}

func newRestarting(t *testing.T, store storage.Store) *restarting {
	r := &restarting{t: t, store: store, handler: remote.NewHandler(store)}
	t.Cleanup(func() { assert.NoError(t, r.handler.Close()) })
	return r
}

// restart ends the server, and starts another.
func (r *restarting) restart() {
	assert.NoError(r.t, r.handler.Close())
	r.handler = remote.NewHandler(r.store)
}

// lose loses the next answer to a request; then may be nil.
func (r *restarting) lose(op string, then func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loses, r.then = op, then
}

func (r *restarting) RoundTrip(q *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked == nil {
		r.asked = map[string]int{}
	}
	r.asked[path.Base(q.URL.Path)]++
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, q)
	if r.loses != "" && strings.HasSuffix(q.URL.Path, r.loses) {
		r.loses = ""
		if r.then != nil {
			r.then()
		}
		return nil, io.ErrUnexpectedEOF
	}
	resp := w.Result()
	resp.Request = q
	return resp, nil
}

func (r *restarting) client() *remote.Store {
	return &remote.Store{URL: "http://server", Transport: r}
}

var oneX = space.Params{Space: space.Space{{Name: "x", Distribution: space.FloatDistribution{High: 1}}}, Point: []float64{0.5}}

func records(t *testing.T, l storage.Ledger) (out []trial.Record) {
	t.Helper()
	for u, err := range l.Since(t.Context(), 0) {
		require.NoError(t, err)
		for len(out) <= u.Trial.Number {
			out = append(out, trial.Record{Number: -1})
		}
		out[u.Trial.Number] = u.Trial
	}
	return out
}

// A change is made once, whether an answer is lost or the server restarts as well.
func TestOnce(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for _, restarts := range []bool{false, true} {
		name := map[bool]string{false: "the answer is lost", true: "and the server restarted"}[restarts]
		t.Run(name, func(t *testing.T) {
			s := newRestarting(t, file(t))
			lose := func(op string) {
				s.lose(op, func() {
					if restarts {
						s.restart()
					}
				})
			}
			st := s.client()
			l, err := st.Create(t.Context(), trial.Header{Name: "a", Seed: 7})
			require.NoError(t, err)

			lose("add")
			ns, err := l.Add(t.Context(), trial.Record{State: trial.Waiting, Fixed: []space.Setting{{Name: "x", Value: "0.25"}}}, trial.Record{State: trial.Waiting})
			require.NoError(t, err)
			assert.Equal(t, []int{0, 1}, ns)
			require.Len(t, records(t, l), 2)

			lose("start")
			r, err := l.Start(t.Context(), at, "")
			require.NoError(t, err)
			if restarts { // no client knows of trial 0, whose lease will end
				assert.Equal(t, 1, r.Number)
			} else {
				assert.Equal(t, 0, r.Number)
			}
			lose("start")
			again, err := l.Start(t.Context(), at, "key")
			require.NoError(t, err)
			assert.Equal(t, r.Number+1, again.Number, "a key is enough")

			changes := []trial.Change{
				trial.Proposed{{Name: "y", Value: "1"}}, trial.Suggested(oneX), trial.Reported{Step: 3, Value: 1},
				trial.Constrained{Name: "c", Value: 1}, trial.Annotated{Key: "k", JSON: "1"}, trial.Noted{Key: "n", JSON: "1"},
			}
			for _, changes := range [][]trial.Change{changes, {trial.Reported{Step: 4, Value: 2}}, {trial.Finished{State: trial.Complete, Values: []float64{3}, At: at}}} {
				lose("write")
				require.NoError(t, l.Write(t.Context(), r.Number, changes...))
			}
			got := records(t, l)[r.Number]
			assert.Equal(t, trial.Complete, got.State)
			assert.Len(t, got.Reports, 2)

			lose("annotate")
			require.NoError(t, l.Annotate(t.Context(), trial.Attrs{{Key: "k", JSON: "1"}}, nil))
			lose("renew")
			require.NoError(t, l.(storage.Leaser).Renew(t.Context(), again.Number))
			lose("rename")
			require.NoError(t, st.Rename(t.Context(), "a", "b"))
			h, err := l.Header(t.Context())
			if restarts { // the server has the study open no longer, and the ledger knew it as a
				require.ErrorIs(t, err, storage.ErrNotExist)
			} else {
				require.NoError(t, err)
				assert.Equal(t, "b", h.Name)
			}
			lose("delete")
			require.NoError(t, st.Delete(t.Context(), "b"))
			require.ErrorIs(t, st.Delete(t.Context(), "b"), storage.ErrNotExist)
		})
	}
}

// If a server ends before it makes a write, the next server makes it.
func TestLostBeforeItWasMade(t *testing.T) {
	s := newRestarting(t, file(t))
	l, err := s.client().Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	r, err := l.Start(t.Context(), time.Now(), "")
	require.NoError(t, err)
	assert.NoError(t, s.handler.Close()) // and answers that it is ending
	write := make(chan error)
	go func() { write <- l.Write(t.Context(), r.Number, trial.Reported{Step: 1, Value: 2}) }()
	time.Sleep(20 * time.Millisecond)
	s.mu.Lock()
	s.handler = remote.NewHandler(s.store)
	s.mu.Unlock()
	require.NoError(t, <-write)
	assert.Len(t, records(t, l)[0].Reports, 1)
}

// If another study has the name after the server restarts, it is not taken for this one.
func TestAnotherStudyOfTheName(t *testing.T) {
	for name, another := range map[string]func(t *testing.T, st storage.Store){
		"another seed": func(t *testing.T, st storage.Store) {
			_, err := st.Create(t.Context(), trial.Header{Name: "a", Seed: 8})
			require.NoError(t, err)
		},
		"fewer trials": func(t *testing.T, st storage.Store) {
			_, err := st.Create(t.Context(), trial.Header{Name: "a", Seed: 7})
			require.NoError(t, err)
		},
		"other trials": func(t *testing.T, st storage.Store) {
			l, err := st.Create(t.Context(), trial.Header{Name: "a", Seed: 7})
			require.NoError(t, err)
			_, err = l.Add(t.Context(), trial.Record{State: trial.Complete, Values: []float64{2}})
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newRestarting(t, new(memory.Store))
			l, err := s.client().Create(t.Context(), trial.Header{Name: "a", Seed: 7})
			require.NoError(t, err)
			_, err = l.Add(t.Context(), trial.Record{State: trial.Complete, Values: []float64{1}})
			require.NoError(t, err)
			require.Len(t, records(t, l), 1)
			require.NoError(t, s.store.Delete(t.Context(), "a"))
			another(t, s.store)
			s.restart()
			for range 2 {
				for _, err := range l.Since(t.Context(), 0) {
					require.ErrorIs(t, err, storage.ErrNotExist)
				}
			}
			require.ErrorIs(t, l.Write(t.Context(), 0, trial.Reported{}), storage.ErrNotExist)
		})
	}
}

// A worker that the network cuts off for longer than its lease is taken for dead. Its trial is run again, and when it
// is back, its outcome is refused.
func TestWorkerCutOff(t *testing.T) {
	const grace = 500 * time.Millisecond
	url := serve(t, file(t))
	way := newProxy(t, url, false)
	cfg := study.Config{Sampler: random.Sampler{}, Grace: grace}
	cut, err := study.Open(t.Context(), remote.Server("http://"+way.addr), "net", cfg)
	require.NoError(t, err)
	defer cut.Close()
	other, err := study.Open(t.Context(), remote.Server(url), "net", cfg)
	require.NoError(t, err)
	defer other.Close()

	x := space.Float("x", 0, 1)
	late, err := cut.Ask(t.Context())
	require.NoError(t, err)
	drawn := x.Suggest(late)
	require.NoError(t, late.Report(t.Context(), 0, 1))
	way.cut(true)
	var dead []trial.Record
	require.Eventually(t, func() bool {
		dead, err = other.Reap(t.Context())
		return err != nil || len(dead) > 0
	}, time.Minute, grace/10)
	require.NoError(t, err)
	require.Len(t, dead, 1)
	assert.Equal(t, late.Record().Number, dead[0].Number)
	again, err := other.Ask(t.Context())
	require.NoError(t, err)
	assert.Equal(t, drawn, x.Suggest(again), "the trial is run again")
	require.NoError(t, other.Tell(t.Context(), again, []float64{2}, nil))

	told := make(chan error)
	go func() { told <- cut.Tell(t.Context(), late, []float64{1}, nil) }()
	time.Sleep(20 * time.Millisecond) // it is cut off still
	way.cut(false)
	require.ErrorIs(t, <-told, trial.ErrFinished)
	best, err := cut.Best(t.Context())
	require.NoError(t, err)
	assert.Equal(t, again.Record().Number, best.Number)
	h, err := other.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, h.Count(trial.Complete))
	assert.Equal(t, 1, h.Count(trial.Failed))
}

// Reap takes two requests, however many workers have died, and one request if none has.
func TestReapAsksTwice(t *testing.T) {
	const dead = 20
	s := newRestarting(t, file(t))
	opened, err := s.client().Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	l := opened.(storage.Leaser)
	var held []int
	for n := range dead + 1 {
		r, err := l.Start(t.Context(), time.Now(), "")
		require.NoError(t, err)
		require.NoError(t, l.Write(t.Context(), r.Number, trial.Suggested(oneX), trial.Reported{Step: n, Value: 1}))
		held = append(held, r.Number)
	}
	time.Sleep(10 * time.Millisecond)
	again := func(failed trial.Record) (trial.Record, bool) {
		return trial.Record{State: trial.Waiting, Fixed: failed.Params.Settings(), Notes: trial.Attrs{{Key: "of", JSON: fmt.Sprint(failed.Number)}}}, failed.Number != 3
	}
	reaped, err := l.Reap(t.Context(), held, 0, time.Now(), again)
	require.NoError(t, err)
	assert.Empty(t, reaped)
	assert.Equal(t, 1, s.asked["reap"])

	// In the meantime, another process has written to a trial, and ended one.
	other, err := s.client().Open(t.Context(), "a")
	require.NoError(t, err)
	require.NoError(t, other.Write(t.Context(), 5, trial.Reported{Step: 99, Value: 2}))
	require.NoError(t, other.Write(t.Context(), 6, trial.Finished{State: trial.Complete, Values: []float64{1}, At: time.Now()}))
	time.Sleep(10 * time.Millisecond)
	s.asked["reap"] = 0
	reaped, err = l.Reap(t.Context(), held[dead:], time.Millisecond, time.Now(), again)
	require.NoError(t, err)
	assert.Len(t, reaped, dead-1)
	assert.Equal(t, 2, s.asked["reap"])
	rs := records(t, l)
	require.Len(t, rs, dead+1+dead-2)
	for _, r := range rs[dead+1:] {
		of, ok := r.Notes.Get("of")
		require.True(t, ok)
		assert.NotEqual(t, "3", of.JSON)
		assert.Equal(t, oneX.Settings(), r.Fixed)
	}
	assert.Equal(t, trial.Running, rs[dead].State)
	assert.Equal(t, trial.Complete, rs[6].State)
}

// Each trial is told once, while connections break all the time.
func TestBreakingRun(t *testing.T) {
	const workers, trials = 6, 120
	way := newProxy(t, serve(t, file(t)), true)
	st, err := study.Open(t.Context(), remote.Server("http://"+way.addr), "net", study.Config{Sampler: random.Sampler{}})
	require.NoError(t, err)
	defer st.Close()
	var mu sync.Mutex
	runs := 0
	x := space.Float("x", 0, 1)
	require.NoError(t, st.Optimize(t.Context(), study.Func(func(ctx context.Context, t *study.Trial) (float64, error) {
		mu.Lock()
		defer mu.Unlock()
		runs++
		v := x.Suggest(t)
		return v, t.Report(ctx, 0, v)
	}), study.Run{Trials: trials, Workers: workers}))
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Equal(t, trials, h.Count(trial.Complete))
	assert.Equal(t, trials, h.Len())
	assert.Equal(t, trials, runs)
}

func TestErrors(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") }))
	defer page.Close()
	status := func(code int) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) }))
		t.Cleanup(s.Close)
		return s
	}
	h := remote.NewHandler(new(memory.Store))
	defer h.Close()
	private := httptest.NewTLSServer(h)
	defer private.Close()
	gone := httptest.NewServer(h)
	gone.Close()
	for _, c := range []struct {
		name  string
		store *remote.Store
		err   error
		says  string
	}{
		{"no scheme", remote.Server("server:8080"), storage.ErrPath, "set remote.Store.URL to https://host:port"},
		{"another scheme", remote.Server("ftp://server"), storage.ErrPath, "https://host:port"},
		{"no host", remote.Server("http://"), storage.ErrPath, "https://host:port"},
		{"nobody listens", remote.Server(gone.URL), storage.ErrUnreachable, "refused"},
		{"a web page", remote.Server(page.URL), storage.ErrVersion, "not attune's server"},
		{"no such path", remote.Server(status(404).URL), storage.ErrVersion, "404"},
		{"it takes a token", remote.Server(status(401).URL), storage.ErrAccess, "set remote.Store.Token"},
		{"another token", &remote.Store{URL: status(401).URL, Token: "secret"}, storage.ErrAccess, "does not know this token"},
		{"another token in the URL", remote.Server(strings.Replace(status(401).URL, "//", "//any:secret@", 1)), storage.ErrAccess, "does not know this token"},
		{"a token that reads", &remote.Store{URL: status(403).URL, Token: "secret"}, storage.ErrAccess, "only reads"},
		{"a gateway", &remote.Store{URL: status(502).URL, Patience: time.Millisecond}, storage.ErrUnreachable, "502"},
		{"an unknown certificate", remote.Server(private.URL), storage.ErrUnreachable, "certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.store.Create(t.Context(), trial.Header{Name: "a"})
			require.ErrorIs(t, err, c.err)
			assert.ErrorContains(t, err, c.says)
			assert.NotContains(t, err.Error(), "secret")
			assert.NotContains(t, c.store.Address(), "secret")
		})
	}
	trusting := &remote.Store{URL: private.URL, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: private.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}}}
	_, err := trusting.Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
}

// Too many trials for one request are refused, and nothing is added.
func TestTooMuch(t *testing.T) {
	h := remote.NewHandler(new(memory.Store))
	s := httptest.NewServer(http.MaxBytesHandler(h, 10_000))
	t.Cleanup(func() {
		s.Close()
		assert.NoError(t, h.Close())
	})
	l, err := remote.Server(s.URL).Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	_, err = l.Add(t.Context(), make([]trial.Record, 5_000)...)
	require.ErrorIs(t, err, storage.ErrFull)
	require.ErrorContains(t, err, "at most 10000 bytes at once")
	assert.Empty(t, records(t, l))
}

// If a server is unreachable for longer than the patience, the error says so.
func TestPatience(t *testing.T) {
	way := newProxy(t, serve(t, new(memory.Store)), false)
	st := &remote.Store{URL: "http://" + way.addr, Patience: 50 * time.Millisecond}
	l, err := st.Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	way.cut(true)
	_, err = l.Start(t.Context(), time.Now(), "")
	require.ErrorIs(t, err, storage.ErrUnreachable)
	require.ErrorContains(t, err, "tried for 50ms")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = l.Header(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	way.cut(false)
	_, err = l.Start(t.Context(), time.Now(), "")
	require.NoError(t, err)
}

// A program that waits for a server is told when it becomes unreachable, and when it is back.
func TestAway(t *testing.T) {
	way := newProxy(t, serve(t, new(memory.Store)), false)
	told := make(chan error, 10)
	st := &remote.Store{URL: "http://" + way.addr, Away: func(err error) { told <- err }}
	l, err := st.Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	way.cut(true)
	go func() {
		assert.Error(t, <-told)
		way.cut(false)
	}()
	_, err = l.Start(t.Context(), time.Now(), "")
	require.NoError(t, err)
	require.NoError(t, <-told, "it is back")
}

// A run that ends does not wait for an unreachable or silent server.
func TestAtTheEnd(t *testing.T) {
	silent := make(chan struct{})
	var quiet atomic.Bool
	h := remote.NewHandler(new(memory.Store))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if quiet.Load() {
			<-silent
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		close(silent)
		s.Close()
		assert.NoError(t, h.Close())
	})
	way := newProxy(t, s.URL, false)
	for what, lose := range map[string]func(){"away": func() { way.cut(true) }, "silent": func() { quiet.Store(true) }} {
		way.cut(false)
		l, err := remote.Server("http://"+way.addr).Create(t.Context(), trial.Header{Name: what})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		lose()
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err = l.Start(storage.Finish(ctx), time.Now(), "") // a minute, if it waited
		require.ErrorIs(t, err, storage.ErrUnreachable, what)
		require.ErrorContains(t, err, "a run that ends does not wait for it", what)
		quiet.Store(false)
	}
}

// No request makes a handler panic or allocate much memory.
func FuzzHandler(f *testing.F) {
	h := remote.NewHandler(new(memory.Store))
	f.Cleanup(func() { h.Close() })
	s := httptest.NewServer(h)
	f.Cleanup(s.Close)
	l, err := remote.Server(s.URL).Create(f.Context(), trial.Header{Name: "a"})
	require.NoError(f, err)
	ops := []string{"create", "rename", "annotate", "add", "start", "write", "renew", "release", "reap"}
	for op, args := range map[int][]byte{
		0: []byte("\x01b\x00\x00\x00\x00"), 1: []byte("\x01b\x01c"), 2: []byte("\x01\x01k\x011\x00"),
		3: remote.Record(trial.Record{State: trial.Complete, Params: oneX, Values: []float64{1}, Reports: []trial.Report{{Step: 1}}, Attrs: trial.Attrs{{Key: "k", JSON: "1"}}}),
		4: []byte("\x00\x00"), 5: remote.Changes(trial.Suggested(oneX), trial.Reported{Step: 1}, trial.Finished{State: trial.Failed}), 6: {0},
	} {
		f.Add(op, args)
		f.Add(op, append(bytes.Repeat([]byte{0xff}, 8), 0x7f))
	}
	f.Fuzz(func(t *testing.T, op int, args []byte) {
		op = int(uint(op) % uint(len(ops)))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/ledger/v1/"+ops[op], bytes.NewReader(h.Request(op > 1, args))))
		if w.Code == http.StatusInternalServerError {
			t.Errorf("%d %q", w.Code, w.Body)
		}
		_, err := l.Header(t.Context())
		require.NoError(t, err, "it serves on")
	})
}

// Requests that are not of this protocol are refused, and change nothing.
func TestBadRequests(t *testing.T) {
	h := remote.NewHandler(new(memory.Store))
	defer h.Close()
	for _, c := range []struct {
		method, path, body string
		code               int
	}{
		{"POST", "v1/create", "", 400},
		{"POST", "v1/create", strings.Repeat("\xff", 100), 400},
		{"POST", "v1/create", "\x01a\x00\x00\x01b", 409}, // for another process
		{"GET", "v1/create", "", 404},
		{"GET", "v1/since?study=x&after=0", "", 400},
		{"GET", "v1/since?study=1&after=0", "", 410},
		{"GET", "v1/open?name=a", "", 404},
		{"GET", "v1/nothing", "", 404},
		{"GET", "v2/studies", "", 404},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, "/ledger/"+c.path, strings.NewReader(c.body)))
		assert.Equal(t, c.code, w.Code, "%s %s", c.method, c.path)
	}
}

// A client with another version of the protocol than the server's gets an error that says so.
func TestAnotherVersion(t *testing.T) {
	s := newRestarting(t, new(memory.Store))
	newer := &remote.Store{URL: "http://server", Transport: rewrite{s}}
	_, err := newer.Create(t.Context(), trial.Header{Name: "a"})
	require.ErrorIs(t, err, storage.ErrVersion)
	require.ErrorContains(t, err, "the server answers below /ledger/v1/: give client and server the same version of attune")
	for h, err := range s.store.Studies(t.Context()) {
		t.Fatal("something changed", h, err)
	}
}

// rewrite makes the requests of a client those of another version.
type rewrite struct{ http.RoundTripper }

func (r rewrite) RoundTrip(q *http.Request) (*http.Response, error) {
	q = q.Clone(q.Context())
	q.URL.Path = strings.Replace(q.URL.Path, "/v1/", "/v2/", 1)
	return r.RoundTripper.RoundTrip(q)
}
