package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

func attr(t testing.TB, key string, v any) trial.Attr {
	a, err := trial.NewAttr(key, v)
	require.NoError(t, err)
	return a
}

// table has a trial in every state and a value of every kind.
func table(t testing.TB) export.Table {
	lr := space.Float("lr", 0, 1)
	kind := space.Categorical("kind", "plain", "a,\"b\"\nc", "=1+1", "", "日本")
	layers := space.Int("layers", 1, 9)
	mixed := space.Space{{Name: "mixed", Distribution: &space.CategoricalDistribution{Choices: []space.Literal{"1", "1.0", `"1"`, "true", "null", "NaN", "[64, 32]"}}}}
	at := time.Date(2026, 11, 21, 1, 36, 53, 98146000, time.UTC)
	h := trial.NewHistory(trial.Header{Name: "s"})
	for _, r := range []trial.Record{
		{State: trial.Complete, Values: []float64{1e-5}, Params: space.Params{Space: space.Of(lr, kind), Point: []float64{0.1, 1}},
			Attrs: trial.Attrs{attr(t, "note", "x, y"), attr(t, "scores", []float64{1, math.NaN()})}, Started: at, Finished: at.Add(1500 * time.Millisecond),
			Reports: []trial.Report{{Step: 0, Value: 2}, {Step: 5, Value: math.NaN()}}},
		{State: trial.Complete, Values: []float64{math.Inf(-1)}, Params: space.Params{Space: append(space.Of(lr, layers), mixed...), Point: []float64{1, 3, 5}},
			Constraints: []trial.Constraint{{Name: "size", Value: -1}, {Name: "time", Value: math.NaN()}}, Started: at, Finished: at},
		{State: trial.Pruned, Err: "above the median", Params: space.Params{Space: append(space.Of(kind), mixed...), Point: []float64{2, 6}}, Started: at, Finished: at},
		{State: trial.Failed, Err: "panic: x\n\ngoroutine 1", Params: space.Params{Space: append(space.Of(kind), mixed...), Point: []float64{4, 2}}},
		{State: trial.Running, Started: at, Params: space.Params{Space: append(space.Of(kind), mixed...), Point: []float64{3, 4}}},
		{State: trial.Waiting},
	} {
		r.Number = h.Snapshot().Len() + len(h.Snapshot().Running())
		h.Put(r)
	}
	return export.All(h.Snapshot())
}

func TestCSV(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, table(t).CSV(&b))
	rows, err := csv.NewReader(bytes.NewReader(b.Bytes())).ReadAll()
	require.NoError(t, err)
	const at = "2026-11-21T01:36:53.098146Z"
	assert.Equal(t, [][]string{
		{"number", "state", "value", "params_lr", "params_kind", "params_layers", "params_mixed", "user_attrs_note", "user_attrs_scores",
			"constraints_size", "constraints_time", "datetime_start", "datetime_complete", "duration", "error"},
		{"0", "complete", "1e-05", "0.1", "a,\"b\"\nc", "", "", "x, y", "[1.0, NaN]", "", "", at, "2026-11-21T01:36:54.598146Z", "1.5", ""},
		{"1", "complete", "-Infinity", "1.0", "", "3", "NaN", "", "", "-1.0", "NaN", at, at, "0.0", ""},
		{"2", "pruned", "", "", "=1+1", "", "[64, 32]", "", "", "", "", at, at, "0.0", "above the median"},
		{"3", "failed", "", "", "日本", "", "1", "", "", "", "", "", "", "", "panic: x\n\ngoroutine 1"},
		{"4", "running", "", "", "", "", "null", "", "", "", "", at, "", "", ""},
		{"5", "waiting", "", "", "", "", "", "", "", "", "", "", "", "", ""},
	}, rows)
}

func TestJSONL(t *testing.T) {
	var b bytes.Buffer
	want := table(t).Trials
	require.NoError(t, table(t).JSONL(&b))
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	require.Len(t, lines, len(want))
	for i, line := range lines {
		var got trial.Record
		require.NoError(t, json.Unmarshal([]byte(line), &got), line)
		assert.Equal(t, want[i].Number, got.Number)
		assert.Equal(t, want[i].Params.String(), got.Params.String())
		assert.Equal(t, want[i].Err, got.Err)
	}
	err := export.Table{Trials: []trial.Record{{Number: 7, Attrs: trial.Attrs{{Key: "k", JSON: "{"}}}}}.JSONL(&b)
	assert.ErrorContains(t, err, `record 7: "k"`)
}

func TestObjectives(t *testing.T) {
	two := trial.Header{Directions: []trial.Direction{trial.Minimize, trial.Maximize}}
	names := func(names ...string) trial.Attrs { return trial.Attrs{attr(t, "study:metric_names", names)} }
	record := trial.Record{State: trial.Complete, Values: []float64{1, 2}}
	for name, c := range map[string]struct {
		notes trial.Attrs
		head  string
	}{
		"without names":   {nil, "number,state,values_0,values_1,"},
		"with names":      {names("rmse", "r2"), "number,state,values_rmse,values_r2,"},
		"names that lack": {names("rmse"), "number,state,values_0,values_1,"},
	} {
		s := two
		s.Notes = c.notes
		var rows bytes.Buffer
		require.NoError(t, export.Table{Study: s, Trials: []trial.Record{record}}.CSV(&rows))
		assert.Contains(t, rows.String(), c.head, name)
	}
	var one bytes.Buffer
	require.NoError(t, export.Table{Study: trial.Header{Notes: names("rmse")}}.CSV(&one))
	assert.Equal(t, "number,state,values_rmse,datetime_start,datetime_complete,duration,error\n", one.String())
}

func TestParams(t *testing.T) {
	s := append(space.Of(space.Float("lr", 0, 1), space.Int("layers", 1, 9), space.Categorical("kind", "dart", "1.0", "no"), space.Categorical("on", true, false)),
		space.Axis{Name: "none", Distribution: &space.CategoricalDistribution{Choices: []space.Literal{"null"}}})
	for _, r := range []trial.Record{
		{},
		{Params: space.Params{Space: s, Point: []float64{1e-5, 3, 0, 1, 0}}},
		{Params: space.Params{Space: s, Point: []float64{1, 3, 1, 0, 0}}},
		{Params: space.Params{Space: s, Point: []float64{0, 3, 2, 0, 0}}},
	} {
		var j, y bytes.Buffer
		require.NoError(t, export.ParamsJSON(&j, r))
		require.NoError(t, export.ParamsYAML(&y, r))
		assert.True(t, json.Valid(j.Bytes()))
		fromJSON, err := export.ReadParams(&j)
		require.NoError(t, err)
		fromYAML, err := export.ReadParams(&y)
		require.NoError(t, err)
		assert.Equal(t, r.Params.Settings(), fromJSON)
		assert.Equal(t, r.Params.Settings(), fromYAML)
	}
	odd := trial.Record{Params: space.Params{Space: space.Of(space.Categorical("x", math.NaN())), Point: []float64{0}}}
	var b bytes.Buffer
	err := export.ParamsJSON(&b, odd)
	assert.ErrorIs(t, err, space.ErrOutside)
	assert.ErrorContains(t, err, `export: parameter "x"`)
	assert.ErrorContains(t, err, "write YAML")
	assert.Empty(t, b.String())
	require.NoError(t, export.ParamsYAML(&b, odd))
	assert.Equal(t, "x: .nan\n", b.String())
	_, err = export.ReadParams(strings.NewReader("x: [1]"))
	assert.ErrorIs(t, err, space.ErrInvalid)
}

var errFull = errors.New("disk full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrors(t *testing.T) {
	assert.ErrorIs(t, table(t).CSV(full{}), errFull)
	assert.ErrorIs(t, table(t).JSONL(full{}), errFull)
	assert.ErrorIs(t, export.ParamsJSON(full{}, trial.Record{}), errFull)
	assert.ErrorIs(t, export.ParamsYAML(full{}, trial.Record{}), errFull)
}

// TestPython reads the exports with Python's csv and json, if there is a Python.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	dir := t.TempDir()
	for name, write := range map[string]func(*os.File) error{
		"t.csv":   func(f *os.File) error { return table(t).CSV(f) },
		"t.jsonl": func(f *os.File) error { return table(t).JSONL(f) },
		"p.json":  func(f *os.File) error { return export.ParamsJSON(f, table(t).Trials[0]) },
	} {
		f, err := os.Create(dir + "/" + name)
		require.NoError(t, err)
		require.NoError(t, write(f))
		require.NoError(t, f.Close())
	}
	const script = `
import csv, json
def constant(c): raise ValueError(c)
rows = list(csv.DictReader(open("t.csv", newline="", encoding="utf-8")))
lines = [json.loads(l, parse_constant=constant) for l in open("t.jsonl", encoding="utf-8")]
assert len(rows) == len(lines) == 6
for row, line in zip(rows, lines):
    assert int(row["number"]) == line["number"] and row["state"] == line["state"] and row["error"] == line["error"]
    for name, value in line["params"].items():
        cell = row["params_" + name]
        if type(value) is dict:
            value = value["$number"]
        assert type(value) in (str, list, bool, type(None)) or type(value)(cell) == value, (cell, value)
        assert type(value) is not str or cell == value
    for value in line["values"]:
        assert float(row["value"]) == float(value)
assert type(lines[1]["params"]["layers"]) is int and type(lines[1]["params"]["lr"]) is float
assert json.load(open("p.json")) == {"lr": 0.1, "kind": 'a,"b"\nc'}
`
	cmd := exec.Command(python, "-c", script)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
