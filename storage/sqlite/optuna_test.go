package sqlite_test

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/storage/storagetest"
	"github.com/attune-hpo/attune/trial"
)

// copied returns a copy of a file that Optuna wrote.
func copied(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	path := temp(t)
	require.NoError(t, os.WriteFile(path, b, 0o644))
	return path
}

func read(t *testing.T, l storage.Ledger) (rs []trial.Record) {
	t.Helper()
	for u, err := range l.Since(t.Context(), 0) {
		require.NoError(t, err)
		rs = append(rs, u.Trial)
	}
	return rs
}

func TestReadsOptuna(t *testing.T) {
	path := copied(t, "optuna5dev_single.sqlite3")
	l, err := sqlite.File(path).Open(t.Context(), "st")
	require.NoError(t, err)
	defer l.Close()
	h, err := l.Header(t.Context())
	require.NoError(t, err)
	assert.Equal(t, trial.Header{
		Name: "st", Directions: []trial.Direction{trial.Minimize},
		Attrs: trial.Attrs{{Key: "k", JSON: `"v"`}},
		Notes: trial.Attrs{{Key: "study:metric_names", JSON: `["loss"]`}},
	}, h)
	rs := read(t, l)
	require.Len(t, rs, 13)
	storagetest.Equal(t, []trial.Record{{
		Number: 0, State: trial.Complete,
		Params: space.Params{
			Space: space.Space{
				{Name: "x", Distribution: space.FloatDistribution{Low: -10, High: 10}},
				{Name: "y", Distribution: space.IntDistribution{Low: 0, High: 10, Step: 2}},
				{Name: "z", Distribution: &space.CategoricalDistribution{Choices: []space.Literal{`"a"`, "null", "true", "1", "2.5"}}},
				{Name: "l", Distribution: space.FloatDistribution{Low: 1e-5, High: 100, Log: true}},
				{Name: "q", Distribution: space.FloatDistribution{Low: 0, High: 1, Step: 0.1}},
				{Name: "il", Distribution: space.IntDistribution{Low: 1, High: 100, Step: 1, Log: true}},
			},
			Point: []float64{1.5, 8, 1, 0.0040780780034527985, 0.6000000000000001, 8},
		},
		Fixed:       []space.Setting{{Name: "x", Value: "1.5"}, {Name: "z", Value: "null"}},
		Reports:     []trial.Report{{Step: 0, Value: 1.5}, {Step: 1, Value: math.NaN()}, {Step: 2, Value: math.Inf(1)}},
		Values:      []float64{2.25},
		Constraints: []trial.Constraint{{Name: "c0", Value: -0.5}},
		Attrs:       trial.Attrs{{Key: "memo", JSON: `"hi"`}, {Key: "u", JSON: `{"\u00e9": [1, 2.0, null, true]}`}},
		Started:     time.Date(2026, 11, 21, 1, 36, 53, 98146000, time.UTC),
		Finished:    time.Date(2026, 11, 21, 1, 36, 53, 355920000, time.UTC),
	}}, rs[:1])
	assert.Equal(t, []float64{math.Inf(1)}, rs[1].Values)
	for _, r := range rs {
		assert.Nil(t, r.Proposed, "what a sampler drew means nothing once the trial has finished")
		for _, n := range r.Notes {
			assert.False(t, strings.HasPrefix(n.Key, "tpe:relative_params"), n.Key)
		}
	}
	// And goes on with it.
	r, err := l.Start(t.Context(), time.Now(), "")
	require.NoError(t, err)
	assert.Equal(t, 13, r.Number)
}

func TestReadsManyStudies(t *testing.T) {
	store := sqlite.File(copied(t, "optuna5dev_many.sqlite3"))
	sizes := map[string]int{}
	for h, err := range store.Studies(t.Context()) {
		require.NoError(t, err)
		l, err := store.Open(t.Context(), h.Name)
		require.NoError(t, err)
		for i, r := range read(t, l) {
			require.Equal(t, i, r.Number)
			sizes[h.Name]++
			if h.Name == "h" {
				assert.Equal(t, []trial.Direction{trial.Minimize, trial.Maximize}, h.Directions)
				assert.Len(t, r.Values, 2)
			}
		}
		require.NoError(t, l.Close())
	}
	n := 0
	for _, size := range sizes {
		n += size
	}
	assert.Equal(t, 18, n)
	assert.Equal(t, 6, sizes["h"])
}

// TestWritesAsOptuna compares rows with what Optuna 5.0.0 writes.
func TestWritesAsOptuna(t *testing.T) {
	path := temp(t)
	store := sqlite.File(path)
	l, err := store.Create(t.Context(), trial.Header{Name: "a", Directions: []trial.Direction{trial.Maximize}, Seed: 1<<64 - 1})
	require.NoError(t, err)
	_, err = l.Add(t.Context(), trial.Record{State: trial.Waiting, Fixed: []space.Setting{{Name: "x", Value: "1.5"}, {Name: "z", Value: "null"}}})
	require.NoError(t, err)
	at := time.Date(2026, 11, 21, 1, 36, 53, 98146000, time.FixedZone("", 3600))
	r, err := l.Start(t.Context(), at, "")
	require.NoError(t, err)
	long := space.Lit(strings.Repeat("é", 700)) // six characters each
	require.NoError(t, l.Write(t.Context(), r.Number,
		trial.Suggested{Space: space.Space{
			{Name: "x", Distribution: space.FloatDistribution{Low: 1e-5, High: 1e16, Log: true}},
			{Name: "z", Distribution: &space.CategoricalDistribution{Choices: []space.Literal{`"a"`, "null", "1", "1.0"}}},
		}, Point: []float64{1.5, 1}},
		trial.Reported{Step: 2, Value: math.Inf(-1)}, trial.Reported{Step: 1, Value: math.NaN()}, trial.Reported{Step: 0, Value: 3},
		trial.Constrained{Name: "c0", Value: -0.5},
		trial.Proposed{{Name: "a", Value: long}, {Name: "b", Value: "1.0"}},
	))
	text := func(query string) string {
		var b strings.Builder
		for _, row := range sql(t, path, query) {
			var cells []any
			for _, cell := range row {
				cells = append(cells, cell)
			}
			fmt.Fprintln(&b, cells...)
		}
		return b.String()
	}
	pieces := text("SELECT value_json FROM trial_system_attributes WHERE key LIKE 'tpe:%' ORDER BY key")
	assert.Equal(t, 3, strings.Count(pieces, "\n"))
	assert.Equal(t, `"{\"a\": \"\\u00e9\\u00e9`, pieces[:25])
	assert.Equal(t, "2045\n2045\n129\n", text("SELECT length(json_extract(value_json, '$')) FROM trial_system_attributes WHERE key LIKE 'tpe:%' ORDER BY key"))

	require.NoError(t, l.Write(t.Context(), r.Number, trial.Finished{State: trial.Complete, Values: []float64{math.Inf(1)}, At: at.Add(time.Second)}))
	_, err = l.Add(t.Context(), trial.Record{State: trial.Failed, Err: "exit status 1"})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	assert.Equal(t, "1 a\n", text("SELECT * FROM studies"))
	assert.Equal(t, "1 MAXIMIZE 1 0\n", text("SELECT * FROM study_directions"))
	assert.Equal(t, "attune:seed 18446744073709551615\n", text("SELECT key, value_json FROM study_system_attributes WHERE key = 'attune:seed'"))
	assert.Equal(t, "1 0 1 COMPLETE 2026-11-21 00:36:53.098146 2026-11-21 00:36:54.098146\n2 1 1 FAIL <nil> <nil>\n",
		text("SELECT trial_id, number, study_id, state, CAST(datetime_start AS TEXT), CAST(datetime_complete AS TEXT) FROM trials"))
	assert.Equal(t, `1 1 x 1.5 {"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1e+16, "log": true}}
2 1 z 1 {"name": "CategoricalDistribution", "attributes": {"choices": ["a", null, 1, 1.0]}}
`, text("SELECT * FROM trial_params"))
	assert.Equal(t, "1 1 2 <nil> INF_NEG\n2 1 1 <nil> NAN\n3 1 0 3 FINITE\n", text("SELECT * FROM trial_intermediate_values"))
	assert.Equal(t, "1 1 0 <nil> INF_POS\n", text("SELECT * FROM trial_values"))
	assert.Equal(t, "1 fixed_params {\"x\": 1.5, \"z\": null}\n1 constraints:c0 -0.5\n2 attune:error \"exit status 1\"\n",
		text("SELECT trial_id, key, value_json FROM trial_system_attributes ORDER BY trial_system_attribute_id"))
	assert.Regexp(t, `^1 1 \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}000\n$`, text("SELECT trial_heartbeat_id, trial_id, CAST(heartbeat AS TEXT) FROM trial_heartbeats"))

	require.NoError(t, store.Delete(t.Context(), "a"))
	for _, table := range []string{
		"studies", "study_directions", "study_user_attributes", "study_system_attributes", "trials", "trial_params", "trial_values",
		"trial_intermediate_values", "trial_user_attributes", "trial_system_attributes", "trial_heartbeats",
	} {
		assert.Empty(t, text("SELECT * FROM "+table), table)
	}
}

// TestForeignRows reads what other versions and other programs leave behind.
func TestForeignRows(t *testing.T) {
	path := temp(t)
	l, err := sqlite.File(path).Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	defer l.Close()
	sql(t, path,
		"INSERT INTO trials VALUES (1, 0, 1, 'WAITING', NULL, NULL)",
		"INSERT INTO trials VALUES (2, NULL, 1, 'RUNNING', '2026-11-21 01:36:53', NULL)", // being created
		"INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (1, 'x', 2.0, '{\"name\": \"IntUniformDistribution\", \"attributes\": {\"low\": 1, \"high\": 4, \"step\": 1}}')",
		"INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (1, 'constraints:1', '7')",
		"INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (1, 'constraints', '[1.0, -2.5, NaN]')",
		"INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (1, 'tpe:relative_params:1', '\"5}\"')",
		"INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (1, 'tpe:relative_params:0', '\"{\\\"x\\\": 2.\"')",
		"INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (1, 'constraints:odd', '\"high\"')",
		"INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (1, 'attune:later', '1')",
		"INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (1, 'fixed_params', '{\"x\": [1, 2]}')",
		"INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (1, 'retry_history', '[0]')",
	)
	storagetest.Equal(t, []trial.Record{{
		Params: space.Params{
			Space: space.Space{{Name: "x", Distribution: space.IntDistribution{Low: 1, High: 4, Step: 1}}},
			Point: []float64{2},
		},
		Proposed:    []space.Setting{{Name: "x", Value: "2.5"}},
		Fixed:       []space.Setting{{Name: "x", Value: "[1, 2]"}},
		Constraints: []trial.Constraint{{Name: "0", Value: 1}, {Name: "1", Value: 7}, {Name: "2", Value: math.NaN()}},
		Notes:       trial.Attrs{{Key: "retry_history", JSON: "[0]"}},
	}}, read(t, l))

	sql(t, path, "UPDATE trials SET number = 1 WHERE trial_id = 2")
	rs := read(t, l)
	require.Len(t, rs, 2)
	assert.Equal(t, trial.Running, rs[1].State)

	sql(t, path, "INSERT INTO trials VALUES (3, 1, 1, 'RUNNING', NULL, NULL)")
	for _, err := range l.Since(t.Context(), 0) {
		require.ErrorIs(t, err, storage.ErrFormat, "two trials of one number")
	}
	sql(t, path, "UPDATE trials SET number = 2, state = 'PAUSED' WHERE trial_id = 3")
	rs = read(t, l)
	require.Len(t, rs, 3)
	assert.Equal(t, trial.Failed, rs[2].State)
	assert.Equal(t, `cannot be read: its state is "PAUSED"`, rs[2].Err)
}

func byNumber(rs []trial.Record) []trial.Record {
	slices.SortFunc(rs, func(a, b trial.Record) int { return cmp.Compare(a.Number, b.Number) })
	return rs
}

// Trials that attune cannot read are present as failed trials, with the reason. All others are unchanged, and work
// continues.
func TestUnreadableTrials(t *testing.T) {
	const float = `{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}`
	const log = `{"name": "FloatDistribution", "attributes": {"step": null, "low": 1.0, "high": 2.0, "log": true}}`
	const choices = `{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "b"]}}`
	param := func(value, distribution string) string {
		return fmt.Sprintf("INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (2, 'x', %s, '%s')", value, distribution)
	}
	for _, test := range []struct {
		name, row string
		want      string // in its Err; "": it is read
	}{
		// Optuna 5.0.0 writes these.
		{"an integer beyond 2^53", param("4.5e18", `{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 4611686018427387904}}`), `"x"`},
		{"an infinite value that was enqueued", param("9e999", float), `parameter "x": +Inf is not in`},
		{"an infinite bound", param("1", `{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": Infinity, "log": false}}`), `"x"`},
		{"the widest range", param("1", `{"name": "FloatDistribution", "attributes": {"step": null, "low": -1e+308, "high": 1e+308, "log": false}}`), `"x"`},
		{"a tiny step", param("0.5", `{"name": "FloatDistribution", "attributes": {"step": 1e-16, "low": 0.0, "high": 1.0, "log": false}}`), `"x"`},
		{"a number outside", param("20", float), ""},
		// Nothing writes these.
		{"no such choice", param("7", choices), `parameter "x": 7 is not in`},
		{"half a choice", param("0.5", choices), `"x"`},
		{"a negative choice", param("-1", choices), `"x"`},
		{"no coordinate", param("NULL", float), "NaN"},
		{"zero on a logarithmic scale", param("0", log), `"x"`},
		{"no distribution", param("1", "?"), `"x"`},
		{"no value", "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (2, 1, NULL, 'FINITE')", "the value of objective 1 is not a number"},
		{"an unknown state", "UPDATE trials SET state = 'PAUSED' WHERE trial_id = 2", `its state is "PAUSED"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := temp(t)
			l, err := sqlite.File(path).Create(t.Context(), trial.Header{Name: "a"})
			require.NoError(t, err)
			defer l.Close()
			require.NoError(t, run(t, l))
			_, err = l.Start(t.Context(), time.Now(), "")
			require.NoError(t, err)
			require.NoError(t, run(t, l))

			// While it runs, it is a running trial like others.
			state := strings.HasPrefix(test.row, "UPDATE")
			if !state {
				sql(t, path, "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (2, 'y', 0.5, '"+float+"')", test.row)
				rs := byNumber(read(t, l))
				require.Equal(t, trial.Running, rs[1].State)
				require.Len(t, rs, 3)
			}
			_, err = l.(storage.Leaser).Reap(t.Context(), nil, time.Hour, time.Now(), nil)
			require.NoError(t, err)
			sql(t, path, "UPDATE trials SET state = 'COMPLETE' WHERE trial_id = 2",
				"INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (2, 0, 1.0, 'FINITE')")
			if state {
				sql(t, path, test.row)
			}
			again, err := sqlite.File(path).Open(t.Context(), "a")
			require.NoError(t, err)
			defer again.Close()
			for _, l := range []storage.Ledger{l, again} {
				rs := byNumber(read(t, l))
				require.Len(t, rs, 3)
				assert.Equal(t, trial.Complete, rs[0].State)
				assert.Equal(t, trial.Complete, rs[2].State)
				if test.want == "" {
					assert.Equal(t, trial.Complete, rs[1].State)
					continue
				}
				assert.Equal(t, trial.Failed, rs[1].State)
				assert.Empty(t, rs[1].Values)
				assert.Contains(t, rs[1].Err, "cannot be read: ")
				assert.Contains(t, rs[1].Err, test.want)
				if !state {
					assert.Equal(t, "y", rs[1].Params.Space[0].Name, "what can be read is there")
				}
			}
			require.NoError(t, run(t, l), "work goes on")
		})
	}
}

// TestDamagedRows reads numbers that no version of any program writes.
func TestDamagedRows(t *testing.T) {
	for _, test := range []struct {
		name, damage string
		want         []string // in the error; none: it is read
	}{
		{"a huge number", "UPDATE trials SET number = 1000000000000", []string{"row 1", "1000000000000"}},
		{"a negative number", "UPDATE trials SET number = -1", []string{"row 1", "-1"}},
		{"a huge number in a huge row", "UPDATE trials SET trial_id = 1 << 60, number = 1 << 40", []string{"trial 1099511627776"}},
		{"a gap", "UPDATE trials SET trial_id = 1000, number = 900", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := temp(t)
			l, err := sqlite.File(path).Create(t.Context(), trial.Header{Name: "a"})
			require.NoError(t, err)
			defer l.Close()
			sql(t, path, "INSERT INTO trials VALUES (1, 0, 1, 'COMPLETE', NULL, NULL)", test.damage)
			for _, err := range l.Since(t.Context(), 0) {
				if test.want == nil {
					require.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, storage.ErrFormat)
				for _, text := range test.want {
					require.ErrorContains(t, err, text)
				}
			}
		})
	}
}

// TestRowsUsedAgain deletes a study of Optuna's, which has no token, and lets the
// next one have its rows.
func TestRowsUsedAgain(t *testing.T) {
	path := copied(t, "optuna5dev_single.sqlite3")
	l, err := sqlite.File(path).Open(t.Context(), "st")
	require.NoError(t, err)
	defer l.Close()
	require.Len(t, read(t, l), 13)
	rows := []string{"DELETE FROM trials", "DELETE FROM studies", "INSERT INTO studies VALUES (1, 'st')"}
	for n := range 13 {
		rows = append(rows, fmt.Sprintf("INSERT INTO trials VALUES (%d, %d, 1, 'RUNNING', '2027-01-01 00:00:00.000000', NULL)", n+1, n))
	}
	sql(t, path, rows...)
	for _, err := range l.Since(t.Context(), 0) {
		require.ErrorIs(t, err, storage.ErrNotExist)
	}
}
