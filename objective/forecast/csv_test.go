package forecast

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCSV(t *testing.T) {
	for _, tc := range []struct {
		name  string
		csv   CSV
		text  string
		start time.Time
		freq  string
		want  []float64
	}{
		{"a byte order mark", CSV{}, "\xef\xbb\xbft,y\n2020-01,1\n2020-02,2\n", day(2020, 1, 1), "month", []float64{1, 2}},
		{"quoted fields", CSV{}, "\"t\",\"y\",\"note\"\n2020-01-01,\"1\",\"a, b\n\"\"c\"\"\"\n2020-01-02,\"2.5\",\n", day(2020, 1, 1), "day", []float64{1, 2.5}},
		{"Windows lines and blanks", CSV{}, "t, y \r\n2020/01/01, 1\r\n2020/01/08 ,2\r\n", day(2020, 1, 1), "week", []float64{1, 2}},
		{"semicolons, found", CSV{}, "\"t\";y\n2020;1\n2021;2\n", day(2020, 1, 1), "year", []float64{1, 2}},
		{"semicolons", CSV{Comma: ';'}, "t;y\n2020;1\n2021;2\n", day(2020, 1, 1), "year", []float64{1, 2}},
		{"RFC 3339", CSV{}, "t,y\n2020-01-01T00:00:00Z,1\n2020-01-01T02:00:00+01:00,2\n", day(2020, 1, 1), "hour", []float64{1, 2}},
		{"seconds since 1970", CSV{}, "t,y\n1577836800,1\n1577836860,2\n", day(2020, 1, 1), "minute", []float64{1, 2}},
		{"milliseconds", CSV{}, "t,y\n1577836800000,1\n1577836800250,2\n", day(2020, 1, 1), "250 milliseconds", []float64{1, 2}},
		{"quarters", CSV{}, "t,y\n2020Q1,1\n2020Q2,2\n2020Q3,3\n", day(2020, 1, 1), "quarter", []float64{1, 2, 3}},
		{"month ends", CSV{}, "t,y\n2020-01-31,1\n2020-02-29,2\n2020-03-31,3\n", day(2020, 1, 31), "month end", []float64{1, 2, 3}},
		{"month ends, stated as months", CSV{Freq: Frequency{N: 1, Unit: Month}}, "t,y\n2020-01-31,1\n2020-02-29,2\n", day(2020, 1, 31), "month end", []float64{1, 2}},
		{"a layout of its own", CSV{Layout: "02.01.2006"}, "t,y\n01.02.2020,1\n02.02.2020,2\n", day(2020, 2, 1), "day", []float64{1, 2}},
		{"strptime", CSV{Layout: "%d.%m.%Y"}, "t,y\n01.02.2020,1\n02.02.2020,2\n", day(2020, 2, 1), "day", []float64{1, 2}},
		{"quarters of R", CSV{}, "t,y\n2020 Q1,1\n2020 Q2,2\n2020 Q3,3\n", day(2020, 1, 1), "quarter", []float64{1, 2, 3}},
		{"sorted here", CSV{Sort: true}, "t,y\n2020-01-02,2\n2020-01-01,1\n2020-01-03,3\n", day(2020, 1, 1), "day", []float64{1, 2, 3}},
		{"gap kept", CSV{Fill: Keep}, "t,y\n2020-01-01,1\n2020-01-02,2\n2020-01-04,4\n", day(2020, 1, 1), "day", []float64{1, 2, nan, 4}},
		{"gap carried", CSV{Fill: Carry}, "t,y\n2020-01-01,NA\n2020-01-02,2\n2020-01-04,4\n", day(2020, 1, 1), "day", []float64{nan, 2, 2, 4}},
		{"gap interpolated", CSV{Fill: Interpolate}, "t,y\n2020-01-01,1\n2020-01-02,2\n2020-01-03,\n2020-01-05,8\n2020-01-06,.\n", day(2020, 1, 1), "day", []float64{1, 2, 4, 6, 8, nan}},
		{"constant, and meant", CSV{AllowConstant: true}, "t,y\n2020,1\n2021,1\n", day(2020, 1, 1), "year", []float64{1, 1}},
		{"one row, frequency stated", CSV{AllowConstant: true, Freq: Frequency{N: 1, Unit: Day}}, "t,y\n2020-01-01,1\n", day(2020, 1, 1), "day", []float64{1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.csv.Time, tc.csv.Target = "t", "y"
			f, err := tc.csv.Read(strings.NewReader(tc.text))
			require.NoError(t, err)
			require.Len(t, f, 1)
			assert.True(t, tc.start.Equal(f[0].Start), "%v", f[0].Start)
			assert.Equal(t, tc.freq, f[0].Freq.String())
			assertSame(t, tc.want, f[0].Y)
		})
	}
}

func TestCSVErrors(t *testing.T) {
	for _, tc := range []struct {
		name string
		csv  CSV
		text string
		is   error
		says string
	}{
		{"empty", CSV{}, "", ErrEmpty, "no rows"},
		{"a header alone", CSV{}, "t,y\n", ErrEmpty, "no rows"},
		{"ragged", CSV{}, "t,y\n2020,1\n2021\n", csv.ErrFieldCount, "line 3: wrong number of fields: 1, but the header has 2"},
		{"an open quote", CSV{}, "t,y\n2020,\"1\n", csv.ErrQuote, "line 2: extraneous"},
		{"UTF-16", CSV{}, "\xff\xfet\x00", nil, "save it as UTF-8"},
		{"an unknown column", CSV{Target: "z"}, "t,y\n2020,1\n", ErrColumn, `column "z": column not found: there are "t", "y"`},
		{"a column that is duplicated", CSV{}, "t,y,y\n2020,1,2\n", ErrColumn, "twice"},
		{"a column of two roles", CSV{Known: []string{"y"}}, "t,y\n2020,1\n", ErrColumn, "two roles"},
		{"another separator", CSV{Comma: ','}, "t;y\n2020;1\n", ErrColumn, `there are "t;y"`},
		{"an id that is no text", CSV{ID: "s"}, "t,y,s\n2020,1,M\xfcller\n", nil, `line 2: "M\xfcller": the text is not UTF-8`},
		{"a quote that is never closed", CSV{}, "t,y\n2020,1\n\"" + strings.Repeat("2021,2\n", 3<<20), nil, "line 3: longer than 16 MiB"},
		{"text for a number", CSV{}, "t,y\n2020,1\n2021,many\n", ErrNumber, `line 3: column "y": "many"`},
		{"an infinity", CSV{}, "t,y\n2020,1\n2021,Inf\n", ErrNumber, `"Inf"`},
		{"text in an exogenous column", CSV{Past: []string{"x"}}, "t,y,x\n2020,1,1\n2021,2,a\n", ErrNumber, `line 3: column "x": "a"`},
		{"no time", CSV{}, "t,y\n2020-01-01,1\nsoon,2\n", ErrTime, `line 3: column "t": "soon": not a time of the form YYYY-MM-DD`},
		{"layouts mixed", CSV{}, "t,y\n2020-01-01,1\n2020/01/02,2\n", ErrTime, `line 3`},
		{"month or day first", CSV{}, "t,y\n01/02/2020,1\n", ErrTime, "set forecast.CSV.Layout to"},
		{"out of order", CSV{}, "t,y\n2020,1\n2022,2\n2021,3\n", ErrOrder, `line 4: column "t": "2021-01-01": out of order: after 2022-01-01 in line 3`},
		{"a duplicate", CSV{}, "t,y\n2020,1\n2021,2\n2021,3\n", ErrDuplicate, "line 4: column \"t\": \"2021-01-01\": duplicate of line 3"},
		{"a gap", CSV{}, "t,y\n2020-01-01,1\n2020-01-02,2\n2020-01-05,3\n", ErrGap, "2020-01-03 is missing (2 in all, at a frequency of day)"},
		{"missing targets", CSV{}, "t,y\n2020,1\n2021,\n2022,\n2023,4\n", ErrMissing, `line 3: column "y": a missing value at 2021-01-01, as in one other row: set forecast.CSV.Fill to`},
		{"a missing target", CSV{}, "t,y\n2020,1\n2021,\n2022,3\n", ErrMissing, `line 3: column "y": a missing value at 2021-01-01: set forecast.CSV.Fill to`},
		{"a missing exogenous value", CSV{Known: []string{"x"}}, "t,y,x\n2020,1,1\n2021,2,\n2022,3,1\n", ErrMissing, `line 3: column "x"`},
		{"only missing targets", CSV{Fill: Keep}, "t,y\n2020,\n2021,\n", ErrMissing, "no row has a target"},
		{"constant", CSV{}, "t,y\n2020,1\n2021,1\n", ErrConstant, "constant, 1"},
		{"one row", CSV{}, "t,y\n2020,1\n", ErrFrequency, "state it with forecast.CSV.Freq"},
		{"off the grid", CSV{Freq: Frequency{N: 1, Unit: Month}}, "t,y\n2020-01-01,1\n2020-02-02,2\n", ErrFrequency, "line 3"},
		{"a wild date", CSV{Fill: Keep}, "t,y\n2020-01-01,1\n2020-01-02,2\n9020-01-02,2\n", ErrGap, "check the stamp"},
		{"no name", CSV{Target: ""}, "", ErrEmpty, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.csv.Target == "" {
				tc.csv.Target = "y"
			}
			tc.csv.Time = "t"
			_, err := tc.csv.Read(strings.NewReader(tc.text))
			if tc.is != nil {
				require.ErrorIs(t, err, tc.is)
			}
			var at *CSVError
			require.ErrorAs(t, err, &at)
			assert.ErrorContains(t, err, tc.says)
		})
	}
	_, err := CSV{Time: "t"}.Read(strings.NewReader("t,y\n"))
	require.ErrorIs(t, err, ErrColumn)
	_, err = CSV{Time: "t", Target: "y"}.ReadFile("testdata/none.csv")
	assert.ErrorContains(t, err, "none.csv")
}

func TestCSVOfSeveralSeries(t *testing.T) {
	f, err := CSV{Time: "t", Target: "y", ID: "id", Past: []string{"p"}, Known: []string{"k"}, NA: []string{"?"}}.Read(strings.NewReader(
		"id,t,y,p,k\nb,2020-02,1,5,0\na,2020-01,3,6,1\nb,2020-03,2,7,1\na,2020-02,4,8,0\nb,2020-04,?,?,1\n"))
	require.NoError(t, err)
	require.Len(t, f, 2)
	assert.Equal(t, "b", f[0].ID)
	assert.Equal(t, []float64{1, 2}, f[0].Y)
	assert.Equal(t, []Column{{"p", []float64{5, 7}}}, f[0].Past)
	assert.Equal(t, []Column{{"k", []float64{0, 1, 1}}}, f[0].Known, "the row without a target is the future")
	assert.Equal(t, day(2020, 2, 1), f[0].Start)
	assert.Equal(t, []float64{3, 4}, f[1].Y)
}

func FuzzCSV(f *testing.F) {
	f.Add("t,y\n2020-01-01,1\n2020-01-02,2\n")
	f.Add("t,y\n2020Q1,1\n2020Q3,2\n1577836800,3\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, fill := range []Fill{Refuse, Carry} {
			frame, err := CSV{Time: "t", Target: "y", Fill: fill, Sort: true}.Read(strings.NewReader(text))
			if err == nil {
				require.NoError(t, frame.Validate())
			}
		}
	})
}

// What spreadsheets, pandas and R write is read as they mean it.
func TestNumbersAsWritten(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		csv  CSV
		want []float64 // of y; nil: refused
		x    []float64
	}{
		"decimal commas":            {"t;y\n2000;100,5\n2001;7,25\n2002;1.234,5\n", CSV{}, []float64{100.5, 7.25, 1234.5}, nil},
		"decimal commas, quoted":    {"t,y\n2000,\"100,5\"\n2001,\"7,25\"\n2002,8\n", CSV{}, []float64{100.5, 7.25, 8}, nil},
		"thousands":                 {"t,y\n2000,\"10,000\"\n2001,\"1,234,567.5\"\n2002,8\n", CSV{}, []float64{10000, 1234567.5, 8}, nil},
		"thousands with semicolons": {"t;y\n2000;1.234.567\n2001;8,5\n2002;9\n", CSV{}, []float64{1234567, 8.5, 9}, nil},
		"said to be a comma":        {"t;y\n2000;1.234\n2001;8,5\n2002;9\n", CSV{Decimal: ","}, []float64{1234, 8.5, 9}, nil},
		"both marks, undecided":     {"t;y\n2000;1.234\n2001;8,5\n2002;9\n", CSV{}, nil, nil},
		"no groups of three":        {"t,y\n2000,\"1,23,456\"\n2001,8\n2002,9\n", CSV{}, nil, nil},
		"exponents and missing":     {"t,y\n2000,1.5e3\n2001,.\n2002,-2.5E-1\n", CSV{Fill: Carry}, []float64{1500, 1500, -0.25}, nil},
		"true and false":            {"t,y,x\n2000,1,TRUE\n2001,2,False\n2002,3,true\n", CSV{Known: []string{"x"}}, []float64{1, 2, 3}, []float64{1, 0, 1}},
		"a target of truths":        {"t,y\n2000,TRUE\n2001,FALSE\n2002,TRUE\n", CSV{}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.csv.Time, c.csv.Target = "t", "y"
			frame, err := c.csv.Read(strings.NewReader(c.text))
			if c.want == nil {
				require.ErrorIs(t, err, ErrNumber)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, frame[0].Y)
			if c.x != nil {
				assert.Equal(t, c.x, frame[0].Known[0].Values)
			}
		})
	}
	_, err := CSV{Time: "t", Target: "y", Decimal: ";"}.Read(strings.NewReader("t,y\n2000,1\n"))
	require.ErrorIs(t, err, ErrConfig)
}

// Several columns name a series together.
func TestSeveralIDs(t *testing.T) {
	const text = "Store,Dept,t,y\n1,1,2000,1\n1,1,2001,2\n1,1,2002,3\n1,2,2000,4\n1,2,2001,5\n1,2,2002,7\n"
	frame, err := CSV{Time: "t", Target: "y", ID: "Store,Dept"}.Read(strings.NewReader(text))
	require.NoError(t, err)
	require.Len(t, frame, 2)
	assert.Equal(t, "1/1", frame[0].ID)
	assert.Equal(t, "1/2", frame[1].ID)
	_, err = CSV{Time: "t", Target: "y", ID: "Store,Shelf"}.Read(strings.NewReader(text))
	require.ErrorIs(t, err, ErrColumn)
	assert.ErrorContains(t, err, `"Shelf"`)
}

// Days stay days when the clocks change, and stamps come back as they were written.
func TestOffsets(t *testing.T) {
	var days, hours strings.Builder
	days.WriteString("t,y\n")
	hours.WriteString("t,y\n")
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for i := range 10 {
		fmt.Fprintf(&days, "%s,%d\n", time.Date(2024, 3, 27+i, 0, 0, 0, 0, berlin).Format("2006-01-02 15:04:05-07:00"), i)
		fmt.Fprintf(&hours, "%s,%d\n", time.Date(2024, 3, 30, 20, 0, 0, 0, berlin).Add(time.Duration(i)*time.Hour).Format("2006-01-02 15:04:05-07:00"), i)
	}
	c := CSV{Time: "t", Target: "y"}
	frame, err := c.Read(strings.NewReader(days.String()))
	require.NoError(t, err)
	assert.Equal(t, "day", frame[0].Freq.String())
	assert.Equal(t, "2024-04-06 00:00:00+02:00", FormatTime("2006-01-02 15:04:05-07:00", frame[0].Time(10)))
	assert.Equal(t, time.Wednesday, frame[0].Time(0).Weekday())
	frame, err = c.Read(strings.NewReader(hours.String()))
	require.NoError(t, err, "an hour is missing from the clock, and none from the time")
	assert.Equal(t, "hour", frame[0].Freq.String())
	assert.Len(t, frame[0].Y, 10)
	frame, err = c.Read(strings.NewReader("t,y\n2000-01-01T00:00:00+02:00,1\n2000-02-01T00:00:00+02:00,2\n2000-03-01T00:00:00+02:00,3\n"))
	require.NoError(t, err)
	assert.Equal(t, "month", frame[0].Freq.String())
	assert.Equal(t, "2000-04-01T00:00:00+02:00", frame[0].Time(3).Format(time.RFC3339))
}
