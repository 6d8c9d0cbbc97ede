package dashboard_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/dashboard"
	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/internal/dev/teststudy"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// add adds a study of finished trials to a store.
func add(t testing.TB, store storage.Store, h trial.Snapshot) {
	t.Helper()
	header := h.Header()
	st, err := study.Create(t.Context(), store, header.Name, study.Config{Sampler: random.Sampler{}, Directions: header.Directions, Metrics: header.Metrics()})
	require.NoError(t, err)
	defer st.Close()
	records := slices.DeleteFunc(h.Records(), func(r trial.Record) bool { return !r.State.Done() })
	_, err = st.Add(t.Context(), records...)
	require.NoError(t, err)
}

// serving returns the address of a dashboard of a store, mounted below the root.
func serving(t testing.TB, store storage.Store, c dashboard.Config) string {
	t.Helper()
	d := dashboard.New(store, c)
	s := httptest.NewServer(http.StripPrefix("/tuning", d))
	t.Cleanup(func() {
		s.Close()
		assert.NoError(t, d.Close())
	})
	return s.URL + "/tuning/"
}

func get(t testing.TB, address string) (*http.Response, string) {
	t.Helper()
	resp, err := http.Get(address)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}

func page(t testing.TB, address string) string {
	t.Helper()
	resp, body := get(t, address)
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	assertStrict(t, body)
	return body
}

// assertStrict fails for what the content security policy forbids.
func assertStrict(t testing.TB, body string) {
	t.Helper()
	assert.NotRegexp(t, `<script(?: [^>]*)?>[^<]`, body, "an inline script")
	assert.NotRegexp(t, `<[^>]+ (style|on[a-z]+)=`, body, "an inline style or handler")
	assert.NotContains(t, body, "<style")
	assert.NotRegexp(t, `(href|src)="[a-z]+:`, body, "something from elsewhere")
}

// links returns what attributes of a page point to, as absolute addresses.
func links(t testing.TB, base, body, attribute string) []string {
	t.Helper()
	from, err := url.Parse(base)
	require.NoError(t, err)
	var all []string
	for _, m := range regexp.MustCompile(attribute+`="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		to, err := from.Parse(html.UnescapeString(m[1]))
		require.NoError(t, err)
		all = append(all, to.String())
	}
	return all
}

func ExampleNew() {
	d := dashboard.New(new(memory.Store), dashboard.Config{})
	defer d.Close()
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Code, strings.Contains(w.Body.String(), "The storage has no studies yet."))
	// Output: 200 true
}

// Every link and every picture of every page leads somewhere, wherever the dashboard is
// mounted.
func TestEveryLink(t *testing.T) {
	store := new(memory.Store)
	add(t, store, teststudy.New("walmart/light gbm?&", 24, false, 1))
	add(t, store, teststudy.New("trade", 24, true, 2))
	root := serving(t, store, dashboard.Config{})
	seen := map[string]bool{}
	next := []string{root}
	for len(next) > 0 && len(seen) < 150 {
		at, _, _ := strings.Cut(next[0], "#")
		next = next[1:]
		if seen[at] {
			continue
		}
		seen[at] = true
		resp, body := get(t, at)
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s", at, body)
		assert.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
		switch kind := resp.Header.Get("Content-Type"); {
		case strings.HasPrefix(kind, "text/html"):
			assertStrict(t, body)
			assert.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'")
			assert.NotContains(t, resp.Header.Get("Content-Security-Policy"), "unsafe")
			for _, attribute := range []string{"href", "src", "srcset"} {
				next = append(next, links(t, at, body, attribute)...)
			}
		case strings.HasPrefix(kind, "image/svg+xml"):
			assert.Contains(t, body, "<svg ")
		}
	}
	for _, kind := range []string{"history", "front", "parallel", "timeline", "intermediate"} {
		assert.True(t, slices.ContainsFunc(slices.Collect(keys(seen)), func(at string) bool { return strings.Contains(at, "plot.svg") && strings.Contains(at, "kind="+kind) }), kind)
	}
}

func keys[V any](m map[string]V) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func TestList(t *testing.T) {
	store := new(memory.Store)
	for i := range 65 {
		add(t, store, teststudy.New(fmt.Sprintf("study %02d", i), 20, false, uint64(i)))
	}
	root := serving(t, store, dashboard.Config{})
	body := page(t, root)
	assert.Contains(t, body, ">study 00</a>")
	assert.Contains(t, body, "page 1 of 3")
	assert.NotContains(t, body, ">study 30</a>")
	assert.Contains(t, page(t, root+"?page=3"), ">study 64</a>")
	assert.Contains(t, page(t, root+"?page=99"), "page 3 of 3")
	body = page(t, root+"?search=Y+4")
	assert.Contains(t, body, ">study 42</a>")
	assert.NotContains(t, body, "page ")
	assert.Contains(t, page(t, root+"?search=none"), "None of the 65 studies has that in its name.")
}

// Studies that are compared share their plots. The page says whether they are comparable.
func TestCompare(t *testing.T) {
	store := new(memory.Store)
	add(t, store, teststudy.New("first", 30, false, 1))
	add(t, store, teststudy.New("second & last", 30, false, 2))
	add(t, store, teststudy.New("trade", 30, true, 3))
	root := serving(t, store, dashboard.Config{})
	assert.Contains(t, page(t, root), `<input type="checkbox" name="name" value="second &amp; last"`)
	address := root + "compare?name=first&name=" + url.QueryEscape("second & last")
	body := page(t, address)
	assert.Contains(t, body, ">second &amp; last</a>")
	assert.NotContains(t, body, "objectives differ")
	for _, kind := range []string{"history", "edf"} {
		svg := picture(t, address, kind)
		assert.Contains(t, svg, ">first</text>")
		assert.Contains(t, svg, ">second &amp; last</text>")
	}
	assert.Contains(t, page(t, root+"compare?name=first&name=trade"), "Their objectives differ")
	for _, q := range []string{"", "?name=first", "?" + strings.Repeat("name=first&", 7)} {
		resp, body := get(t, root+"compare"+q)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, q)
		assert.Contains(t, body, "Choose 2 to 6 studies to compare.")
	}
	resp, _ := get(t, root+"compare?name=first&name=none")
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
}

// The best parameters are ready to use in every form, together with everything else that a model needs.
func TestBest(t *testing.T) {
	store := new(memory.Store)
	h := teststudy.New("walmart", 60, false, 1)
	add(t, store, h)
	best, ok := h.Best()
	require.True(t, ok)
	lr, _ := best.Get("learning_rate")
	root := serving(t, store, dashboard.Config{})
	body := html.UnescapeString(page(t, root+"study?name=walmart"))
	for _, want := range []string{"{\n  \"learning_rate\": " + string(lr), "learning_rate: " + string(lr), "map[string]any{", "--learning_rate=" + string(lr)} {
		assert.Contains(t, body, want)
	}
	resp, file := get(t, root+"params?name=walmart&form=json&number="+fmt.Sprint(best.Number))
	assert.Equal(t, `attachment; filename=params.json`, resp.Header.Get("Content-Disposition"))
	assert.Contains(t, file, `"learning_rate": `+string(lr))

	root = serving(t, store, dashboard.Config{Settings: func(trial.Record) (space.Settings, bool) {
		return space.Settings{{Name: "rounds", Value: "77"}}, true
	}})
	assert.Contains(t, page(t, root+"study?name=walmart"), "--rounds=77")
}

// The table is sorted and paged in the server, and a filter acts on it and on the plots.
func TestTable(t *testing.T) {
	store := new(memory.Store)
	h := teststudy.New("walmart", 130, false, 1)
	add(t, store, h)
	root := serving(t, store, dashboard.Config{})
	study := root + "study?name=walmart"
	rows := func(body string) (numbers []string) {
		for _, m := range regexp.MustCompile(`<th scope="row"><a href="[^"]*">(\d+)</a>`).FindAllStringSubmatch(body, -1) {
			numbers = append(numbers, m[1])
		}
		return numbers
	}
	newest := rows(page(t, study))
	require.Len(t, newest, 50)
	assert.Equal(t, "128", newest[0], "the newest first; one is running, and was not added")
	assert.Equal(t, []string{"0", "1"}, rows(page(t, study+"&sort=number"))[:2])
	assert.Equal(t, "78", rows(page(t, study+"&page=2"))[0])
	best, _ := h.Best()
	byValue := rows(page(t, study+"&sort=value"))
	assert.Contains(t, byValue[:20], fmt.Sprint(best.Number))
	assert.Equal(t, "descending", regexp.MustCompile(`aria-sort="(\w+)"><a[^>]*>rmse`).FindStringSubmatch(page(t, study+"&sort=value&down=1"))[1])

	filtered := study + "&filter=" + url.QueryEscape(`state=complete learning_rate>0.01 boosting_type=dart`)
	body := page(t, filtered)
	want := 0
	for _, r := range h.Records() {
		lr, _ := r.Params.Coord("learning_rate")
		booster, _ := r.Get("boosting_type")
		if r.State == trial.Complete && lr > 0.01 && booster == `"dart"` {
			want++
		}
	}
	assert.Contains(t, body, fmt.Sprintf("%d trials pass the filter", want))
	assert.Len(t, rows(body), want)
	all := strings.Count(picture(t, study, "history"), "A2.6")
	some := strings.Count(picture(t, filtered, "history"), "A2.6")
	assert.True(t, some > 0 && some < all/2, "%d of %d", some, all)
	assert.Contains(t, page(t, study+"&filter=value<0"), "No trial passes the filter.")
	assert.Contains(t, picture(t, study+"&filter=value<0", "history"), "No complete trial has a finite value (it has no trials).")

	for filter, problem := range map[string]string{
		"learning_rate":   `"learning_rate" is followed by no comparison.`,
		"=3":              `"=3": a name is missing.`,
		"value<":          "value<: a value is missing.",
		"state>complete":  "state>complete: only numbers and times have an order.",
		`"open`:           `"\"open": a name is missing.`,
		`lr > 3`:          `"lr" is followed by no comparison.`,
		"<script>alert()": `"<script>alert()": a name is missing.`,
	} {
		body := page(t, study+"&filter="+url.QueryEscape(filter))
		assert.Contains(t, html.UnescapeString(body), problem, filter)
		assert.Len(t, rows(body), 50, "without a filter")
		assert.NotContains(t, body, "pass the filter", "none applies")
	}
	// Names and values that have spaces are quoted, and a value may be anything.
	assert.Contains(t, page(t, study+"&filter="+url.QueryEscape(`"no such name"="a \"value\""`)), "No trial passes the filter.")
	assert.Contains(t, page(t, study+"&filter="+url.QueryEscape(`num_leaves=""`)), "No trial passes the filter.")
	for _, f := range []string{"duration>0", "number>=100", "number!=3", "rmse<=5", "state!=failed"} {
		assert.Contains(t, page(t, study+"&filter="+url.QueryEscape(f)), "trials pass the filter", f)
	}
}

// picture returns a plot of the page of a study.
func picture(t *testing.T, address, kind string) string {
	t.Helper()
	for _, at := range links(t, address, page(t, address), "src") {
		if strings.Contains(at, "kind="+kind) {
			resp, body := get(t, at)
			require.Equal(t, http.StatusOK, resp.StatusCode, body)
			assert.Contains(t, resp.Header.Get("Cache-Control"), "max-age", "its address has the version")
			return body
		}
	}
	t.Fatalf("no plot %s", kind)
	return ""
}

// A trial's page shows everything about it, and hostile content appears as text.
func TestTrial(t *testing.T) {
	const script = `<script>alert("1")</script>`
	store := new(memory.Store)
	h := trial.NewHistory(trial.Header{Name: script})
	c := space.Categorical(script, script, "b")
	params := space.Params{Space: space.Of(c), Point: []float64{0}}
	long := strings.Repeat("long ", 2000) + "\u202eright to left"
	h.Put(trial.Record{Number: 0, State: trial.Complete, Params: params, Values: []float64{1}, Attrs: trial.Attrs{{Key: script, JSON: `"<b>"`}},
		Constraints: []trial.Constraint{{Name: script, Value: 1}}, Reports: []trial.Report{{Step: 0, Value: 2}}})
	h.Put(trial.Record{Number: 1, State: trial.Failed, Params: params, Err: script + "\nstack\n" + long})
	add(t, store, h.Snapshot())
	root := serving(t, store, dashboard.Config{})
	name := "?name=" + url.QueryEscape(script)
	for _, at := range []string{"", "study" + name, "trial" + name + "&number=0", "trial" + name + "&number=1", "study" + name + "&filter=" + url.QueryEscape(script)} {
		body := page(t, root+at)
		assert.Contains(t, body, "&lt;script&gt;alert(", at)
		for _, image := range links(t, root+at, body, "src") {
			_, svg := get(t, image)
			assert.NotContains(t, svg, "<script")
		}
	}
	body := page(t, root+"trial"+name+"&number=0")
	assert.Contains(t, body, "infeasible")
	assert.Contains(t, body, "(missed)")
	assert.Contains(t, body, `rel="next"`)
	assert.Contains(t, body, "&#34;&lt;b&gt;&#34;")
	assert.Contains(t, picture(t, root+"trial"+name+"&number=0", "intermediate"), "trial 0</text>")
	body = page(t, root+"trial"+name+"&number=1")
	assert.Contains(t, body, "stack\n")
	assert.Contains(t, body, long)
	assert.Contains(t, body, `rel="prev"`)
}

// The plot of the history says what the latest trials have gained, as the rules that end a run see it.
func TestProgress(t *testing.T) {
	store := new(memory.Store)
	h := teststudy.New("long", 90, false, 1)
	add(t, store, h)
	add(t, store, teststudy.New("short", 20, false, 1))
	root := serving(t, store, dashboard.Config{})
	want, _ := study.Stagnation{}.Reached(snapshot(t, store, "long"))
	require.NotEmpty(t, want)
	assert.Contains(t, picture(t, root+"study?name=long", "history"), "Progress: "+want+".</text>")
	assert.NotContains(t, picture(t, root+"study?name=short", "history"), "Progress")
}

// Intermediate values of several objectives are shown, for each of them.
func TestVectors(t *testing.T) {
	store := &sqlite.Store{Path: filepath.Join(t.TempDir(), "studies.db")}
	h := trial.NewHistory(trial.Header{Name: "several", Directions: make([]trial.Direction, 2), Notes: trial.Attrs{{Key: trial.MetricsKey, JSON: `["error", "size"]`}}})
	for i := range 3 {
		h.Put(trial.Record{Number: i, State: trial.Complete, Values: []float64{1, 2}, Notes: trial.Attrs{{Key: "report:1", JSON: "[3, 4]"}, {Key: "report:2", JSON: "[1, 2]"}}})
	}
	add(t, store, h.Snapshot())
	root := serving(t, store, dashboard.Config{})
	for range 2 { // as a preview, and when it is read
		svg := picture(t, root+"study?name=several", "intermediate")
		assert.Contains(t, svg, "error</text>")
		assert.Contains(t, svg, "size</text>")
	}
	assert.Contains(t, picture(t, root+"trial?name=several&number=1", "intermediate"), "trial 1</text>")
	assert.NotContains(t, page(t, root+"trial?name=several&number=1"), "report:1", "the plot has it")
}

func TestBadRequests(t *testing.T) {
	store := new(memory.Store)
	add(t, store, teststudy.New("walmart", 30, false, 1))
	root := serving(t, store, dashboard.Config{})
	for at, want := range map[string]struct {
		code int
		text string
	}{
		"study":                        {400, "Which study? The address lacks ?name=."},
		"study?name=none":              {404, "There is no such study."},
		"trial?name=walmart":           {400, "Which trial? &#34;&#34; is not a number."},
		"trial?name=walmart&number=x":  {400, "Which trial? &#34;x&#34; is not a number."},
		"trial?name=walmart&number=99": {404, "The study has no trial 99."},
		"plot.svg?name=walmart":        {404, "There is no plot &#34;&#34;."},
		"plot.svg?name=walmart&kind=history&objective=1":    {400, "There is no objective &#34;1&#34;: they are counted from 0 to 0."},
		"plot.svg?name=walmart&kind=history&filter=x":       {400, "is followed by no comparison"},
		"plot.svg?name=walmart&kind=intermediate&number=-1": {404, "The study has no trial -1."},
		"params?name=walmart&number=0&form=toml":            {400, "There is no form &#34;toml&#34;."},
		"events?name=none":                                  {404, "There is no such study."},
		"study?name=walmart&objective=one":                  {400, "There is no objective &#34;one&#34;"},
		"assets/none":                                       {404, ""},
		"absent":                                            {404, ""},
		"assets/../dashboard.go":                            {404, ""},
	} {
		resp, body := get(t, root+at)
		assert.Equal(t, want.code, resp.StatusCode, at)
		assert.Contains(t, body, want.text, at)
	}
	for _, method := range []string{http.MethodPost, http.MethodDelete, http.MethodPut} {
		r, err := http.NewRequestWithContext(t.Context(), method, root+"study?name=walmart", nil)
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode, "it only reads")
	}
}

// broken is a store that cannot be read.
type broken struct{ storage.Store }

var errDisk = fmt.Errorf("disk I/O error: %w", fault.Hint{Field: "sqlite.Store.Path", Want: "set %s to another file"})

func (broken) Open(context.Context, string) (storage.Ledger, error) { return nil, errDisk }
func (broken) Read(context.Context, string) (storage.Ledger, error) { return nil, errDisk }

// A page says why it has no best parameters.
func TestNoBest(t *testing.T) {
	store := new(memory.Store)
	add(t, store, trial.NewHistory(trial.Header{Name: "empty"}).Snapshot())
	root := serving(t, store, dashboard.Config{})
	assert.Contains(t, page(t, root+"study?name=empty"), "No trial is complete yet.")
}

// The page says when the storage is unreachable, and reads it again when it is back.
func TestStorageGoesAway(t *testing.T) {
	store := new(memory.Store)
	add(t, store, teststudy.New("walmart", 30, false, 1))
	root := serving(t, broken{store}, dashboard.Config{})
	assert.Contains(t, page(t, root), "cannot be read")
	resp, body := get(t, root+"study?name=walmart")
	assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	assert.Contains(t, body, "The storage cannot be read: disk I/O error")
	assert.NotContains(t, body, "Store.Path", "a field of Go")

	root = serving(t, store, dashboard.Config{})
	page(t, root+"study?name=walmart")
	require.NoError(t, study.Delete(t.Context(), store, "walmart"))
	resp, _ = get(t, root+"study?name=walmart")
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
	add(t, store, teststudy.New("walmart", 40, false, 1))
	assert.Contains(t, page(t, root+"study?name=walmart"), "39 trials")

	d := dashboard.New(store, dashboard.Config{})
	require.NoError(t, d.Close())
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest("GET", "/study?name=walmart", nil))
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
}

// A client is told of changes by any process, and of the end of the study.
func TestEvents(t *testing.T) {
	store := new(memory.Store)
	st, err := study.Create(t.Context(), store, "live", study.Config{Sampler: random.Sampler{}})
	require.NoError(t, err)
	defer st.Close()
	root := serving(t, store, dashboard.Config{})
	address := links(t, root, page(t, root+"study?name=live"), "data-events")[0]
	resp, err := http.Get(address)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	lines := bufio.NewScanner(resp.Body)
	next := func() string {
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "event: ") {
				return strings.TrimPrefix(lines.Text(), "event: ")
			}
		}
		return "the end"
	}
	tr, err := st.Ask(t.Context())
	require.NoError(t, err)
	space.Float("x", 0, 1).Suggest(tr)
	require.NoError(t, st.Tell(t.Context(), tr, []float64{1}, nil))
	assert.Equal(t, "change", next())
	assert.Contains(t, page(t, root+"study?name=live"), "<dt>Best value</dt><dd>1, in trial 0</dd>")

	// A client does not miss a change that was made before it listens.
	late, err := http.Get(address)
	require.NoError(t, err)
	defer late.Body.Close()
	again := bufio.NewScanner(late.Body)
	for again.Scan() && again.Text() != "event: change" {
	}
	assert.Equal(t, "event: change", again.Text())
	require.NoError(t, study.Delete(t.Context(), store, "live"))
	for event := next(); event != "gone"; event = next() {
		require.Equal(t, "change", event)
	}
	assert.Equal(t, "the end", next())
}

// The cost of a page depends on what it shows, not on the size of the study.
func TestLargeStudy(t *testing.T) {
	store := new(memory.Store)
	add(t, store, teststudy.New("large", 6000, false, 1))
	root := serving(t, store, dashboard.Config{})
	body := page(t, root+"study?name=large")
	bytes := len(body)
	for _, image := range links(t, root, body, "src") {
		_, svg := get(t, image)
		assert.Less(t, len(svg), 900<<10, image)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, image, nil)
		require.NoError(t, err)
		r.Header.Set("Accept-Encoding", "gzip")
		resp, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		packed, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
		bytes += len(packed)
	}
	assert.Less(t, bytes, 1<<20, "the page and its pictures, as they are sent")
}

// A storage that gives summaries: the list is the same as if each study were read, sorted by any column, and the first
// page of a study is the same as later ones.
func TestPreview(t *testing.T) {
	slow, quick := new(memory.Store), sqlite.File(filepath.Join(t.TempDir(), "studies.db"))
	for _, name := range []string{"b", "a", "c"} {
		for _, store := range []storage.Store{slow, quick} {
			add(t, store, teststudy.New(name, map[string]int{"a": 90, "b": 20, "c": 40}[name], name == "c", 1))
		}
	}
	one, other := serving(t, slow, dashboard.Config{}), serving(t, quick, dashboard.Config{})
	order := func(page string) (names []string) {
		for _, m := range regexp.MustCompile(`href="study\?name=(\w)"`).FindAllStringSubmatch(page, -1) {
			names = append(names, m[1])
		}
		return names
	}
	for query, want := range map[string]string{
		"": "a b c", "?down=1&sort=study": "c b a", "?sort=complete": "b c a", "?sort=best": "c a b", "?down=1&sort=best": "a b c", "?sort=latest&down=1": "a c b", "?search=A": "a",
	} {
		text := page(t, one+query)
		assert.Equal(t, strings.Fields(want), order(text), query)
		assert.Equal(t, text, page(t, other+query), query)
	}
	resp, text := get(t, one+"?sort=colour")
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
	assert.Contains(t, text, "The list has no column")

	for _, name := range []string{"a", "b", "c"} {
		path, v := "study?name="+name, regexp.MustCompile(`(data-events="[^"]*?)&amp;v=[^"&]*`)
		first := page(t, other+path)
		assert.NotRegexp(t, v, first, "the stream says when the study is read")
		_, spark := get(t, other+"spark.svg?name="+name)
		get(t, other+"plot.svg?kind=history&name="+name)
		later := page(t, other+path)
		assert.Regexp(t, v, later)
		assert.Equal(t, first, v.ReplaceAllString(later, "$1"))
		_, again := get(t, other+"spark.svg?name="+name)
		assert.Equal(t, spark, again)
		assert.Equal(t, name != "c", strings.Contains(spark, `d="M0`))
	}
}

// A database that becomes unreachable while pages are open does not look like one without studies.
func TestGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "studies.db")
	root := serving(t, sqlite.File(path), dashboard.Config{})
	assert.Contains(t, page(t, root), "The storage has no studies yet.")
	add(t, sqlite.File(path), teststudy.New("a", 5, false, 1))
	for _, address := range []string{"", "study?name=a", "plot.svg?kind=history&name=a"} {
		get(t, root+address)
	}
	require.NoError(t, os.Rename(path, path+".old"))
	for _, address := range []string{"", "study?name=a", "trial?name=a&number=0", "plot.svg?kind=history&name=a"} {
		resp, text := get(t, root+address)
		assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, address)
		assert.Contains(t, text, "The storage cannot be read: it is gone: somebody removed it or gave it another name", address)
	}
	require.NoError(t, os.Rename(path+".old", path))
	assert.Contains(t, page(t, root), ">a</a>")
}

// A narrow picture of parallel coordinates has fewer axes, and says so.
func TestNarrow(t *testing.T) {
	store := new(memory.Store)
	add(t, store, teststudy.New("trade", 30, true, 1))
	root := serving(t, store, dashboard.Config{})
	for query, more := range map[string]bool{"": false, "&width=400": true, "&width=9": false, "&width=600": false} {
		_, picture := get(t, root+"plot.svg?kind=parallel&name=trade"+query)
		assert.Equal(t, more, strings.Contains(picture, "A wider window shows all 7 axes."), query)
	}
}

func TestCompareTrials(t *testing.T) {
	store := new(memory.Store)
	add(t, store, teststudy.New("walmart", 30, false, 1))
	root := serving(t, store, dashboard.Config{})
	text := page(t, root+"trials?name=walmart&number=3&number=5&number=0")
	assert.Regexp(t, `trial 3</a></th><th scope="col"><a href="trial\?name=walmart&amp;number=5">trial 5</a>`, text)
	assert.Regexp(t, `pruned</span></td><td><span class="state failed">failed</span></td><td><span class="state complete">complete`, text)
	assert.Regexp(t, `<th scope="row">learning_rate</th><td>[\d.]+</td><td>[\d.e-]+</td><td>`, text)
	assert.Contains(t, text, "kind=intermediate&amp;name=walmart&amp;number=3&amp;number=5&amp;number=0")
	_, picture := get(t, root+"plot.svg?kind=intermediate&name=walmart&number=3&number=5")
	assert.Contains(t, picture, ">trial 3<")
	assert.Contains(t, picture, ">trial 5<")
	for query, want := range map[string]string{"number=3": "Choose 2 to 12 trials", "number=3&number=99": "The study has no trial 99.", "number=3&number=x": "is not a number"} {
		_, text := get(t, root+"trials?name=walmart&"+query)
		assert.Contains(t, text, want, query)
	}
}

// The script learns where trials are in a plot, and by which names a filter knows its axes.
func TestPlaces(t *testing.T) {
	store := new(memory.Store)
	add(t, store, teststudy.New("walmart", 60, false, 1))
	add(t, store, teststudy.New("two", 60, true, 1))
	root := serving(t, store, dashboard.Config{})
	type axis struct{ Field, Scale string }
	find := func(query string) (fields [][2]string, numbers map[int]bool) {
		resp, text := get(t, root+"places.json?"+query)
		require.Equal(t, http.StatusOK, resp.StatusCode, text)
		var out struct {
			Areas []struct {
				Box    [4]float64
				X, Y   *axis
				Places [][5]*float64
			}
		}
		require.NoError(t, json.Unmarshal([]byte(text), &out))
		numbers = map[int]bool{}
		for _, a := range out.Areas {
			f := [2]string{"", a.Y.Field}
			if a.X != nil {
				f[0] = a.X.Field
			}
			fields = append(fields, f)
			for _, p := range a.Places {
				assert.InDelta(t, (a.Box[0]+a.Box[2])/2, *p[0], (a.Box[2]-a.Box[0])/2+0.1)
				assert.InDelta(t, (a.Box[1]+a.Box[3])/2, *p[1], (a.Box[3]-a.Box[1])/2+0.1)
				numbers[int(*p[2])] = true
			}
		}
		return fields, numbers
	}
	fields, numbers := find("kind=history&name=walmart")
	assert.Equal(t, [][2]string{{"number", "value"}}, fields)
	for _, r := range snapshot(t, store, "walmart").Records() {
		assert.Equal(t, r.State == trial.Complete, numbers[r.Number], r.Number)
	}
	fields, numbers = find("kind=history&name=walmart&filter=number%3C5")
	assert.Len(t, numbers, 4, "the one that was pruned is no point")
	assert.Len(t, fields, 1)
	fields, _ = find("kind=front&name=two")
	assert.Equal(t, [][2]string{{"value 0", "value 1"}}, fields)
	fields, _ = find("kind=parallel&name=two")
	assert.Equal(t, [][2]string{{"", "value 0"}, {"", "value 1"}}, fields[:2])
	assert.Contains(t, fields, [2]string{"", "boosting_type"})
	fields, numbers = find("kind=history&name=walmart&also=two")
	assert.Equal(t, [][2]string{{"", ""}}, fields, "of two studies, trials are not chosen")
	assert.Empty(t, numbers)
	fields, _ = find("kind=importance&name=walmart&filter=number%3C1")
	assert.Empty(t, fields)
	text := page(t, root+"study?name=two&filter="+url.QueryEscape(`"value 1">0.5`))
	assert.Regexp(t, `\d+ trials pass the filter`, text)
}

// A study that tuned a model has a page about it, made at most once a minute.
func TestModel(t *testing.T) {
	store := new(memory.Store)
	add(t, store, teststudy.New("walmart", 30, false, 1))
	add(t, store, teststudy.New("bowl", 5, false, 1))
	add(t, store, teststudy.New("bad", 5, false, 1))
	var made atomic.Int32
	root := serving(t, store, dashboard.Config{Model: func(h trial.Header) func(context.Context) ([]dashboard.Panel, error) {
		switch h.Name {
		case "bowl":
			return nil
		case "bad":
			return func(context.Context) ([]dashboard.Panel, error) { return nil, errors.New("the file is gone") }
		}
		return func(context.Context) ([]dashboard.Panel, error) {
			made.Add(1)
			f := figure.Figure{Title: "Forecast", Panels: []figure.Panel{{Marks: []figure.Mark{figure.Line{X: []float64{1, 2}, Y: []float64{1, 2}}}}}}
			return []dashboard.Panel{{Title: "Table", Head: []string{"a", "b"}, Rows: [][]string{{"<b>", "1"}}, Code: "attune predict"}, {Title: "Plot", Text: "A text.", Figure: &f}}, nil
		}
	}})
	assert.Contains(t, page(t, root+"study?name=walmart"), `href="model?name=walmart"`)
	assert.NotContains(t, page(t, root+"study?name=bowl"), `href="model`)
	text := page(t, root+"model?name=walmart")
	assert.Contains(t, text, `<th scope="row">&lt;b&gt;</th><td>1</td>`)
	assert.Contains(t, text, "A text.")
	pictures := links(t, root, text, "src")
	_, picture := get(t, pictures[len(pictures)-1])
	assert.Contains(t, picture, ">Forecast</text>")
	assert.Equal(t, int32(1), made.Load())
	for address, want := range map[string]int{"model?name=bowl": 404, "model?name=none": 404, "model.svg?name=walmart&panel=0": 404, "model.svg?name=walmart&panel=x": 404, "model?name=bad": 503} {
		resp, _ := get(t, root+address)
		assert.Equal(t, want, resp.StatusCode, address)
	}
}

// Odd studies have their pages. A plot that would show nothing is left out, or says in a sentence what is missing.
func TestOddStudies(t *testing.T) {
	for name, h := range teststudy.Odd() {
		t.Run(name, func(t *testing.T) {
			store := new(memory.Store)
			add(t, store, h)
			add(t, store, teststudy.New("even", 10, h.Objectives() > 1, 1))
			root := serving(t, store, dashboard.Config{Write: true})
			for _, address := range []string{"", "study?name=odd", "compare?name=odd&name=even", "study?name=odd&filter=" + url.QueryEscape("value<1 number>=0")} {
				text := page(t, root+address)
				assert.NotContains(t, text, "<b>")
				assert.Less(t, len(text), 1<<20)
			}
			if h.Len() > 0 {
				text := page(t, root+"trial?name=odd&number=0")
				assert.NotContains(t, text, "<b>")
				assert.NotContains(t, text, "<script>a")
				if h.Len() > 1 {
					page(t, root+"trials?name=odd&number=0&number=1")
				}
				page(t, root+"enqueue?name=odd&number=0")
			}
			study := page(t, root+"study?name=odd")
			for _, k := range plot.Kinds() {
				shown, missing := strings.Contains(study, "kind="+k.Name), regexp.MustCompile(`Not shown: [^<]*\b`+k.Name+`\b[^<]*: [^<]*\.</p>`).MatchString(study)
				assert.True(t, shown != missing, "%s: the page shows it, or says why not", k.Name)
				resp, text := get(t, root+"plot.svg?name=odd&kind="+k.Name)
				require.Contains(t, []int{http.StatusOK, http.StatusNotFound}, resp.StatusCode, "%s: %s", k.Name, text)
				if resp.StatusCode == http.StatusOK {
					assert.Contains(t, text, "<svg", k.Name)
					_, err := k.Make(t.Context(), h, plot.Choice{})
					if err != nil {
						assert.Contains(t, text, "."+"</text>", "%s: a sentence", k.Name)
					}
				} else {
					assert.Regexp(t, `<p>[A-Z][^<]+</p>`, text, k.Name)
				}
			}
		})
	}
}
