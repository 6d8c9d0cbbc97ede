package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// monthsOf returns CSV with an id, a time and a target: n rows of each series, which begin with
// row from.
func monthsOf(id string, from, n int) string {
	var b strings.Builder
	for i := from; i < from+n; i++ {
		fmt.Fprintf(&b, "%s,%d-%02d-01,%d\n", id, 2015+i/12, i%12+1, 100+len(id)+(i*7)%12)
	}
	return b.String()
}

// tuned tunes quick models on a file with the given text.
func tuned(t *testing.T, dir, text string, more ...string) outcome {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "p.csv"), []byte(text), 0o644))
	return attune(t, dir, append([]string{"optimize", "--data", "p.csv", "--target", "y", "--models", "theta,nlinear", "--trials", "1", "--quiet"}, more...)...)
}

// Data without time stamps have steps: a column counts them, or the rows do.
func TestStepsInData(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ header, note, next string }{
		"counted":   {"t,y", `no column has time stamps: "t" counts the steps`, "41,"},
		"only y":    {"y", "no column has time stamps: each row is the step after the one before it", "41,"},
		"of pandas": {",y", `no column has time stamps: "Unnamed: 0" counts the steps`, "41,"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			text := tc.header + "\n"
			for i := range 40 {
				row := fmt.Sprintf("%d,%d\n", i+1, 50+(i*5)%7)
				if tc.header == "y" {
					row = row[strings.Index(row, ",")+1:]
				}
				text += row
			}
			o := tuned(t, dir, text)
			require.Zero(t, o.code, o.stderr)
			assert.Contains(t, o.stdout, tc.note)
			assert.Contains(t, o.stdout, "y by step, 40 rows, 1 to 40")
			out := succeed(t, dir, "predict", "--study", "p-y/theta", "--horizon", "1")
			assert.True(t, strings.HasPrefix(out, "time,prediction\n"+tc.next), out)
		})
	}
	o := tuned(t, t.TempDir(), "when,y\nMonday,1\nTuesday,2\n")
	assert.Contains(t, o.stderr, "no column has time stamps that attune recognizes", "texts are not passed over")
	o = tuned(t, t.TempDir(), "day,y\n2020-01-01,1\n", "--layout", "rows", "--time", "day")
	assert.Contains(t, o.stderr, "--layout rows: it is for data without time stamps: leave out --time")
}

// Panels with odd series: what cannot be forecast is named and left out, and what ends early is
// scored if asked.
func TestOddPanels(t *testing.T) {
	t.Parallel()
	head := "id,date,y\n"
	good := monthsOf("a", 0, 60) + monthsOf("bb", 0, 60)

	dir := t.TempDir()
	o := tuned(t, dir, head+good+monthsOf("few", 58, 2)+"c,2019-10-01,7\nc,2019-11-01,7\nc,2019-12-01,7\n", "--id", "id")
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stdout, `1 series left out, with fewer than 3 values: "few"`)
	assert.Contains(t, o.stdout, `1 series left out, whose target is constant: "c"`)
	assert.Contains(t, o.stdout, "seasonal naive (baseline)")

	// Three values are few, but enough.
	o = tuned(t, t.TempDir(), head+good+monthsOf("few", 57, 3), "--id", "id")
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stdout, "3 series, 123 rows")
	assert.Contains(t, o.stdout, "seasonal naive (baseline)")

	dir = t.TempDir()
	ended := head + good + monthsOf("late", 0, 50)
	o = tuned(t, dir, ended, "--id", "id")
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stdout, `1 series end before 2019-12-01: steps after that are not scored for them, unless you give --ends each: "late"`)
	out := attune(t, dir, "predict", "--study", "p-y/theta", "--horizon", "1")
	assert.Contains(t, out.stderr, `1 series end before 2019-12-01, and are forecast from their own ends: "late"`)
	assert.Contains(t, out.stdout, "a,2020-01-01,")
	assert.Contains(t, out.stdout, "late,2019-03-01,")
	out = attune(t, dir, "predict", "--study", "p-y/theta", "--ends", "last")
	assert.Contains(t, out.stderr, `1 series end before 2019-12-01, and forecasts stand for their steps up to there: "late"`)
	assert.Contains(t, out.stdout, "late,2020-01-01,")
	assert.NotContains(t, out.stdout, ",2019-")
	assert.Contains(t, attune(t, dir, "predict", "--ends", "both").stderr, "--ends both: want one of last, each")
	again := tuned(t, dir, ended, "--id", "id", "--ends", "each")
	assert.Contains(t, again.stderr, "was made with --ends last, but it is now each")
	o = tuned(t, t.TempDir(), ended, "--id", "id", "--ends", "each")
	require.Zero(t, o.code, o.stderr)
	assert.NotContains(t, o.stdout, "series end before")
	o = tuned(t, t.TempDir(), ended, "--id", "id", "--ends", "both")
	assert.Contains(t, o.stderr, "--ends both: want one of last, each")

	for name, tc := range map[string]struct {
		text, want string
		more       []string
	}{
		"duplicates":          {head + good + "a,2019-12-01,3\n", `line 122: column "date": "2019-12-01": series "a": duplicate of line 61`, nil},
		"an infinity":         {head + good + "a,2020-01-01,inf\n", `line 122: column "y": "inf": not a finite number`, nil},
		"infinite covariates": {"id,date,y,x\n" + strings.ReplaceAll(good, "\n", ",1\n") + "a,2020-01-01,3,-Inf\n", `line 122: column "x": "-Inf": not a finite number`, []string{"--known", "x"}},
		"constants":           {head + "a,2020-01-01,0\na,2020-02-01,0\na,2020-03-01,0\nb,2020-01-01,0\nb,2020-02-01,0\nb,2020-03-01,0\n", "every series is constant or too short: there is nothing to forecast", nil},
	} {
		o := tuned(t, t.TempDir(), tc.text, append([]string{"--id", "id"}, tc.more...)...)
		assert.Equal(t, 1, o.code, name)
		assert.Contains(t, o.stderr, tc.want, name)
	}
	o = tuned(t, t.TempDir(), head+good, "--id", "id", "--horizon", "70")
	assert.Contains(t, o.stderr, "too few rows: there are 60, but 212 are needed")
}

// Columns that are known in advance do not make a series of one without a target, and a lack of them is named.
func TestPredictWithColumns(t *testing.T) {
	t.Parallel()
	rows := func(ids string, known, values int) string {
		var b strings.Builder
		for _, id := range strings.Split(ids, ",") {
			for i := range known {
				y := ""
				if i < values {
					y = strconv.Itoa(100 + i + 10*(i%12))
				}
				fmt.Fprintf(&b, "%s,%d-%02d-01,%s,%d,%s\n", id, 2015+i/12, 1+i%12, y, i%3%2, id[:1])
			}
		}
		return b.String()
	}
	const head = "id,date,y,promo,kind\n"
	dir := t.TempDir()
	o := tuned(t, dir, head+rows("a,b", 60, 60), "--id", "id", "--known", "promo", "--static", "kind", "--models", "lightgbm", "--trials", "1", "--horizon", "6", "--test", "0", "--ensemble=false")
	require.Zero(t, o.code, o.stderr)
	write := func(text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "new.csv"), []byte(text), 0o644))
	}
	write(head + rows("a,b", 66, 60) + rows("new", 66, 0))
	o = attune(t, dir, "predict", "--data", "new.csv")
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stderr, `1 series left out, without a value of "y": "new"`)
	assert.Equal(t, 1+2*6, strings.Count(o.stdout, "\n"))
	write(head + rows("a,b", 60, 60))
	assert.Contains(t, attune(t, dir, "predict", "--data", "new.csv").stderr, `column "promo": the horizon of 6: its values are known only 0 steps ahead`)
	write(strings.ReplaceAll(head, ",promo", ",other") + rows("a,b", 66, 60))
	assert.Contains(t, attune(t, dir, "predict", "--data", "new.csv").stderr, `column "promo": column not found: there are "id", "date", "y", "other", "kind"`)
	write(head + rows("a,b", 66, 0))
	assert.Contains(t, attune(t, dir, "predict", "--data", "new.csv").stderr, `new.csv: no series has a value of "y"`)
}

// Ten thousand short series get defaults that fit them; reading and planning take a moment.
func TestManySeries(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("id,date,y\n")
	for i := range 10_000 {
		b.WriteString(monthsOf(fmt.Sprintf("s%d", i), 0, 12))
	}
	o := tuned(t, t.TempDir(), b.String(), "--id", "id", "--print-config")
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stdout, "horizon: 2\n")
}

// Trees learn from series of 14 months, too: they look back less far, and the command says so.
func TestShortPanel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("id,month,y\n")
	for k := range 20 {
		for i := range 14 {
			fmt.Fprintf(&b, "s%d,%d-%02d,%d\n", k, 2019+i/12, i%12+1, 100+10*k+2*i+(7*i+3*k)%5)
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "short.csv"), []byte(b.String()), 0o644))
	o := attune(t, dir, "optimize", "--data", "short.csv", "--id", "id", "--target", "y", "--models", "theta,lightgbm", "--trials", "2", "--max-rounds", "5")
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stderr, "trees look back 2 steps by default, not 12: the backtest begins with few rows\n")
	assert.Regexp(t, `(?m)^lightgbm +[0-9.]+ `, o.stdout)
	rows := strings.Split(strings.TrimSpace(succeed(t, dir, "predict", "--study", "short-y/lightgbm")), "\n")
	assert.Len(t, rows, 1+20*2)
}
