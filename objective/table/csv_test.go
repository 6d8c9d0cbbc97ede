package table_test

import (
	"bytes"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/table"
)

func TestCSV(t *testing.T) {
	nan := math.NaN()
	text := "\xef\xbb\xbfid; area ;heat;zip;w;firm;price\n" +
		"a;10;gas;01;1;x;5\n\n" +
		"b; NA ; oil ;2;0.5;y;6\n" +
		"c;1e2;;01;0;x;7.5\n"
	got, err := table.CSV{Target: "price", Ignore: []string{"id"}, Categorical: []string{"zip"}, Weight: "w", Group: "firm", Comma: ';'}.Read(strings.NewReader(text))
	require.NoError(t, err)
	require.NoError(t, got.Validate())
	assert.Equal(t, table.Column{Name: "price", Values: []float64{5, 6, 7.5}}, got.Target)
	assert.Equal(t, []float64{1, 0.5, 0}, got.Weight)
	assert.Equal(t, []int{0, 1, 0}, got.Group)
	require.Len(t, got.Columns, 3)
	area, heat, zip := got.Columns[0], got.Columns[1], got.Columns[2]
	assert.Equal(t, "area", area.Name)
	assert.Nil(t, area.Categories)
	assert.InDeltaSlice(t, []float64{10, nan, 100}, area.Values, 0)
	assert.Equal(t, []string{"gas", "oil"}, heat.Categories)
	assert.InDeltaSlice(t, []float64{0, 1, nan}, heat.Values, 0)
	assert.Equal(t, []string{"01", "2"}, zip.Categories)
	assert.Equal(t, []float64{0, 1, 0}, zip.Values)
	assert.InDeltaSlice(t, []float64{10, 0, 0}, got.Features()[0], 0)

	part := got.Take([]int{2, 0})
	assert.Equal(t, []float64{7.5, 5}, part.Target.Values)
	assert.Equal(t, []int{0, 0}, part.Group)
	assert.Equal(t, 3, got.Rows())
}

func TestCSVClasses(t *testing.T) {
	for name, c := range map[string]struct {
		csv     table.CSV
		text    string
		classes []string
		values  []float64
	}{
		"texts are sorted":             {table.CSV{}, "b,a,b", []string{"a", "b"}, []float64{1, 0, 1}},
		"numbers are sorted as such":   {table.CSV{Classes: true}, "10,9,-1", []string{"-1", "9", "10"}, []float64{2, 1, 0}},
		"the positive class is second": {table.CSV{Positive: "anomaly"}, "ok,anomaly,ok", []string{"ok", "anomaly"}, []float64{0, 1, 0}},
		"where it is already":          {table.CSV{Positive: "b"}, "b,a", []string{"a", "b"}, []float64{1, 0}},
		"a missing value is none":      {table.CSV{NA: []string{"-"}}, "NA,x,NA", []string{"NA", "x"}, []float64{0, 1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			c.csv.Target = "y"
			got, err := c.csv.Read(strings.NewReader("x,y\n1," + strings.ReplaceAll(c.text, ",", "\n1,")))
			require.NoError(t, err)
			assert.Equal(t, c.classes, got.Target.Categories)
			assert.Equal(t, c.values, got.Target.Values)
		})
	}
}

func TestCSVErrors(t *testing.T) {
	for name, c := range map[string]struct {
		csv  table.CSV
		text string
		is   error
		says string
	}{
		"empty":               {table.CSV{}, "", table.ErrEmpty, "table: csv: there are no rows"},
		"no rows":             {table.CSV{Target: "y"}, "x,y\n", table.ErrEmpty, "table: csv: there are no rows"},
		"ragged":              {table.CSV{Target: "y"}, "x,y\n1,2\n3\n", csv.ErrFieldCount, "table: csv: line 3: wrong number of fields: 1, but the header has 2"},
		"a quote":             {table.CSV{Target: "y"}, "x,y\n1,\"2\n", csv.ErrQuote, "line 2: extraneous or missing \" in quoted-field"},
		"UTF-16":              {table.CSV{}, "\xff\xfex\x00", nil, "UTF-16: save it as UTF-8"},
		"Latin-1":             {table.CSV{}, "x,y\nM\xfcller,1\n", nil, `line 2: "M\xfcller": the text is not UTF-8: save it as UTF-8`},
		"another separator":   {table.CSV{Target: "y", Comma: ','}, "x;y\n1;2\n", table.ErrColumn, `line 1: column "y": column not found: there are "x;y"`},
		"a line without end":  {table.CSV{Target: "y"}, "x,y\n1,2\n" + strings.Repeat("3", 17<<20), nil, "line 3: longer than 16 MiB"},
		"an unknown target":   {table.CSV{Target: "z"}, "x,y\n1,2\n", table.ErrColumn, `line 1: column "z": column not found: there are "x", "y"`},
		"an unknown column":   {table.CSV{Target: "y", Ignore: []string{"z"}}, "x,y\n1,2\n", table.ErrColumn, `column "z": column not found`},
		"twice":               {table.CSV{Target: "y"}, "x,x,y\n1,2,3\n", table.ErrColumn, `line 1: column "x": column occurs twice`},
		"two roles":           {table.CSV{Target: "y", Weight: "y"}, "x,y\n1,2\n", table.ErrColumn, `column "y": column has two roles: it is the target and the weight`},
		"no name":             {table.CSV{Target: "y"}, ",x,y\n0,1,2\n", table.ErrColumn, `line 1: column 1 has no name: name it, or add "" to table.CSV.Ignore`},
		"no features":         {table.CSV{Target: "y"}, "y\n1\n2\n", table.ErrColumn, `column of features: there are none besides "y"`},
		"text among numbers":  {table.CSV{Target: "y"}, "x,y\n1,1\n2,2\nabc,3\n", table.ErrNumber, `line 4: column "x": "abc": not a finite number, unlike most of the column: list it with table.CSV.NA if it means a missing value, or read the column as categories with table.CSV.Categorical`},
		"text in the target":  {table.CSV{Target: "y"}, "x,y\n1,1\n2,2\n3,many\n", table.ErrNumber, `line 4: column "y": "many": not a finite number, unlike most of the column: list it with table.CSV.NA if it means a missing value, or set table.CSV.Classes`},
		"an infinity":         {table.CSV{Target: "y"}, "x,y\n1,1\n-Inf,2\n", table.ErrNumber, `line 3: column "x": "-Inf": not a finite number: list it with table.CSV.NA if it means a missing value`},
		"too large":           {table.CSV{Target: "y"}, "x,y\n1,1\n1e999,2\n", table.ErrNumber, `line 3: column "x": "1e999": not a finite number`},
		"no target":           {table.CSV{Target: "y"}, "x,y\n1,1\n2,?\n", table.ErrMissing, `line 3: column "y": "?": a missing value: remove such rows`},
		"missing targets":     {table.CSV{Target: "y"}, "x,y\n1,1\n2,?\n3,\n4,NA\n5,6\n", table.ErrMissing, `line 3: column "y": "?": a missing value, as in 2 other rows: remove such rows`},
		"a constant target":   {table.CSV{Target: "y"}, "x,y\n1,4\n2,4\n", table.ErrConstant, `column "y": the target is constant, 4: there is nothing to learn`},
		"one class":           {table.CSV{Target: "y"}, "x,y\n1,a\n2,a\n", table.ErrConstant, `column "y": the target is constant, a: there is nothing to learn`},
		"no positive class":   {table.CSV{Target: "y", Positive: "c"}, "x,y\n1,a\n2,b\n", table.ErrConfig, `"c": not a possible setting: the classes are "a", "b": name one of two classes with table.CSV.Positive`},
		"a positive number":   {table.CSV{Target: "y", Positive: "1"}, "x,y\n1,0\n2,1\n", table.ErrConfig, `the target has numbers, but "1" names a class: set table.CSV.Classes`},
		"dates":               {table.CSV{Target: "y"}, "x,d,y\n1,2026-01-31,1\n2,2026-02-30,2\n3,2026-02-28 12:00,3\n", table.ErrColumn, `column "d": column of dates, which are neither numbers nor categories: sort the rows by it with table.CSV.Time, ignore the column with table.CSV.Ignore, or read the column as categories with table.CSV.Categorical`},
		"a negative weight":   {table.CSV{Target: "y", Weight: "w"}, "x,w,y\n1,1,1\n2,-1,2\n", table.ErrNumber, `line 3: column "w": "-1": a weight must be at least 0`},
		"a missing weight":    {table.CSV{Target: "y", Weight: "w"}, "x,w,y\n1,1,1\n2,,2\n", table.ErrMissing, `line 3: column "w": a missing value: write 0`},
		"a missing group":     {table.CSV{Target: "y", Group: "g"}, "x,g,y\n1,a,1\n2,,2\n", table.ErrMissing, `line 3: column "g": a missing value: give each row a group`},
		"text for a weight":   {table.CSV{Target: "y", Weight: "w"}, "x,w,y\n1,a,1\n", table.ErrNumber, `line 2: column "w": "a": not a finite number`},
		"too many categories": {table.CSV{Target: "y", Classes: true}, "x,y\n" + rows(1001), table.ErrConfig, `it has 1001 classes, more than 1000`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.csv.Read(strings.NewReader(c.text))
			var at *table.CSVError
			require.ErrorAs(t, err, &at)
			if c.is != nil {
				assert.ErrorIs(t, err, c.is)
			}
			assert.ErrorContains(t, err, c.says)
		})
	}
	_, err := table.CSV{}.ReadFile(filepath.Join(t.TempDir(), "none.csv"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// rows returns n rows of two columns. The second column differs in every row.
func rows(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("1," + strings.Repeat("1", i%10+1) + "." + strings.Repeat("2", i/10+1) + "\n")
	}
	return b.String()
}

func TestTableValidate(t *testing.T) {
	x := table.Column{Name: "x", Values: []float64{1, 2}}
	y := table.Column{Name: "y", Values: []float64{1, 2}}
	for name, c := range map[string]struct {
		table table.Table
		is    error
		says  string
	}{
		"the zero table":    {table.Table{}, table.ErrEmpty, "there are no rows"},
		"no name":           {table.Table{Columns: []table.Column{{Values: []float64{1}}}}, table.ErrTable, "column 0 has no name"},
		"a name twice":      {table.Table{Columns: []table.Column{x, x}}, table.ErrTable, `column "x" occurs twice`},
		"the target's name": {table.Table{Columns: []table.Column{x}, Target: x}, table.ErrTable, `column "x" occurs twice`},
		"lengths":           {table.Table{Columns: []table.Column{x, {Name: "z", Values: []float64{1}}}}, table.ErrTable, `column "z" has 1 rows, "x" has 2`},
		"no index":          {table.Table{Columns: []table.Column{{Name: "x", Values: []float64{2}, Categories: []string{"a", "b"}}}}, table.ErrTable, "row 0: 2 is not an index of its 2 categories"},
		"a category twice":  {table.Table{Columns: []table.Column{{Name: "x", Values: []float64{1}, Categories: []string{"a", "a"}}}}, table.ErrTable, `category "a" occurs twice`},
		"a missing target":  {table.Table{Columns: []table.Column{x}, Target: table.Column{Name: "y", Values: []float64{1, math.NaN()}}}, table.ErrTable, `target "y", row 1: NaN`},
		"a constant target": {table.Table{Columns: []table.Column{x}, Target: table.Column{Name: "y", Values: []float64{1, 1}}}, table.ErrConstant, "constant: 1"},
		"weights":           {table.Table{Columns: []table.Column{x}, Target: y, Weight: []float64{1}}, table.ErrTable, "1 weights and 0 groups for 2 rows"},
		"a negative weight": {table.Table{Columns: []table.Column{x}, Target: y, Weight: []float64{1, -1}}, table.ErrTable, "weight of row 1: -1"},
	} {
		err := c.table.Validate()
		require.ErrorIs(t, err, c.is, name)
		assert.ErrorContains(t, err, c.says, name)
	}
	assert.NoError(t, table.Table{Columns: []table.Column{x}, Target: y, Group: []int{7, 7}}.Validate())
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("x,y\n1,a\n?,b\n"), true)
	f.Add([]byte("x,y,\"z\"\n1,2,3\n,inf,0x1p-3\n"), false)
	f.Fuzz(func(t *testing.T, text []byte, classes bool) {
		got, err := table.CSV{Target: "y", Classes: classes, Ignore: nil}.Read(bytes.NewReader(text))
		if err == nil {
			assert.NoError(t, got.Validate())
		}
	})
}
