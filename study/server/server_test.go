package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/dev/servertest"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/bruteforce"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/mysql"
	"github.com/attune-hpo/attune/storage/postgres"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/study/server"
	"github.com/attune-hpo/attune/trial"
)

// A client sends requests to a server of its own.
type client struct {
	t   *testing.T
	url string
}

func serve(t *testing.T, store storage.Store, cfg server.Config) client {
	t.Helper()
	if cfg.Sampler == nil {
		cfg.Sampler = random.Sampler{}
	}
	h := server.New(store, cfg)
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.Close()
		assert.NoError(t, h.Close())
	})
	return client{t, s.URL}
}

// onEach runs a test on a store of each kind that has leases.
func onEach(t *testing.T, run func(t *testing.T, store func(*testing.T) storage.Store)) {
	for name, store := range map[string]func(*testing.T) storage.Store{
		"SQLite":     file,
		"PostgreSQL": func(t *testing.T) storage.Store { return postgres.Database(servertest.PostgresReused(t)) },
		"MariaDB":    func(t *testing.T) storage.Store { return mysql.Database(servertest.MySQLReused(t)) },
	} {
		t.Run(name, func(t *testing.T) { run(t, store) })
	}
}

func file(t *testing.T) storage.Store { return sqlite.File(filepath.Join(t.TempDir(), "a.db")) }

// An object is a JSON answer.
type object = map[string]any

// call returns the status and the body of an answer, which is always JSON.
func (c client) call(method, path, body string) (int, object) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	require.NoError(c.t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(c.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	assert.Equal(c.t, "application/json", resp.Header.Get("Content-Type"))
	var o object
	require.NoError(c.t, json.Unmarshal(text, &o), "%s", text)
	if resp.StatusCode >= 400 {
		assert.Len(c.t, o, 2)
		assert.NotEmpty(c.t, o["error"])
		assert.NotContains(c.t, o["error"], "server: ", "no names of packages")
	}
	return resp.StatusCode, o
}

// want is call for an answer that must have a status.
func (c client) want(code int, method, path, body string) object {
	c.t.Helper()
	got, o := c.call(method, path, body)
	require.Equal(c.t, code, got, "%s %s: %v", method, path, o)
	return o
}

// ask begins a trial.
func (c client) ask(study, key string) object {
	c.t.Helper()
	o := c.want(200, "POST", "/v1/studies/"+study+"/trials", fmt.Sprintf(`{"keys": [%q]}`, key))
	return o["trials"].([]any)[0].(object)
}

const (
	oneX   = `{"parameters": [{"name": "x", "type": "float", "low": 0, "high": 1}]}`
	rich   = `{"parameters": [{"name": "kind", "type": "categorical", "choices": [1, 1.0, true, "1", null, "no", "\ud83d\ude00"]}, {"name": "n", "type": "int", "low": 1, "high": 9, "step": 2}, {"name": "lr", "type": "float", "low": 1e-5, "high": 1e-1, "log": true, "when": {"kind": "no", "n": {"max": 5}}}], "directions": ["maximize", "minimize"], "metrics": ["accuracy", "cost"], "seed": 7}`
	trial0 = "/v1/studies/net/trials/0"
)

// A worker creates a study, asks, reports and tells, and everyone reads what came of it.
func TestWork(t *testing.T) {
	onEach(t, func(t *testing.T, store func(*testing.T) storage.Store) {
		c := serve(t, store(t), server.Config{Pruner: pruner.Threshold{Upper: new(5.0)}})
		made := c.want(201, "PUT", "/v1/studies/net", oneX)
		assert.Equal(t, made, c.want(200, "PUT", "/v1/studies/net", oneX), "creating it again")
		assert.Equal(t, made, c.want(200, "GET", "/v1/studies/net", ""))
		assert.Equal(t, []any{object{"name": "net", "directions": []any{"minimize"}, "metrics": []any{}}}, c.want(200, "GET", "/v1/studies", "")["studies"])

		first := c.ask("net", "a")
		assert.Equal(t, "running", first["state"])
		assert.Contains(t, first["params"], "x")
		assert.Equal(t, first, c.ask("net", "a"), "asking again")
		c.want(404, "GET", "/v1/studies/net/best", "")
		c.want(200, "POST", trial0+"/heartbeat", "")
		for range 2 {
			assert.Equal(t, object{"prune": false}, c.want(200, "POST", trial0+"/reports", `{"step": 0, "value": 3, "attributes": {"host": "a"}}`), "once and again")
		}
		for range 2 {
			assert.Equal(t, object{"prune": true}, c.want(200, "POST", trial0+"/reports", `{"step": 1, "value": "Infinity"}`), "once and again")
		}
		c.want(409, "POST", trial0+"/reports", `{"step": 0, "value": 4}`)
		told := c.want(200, "POST", trial0+"/tell", `{"values": [0.25], "constraints": {"memory": -1}, "attributes": {"seconds": 3}}`)
		assert.Equal(t, "complete", told["state"])
		assert.Equal(t, object{"host": "a", "seconds": 3.0}, told["attrs"])
		assert.Equal(t, object{"memory": -1.0}, told["constraints"])
		assert.Equal(t, told, c.want(200, "POST", trial0+"/tell", `{"values": [0.25]}`), "telling again")
		for _, other := range []string{`{"values": [0.5]}`, `{"state": "failed"}`, `{"state": "pruned"}`} {
			c.want(409, "POST", trial0+"/tell", other)
		}
		c.want(409, "POST", trial0+"/heartbeat", "")

		two := c.want(200, "POST", "/v1/studies/net/trials", `{"keys": ["b", "c"]}`)["trials"].([]any)
		require.Len(t, two, 2)
		for range 2 {
			assert.Equal(t, "pruned", c.want(200, "POST", "/v1/studies/net/trials/1/tell", `{"state": "pruned"}`)["state"])
			assert.Equal(t, "no memory", c.want(200, "POST", "/v1/studies/net/trials/2/tell", `{"state": "failed", "error": "no memory"}`)["error"])
		}
		assert.Equal(t, told, c.want(200, "GET", "/v1/studies/net/best", ""))
		assert.Equal(t, []any{told}, c.want(200, "GET", "/v1/studies/net/front", "")["trials"])
		assert.Equal(t, told, c.want(200, "GET", trial0, ""))
		page := c.want(200, "GET", "/v1/studies/net/trials?limit=2", "")
		assert.Equal(t, told, page["trials"].([]any)[0])
		assert.Equal(t, 2.0, page["next"])
		page = c.want(200, "GET", "/v1/studies/net/trials?from=2", "")
		assert.Len(t, page["trials"], 1)
		assert.Nil(t, page["next"])
		assert.Empty(t, c.want(200, "GET", "/v1/studies/net/trials?from=3", "")["trials"])

		c.want(200, "PUT", "/v1/studies/net/attributes/by", `{"who": ["me"]}`)
		attrs := c.want(200, "GET", "/v1/studies/net/attributes", "")["attributes"].(object)
		assert.Equal(t, object{"who": []any{"me"}}, attrs["by"])
		c.want(409, "PUT", "/v1/studies/net/attributes/declared", `1`)
		assert.Equal(t, object{"complete": 1.0, "failed": 1.0, "pruned": 1.0, "running": 0.0, "waiting": 0.0}, c.want(200, "GET", "/v1/studies/net", "")["trials"])
	})
}

// A declared space is kept with the study, whatever names and values it has.
func TestDeclare(t *testing.T) {
	store := file(t)
	name := "a/b ?#%😀.."
	path := "/v1/studies/" + url.PathEscape(name)
	var sent, got object
	require.NoError(t, json.Unmarshal([]byte(rich), &sent))
	c := serve(t, store, server.Config{})
	got = c.want(201, "PUT", path, rich)
	for key, v := range sent {
		assert.Equal(t, v, got[key], key)
	}
	assert.Equal(t, name, got["name"])
	for want, body := range map[string]string{
		"other parameters": oneX,
		"seed 8":           strings.Replace(rich, `"seed": 7`, `"seed": 8`, 1),
		"directions":       strings.Replace(rich, `["maximize", "minimize"]`, `["minimize", "minimize"]`, 1),
		"metrics":          strings.Replace(rich, `"cost"`, `"price"`, 1),
	} {
		o := c.want(409, "PUT", path, body)
		assert.NotEmpty(t, o["hint"])
		if want == "other parameters" {
			o = c.want(409, "PUT", path, strings.Replace(rich, `"max": 5`, `"max": 3`, 1))
			assert.Contains(t, o["error"], want, "another condition")
		}
	}
	next := serve(t, store, server.Config{})
	assert.Equal(t, got, next.want(200, "GET", path, ""))
	for i := range 20 {
		o := next.want(200, "POST", path+"/trials", fmt.Sprintf(`{"keys": ["%d"]}`, i))["trials"].([]any)[0].(object)
		params := o["params"].(object)
		_, has := params["lr"]
		assert.Equal(t, params["kind"] == "no" && params["n"].(float64) <= 5, has)
	}
	next.want(409, "GET", path+"/best", "")
	next.want(409, "POST", path+"/trials/0/reports", `{"step": 0, "value": 1}`)
	next.want(200, "POST", path+"/trials/0/tell", `{"values": [1, "-Infinity"]}`)
	assert.Len(t, next.want(200, "GET", path+"/front", "")["trials"], 1)
}

// A study that others made needs its parameters declared, and then is like any other. Declared
// by one server, it is declared for all.
func TestStudyOfOthers(t *testing.T) {
	store := file(t)
	st, err := study.Create(t.Context(), store, "net", study.Config{Sampler: random.Sampler{}, Directions: []trial.Direction{trial.Maximize}})
	require.NoError(t, err)
	defer st.Close()
	a, b := serve(t, store, server.Config{}), serve(t, store, server.Config{})
	o := a.want(409, "POST", "/v1/studies/net/trials", `{"keys": ["a"]}`)
	assert.Contains(t, o["hint"], "PUT")
	assert.Nil(t, a.want(200, "GET", "/v1/studies/net", "")["parameters"])
	b.want(200, "PUT", "/v1/studies/net", oneX)
	assert.Equal(t, "running", a.ask("net", "a")["state"])

	_, err = st.Enqueue(t.Context(), space.Setting{Name: "x", Value: space.Lit(0.5)}, space.Setting{Name: "y", Value: space.Lit(1)})
	require.NoError(t, err)
	assert.Equal(t, 0.5, a.ask("net", "b")["params"].(object)["x"])
	_, err = st.Enqueue(t.Context(), space.Setting{Name: "x", Value: space.Lit(5.0)})
	require.NoError(t, err)
	o = a.ask("net", "c")
	assert.Equal(t, "failed", o["state"], "x cannot be 5")
	assert.Equal(t, o, a.ask("net", "c"))

	require.NoError(t, study.Delete(t.Context(), store, "net"))
	a.want(404, "GET", "/v1/studies/net", "")
	a.want(201, "PUT", "/v1/studies/net", oneX)
	assert.Equal(t, 0.0, a.ask("net", "a")["number"], "a new study of the same name")
}

// Two workers that ask at once under one key get one trial, whichever server they ask.
func TestOneKeyOneTrial(t *testing.T) {
	onEach(t, func(t *testing.T, kind func(*testing.T) storage.Store) {
		store := kind(t)
		servers := []client{serve(t, store, server.Config{}), serve(t, store, server.Config{})}
		servers[0].want(201, "PUT", "/v1/studies/net", oneX)
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				o := servers[i%2].ask("net", "the same")
				assert.Equal(t, 0.0, o["number"])
			})
		}
		all.Wait()
		assert.Len(t, servers[0].want(200, "GET", "/v1/studies/net/trials", "")["trials"], 1)
	})
}

// The trial of a worker that falls silent fails, and another worker gets it again. What the first
// tells then is refused.
func TestDeadWorker(t *testing.T) {
	onEach(t, func(t *testing.T, store func(*testing.T) storage.Store) {
		c := serve(t, store(t), server.Config{Grace: time.Second})
		c.want(201, "PUT", "/v1/studies/net", oneX)
		events := c.changes("net")
		dead := c.ask("net", "dead")
		for e := range events {
			if e["state"] == "failed" {
				assert.Equal(t, dead["number"], e["number"])
				break
			}
		}
		o := c.want(409, "POST", trial0+"/tell", `{"values": [0.1]}`)
		assert.Contains(t, o["hint"], "new key")
		c.want(409, "POST", trial0+"/heartbeat", "")
		c.want(409, "POST", trial0+"/reports", `{"step": 0, "value": 1}`)
		assert.Equal(t, "failed", c.ask("net", "dead")["state"])
		again := c.ask("net", "alive")
		assert.Equal(t, 1.0, again["number"])
		assert.Equal(t, dead["params"], again["params"])
		c.want(200, "POST", "/v1/studies/net/trials/1/tell", `{"values": [0.2]}`)
		c.want(409, "POST", trial0+"/tell", `{"values": [0.1]}`)
		assert.Equal(t, 1.0, c.want(200, "GET", "/v1/studies/net/best", "")["number"])
	})
}

// changes yields the trials of a stream that has begun.
func (c client) changes(study string) func(yield func(object) bool) {
	c.t.Helper()
	resp, err := http.Get(c.url + "/v1/studies/" + study + "/changes")
	require.NoError(c.t, err)
	c.t.Cleanup(func() { resp.Body.Close() })
	require.Equal(c.t, "text/event-stream", resp.Header.Get("Content-Type"))
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	require.True(c.t, lines.Scan())
	require.Equal(c.t, ": changes follow", lines.Text())
	return func(yield func(object) bool) {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var o object
				require.NoError(c.t, json.Unmarshal([]byte(data), &o))
				if !yield(o) {
					return
				}
			}
		}
	}
}

// A stream shows the changes of others in the storage. It ends with an error when the study is deleted, and without one
// when the server ends.
func TestChanges(t *testing.T) {
	store := new(memory.Store)
	h := server.New(store, server.Config{Sampler: random.Sampler{}})
	s := httptest.NewServer(h)
	defer s.Close()
	c := client{t, s.URL}
	c.want(404, "GET", "/v1/studies/net/changes", "")
	for _, name := range []string{"net", "other"} {
		c.want(201, "PUT", "/v1/studies/"+name, oneX)
	}
	events, others := c.changes("net"), c.changes("other")
	st, err := study.Load(t.Context(), store, "net", study.Config{Sampler: random.Sampler{}})
	require.NoError(t, err)
	defer st.Close()
	_, err = st.Enqueue(t.Context())
	require.NoError(t, err)
	for e := range events {
		assert.Equal(t, "waiting", e["state"])
		require.NoError(t, study.Delete(t.Context(), store, "net"))
		break
	}
	var last object
	for e := range events {
		last = e
	}
	assert.Contains(t, last["error"], "does not exist")
	require.NoError(t, h.Close())
	for e := range others {
		assert.Contains(t, e["error"], "closed")
	}
	o := c.want(503, "GET", "/v1/studies/other", "")
	assert.Contains(t, o["hint"], "try again")
}

// When every configuration has been tried, the answer to an ask has a status of its own.
func TestExhausted(t *testing.T) {
	c := serve(t, new(memory.Store), server.Config{Sampler: bruteforce.New()})
	c.want(201, "PUT", "/v1/studies/net", `{"parameters": [{"name": "n", "type": "int", "low": 1, "high": 3}]}`)
	for i := range 3 {
		c.ask("net", fmt.Sprint(i))
		c.want(200, "POST", fmt.Sprintf("/v1/studies/net/trials/%d/tell", i), `{"values": [1]}`)
	}
	o := c.want(410, "POST", "/v1/studies/net/trials", `{"keys": ["3"]}`)
	assert.Contains(t, o["hint"], "stop asking")
	assert.Equal(t, 1.0, c.ask("net", "1")["number"], "a trial that is there")
	assert.Len(t, c.want(200, "POST", "/v1/studies/net/trials", `{"keys": ["2", "3"]}`)["trials"], 1)
}

// A wrong request is refused, with advice, and changes nothing.
func TestBadRequests(t *testing.T) {
	c := serve(t, file(t), server.Config{})
	c.want(201, "PUT", "/v1/studies/net", oneX)
	c.ask("net", "a")
	before := c.want(200, "GET", trial0, "")
	const net, tell, report, ask = "/v1/studies/net", trial0 + "/tell", trial0 + "/reports", "/v1/studies/net/trials"
	long := strings.Repeat("n", 10_000)
	declare := func(parameter string) string { return `{"parameters": [` + parameter + `]}` }
	for _, bad := range []struct {
		name, method, path, body string
		code                     int
		says                     string
	}{
		{"no such path", "GET", "/v2", "", 404, "no such path"},
		{"no such method", "DELETE", net, "", 405, "DELETE"},
		{"no such study", "GET", "/v1/studies/nett", "", 404, "does not exist"},
		{"a long name", "PUT", "/v1/studies/" + long, oneX, 400, "10000 bytes"},
		{"a long name to read", "GET", "/v1/studies/" + long, "", 400, "10000 bytes"},
		{"a name that is not UTF-8", "PUT", "/v1/studies/%ff", oneX, 400, ""},
		{"no body", "PUT", "/v1/studies/b", "", 400, ""},
		{"half a body", "PUT", "/v1/studies/b", `{"parameters": [`, 400, ""},
		{"two bodies", "PUT", "/v1/studies/b", oneX + oneX, 400, "more than one"},
		{"a body that is not UTF-8", "PUT", "/v1/studies/b", "{\"metrics\": [\"\xff\"]}", 400, "UTF-8"},
		{"a list", "PUT", "/v1/studies/b", `[]`, 400, ""},
		{"deep lists", "PUT", "/v1/studies/b", `{"parameters": ` + strings.Repeat("[", 500_000), 400, "depth"},
		{"deep choices", "PUT", "/v1/studies/b", declare(`{"name": "x", "type": "categorical", "choices": ` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`), 400, "parameters"},
		{"an unknown key", "PUT", "/v1/studies/b", `{"parametres": []}`, 400, "parametres"},
		{"no parameters", "PUT", "/v1/studies/b", `{}`, 400, "at least one"},
		{"an empty list", "PUT", "/v1/studies/b", `{"parameters": []}`, 400, "at least one"},
		{"a parameter with a wrong key", "PUT", "/v1/studies/b", declare(`{"name": "a", "type": "int", "low": 1, "high": 2}, {"name": "x", "type": "float", "lo": 0, "high": 1}`), 400, `unknown key "lo"`},
		{"text for a number", "PUT", "/v1/studies/b", declare(`{"name": "x", "type": "float", "low": "zero", "high": 1}`), 400, `parameters[0]: `},
		{"bounds in the wrong order", "PUT", "/v1/studies/b", declare(`{"name": "x", "type": "float", "low": 2, "high": 1}`), 400, `"x"`},
		{"no choices", "PUT", "/v1/studies/b", declare(`{"name": "x", "type": "categorical", "choices": []}`), 400, `"x"`},
		{"a direction", "PUT", "/v1/studies/b", oneX[:len(oneX)-1] + `, "directions": ["up"]}`, 400, `"up"`},
		{"metrics without objectives", "PUT", "/v1/studies/b", oneX[:len(oneX)-1] + `, "metrics": ["a", "b"]}`, 400, "2 metrics"},
		{"a negative seed", "PUT", "/v1/studies/b", oneX[:len(oneX)-1] + `, "seed": -1}`, 400, "seed"},
		{"no keys", "POST", ask, `{}`, 400, "0 keys"},
		{"an empty key", "POST", ask, `{"keys": ["b", ""]}`, 400, "key"},
		{"a long key", "POST", ask, `{"keys": ["` + long + `"]}`, 400, "key"},
		{"many keys", "POST", ask, `{"keys": ["a"` + strings.Repeat(`, "b"`, 100) + `]}`, 400, "101 keys"},
		{"no such trial", "POST", net + "/trials/7/tell", `{"values": [1]}`, 404, "no such trial"},
		{"a trial with a name", "POST", net + "/trials/x/tell", `{"values": [1]}`, 400, "whole number"},
		{"a negative trial", "GET", net + "/trials/-1", "", 400, "whole number"},
		{"no value", "POST", tell, `{}`, 400, ""},
		{"two values", "POST", tell, `{"values": [1, 2]}`, 400, ""},
		{"NaN", "POST", tell, `{"values": ["NaN"]}`, 400, "NaN"},
		{"text as a value", "POST", tell, `{"values": ["low"]}`, 400, "want a number"},
		{"null as a value", "POST", tell, `{"values": null}`, 400, ""},
		{"a value that is too large", "POST", tell, `{"values": [1e999]}`, 400, "1e999"},
		{"a state", "POST", tell, `{"state": "done"}`, 400, `"done"`},
		{"values of a failure", "POST", tell, `{"state": "failed", "values": [1]}`, 400, "values"},
		{"a constraint without a number", "POST", tell, `{"values": [1], "constraints": {"c": "low"}}`, 400, "want a number"},
		{"no step", "POST", report, `{"value": 1}`, 400, "step"},
		{"a negative step", "POST", report, `{"step": -1, "value": 1}`, 409, ""},
		{"half a step", "POST", report, `{"step": 0.5, "value": 1}`, 400, "step"},
		{"a page", "GET", net + "/trials?limit=0", "", 400, "limit"},
		{"a large page", "GET", net + "/trials?limit=1001", "", 400, "limit"},
		{"a page from nowhere", "GET", net + "/trials?from=x", "", 400, "from"},
		{"an attribute that is not JSON", "PUT", net + "/attributes/a", `{`, 400, "JSON"},
		{"a large attribute", "PUT", net + "/attributes/a", `"` + strings.Repeat("a", 1<<20) + `"`, 413, ""},
	} {
		t.Run(bad.name, func(t *testing.T) {
			c := client{t, c.url}
			o := c.want(bad.code, bad.method, bad.path, bad.body)
			assert.Contains(t, o["error"], bad.says)
			assert.NotEmpty(t, o["hint"], "%v", o["error"])
		})
	}
	assert.Len(t, c.want(200, "GET", "/v1/studies", "")["studies"], 1)
	assert.Equal(t, before, c.want(200, "GET", trial0, ""))
	assert.Len(t, c.want(200, "GET", net+"/trials", "")["trials"], 1)
}

// failing is a store that fails in everything.
type failing struct {
	storage.Store
	err error
}

func (f failing) Create(context.Context, trial.Header) (storage.Ledger, error) { return nil, f.err }
func (f failing) Open(context.Context, string) (storage.Ledger, error)         { return nil, f.err }
func (f failing) Studies(context.Context) iter.Seq2[trial.Header, error] {
	return func(yield func(trial.Header, error) bool) { yield(trial.Header{}, f.err) }
}

// Each error of the storage has its status, and no hints for programs in Go.
func TestFailures(t *testing.T) {
	for err, code := range map[error]int{
		storage.ErrUnreachable: 503, storage.ErrBusy: 503, storage.ErrAccess: 403, storage.ErrReadOnly: 403, storage.ErrFull: 507,
		storage.ErrVersion: 500, storage.ErrFormat: 500, storage.ErrPath: 500,
	} {
		c := serve(t, failing{err: fmt.Errorf("postgres: open study: %w: %w", err, fault.Hint{Field: "postgres.Store.URL", Want: "another"})}, server.Config{})
		for _, o := range []object{
			c.want(code, "GET", "/v1/studies", ""), c.want(code, "GET", "/v1/studies/net", ""), c.want(code, "PUT", "/v1/studies/net", oneX),
			c.want(code, "POST", "/v1/studies/net/trials", `{"keys": ["a"]}`), c.want(code, "POST", trial0+"/tell", `{"values": [1]}`),
		} {
			assert.Contains(t, o["error"], err.Error())
			assert.NotContains(t, o["error"], "postgres.Store")
			assert.NotEmpty(t, o["hint"])
		}
	}
}

// A body of 1 GB is refused before it is read, whether or not its length is given.
func TestLargeBody(t *testing.T) {
	c := serve(t, new(memory.Store), server.Config{})
	at, err := url.Parse(c.url)
	require.NoError(t, err)
	for name, head := range map[string]string{
		"length":  "Content-Length: 1073741824\r\n\r\n",
		"chunked": "Transfer-Encoding: chunked\r\n\r\n40000000\r\n" + strings.Repeat(" ", 1<<20+1),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", at.Host)
			require.NoError(t, err)
			defer conn.Close()
			go io.WriteString(conn, "PUT /v1/studies/net HTTP/1.1\r\nHost: localhost\r\n"+head)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			defer resp.Body.Close()
			assert.Equal(t, 413, resp.StatusCode)
		})
	}
}

// A page of another site cannot make a browser write.
func TestOtherSites(t *testing.T) {
	c := serve(t, new(memory.Store), server.Config{})
	r, err := http.NewRequest("PUT", c.url+"/v1/studies/net", strings.NewReader(oneX))
	require.NoError(t, err)
	r.Header.Set("Origin", "https://evil.example")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, 403, resp.StatusCode)
	assert.Empty(t, c.want(200, "GET", "/v1/studies", "")["studies"])
}

// The description has the routes of the handler, and every reference in it leads somewhere.
func TestOpenAPI(t *testing.T) {
	c := serve(t, new(memory.Store), server.Config{})
	d := c.want(200, "GET", "/v1/openapi.json", "")
	var described []string
	ids := map[any]bool{}
	for path, item := range d["paths"].(object) {
		for method, op := range item.(object) {
			if method == "parameters" {
				continue
			}
			described = append(described, strings.ToUpper(method)+" "+path)
			id := op.(object)["operationId"]
			assert.False(t, ids[id], "%v is unique", id)
			ids[id] = true
		}
	}
	assert.ElementsMatch(t, server.Routes(), described)
	var follow func(v any)
	follow = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, child := range v {
				follow(child)
			}
		case object:
			for key, child := range v {
				ref, ok := child.(string)
				if key != "$ref" || !ok {
					follow(child)
					continue
				}
				at := any(d)
				for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
					at = at.(object)[part]
				}
				assert.NotNil(t, at, ref)
			}
		}
	}
	follow(d)
	assert.Equal(t, object{"status": "ok"}, c.want(200, "GET", "/healthz", ""))
}

// The server also serves more studies than it keeps open.
func TestManyStudies(t *testing.T) {
	c := serve(t, new(memory.Store), server.Config{})
	const many = 300
	for i := range many {
		c.want(201, "PUT", fmt.Sprintf("/v1/studies/%d", i), oneX)
	}
	for i := range many {
		c.ask(fmt.Sprint(i), "a")
	}
	var out bytes.Buffer
	for i := range many {
		fmt.Fprint(&out, c.want(200, "GET", fmt.Sprintf("/v1/studies/%d/trials", i), "")["trials"].([]any)[0].(object)["number"])
	}
	assert.Equal(t, strings.Repeat("0", many), out.String())
}

// Several reports come in one request, all or none, which may be repeated.
func TestReports(t *testing.T) {
	c := serve(t, new(memory.Store), server.Config{Sampler: random.Sampler{}, Pruner: pruner.Threshold{Upper: new(5.0)}})
	c.want(201, "PUT", "/v1/studies/net", oneX)
	c.ask("net", "a")
	const at = "/v1/studies/net/trials/0"
	reports := func() any { return c.want(200, "GET", at, "")["reports"] }
	const two = `{"reports": [{"step": 0, "value": 1}, {"step": 1, "value": "NaN"}], "attributes": {"k": 1}}`
	for range 2 {
		c.want(200, "POST", at+"/reports", two)
		assert.Len(t, reports(), 2)
	}
	for name, bad := range map[string]string{
		"a step twice":         `{"reports": [{"step": 7, "value": 1}, {"step": 7, "value": 1}]}`,
		"a step that is there": `{"reports": [{"step": 7, "value": 1}, {"step": 1, "value": 3}]}`,
		"half a report":        `{"reports": [{"step": 7, "value": 1}, {"step": 8}]}`,
		"both forms":           `{"step": 7, "value": 1, "reports": [{"step": 8, "value": 1}]}`,
		"neither":              `{}`,
	} {
		code, o := c.call("POST", at+"/reports", bad)
		assert.Contains(t, []int{400, 409}, code, name)
		assert.NotEmpty(t, o["hint"], name)
		assert.Len(t, reports(), 2, name)
	}
	o := c.want(200, "POST", at+"/reports", `{"reports": [{"step": 2, "value": 1}, {"step": 3, "value": 6}]}`)
	assert.Equal(t, true, o["prune"], "the pruner judges the last")
}

// With several objectives, a report has a value for each, and may be repeated too.
func TestReportsOfSeveralObjectives(t *testing.T) {
	c := serve(t, new(memory.Store), server.Config{Sampler: random.Sampler{}, Pruner: pruner.ParetoHalving{MinResource: 1}})
	c.want(201, "PUT", "/v1/studies/net", `{"parameters": [{"name": "x", "type": "float", "low": 0, "high": 1}], "directions": ["minimize", "minimize"]}`)
	at := func(n int) string { return fmt.Sprint("/v1/studies/net/trials/", n) }
	c.ask("net", "a")
	for range 2 {
		assert.Equal(t, object{"prune": false}, c.want(200, "POST", at(0)+"/reports", `{"step": 1, "values": [0, 1]}`))
	}
	assert.Contains(t, fmt.Sprint(c.want(200, "GET", at(0), "")["notes"]), "report:1:[0 1]")
	c.ask("net", "b")
	for range 2 {
		assert.Equal(t, object{"prune": true}, c.want(200, "POST", at(1)+"/reports", `{"reports": [{"step": 1, "values": [2, "Infinity"]}]}`), "once and again")
	}
	for name, bad := range map[string]string{
		"other values":     `{"step": 1, "values": [2, 3]}`,
		"one value":        `{"step": 2, "value": 3}`,
		"three values":     `{"step": 2, "values": [1, 2, 3]}`,
		"no values":        `{"step": 2, "values": []}`,
		"value and values": `{"step": 2, "value": 1, "values": [1, 2]}`,
		"two steps":        `{"reports": [{"step": 2, "values": [1, 2]}, {"step": 3, "values": [1, 2]}]}`,
	} {
		code, o := c.call("POST", at(1)+"/reports", bad)
		assert.Contains(t, []int{400, 409}, code, name)
		assert.NotEmpty(t, o["hint"], name)
	}
}
