package remote_test

import (
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/remote"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m, config(nil, nil)) }

// serve serves a store until t ends, and returns its URL.
func serve(t testing.TB, store storage.Store) string {
	t.Helper()
	h := remote.NewHandler(store)
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		assert.NoError(t, h.Close())
	})
	return s.URL
}

// config configures the conformance suite for stores behind a server, which clients reach over the given transport.
func config(store func(t *testing.T) storage.Store, way func(t *testing.T, url string) string) storagetest.Config {
	return storagetest.Config{
		Open:    func(t *testing.T) storage.Store { return remote.Server(way(t, serve(t, store(t)))) },
		Address: func(s storage.Store) string { return s.(*remote.Store).URL },
		Dial:    func(address string) storage.Store { return remote.Server(address) },
	}
}

func direct(_ *testing.T, url string) string { return url }

func file(t *testing.T) storage.Store {
	return &sqlite.Store{Path: filepath.Join(t.TempDir(), "a.db"), Sync: sqlite.SyncSeldom}
}

func TestStore(t *testing.T) {
	storagetest.Run(t, config(func(*testing.T) storage.Store { return new(memory.Store) }, direct))
}

// The connections break in the middle of requests and of answers.
func TestStoreWithBreakingConnections(t *testing.T) {
	storagetest.Run(t, config(file, func(t *testing.T, url string) string { return "http://" + newProxy(t, url, true).addr }))
}

// A proxy passes on all data, in both directions. It can break connections, and refuse all new ones.
type proxy struct {
	addr, to string
	breaks   bool // each connection, after some bytes in some direction

	mu    sync.Mutex
	away  bool
	conns map[net.Conn]bool
}

func newProxy(t testing.TB, url string, breaks bool) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{addr: l.Addr().String(), to: strings.TrimPrefix(url, "http://"), breaks: breaks, conns: map[net.Conn]bool{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.pass(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.cut(true)
		all.Wait()
	})
	return p
}

// cut breaks all connections, and makes the proxy refuse new ones or accept them again.
func (p *proxy) cut(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
	for c := range p.conns {
		c.Close()
	}
}

// keep notes an open connection, unless there are to be none.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.away {
		p.conns[c] = true
	}
	return !p.away
}

func (p *proxy) pass(in net.Conn) {
	defer in.Close()
	if !p.keep(in) {
		return
	}
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer out.Close()
	if !p.keep(out) {
		return
	}
	var both sync.WaitGroup
	for _, way := range []struct{ from, to net.Conn }{{in, out}, {out, in}} {
		both.Go(func() {
			defer in.Close()
			defer out.Close()
			if p.breaks {
				io.CopyN(way.to, way.from, rand.Int64N(100_000))
				return
			}
			io.Copy(way.to, way.from)
		})
	}
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, in)
	delete(p.conns, out)
}
