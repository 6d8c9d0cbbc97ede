package dashboard_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/dashboard"
	"github.com/attune-hpo/attune/internal/dev/teststudy"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// post sends a form without following where it leads.
func post(t testing.TB, address string, form url.Values, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", address, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(text)
}

// secret returns the secret in the forms of a page.
func secret(t testing.TB, page string) string {
	t.Helper()
	m := regexp.MustCompile(`name="secret" value="(\w+)"`).FindStringSubmatch(page)
	require.NotNil(t, m)
	return m[1]
}

// Somebody who saves a note that was changed meanwhile through another dashboard of the same file is told.
func TestNotesOfTwoDashboards(t *testing.T) {
	path := filepath.Join(t.TempDir(), "studies.db")
	add(t, sqlite.File(path), teststudy.New("walmart", 5, false, 1))
	var roots, secrets [2]string
	for i := range roots { // both show the page before either saves
		roots[i] = serving(t, sqlite.File(path), dashboard.Config{Write: true})
		secrets[i] = secret(t, page(t, roots[i]+"study?name=walmart"))
	}
	save := func(i int, version string) (*http.Response, string) {
		return post(t, roots[i]+"note", url.Values{"secret": {secrets[i]}, "name": {"walmart"}, "version": {version}, "text": {fmt.Sprint("by ", i)}})
	}
	resp, _ := save(0, "0")
	assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
	resp, text := save(1, "0")
	assert.Equal(t, http.StatusConflict, resp.StatusCode)
	assert.Contains(t, text, "Somebody saved another note while you wrote yours.")
	assert.Contains(t, text, "by 0</pre>")
	assert.Contains(t, page(t, roots[1]+"study?name=walmart"), "by 0</textarea>")
	resp, _ = save(1, "1")
	assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
	assert.Contains(t, page(t, roots[0]+"study?name=walmart"), "by 1</textarea>")
}

func TestNotes(t *testing.T) {
	file := sqlite.File(filepath.Join(t.TempDir(), "studies.db"))
	add(t, file, teststudy.New("first", 3, false, 1))
	for name, store := range map[string]storage.Store{"SQLite": file, "memory": new(memory.Store)} {
		t.Run(name, func(t *testing.T) {
			add(t, store, teststudy.New("walmart", 5, false, 1))
			root := serving(t, store, dashboard.Config{Write: true})
			study, two := root+"study?name=walmart", root+"trial?name=walmart&number=2"
			s := secret(t, page(t, study))
			long := "\n<b>bold</b>\n" + strings.Repeat("é", 5000) + "\nthe end"
			save := func(number, version, text string) (*http.Response, string) {
				return post(t, root+"note", url.Values{"secret": {s}, "name": {"walmart"}, "number": {number}, "version": {version}, "text": {text}})
			}
			resp, _ := save("", "0", long)
			assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
			assert.Equal(t, "study?name=walmart#note", resp.Header.Get("Location"))
			assert.Contains(t, page(t, study), "\n"+strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(long)+"</textarea>")
			resp, _ = save("2", "0", "of a trial")
			assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
			assert.Contains(t, page(t, two), ">\nof a trial</textarea>")
			assert.NotContains(t, page(t, root+"trial?name=walmart&number=3"), "of a trial")

			resp, text := save("", "0", "mine")
			assert.Equal(t, http.StatusConflict, resp.StatusCode, "somebody else saved one")
			assert.Contains(t, text, "the end</pre>")
			assert.Contains(t, text, ">\nmine</textarea>")
			assert.Contains(t, text, `name="version" value="1"`)
			resp, _ = save("", "1", "mine")
			assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
			assert.Contains(t, page(t, study), ">\nmine</textarea>", "nothing is left of what was longer")

			for _, bad := range []struct {
				number, version, text string
				status                int
			}{
				{"99", "0", "x", http.StatusNotFound}, {"one", "0", "x", http.StatusBadRequest}, {"", "", "x", http.StatusBadRequest},
				{"", "2", strings.Repeat("x", 1<<20+1), http.StatusRequestEntityTooLarge}, {"", "2", "\xff", http.StatusRequestEntityTooLarge},
			} {
				if name == "memory" && bad.number == "99" {
					continue // it has no rows to look for
				}
				resp, _ := save(bad.number, bad.version, bad.text)
				assert.Equal(t, bad.status, resp.StatusCode, bad.number)
			}
			assert.Contains(t, page(t, study), ">\nmine</textarea>")

			reader := serving(t, store, dashboard.Config{})
			assert.Contains(t, page(t, reader+"study?name=walmart"), `<p class="text">mine</p>`)
			assert.NotContains(t, page(t, reader+"study?name=walmart"), "<textarea")
			assert.NotContains(t, page(t, reader+"trial?name=walmart&number=3"), `id="note"`)
		})
	}
}

// If several people save a note at once through one dashboard, one succeeds and the others are told so. Through two
// dashboards, the result is the whole note of one of them, however long the notes are.
func TestNotesAtOnce(t *testing.T) {
	for name, stores := range map[string]func(t *testing.T) (a, b storage.Store){
		"memory": func(*testing.T) (a, b storage.Store) { s := new(memory.Store); return s, s },
		"SQLite": func(t *testing.T) (a, b storage.Store) {
			path := filepath.Join(t.TempDir(), "studies.db")
			return sqlite.File(path), sqlite.File(path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			one, two := stores(t)
			add(t, one, teststudy.New("walmart", 1, false, 1))
			roots := []string{serving(t, one, dashboard.Config{Write: true}), serving(t, two, dashboard.Config{Write: true})}
			var secrets []string
			for _, r := range roots {
				secrets = append(secrets, secret(t, page(t, r+"study?name=walmart")))
			}
			save := func(at, version int, text string) int {
				resp, _ := post(t, roots[at]+"note", url.Values{"secret": {secrets[at]}, "name": {"walmart"}, "version": {strconv.Itoa(version)}, "text": {text}})
				return resp.StatusCode
			}
			shown := func() (text string, version int) {
				at := page(t, roots[0]+"study?name=walmart")
				m := regexp.MustCompile(`(?s)name="version" value="(\d+)">\s*<textarea[^>]*>\n(.*)</textarea>`).FindStringSubmatch(at)
				require.NotNil(t, m)
				version, err := strconv.Atoi(m[1])
				require.NoError(t, err)
				return m[2], version
			}
			for round := range 4 {
				_, version := shown()
				var saved atomic.Int32
				var all sync.WaitGroup
				for i := range 6 {
					all.Go(func() {
						if save(0, version, fmt.Sprintf("%d by %d", round, i)) == http.StatusSeeOther {
							saved.Add(1)
						}
					})
				}
				all.Wait()
				assert.EqualValues(t, 1, saved.Load(), "the others are told")

				_, version = shown()
				texts := []string{strings.Repeat("a", 3*2045), strings.Repeat("b", 1+round*2045)}
				for i := range texts {
					all.Go(func() { save(i, version, texts[i]) })
				}
				all.Wait()
				text, _ := shown()
				assert.Contains(t, texts, text, "the note of one of them")
			}
		})
	}
}

// The rest of a longer note that was stored at the same moment does not become part of a note.
func TestNoteEnds(t *testing.T) {
	store := new(memory.Store)
	add(t, store, teststudy.New("walmart", 1, false, 1))
	l, err := store.Open(t.Context(), "walmart")
	require.NoError(t, err)
	quoted := func(s string) string { return `"` + s + `"` }
	full, leftover := strings.Repeat("x", 2045), trial.Attr{Key: "dashboard:note_str:2", JSON: quoted("of another")}
	require.NoError(t, l.Annotate(t.Context(), nil, trial.Attrs{{Key: "dashboard:note_ver", JSON: "1"}, {Key: "dashboard:note_str:0", JSON: quoted(full)}, {Key: "dashboard:note_str:1", JSON: quoted("")}, leftover}))
	require.NoError(t, l.Close())
	text := page(t, serving(t, store, dashboard.Config{})+"study?name=walmart")
	assert.Contains(t, text, full)
	assert.NotContains(t, text, "of another")
}

// Only a form of the dashboard itself changes anything, and only if it may.
func TestForgery(t *testing.T) {
	store := new(memory.Store)
	add(t, store, teststudy.New("walmart", 5, false, 1))
	root := serving(t, store, dashboard.Config{Write: true})
	s := secret(t, page(t, root+"study?name=walmart"))
	note := func(secret string) url.Values {
		return url.Values{"secret": {secret}, "name": {"walmart"}, "version": {"0"}, "text": {"x"}}
	}
	_, lacking := post(t, root+"note", url.Values{"name": {"walmart"}, "version": {"0"}, "text": {"x"}})
	assert.Contains(t, lacking, "Programs write to a study through attune serve.")
	for what, send := range map[string]func() (*http.Response, string){
		"without the secret":  func() (*http.Response, string) { return post(t, root+"note", note("")) },
		"with another secret": func() (*http.Response, string) { return post(t, root+"note", note(s[1:]+"A")) },
		"from another site":   func() (*http.Response, string) { return post(t, root+"note", note(s), "Sec-Fetch-Site", "cross-site") },
		"from another origin": func() (*http.Response, string) { return post(t, root+"note", note(s), "Origin", "http://evil.example") },
		"enqueue without the secret": func() (*http.Response, string) {
			return post(t, root+"enqueue", url.Values{"name": {"walmart"}, "number": {"1"}, "sure": {"1"}})
		},
		"the secret in the address": func() (*http.Response, string) { return post(t, root+"note?secret="+s, note("")) },
		"to a reader":               func() (*http.Response, string) { return post(t, serving(t, store, dashboard.Config{})+"note", note(s)) },
	} {
		resp, text := send()
		assert.Equal(t, http.StatusForbidden, resp.StatusCode, what)
		assert.Contains(t, text, "<main>", what)
	}
	h, err := study.List(t.Context(), store)
	require.NoError(t, err)
	_, ok := h[0].Notes.Get("dashboard:note_ver")
	assert.False(t, ok)
	resp, text := get(t, serving(t, store, dashboard.Config{})+"enqueue?name=walmart&number=1")
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	assert.Contains(t, text, "This dashboard only reads.")
}

func TestEnqueue(t *testing.T) {
	store := sqlite.File(filepath.Join(t.TempDir(), "studies.db"))
	add(t, store, teststudy.New("walmart", 5, false, 1))
	root := serving(t, store, dashboard.Config{Write: true})
	assert.Contains(t, page(t, root+"trial?name=walmart&number=1"), `href="enqueue?name=walmart&amp;number=1"`)
	asked := page(t, root+"enqueue?name=walmart&number=1")
	names := regexp.MustCompile(`<label for="p(\d+)">([a-z_]+)</label>`).FindAllStringSubmatch(asked, -1)
	require.Len(t, names, 5)
	form := url.Values{"secret": {secret(t, asked)}, "name": {"walmart"}, "number": {"1"}}
	set := func(name, value string) {
		for _, n := range names {
			if n[2] == name {
				form.Set("p"+n[1], value)
			}
		}
	}
	set("learning_rate", "0.25")
	set("num_leaves", "1000")
	set("boosting_type", "2")
	set("feature_fraction", "")
	set("drop_rate", " ")
	resp, text := post(t, root+"enqueue", form)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Contains(t, text, "1000 is not in int [2, 256] log")
	assert.NotContains(t, text, `name="sure"`)
	set("num_leaves", "64")
	waiting := func() int { return len(snapshot(t, store, "walmart").Waiting()) }
	resp, text = post(t, root+"enqueue", form)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Contains(t, text, "Nothing is written yet.")
	assert.Contains(t, text, `name="sure"`)
	assert.Zero(t, waiting(), "it asks first")
	form.Set("sure", "1")
	form.Set("edit", "1")
	_, text = post(t, root+"enqueue", form)
	assert.NotContains(t, text, `name="sure"`)
	assert.Zero(t, waiting())
	form.Del("edit")
	l, err := store.Open(t.Context(), "walmart")
	require.NoError(t, err)
	require.NoError(t, l.Annotate(t.Context(), nil, trial.Attrs{{Key: study.ConstraintsKey, JSON: `["100 * learning_rate >= num_leaves"]`}}))
	resp, text = post(t, root+"enqueue", form)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Contains(t, text, "a trial must satisfy 100 * learning_rate &gt;= num_leaves")
	assert.Zero(t, waiting())
	require.NoError(t, l.Annotate(t.Context(), nil, trial.Attrs{{Key: study.ConstraintsKey, JSON: `["100 * learning_rate <= num_leaves"]`}}))
	require.NoError(t, l.Close())
	resp, _ = post(t, root+"enqueue", form)
	assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
	assert.Equal(t, "trial?name=walmart&number=4", resp.Header.Get("Location"))
	require.Equal(t, 1, waiting())
	assert.Equal(t, []space.Setting{{Name: "learning_rate", Value: "0.25"}, {Name: "num_leaves", Value: "64"}, {Name: "boosting_type", Value: `"goss"`}},
		snapshot(t, store, "walmart").Waiting()[0].Fixed)
	for value, want := range map[string]string{"NaN": "NaN is not in", "much": "is not a number", "1e999": "is not"} {
		set("learning_rate", value)
		_, text = post(t, root+"enqueue", form)
		assert.Contains(t, text, want, value)
	}
	set("learning_rate", "")
	set("boosting_type", "7")
	_, text = post(t, root+"enqueue", form)
	assert.Contains(t, text, "there is no such choice")
	assert.Equal(t, 1, waiting())
}

func snapshot(t testing.TB, store storage.Store, name string) trial.Snapshot {
	t.Helper()
	v, err := study.Read(t.Context(), store, name)
	require.NoError(t, err)
	defer v.Close()
	h, err := v.Snapshot(t.Context())
	require.NoError(t, err)
	return h
}
