package dashboard_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/dashboard"
	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/internal/dev/browser"
	"github.com/attune-hpo/attune/internal/dev/teststudy"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// chromium skips the test where there is no browser.
func chromium(t *testing.T) {
	t.Helper()
	if _, err := browser.Path(); err != nil {
		if os.Getenv("ATTUNE_REQUIRE_CHROMIUM") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// In a browser the pages load without an error, and the script does its part.
func TestBrowser(t *testing.T) {
	p, ctx := tab(t, 1280, false)
	store := new(memory.Store)
	add(t, store, teststudy.New("walmart", 60, false, 1))
	root := serving(t, store, dashboard.Config{})
	show(t, ctx, p, root)
	require.NoError(t, p.Wait(ctx, "[...document.links].some((a) => a.textContent === 'walmart')"))
	show(t, ctx, p, root+"study?name=walmart")
	require.NoError(t, p.Wait(ctx, "document.querySelector('[data-copy]:not([hidden])') && !document.querySelector('[data-copy][hidden]')"))
	require.NoError(t, p.Wait(ctx, "document.getElementById('live').textContent === 'live'"))
	show(t, ctx, p, root+"trial?name=walmart&number=7")
	require.NoError(t, p.Wait(ctx, "document.querySelector('h1').textContent === 'Trial 7'"))
}

// An open page shows changes as they happen.
func TestBrowserFollows(t *testing.T) {
	p, ctx := tab(t, 1280, false)
	store := new(memory.Store)
	st, err := study.Create(t.Context(), store, "live", study.Config{Sampler: random.Sampler{}})
	require.NoError(t, err)
	defer st.Close()
	show(t, ctx, p, serving(t, store, dashboard.Config{})+"study?name=live")
	require.NoError(t, p.Wait(ctx, "document.getElementById('live').textContent === 'live' && document.getElementById('trials').textContent.includes('no trials yet')"))
	tr, err := st.Ask(t.Context())
	require.NoError(t, err)
	space.Float("x", 0, 1).Suggest(tr)
	require.NoError(t, p.Wait(ctx, "document.querySelector('#trials .state.running')"))
	require.NoError(t, st.Tell(t.Context(), tr, []float64{0.125}, nil))
	require.NoError(t, p.Wait(ctx, "document.getElementById('summary').textContent.includes('0.125, in trial 0')"))
	require.NoError(t, p.Wait(ctx, "document.getElementById('best').textContent.includes('\"x\": ')"))
	require.NoError(t, p.Wait(ctx, "[...document.querySelectorAll('#plots img')].every((i) => i.src.includes('v=1-0-0'))"))
}

// On a phone plots are drawn for its width, so that their text, 11 pixels high, can be read; and so
// are two plots beside each other.
func TestBrowserWidths(t *testing.T) {
	for width, drawn := range map[int]int{390: 400, 1280: 600} {
		p, ctx := tab(t, width, false)
		store := new(memory.Store)
		add(t, store, teststudy.New("walmart", 60, false, 1))
		show(t, ctx, p, serving(t, store, dashboard.Config{})+"study?name=walmart")
		require.NoError(t, p.Wait(ctx, "document.querySelector('#plots img').complete && document.querySelector('#plots img').currentSrc"))
		var at struct{ Natural, Shown float64 }
		require.NoError(t, p.Run(ctx, "(() => { const i = document.querySelector('#plots img'); return {Natural: i.naturalWidth, Shown: i.clientWidth}; })()", &at))
		assert.EqualValues(t, drawn, at.Natural)
		assert.Greater(t, at.Shown/at.Natural, 0.85)
	}
}

// A page whose file goes away says so in a sentence, and follows again when it is back.
func TestBrowserGone(t *testing.T) {
	p, ctx := tab(t, 1280, false)
	path := filepath.Join(t.TempDir(), "studies.db")
	add(t, sqlite.File(path), teststudy.New("a", 5, false, 1))
	show(t, ctx, p, serving(t, sqlite.File(path), dashboard.Config{})+"study?name=a")
	says := func(text string) {
		t.Helper()
		require.NoError(t, p.Wait(ctx, fmt.Sprintf("document.getElementById('live').textContent === %q", text)))
	}
	says("live")
	require.NoError(t, os.Rename(path, path+".old"))
	says("The storage cannot be read: it is gone: somebody removed it or gave it another name")
	require.NoError(t, os.Rename(path+".old", path))
	says("live")
	st, err := study.Open(t.Context(), sqlite.File(path), "a", study.Config{Sampler: random.Sampler{}})
	require.NoError(t, err)
	_, err = st.Add(t.Context(), trial.Record{State: trial.Complete, Values: []float64{-7}})
	require.NoError(t, err)
	require.NoError(t, st.Close())
	require.NoError(t, p.Wait(ctx, "document.getElementById('summary').textContent.includes('-7, in trial ')"))
	for _, line := range p.Console() {
		assert.Contains(t, line, "503")
	}
	p.Forget() // the browser reports each page that was not there
}

// tab opens a page in a browser. It fails the test if the page writes anything to the console.
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

// axe-core finds nothing that keeps people with disabilities from using a page. It is not part of attune:
// scripts/axe.sh fetches it, and prints the value that ATTUNE_AXE needs.
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
	root := serving(t, store, dashboard.Config{Write: true, Model: modelOf})
	for width, dark := range map[int]bool{390: false, 1280: true} {
		p, ctx := tab(t, width, dark)
		for _, address := range []string{"", "study?name=walmart", "study?name=two", "trial?name=walmart&number=3", "compare?name=two&name=walmart",
			"trials?name=walmart&number=3&number=4&number=8", "model?name=walmart", "enqueue?name=walmart&number=3"} {
			show(t, ctx, p, root+address)
			require.NoError(t, p.Run(ctx, string(axe), nil))
			var found struct {
				Wrong  []string
				Passed int
			}
			require.NoError(t, p.Run(ctx, `axe.run(document).then((r) => ({passed: r.passes.length, wrong: r.violations.map(
				(v) => v.impact + ": " + v.help + ": " + v.nodes.map((n) => n.html.slice(0, 200)).slice(0, 3).join(" | "))}))`, &found))
			assert.Empty(t, found.Wrong, "%s, %d pixels wide, dark: %t", address, width, dark)
			assert.Greater(t, found.Passed, 7)
		}
	}
}

// modelOf makes a page about a model, with everything that a panel can have.
func modelOf(trial.Header) func(context.Context) ([]dashboard.Panel, error) {
	return func(context.Context) ([]dashboard.Panel, error) {
		f := figure.Figure{Title: "Forecast", Panels: []figure.Panel{{Marks: []figure.Mark{figure.Line{X: []float64{1, 2}, Y: []float64{1, 2}}}}}}
		return []dashboard.Panel{{Title: "Backtest", Text: "A text.", Figure: &f, Head: []string{"", "score"}, Rows: [][]string{{"naive", "1"}}}, {Title: "Use it", Code: "attune predict"}}, nil
	}
}

// Names and values that look like HTML, or are very long, or run from right to left, are shown as text, and no page
// becomes wider than its window.
func TestBrowserHostile(t *testing.T) {
	p, ctx := tab(t, 390, false)
	store := new(memory.Store)
	script := `<img src=x onerror="document.title='hacked'"><script>document.title='hacked'</script>`
	names := []string{script, "\u202eright to left \u05d0\u05d1", strings.Repeat("long", 100)}
	for _, name := range names {
		long := strings.Repeat("v", 10_000)
		x, c := space.Float(name, 0, 1), space.Categorical("c", script, long)
		s := space.Of(x, c)
		h := trial.NewHistory(trial.Header{Name: name})
		for i := range 3 {
			r := trial.Record{Number: i, State: trial.Complete, Values: []float64{float64(i)}, Params: space.Params{Space: s, Point: []float64{0.1 * float64(i), float64(i % 2)}},
				Attrs: trial.Attrs{{Key: name, JSON: strconv.Quote("<b>" + long[:100])}}}
			if i == 2 {
				r.State, r.Values, r.Err = trial.Failed, nil, script+"\n"+strings.Repeat("at line\n", 5000)
			}
			h.Put(r)
		}
		add(t, store, h.Snapshot())
	}
	root := serving(t, store, dashboard.Config{Write: true})
	look := func(address, has string) {
		t.Helper()
		show(t, ctx, p, root+address)
		var seen struct {
			Title    string
			Text     string
			Width    int
			Injected int
		}
		require.NoError(t, p.Run(ctx, `({title: document.title, text: document.body.textContent, width: document.documentElement.scrollWidth,
			injected: document.querySelectorAll("img[onerror], main script, main b").length})`, &seen))
		assert.NotEqual(t, "hacked", seen.Title)
		assert.Contains(t, seen.Text, has, address)
		assert.Zero(t, seen.Injected, address)
		assert.LessOrEqual(t, seen.Width, 390, address)
	}
	for _, name := range names {
		q := url.QueryEscape(name)
		look("", name)
		look("study?name="+q, name)
		look("trial?number=1&name="+q, strings.Repeat("v", 100))
		look("trial?number=2&name="+q, "at line")
		look("trials?number=0&number=1&name="+q, name)
		look("enqueue?number=1&name="+q, name)
		look("compare?name="+url.QueryEscape(names[0])+"&name="+q, name)
	}
}

// Studies that are ticked in the list, and trials in the table, are compared.
func TestBrowserCompares(t *testing.T) {
	p, ctx := tab(t, 1280, false)
	store := new(memory.Store)
	add(t, store, teststudy.New("walmart", 30, false, 1))
	add(t, store, teststudy.New("target", 30, false, 2))
	root := serving(t, store, dashboard.Config{})
	press := `[...document.querySelectorAll("main button")].find((b) => b.textContent === "Compare").click()`
	show(t, ctx, p, root)
	require.NoError(t, p.Run(ctx, `document.querySelectorAll("input[type=checkbox]").forEach((c) => c.click()); `+press, nil))
	require.NoError(t, p.Wait(ctx, `location.pathname.endsWith("/compare") && document.querySelectorAll("tbody tr").length === 2 && [...document.images].every((i) => i.complete && i.naturalWidth > 0)`))
	show(t, ctx, p, root+"study?name=walmart")
	require.NoError(t, p.Run(ctx, `[...document.querySelectorAll("#trials input[type=checkbox]")].slice(0, 3).forEach((c) => c.click()); `+press, nil))
	require.NoError(t, p.Wait(ctx, `location.pathname.endsWith("/trials") && document.querySelector("h1").textContent === "3 trials side by side"`))
}

// Pointing at a trial in a plot shows which trial it is, and dragging chooses trials in all plots and the table.
func TestBrowserPlots(t *testing.T) {
	p, ctx := tab(t, 1280, false)
	store := new(memory.Store)
	add(t, store, teststudy.New("walmart", 90, false, 1))
	root := serving(t, store, dashboard.Config{})
	// middle brings a plot into view and returns where a share of its width and height is.
	middle := func(kind string, x, y float64) (float64, float64) {
		t.Helper()
		require.NoError(t, p.Wait(ctx, `(() => { const i = document.querySelector('img[src*="kind=`+kind+`"]'); i?.scrollIntoView({block: "center"}); return i?.complete && i.naturalWidth > 0; })()`))
		var box []float64
		require.NoError(t, p.Run(ctx, `(() => { const b = document.querySelector('img[src*="kind=`+kind+`"]').getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()`, &box))
		return box[0] + x*box[2], box[1] + y*box[3]
	}
	shown := func() (n int) {
		t.Helper()
		require.NoError(t, p.Run(ctx, `parseInt(document.querySelector("#trials p").textContent)`, &n))
		return n
	}
	filter := func() (text string) {
		t.Helper()
		require.NoError(t, p.Run(ctx, `document.getElementById("filter").value`, &text))
		return text
	}
	show(t, ctx, p, root+"study?name=walmart")
	all := shown()

	middle("history", 0, 0)
	var place [2]float64 // of some trial, in the window
	require.NoError(t, p.Run(ctx, `(async () => {
		const figure = document.querySelector('img[src*="kind=history"]').closest("figure"), picture = await places(figure);
		const b = figure.querySelector("img").getBoundingClientRect(), at = picture.areas[0].places.find((p) => p[2] === 20);
		return [b.left + at[0] * b.width / picture.width, b.top + at[1] * b.height / picture.height];
	})()`, &place))
	require.NoError(t, p.Move(ctx, place[0], place[1]))
	require.NoError(t, p.Wait(ctx, `!document.querySelector(".tip").hidden && document.querySelector(".tip").textContent.startsWith("Trial 20\ntrial: 20\nrmse: ")`))
	require.NoError(t, p.Press(ctx, "Escape"))
	require.NoError(t, p.Wait(ctx, `document.querySelector(".tip").hidden`))

	x0, y0 := middle("history", 0.3, 0.3)
	x1, y1 := middle("history", 0.6, 0.9)
	require.NoError(t, p.Drag(ctx, x0, y0, x1, y1))
	require.NoError(t, p.Wait(ctx, fmt.Sprintf(`parseInt(document.querySelector("#trials p")?.textContent) < %d`, all)))
	assert.Regexp(t, `^number>=[\d.]+ number<=[\d.]+ value>=[-\d.]+ value<=[\d.]+$`, filter())
	some := shown()
	require.NoError(t, p.Wait(ctx, `[...document.querySelectorAll("#plots img")].every((i) => i.src.includes("filter=number"))`), "all plots follow")

	middle("parallel", 0, 0)
	require.NoError(t, p.Run(ctx, `(async () => {
		const figure = document.querySelector('img[src*="kind=parallel"]').closest("figure"), picture = await places(figure);
		const b = figure.querySelector("img").getBoundingClientRect(), [l, top, r, bottom] = picture.areas.find((a) => a.y.field === "boosting_type").box;
		return [b.left + (l + r) / 2 * b.width / picture.width, b.top + top * b.height / picture.height];
	})()`, &place))
	require.NoError(t, p.Drag(ctx, place[0], place[1]+1, place[0], place[1]+60))
	require.NoError(t, p.Wait(ctx, `document.getElementById("filter").value.includes("boosting_type=gbdt")`))
	require.NoError(t, p.Wait(ctx, fmt.Sprintf(`parseInt(document.querySelector("#trials p")?.textContent) < %d`, some)))
	assert.Regexp(t, `^number>=[\d.]+ number<=[\d.]+ value>=[-\d.]+ value<=[\d.]+ boosting_type=gbdt$`, filter())
	require.NoError(t, p.Run(ctx, "history.back()", nil))
	require.NoError(t, p.Wait(ctx, fmt.Sprintf(`parseInt(document.querySelector("#trials p")?.textContent) === %d`, some)))
}
