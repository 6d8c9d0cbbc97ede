package dashboard_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/dashboard"
	"github.com/attune-hpo/attune/internal/dev/servertest"
	"github.com/attune-hpo/attune/internal/dev/teststudy"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/mysql"
	"github.com/attune-hpo/attune/storage/postgres"
	"github.com/attune-hpo/attune/storage/remote"
	"github.com/attune-hpo/attune/storage/sqlite"
)

// A file that another program keeps locked is not waited for longer than the store says, and is
// read again as soon as it is free.
func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "studies.db")
	add(t, sqlite.File(path), teststudy.New("a", 5, false, 1))
	root := serving(t, &sqlite.Store{Path: path, BusyTimeout: 20 * time.Millisecond}, dashboard.Config{})
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip(err)
	}
	// Locks are those of a process, and files in this mode those of Optuna.
	cmd := exec.CommandContext(t.Context(), python, "-c", `import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("PRAGMA journal_mode = DELETE")
c.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()`, path)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "locked\n", line)
	for _, address := range []string{"", "study?name=a", "trial?name=a&number=0", "plot.svg?kind=history&name=a", "events?name=a"} {
		resp, text := get(t, root+address)
		assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, address)
		assert.Contains(t, text, "The storage cannot be read: ", address)
		assert.Contains(t, text, "another process has kept the file locked for 20ms", address)
	}
	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait())
	assert.Contains(t, page(t, root), ">a</a>")
	assert.Contains(t, page(t, root+"study?name=a"), "<h1>a</h1>")
}

// A gate lets connections through to a server, until it is shut.
type gate struct {
	to string

	mu     sync.Mutex
	listen net.Listener
	open   []net.Conn
}

// start listens at an address.
func (g *gate) start(t *testing.T, address string) {
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	g.listen = l
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", g.to)
			if err != nil {
				in.Close()
				continue
			}
			g.mu.Lock()
			g.open = append(g.open, in, out)
			g.mu.Unlock()
			go io.Copy(in, out)
			go io.Copy(out, in)
		}
	}()
}

// shut ends all connections, and refuses others.
func (g *gate) shut() {
	g.listen.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.open {
		c.Close()
	}
	g.open = nil
}

// A database server, or attune serve, that goes away while pages are open is missed in a sentence, and a page that
// follows its study is told.
func TestServerGone(t *testing.T) {
	const patience = 100 * time.Millisecond
	for name, server := range map[string]struct {
		at   func(t *testing.T) string
		open func(url string) storage.Store
		says string
	}{
		"PostgreSQL": {func(t *testing.T) string { return servertest.Postgres(t) }, func(u string) storage.Store { return &postgres.Store{URL: u, Patience: patience} }, "the server cannot be reached"},
		"MariaDB":    {func(t *testing.T) string { return servertest.MySQL(t) }, func(u string) storage.Store { return &mysql.Store{URL: u, Patience: patience} }, "the server cannot be reached"},
		"attune serve": {func(t *testing.T) string {
			s := httptest.NewServer(remote.NewHandler(new(memory.Store)))
			t.Cleanup(s.Close)
			return s.URL
		}, func(u string) storage.Store { return &remote.Store{URL: u, Patience: patience} }, "the server cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(server.at(t)) // or skip
			require.NoError(t, err)
			g := &gate{to: u.Host}
			g.start(t, "127.0.0.1:0")
			defer g.shut()
			u.Host = g.listen.Addr().String()
			add(t, server.open(u.String()), teststudy.New("a", 5, false, 1))
			root := serving(t, server.open(u.String()), dashboard.Config{})
			assert.Contains(t, page(t, root+"study?name=a"), "<h1>a</h1>")
			resp, err := http.Get(root + "events?name=a")
			require.NoError(t, err)
			defer resp.Body.Close()

			g.shut()
			for _, address := range []string{"", "study?name=a", "trial?name=a&number=0", "plot.svg?kind=history&name=a"} {
				resp, text := get(t, root+address)
				assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, address)
				assert.Regexp(t, `<p>The storage cannot be read: [^\n]*`+server.says+`[^\n]*</p>`, text, address)
			}
			told := ""
			for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
				if told = lines.Text(); strings.HasPrefix(told, "data: The storage") {
					break
				}
			}
			assert.Contains(t, told, server.says)

			g.start(t, u.Host)
			assert.Contains(t, page(t, root), ">a</a>")
			assert.Contains(t, page(t, root+"study?name=a"), "<h1>a</h1>")
		})
	}
}
