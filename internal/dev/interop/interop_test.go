package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/servertest"
	"github.com/attune-hpo/attune/internal/pyjson"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/mysql"
	"github.com/attune-hpo/attune/storage/postgres"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/storage/storagetest"
	"github.com/attune-hpo/attune/trial"
)

// TestMain also makes this program a worker; see TestTogether.
func TestMain(m *testing.M) {
	if path := os.Getenv("ATTUNE_INTEROP_WORKER"); path != "" {
		if err := work(path); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// python runs a script of testdata and returns what it prints.
func python(t *testing.T, script string, args ...string) []byte {
	t.Helper()
	exe := interpreter(t)
	cmd := exec.CommandContext(t.Context(), exe, append([]string{filepath.Join("testdata", script)}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", &stderr)
	return out
}

func interpreter(t *testing.T) string {
	t.Helper()
	exe := os.Getenv("ATTUNE_PYTHON")
	if exe == "" {
		t.Skip("ATTUNE_PYTHON names no Python that has optuna 5 or later")
	}
	return exe
}

// A dump is the output of dump.py.
type dump struct {
	Directions  []string
	UserAttrs   string `json:"user_attrs"`
	SystemAttrs string `json:"system_attrs"`
	Trials      []dumped
}

type dumped struct {
	Number        int
	State         string
	Values        []string
	Params        [][2]string
	Distributions [][2]string
	Reports       [][2]any
	Constraints   [][2]string
	UserAttrs     string `json:"user_attrs"`
	SystemAttrs   string `json:"system_attrs"`
	Start         *string
	Complete      *string
}

func dumpOf(t *testing.T, path, study string) (d dump) {
	t.Helper()
	require.NoError(t, json.Unmarshal(python(t, "dump.py", path, study), &d))
	return d
}

// repr formats a float like Python's repr.
func repr(x float64) string {
	switch {
	case math.IsNaN(x):
		return "nan"
	case math.IsInf(x, 1):
		return "inf"
	case math.IsInf(x, -1):
		return "-inf"
	}
	return string(pyjson.AppendFloat(nil, x))
}

var stateNames = map[trial.State]string{
	trial.Waiting: "WAITING", trial.Running: "RUNNING", trial.Complete: "COMPLETE", trial.Pruned: "PRUNED", trial.Failed: "FAIL",
}

// expect returns what Python should print for r, without system attributes.
func expect(r trial.Record) dumped {
	d := dumped{
		Number: r.Number, State: stateNames[r.State],
		Params: [][2]string{}, Distributions: [][2]string{}, Reports: [][2]any{}, Constraints: [][2]string{}, UserAttrs: object(r.Attrs),
	}
	for _, v := range r.Values {
		d.Values = append(d.Values, repr(v))
	}
	for i, a := range r.Params.Space {
		d.Params = append(d.Params, [2]string{a.Name, string(a.Distribution.Decode(r.Params.Point[i]))})
		d.Distributions = append(d.Distributions, [2]string{a.Name, a.Distribution.String()})
	}
	for _, p := range r.Reports {
		d.Reports = append(d.Reports, [2]any{float64(p.Step), repr(p.Value)})
	}
	for _, c := range r.Constraints {
		d.Constraints = append(d.Constraints, [2]string{c.Name, repr(c.Value)})
	}
	d.Start, d.Complete = moment(r.Started), moment(r.Finished)
	return d
}

func moment(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.Format("2006-01-02T15:04:05.000000")
	return &s
}

// object returns attributes as an object sorted by key, because Optuna does not keep their
// order.
func object(as trial.Attrs) string {
	as = slices.SortedFunc(slices.Values(as), func(a, b trial.Attr) int { return strings.Compare(a.Key, b.Key) })
	b := []byte{'{'}
	for i, a := range as {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(append(pyjson.AppendString(b, a.Key), ": "...), a.JSON...)
	}
	return string(append(b, '}'))
}

var params = space.Params{
	Space: space.Space{
		{Name: "x", Distribution: space.FloatDistribution{Low: -1e16, High: 1e16}},
		{Name: "lr", Distribution: space.FloatDistribution{Low: 1e-5, High: 0.1, Log: true}},
		{Name: "q", Distribution: space.FloatDistribution{Low: 0, High: 1, Step: 0.1}},
		{Name: "n", Distribution: space.IntDistribution{Low: 0, High: 10, Step: 2}},
		{Name: "u", Distribution: space.IntDistribution{Low: 1, High: 1024, Step: 1, Log: true}},
		{Name: "c", Distribution: &space.CategoricalDistribution{Choices: []space.Literal{`"a"`, "null", "true", "1", "2.5", space.Lit("é\n😀'\"")}}},
	},
	Point: []float64{0.1, 0.001, 0.3, 4, 64, 5},
}

func TestPythonReads(t *testing.T) {
	interpreter(t)
	path := filepath.Join(t.TempDir(), "study.db")
	store := sqlite.File(path)
	header := trial.Header{
		Name: "go's \"é\"", Directions: []trial.Direction{trial.Maximize}, Seed: math.MaxUint64,
		Attrs: trial.Attrs{{Key: "memo", JSON: `{"\u00e9": [1, 2.0, null, true, NaN]}`}},
		Notes: trial.Attrs{{Key: "study:metric_names", JSON: `["acc"]`}},
	}
	l, err := store.Create(t.Context(), header)
	require.NoError(t, err)
	defer l.Close()
	at := time.Date(2026, 11, 21, 1, 36, 53, 98146000, time.UTC)
	full := trial.Record{
		Params: params,
		Reports: []trial.Report{
			{Step: 0, Value: 1e16}, {Step: 3, Value: math.NaN()}, {Step: 7, Value: math.Inf(-1)},
		},
		Constraints: []trial.Constraint{{Name: "c0", Value: -0.5}, {Name: "c1", Value: math.Inf(1)}},
		Attrs:       trial.Attrs{{Key: "k", JSON: `[1, "two", 3.0]`}, {Key: "a", JSON: "{}"}},
		Started:     at,
	}
	var rs []trial.Record
	for state, values := range map[trial.State][]float64{trial.Waiting: nil, trial.Complete: {math.Inf(-1)}, trial.Pruned: {5e-324}, trial.Failed: nil} {
		r := full
		r.State, r.Values = state, values
		if state == trial.Failed {
			r.Err = "exit status 1"
		}
		if state.Done() {
			r.Finished = at.Add(time.Second)
		}
		if state == trial.Waiting {
			r.Started = time.Time{}
			r.Fixed = []space.Setting{{Name: "x", Value: "1.5"}, {Name: "c", Value: "null"}}
		}
		rs = append(rs, r)
	}
	_, err = l.Add(t.Context(), rs...)
	require.NoError(t, err)
	_, err = l.Start(t.Context(), at, "") // the waiting trial
	require.NoError(t, err)
	r, err := l.Start(t.Context(), at, "")
	require.NoError(t, err)
	require.NoError(t, l.Write(t.Context(), r.Number, trial.Proposed(params.Settings())))

	// Live: the ledger is open, and the file in WAL mode.
	d := dumpOf(t, path, header.Name)
	assert.Equal(t, []string{"MAXIMIZE"}, d.Directions)
	assert.Equal(t, object(header.Attrs), d.UserAttrs)
	assert.Equal(t, object(header.Notes), d.SystemAttrs)
	got := read(t, l)
	require.Len(t, d.Trials, len(got))
	for i, r := range got {
		attrs := d.Trials[i].SystemAttrs
		d.Trials[i].SystemAttrs = ""
		assert.Equal(t, expect(r), d.Trials[i])
		if r.Fixed != nil {
			assert.Contains(t, attrs, `"fixed_params": {"x": 1.5, "c": null}`)
		}
		if r.Err != "" {
			assert.Contains(t, attrs, `"attune:error": "exit status 1"`)
		}
		if r.Proposed != nil {
			assert.Contains(t, attrs, `"tpe:relative_params:0": "{\"x\": 0.1, \"lr\": 0.001, \"q\": 0.3, \"n\": 4, \"u\": 64, \"c\": \"\\u00e9`)
		}
	}
}

func TestReadsPython(t *testing.T) {
	interpreter(t)
	path := filepath.Join(t.TempDir(), "study.db")
	python(t, "write.py", path)
	l, err := sqlite.File(path).Open(t.Context(), "python")
	require.NoError(t, err)
	defer l.Close()
	h, err := l.Header(t.Context())
	require.NoError(t, err)
	d := dumpOf(t, path, "python")
	assert.Equal(t, []trial.Direction{trial.Minimize, trial.Maximize}, h.Directions)
	assert.Equal(t, d.UserAttrs, object(h.Attrs))
	assert.Equal(t, d.SystemAttrs, object(h.Notes))
	rs := read(t, l)
	require.Len(t, rs, 6)
	require.Len(t, d.Trials, 6)
	states := []trial.State{trial.Complete, trial.Complete, trial.Pruned, trial.Failed, trial.Running, trial.Waiting}
	for i, r := range rs {
		d.Trials[i].SystemAttrs = ""
		assert.Equal(t, expect(r), d.Trials[i])
		assert.Equal(t, states[i], r.State)
	}
	assert.Equal(t, []space.Setting{{Name: "x", Value: "1.5"}, {Name: "c", Value: `"a"`}}, rs[5].Fixed)
	assert.Equal(t, trial.Attrs{{Key: "retry_history", JSON: "[0, 1]"}, {Key: "completed_rung_0", JSON: "0.25"}}, rs[0].Notes)

	// Each program reads a file that both have written: a record that Python wrote is the same
	// after it is written again from here.
	copied, err := sqlite.File(filepath.Join(t.TempDir(), "copy.db")).Create(t.Context(), h)
	require.NoError(t, err)
	defer copied.Close()
	done := rs[:4]
	_, err = copied.Add(t.Context(), done...)
	require.NoError(t, err)
	storagetest.Equal(t, done, read(t, copied))
}

// A value that Optuna keeps and attune cannot use costs one trial, not the study and not
// the file.
func TestReadsAroundOddTrials(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd.db")
	python(t, "odd.py", path)
	st := sqlite.File(path)
	var names []string
	for h, err := range st.Studies(t.Context()) {
		require.NoError(t, err)
		names = append(names, h.Name)
	}
	require.Equal(t, []string{"enqueued", "integers", "range", "step"}, names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			l, err := st.Open(t.Context(), name)
			require.NoError(t, err)
			defer l.Close()
			rs := read(t, l)
			require.Len(t, rs, 3)
			assert.Equal(t, trial.Complete, rs[0].State)
			assert.Equal(t, trial.Failed, rs[1].State)
			assert.Contains(t, rs[1].Err, "cannot be read: ")
			assert.Equal(t, trial.Complete, rs[2].State)
			_, err = l.Start(t.Context(), time.Now(), "")
			require.NoError(t, err, "work goes on")
		})
	}
}

func read(t *testing.T, l storage.Ledger) (rs []trial.Record) {
	t.Helper()
	for u, err := range l.Since(t.Context(), 0) {
		require.NoError(t, err)
		rs = append(rs, u.Trial)
	}
	slices.SortFunc(rs, func(a, b trial.Record) int { return a.Number - b.Number })
	return rs
}

const workerTrials = 40

// work is a worker that runs a number of trials on the study "shared".
func work(path string) error {
	ctx := context.Background()
	l, err := storeAt(path).Open(ctx, "shared")
	if err != nil {
		return err
	}
	p := space.Params{
		Space: space.Space{
			{Name: "x", Distribution: space.FloatDistribution{Low: 0, High: 1}},
			{Name: "c", Distribution: &space.CategoricalDistribution{Choices: []space.Literal{`"a"`, "null", "1"}}},
		},
		Point: []float64{0.5, 1},
	}
	for range workerTrials {
		r, err := l.Start(ctx, time.Now(), "")
		if err != nil {
			return err
		}
		for _, c := range []trial.Change{
			trial.Proposed(p.Settings()), trial.Suggested(p),
			trial.Reported{Step: 0, Value: 0.5}, trial.Reported{Step: 1, Value: math.NaN()},
			trial.Annotated{Key: "by", JSON: `"go"`},
			trial.Finished{State: trial.Complete, Values: []float64{0.5}, At: time.Now()},
		} {
			if err := l.Write(ctx, r.Number, c); err != nil {
				return err
			}
		}
	}
	return l.Close()
}

// storeAt returns the store in a file, or of a URL.
func storeAt(at string) storage.Store {
	switch {
	case strings.HasPrefix(at, "postgres://"):
		return postgres.Database(at)
	case strings.HasPrefix(at, "mysql://"):
		return mysql.Database(at)
	}
	return sqlite.File(at)
}

// TestTogether has processes of both kinds work on one study. In a file nothing is
// enqueued: Python may start a waiting trial twice there.
func TestTogether(t *testing.T) {
	for _, test := range []struct {
		name    string
		at      func(t *testing.T) string
		waiting int
	}{
		{"SQLite", func(t *testing.T) string { return filepath.Join(t.TempDir(), "study.db") }, 0},
		{"PostgreSQL", func(t *testing.T) string { return servertest.Postgres(t) }, 20},
		{"MariaDB", func(t *testing.T) string { return servertest.MySQL(t) }, 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			exe := interpreter(t)
			together(t, exe, test.at(t), test.waiting)
		})
	}
}

func together(t *testing.T, exe, path string, waiting int) {
	l, err := storeAt(path).Create(t.Context(), trial.Header{Name: "shared"})
	require.NoError(t, err)
	defer l.Close()
	for range waiting {
		_, err := l.Add(t.Context(), trial.Record{State: trial.Waiting})
		require.NoError(t, err)
	}
	self, err := os.Executable()
	require.NoError(t, err)

	const goers, pythons = 3, 2
	var wg sync.WaitGroup
	run := func(cmd *exec.Cmd) {
		wg.Go(func() {
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, "%s", out)
			assert.NotContains(t, string(out), "locked")
		})
	}
	for range pythons {
		run(exec.CommandContext(t.Context(), exe, filepath.Join("testdata", "work.py"), path, "shared", "15"))
	}
	for range goers {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), "ATTUNE_INTEROP_WORKER="+path)
		run(cmd)
	}
	// A reader sees all of them come and go.
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var h trial.History
	var at storage.Cursor
	for last := false; !last; {
		select {
		case <-done:
			last = true
		case <-time.After(20 * time.Millisecond):
		}
		for u, err := range l.Since(t.Context(), at) {
			require.NoError(t, err)
			at = u.Cursor
			h.Put(u.Trial)
		}
	}

	rs := h.Snapshot().Records()
	require.Len(t, rs, goers*workerTrials+pythons*15)
	by := map[string]int{}
	for i, r := range rs {
		require.Equal(t, i, r.Number)
		assert.Equal(t, trial.Complete, r.State)
		assert.Len(t, r.Params.Point, 2)
		assert.Len(t, r.Reports, 2)
		who, _ := r.Attrs.Get("by")
		by[who.JSON]++
	}
	assert.Equal(t, map[string]int{`"go"`: goers * workerTrials, `"python"`: pythons * 15}, by)
	// Both programs write a distribution as the same text.
	d := dumpOf(t, path, "shared")
	require.Len(t, d.Trials, len(rs))
	for i, r := range rs {
		require.Equal(t, expect(r).Distributions, d.Trials[i].Distributions)
	}
	storagetest.Equal(t, rs, read(t, l))
}
