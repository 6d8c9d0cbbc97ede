package dashboard_test

import (
	"bytes"
	"context"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/dashboard"
	"github.com/attune-hpo/attune/internal/dev/browser"
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

// tab opens a page in a browser that does what people do, and fails the test for whatever the
// page writes to the console.
func tab(t *testing.T, width int, dark bool) (*browser.Page, context.Context) {
	t.Helper()
	chromium(t) // or skip
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	b, err := browser.Start(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	p, err := b.Page(ctx, width, 900, dark)
	require.NoError(t, err)
	t.Cleanup(func() { assert.Empty(t, p.Console()) })
	return p, ctx
}

// show opens a page and waits until it is all there.
func show(t *testing.T, ctx context.Context, p *browser.Page, address string) {
	t.Helper()
	require.NoError(t, p.Open(ctx, address))
	require.NoError(t, p.Wait(ctx, "document.readyState === 'complete' && location.href !== 'about:blank'"))
}

// A note is saved, and a trial is enqueued, by keyboard alone.
func TestBrowserWrites(t *testing.T) {
	p, ctx := tab(t, 1280, false)
	store := new(memory.Store)
	add(t, store, teststudy.New("walmart", 30, false, 1))
	root := serving(t, store, dashboard.Config{Write: true})
	focus := func(what string) { // by Tab, as people do
		t.Helper()
		for range 200 {
			require.NoError(t, p.Press(ctx, "Tab"))
			var there bool
			require.NoError(t, p.Run(ctx, "document.activeElement?.matches('"+what+"') ?? false", &there))
			if there {
				var ring string
				require.NoError(t, p.Run(ctx, "getComputedStyle(document.activeElement).outlineStyle", &ring))
				assert.NotEqual(t, "none", ring, "who uses the keyboard sees where they are: %s", what)
				return
			}
		}
		t.Fatalf("%s cannot be reached", what)
	}
	show(t, ctx, p, root+"trial?name=walmart&number=3")
	focus("textarea")
	require.NoError(t, p.Type(ctx, "<script>alert(1)</script> & \u202eright to left"))
	focus(".note button")
	require.NoError(t, p.Press(ctx, "Enter"))
	require.NoError(t, p.Wait(ctx, "document.querySelector('textarea')?.value.startsWith('<script>') && location.hash === '#note'"))

	focus(`a[href^="enqueue"]`)
	require.NoError(t, p.Press(ctx, "Enter"))
	require.NoError(t, p.Wait(ctx, "document.querySelector('#p0')"))
	focus("#p0")
	require.NoError(t, p.Run(ctx, "document.activeElement.select()", nil))
	require.NoError(t, p.Type(ctx, "0.125"))
	require.NoError(t, p.Press(ctx, "Enter"))
	require.NoError(t, p.Wait(ctx, "document.querySelector('button[name=sure]')"))
	assert.Empty(t, snapshot(t, store, "walmart").Waiting())
	focus("button[name=sure]")
	require.NoError(t, p.Press(ctx, "Enter"))
	require.NoError(t, p.Wait(ctx, "document.querySelector('.state.waiting')"))
	waiting := snapshot(t, store, "walmart").Waiting()
	require.Len(t, waiting, 1)
	value, _ := space.Settings(waiting[0].Fixed).Get("learning_rate")
	assert.Equal(t, space.Literal("0.125"), value)
}

// axe-core finds nothing that keeps people with disabilities from using a page. It is no part of
// attune: scripts/axe.sh fetches it, and prints what ATTUNE_AXE has to be.
func TestAccessible(t *testing.T) {
	path := os.Getenv("ATTUNE_AXE")
	if path == "" {
		t.Skip("ATTUNE_AXE is not set: see scripts/axe.sh")
	}
	axe, err := os.ReadFile(path)
	require.NoError(t, err)
	store := new(memory.Store)
	add(t, store, teststudy.New("walmart", 60, false, 1))
	add(t, store, teststudy.New("two", 60, true, 1))
	root := serving(t, store, dashboard.Config{Write: true})
	for width, dark := range map[int]bool{390: false, 1280: true} {
		p, ctx := tab(t, width, dark)
		for _, address := range []string{"", "study?name=walmart", "study?name=two", "trial?name=walmart&number=3", "compare?name=two&name=walmart", "enqueue?name=walmart&number=3"} {
			show(t, ctx, p, root+address)
			require.NoError(t, p.Run(ctx, string(axe), nil))
			var found struct {
				Wrong  []string
				Passed int
			}
			require.NoError(t, p.Run(ctx, `axe.run(document).then((r) => ({passed: r.passes.length, wrong: r.violations.map(
				(v) => v.impact + ": " + v.help + ": " + v.nodes.map((n) => n.html.slice(0, 200)).slice(0, 3).join(" | "))}))`, &found))
			assert.Empty(t, found.Wrong, "%s, %d pixels wide, dark: %t", address, width, dark)
			assert.Greater(t, found.Passed, 10)
		}
	}
}
