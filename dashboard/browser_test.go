package dashboard_test

import (
	"bytes"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/dashboard"
	"github.com/attune-hpo/attune/internal/dev/teststudy"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

// chromium returns the browser.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("ATTUNE_REQUIRE_CHROMIUM") != "" {
		t.Fatal("there is no Chromium: apt-get install chromium")
	}
	t.Skip("there is no Chromium: apt-get install chromium")
	return ""
}

// opened opens a page, and returns what its script made of it by the time that it was all
// there, or in the given milliseconds.
// Whatever the page writes to the console, as for a resource that is not there or that the
// policy forbids, fails the test.
func opened(t *testing.T, browser, address, milliseconds string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--user-data-dir="+t.TempDir(), "--enable-logging=stderr", "--timeout="+milliseconds, "--dump-dom", address)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), &stderr)
	for line := range strings.Lines(stderr.String()) {
		assert.NotContains(t, line, "CONSOLE", address)
	}
	return html.UnescapeString(stdout.String())
}

// In a browser the pages load without an error, and the script does its part.
func TestBrowser(t *testing.T) {
	browser := chromium(t)
	store := new(memory.Store)
	add(t, store, teststudy.New("walmart", 60, false, 1))
	root := serving(t, store, dashboard.Config{})
	assert.Contains(t, opened(t, browser, root, "20000"), ">walmart</a>")
	dom := opened(t, browser, root+"study?name=walmart", "20000")
	assert.Contains(t, dom, `>Copy</button>`)
	assert.NotRegexp(t, `data-copy="[^"]*" hidden`, dom)
	assert.Contains(t, opened(t, browser, root+"trial?name=walmart&number=7", "20000"), "<h1>Trial 7</h1>")
}

// A page that is open shows what changes meanwhile.
func TestBrowserFollows(t *testing.T) {
	browser := chromium(t)
	store := new(memory.Store)
	st, err := study.Create(t.Context(), store, "live", study.Config{Sampler: random.Sampler{}})
	require.NoError(t, err)
	defer st.Close()
	d := dashboard.New(store, dashboard.Config{})
	defer d.Close()
	listening, replaced := make(chan struct{}, 10), make(chan struct{}, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/hold": // the page is not all there until its parts were replaced
			select {
			case <-replaced:
			case <-r.Context().Done():
			}
		case r.URL.Path == "/study" && r.Header.Get("Sec-Fetch-Dest") == "document":
			d.ServeHTTP(w, r)
			io.WriteString(w, `<img src="hold" alt="">`)
		default:
			if r.URL.Path == "/events" {
				listening <- struct{}{}
			}
			d.ServeHTTP(w, r)
			if strings.HasPrefix(r.URL.Query().Get("v"), "1-0-0") { // a plot of the one trial
				replaced <- struct{}{}
			}
		}
	}))
	defer s.Close()
	told := make(chan error, 1)
	go func() {
		<-listening
		tr, err := st.Ask(t.Context())
		if err == nil {
			space.Float("x", 0, 1).Suggest(tr)
			err = st.Tell(t.Context(), tr, []float64{0.125}, nil)
		}
		told <- err
	}()
	dom := opened(t, browser, s.URL+"/study?"+url.Values{"name": {"live"}}.Encode(), "60000")
	require.NoError(t, <-told)
	assert.Contains(t, dom, "<dd>0.125, in trial 0</dd>")
	assert.Contains(t, dom, "{\n  \"x\": ")
}
