package forecast_test

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
)

// opener opens texts as files.
func opener(files map[string]string) func(string) (io.ReadCloser, error) {
	return func(name string) (io.ReadCloser, error) {
		text, ok := files[name]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return io.NopCloser(strings.NewReader(text)), nil
	}
}

const sales = `Store,Dept,Date,Sales,IsHoliday
1,1,2010-02-05,10,FALSE
1,1,2010-02-12,11,TRUE
1,1,2010-02-19,12,FALSE
1,2,2010-02-05,20,FALSE
1,2,2010-02-12,21,TRUE
2,1,2010-02-05,30,FALSE
2,1,2010-02-12,31,TRUE
`

var joins = map[string]string{
	"features": `Store,Date,Temperature,MarkDown,IsHoliday
1,2010-02-05,1.5,NA,FALSE
1,2010-02-12,2.5,7,TRUE
1,2010-02-19,3.5,NA,FALSE
1,2010-02-26,4.5,8,TRUE
1,2010-02-27,0,0,FALSE
2,2010-02-12,9.5,NA,TRUE
2,2010-02-19,8.5,NA,FALSE
`,
	"stores": "Store,Type,Size\n1,A,100\n2,B,200\n",
}

func values(t *testing.T, columns []forecast.Column, name string) []float64 {
	t.Helper()
	for _, c := range columns {
		if c.Name == name {
			return c.Values
		}
	}
	require.Fail(t, "no column", "%s in %v", name, columns)
	return nil
}

// equal compares numbers. Missing ones are equal.
func equal(t *testing.T, want, got []float64) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		if math.IsNaN(want[i]) {
			assert.True(t, math.IsNaN(got[i]), "%d of %v", i, got)
			continue
		}
		assert.Equal(t, want[i], got[i], "%d of %v", i, got)
	}
}

// Files are joined on the columns that they share, and their rows after the last one of a series
// are its future.
func TestJoin(t *testing.T) {
	none := math.NaN()
	in := forecast.CSV{Time: "Date", Target: "Sales", ID: "Store,Dept", Join: []string{"features", "stores"}, Open: opener(joins), AllowConstant: true}
	f, as, err := in.Recognize(strings.NewReader(sales))
	require.NoError(t, err)
	require.Len(t, f, 3)
	assert.Equal(t, []string{"Type", "Size"}, as.Static)
	assert.Equal(t, []string{"Temperature", "MarkDown", "IsHoliday"}, as.Known)
	assert.Empty(t, as.Past)
	assert.Equal(t, map[string][]string{"Type": {"A", "B"}}, as.Categories)
	assert.Equal(t, "week", as.Freq.String())

	assert.Equal(t, "1/1", f[0].ID)
	equal(t, []float64{10, 11, 12}, f[0].Y)
	equal(t, []float64{1.5, 2.5, 3.5, 4.5}, values(t, f[0].Known, "Temperature"))
	equal(t, []float64{none, 7, none, 8}, values(t, f[0].Known, "MarkDown"))
	equal(t, []float64{0, 1, 0, 1}, values(t, f[0].Known, "IsHoliday"))
	equal(t, []float64{0, 0, 0, 0, 0, 0, 0}, values(t, f[0].Known, "Type=B"))
	equal(t, []float64{100, 100, 100, 100, 100, 100, 100}, values(t, f[0].Known, "Size")) // for ever
	equal(t, []float64{1.5, 2.5, 3.5, 4.5}, values(t, f[1].Known, "Temperature"))
	equal(t, []float64{none, 9.5, 8.5}, values(t, f[2].Known, "Temperature"))
	equal(t, []float64{0, 1, 0}, values(t, f[2].Known, "IsHoliday")) // the table knows what the joined file lacks
	equal(t, []float64{1, 1, 1, 1, 1}, values(t, f[2].Known, "Type=B"))

	// What was recognized reads other files in the same way, although they would have other roles.
	as.Open = opener(map[string]string{"features": joins["features"], "stores": "Store,Size,Type,Town\n1,100,C,x\n2,200,B,y\n"})
	_, again, err := as.Recognize(strings.NewReader("Store,Dept,Date,Sales,IsHoliday\n1,1,2010-02-12,11,TRUE\n1,1,2010-02-26,10,TRUE\n"))
	require.ErrorIs(t, err, forecast.ErrGap, "rows of the table itself may not be missing")
	assert.Empty(t, again.Past)
	g, again, err := as.Recognize(strings.NewReader("Store,Dept,Date,Sales,IsHoliday\n1,1,2010-02-19,11,FALSE\n1,1,2010-02-26,10,TRUE\n"))
	require.NoError(t, err)
	assert.Equal(t, as.Known, again.Known)
	assert.Equal(t, as.Categories, again.Categories)
	equal(t, []float64{none, none, none, none}, values(t, g[0].Known, "Type=B"))

	// A file that ends with the table is known no earlier than the target.
	in.Open = opener(map[string]string{"features": "Date,Oil\n2010-02-05,1\n2010-02-12,2\n2010-02-19,3\n", "stores": joins["stores"]})
	f, as, err = in.Recognize(strings.NewReader(sales))
	require.NoError(t, err)
	assert.Equal(t, []string{"Oil"}, as.Past)
	equal(t, []float64{1, 2}, values(t, f[1].Past, "Oil"))
	equal(t, []float64{100, 100, 100, 100, 100, 100}, values(t, f[0].Known, "Size")) // for ever

	// Roles that are given choose columns.
	in.Open, in.Known = opener(joins), []string{"Temperature", "Size"}
	f, as, err = in.Recognize(strings.NewReader(sales))
	require.NoError(t, err)
	assert.Equal(t, []string{"Temperature", "Size"}, as.Known)
	assert.Empty(t, as.Static)
	require.Len(t, f[0].Known, 2)
}

func TestJoinErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		features string
		change   func(*forecast.CSV)
		want     error
		says     string
	}{
		"no file":          {"", func(c *forecast.CSV) { c.Join = []string{"nowhere"} }, fs.ErrNotExist, "open nowhere: file does not exist"},
		"nothing shared":   {"Shop,Day,x\n1,2,3\n", nil, forecast.ErrColumn, `joined: features: line 1: column "Date", "Store", "Dept" not found: a joined file needs one of them`},
		"two rows":         {"Store,Date,x\n1,2010-02-05,3\n1,2010-02-05,4\n", nil, forecast.ErrDuplicate, `features: line 3: duplicate of an earlier line: "1", "2010-02-05"`},
		"not a time":       {"Date,x\nlater,3\n", nil, forecast.ErrTime, `features: line 2: column "Date": "later": not a time`},
		"infinite":         {"Store,x\n1,inf\n", nil, forecast.ErrNumber, `column "x": "inf": not a finite number`},
		"a text":           {"Store,x\n1,1\n2,many\n", nil, forecast.ErrNumber, `line 3: column "x": "many": not a finite number`},
		"many texts":       {"Store,x\n" + many(), nil, forecast.ErrColumn, "has more than 32 different texts: leave it out"},
		"a name twice":     {"Store,x,x\n1,2,3\n", nil, forecast.ErrColumn, "occurs twice"},
		"not still":        {"Date,x\n2010-02-05,3\n2010-02-12,4\n", func(c *forecast.CSV) { c.Static = []string{"x"} }, forecast.ErrColumn, `series "1/1": column has one value for a series, and it changes here`},
		"nobody has it":    {"Store,x\n1,2\n", func(c *forecast.CSV) { c.Known = []string{"z"} }, forecast.ErrColumn, `column "z": column not found`},
		"texts were known": {"Store,x\n1,2\n", func(c *forecast.CSV) { c.Static, c.Categories = []string{"z"}, map[string][]string{"z": {"a"}} }, forecast.ErrColumn, `column "z": column not found`},
	} {
		t.Run(name, func(t *testing.T) {
			in := forecast.CSV{Time: "Date", Target: "Sales", ID: "Store,Dept", Join: []string{"features"}, Open: opener(map[string]string{"features": tc.features}), AllowConstant: true}
			if tc.change != nil {
				tc.change(&in)
			}
			_, err := in.Read(strings.NewReader(sales))
			require.ErrorIs(t, err, tc.want)
			assert.ErrorContains(t, err, tc.says)
		})
	}
}

func many() string {
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, "%d,text %d\n", i, i)
	}
	return b.String()
}
