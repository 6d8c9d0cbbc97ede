package csvfile_test

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/csvfile"
)

// all returns all rows after the header, and their lines.
func all(r io.Reader, comma rune) (header []string, rows []string, lines []int, err error) {
	in, err := csvfile.NewReader(r, comma)
	if err != nil {
		return nil, nil, nil, err
	}
	for {
		row, err := in.Read()
		if err == io.EOF {
			return in.Header, rows, lines, nil
		}
		if err != nil {
			return in.Header, rows, lines, err
		}
		rows, lines = append(rows, strings.Join(row, "+")), append(lines, in.Line)
	}
}

func TestReader(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		comma  rune
		header []string
		rows   []string
		lines  []int
	}{
		"a byte order mark":       {"\xef\xbb\xbfa,b\n1,2", 0, []string{"a", "b"}, []string{"1+2"}, []int{2}},
		"blanks and blank lines":  {"\r\n\na , b\r\n\r\n 1,2 \r\n", 0, []string{"a", "b"}, []string{"1+2"}, []int{5}},
		"lines in quotes":         {"a,b\n\"1\n\",\"2\n3\"\n4,5\n", 0, []string{"a", "b"}, []string{"1+2\n3", "4+5"}, []int{2, 5}},
		"semicolons":              {"a;b\n1,5;2\n", 0, []string{"a", "b"}, []string{"1,5+2"}, []int{2}},
		"tabs":                    {"a\tb;c\n1\t2\n", 0, []string{"a", "b;c"}, []string{"1+2"}, []int{2}},
		"bars":                    {"a|b\n1|2\n", 0, []string{"a", "b"}, []string{"1+2"}, []int{2}},
		"one comma is enough":     {"a;b;c,d\n1,2\n", 0, []string{"a;b;c", "d"}, []string{"1+2"}, []int{2}},
		"but not one in quotes":   {"\"a,\"\"b\"\n1\n", 0, []string{`a,"b`}, []string{"1"}, []int{2}},
		"quotes and a semicolon":  {"\"a,b\";c\n1;2\n", 0, []string{"a,b", "c"}, []string{"1+2"}, []int{2}},
		"nor one after the first": {"a\n\"1,2\"\n", 0, []string{"a"}, []string{"1,2"}, []int{2}},
		"columns without a name":  {",b,\n1,2,3\n", 0, []string{"", "b", ""}, []string{"1+2+3"}, []int{2}},
		"Latin-1":                 {"a,M\xfcller\n1,2\n", 0, []string{"a", "M\xfcller"}, []string{"1+2"}, []int{2}},
		"as it is told":           {"a;b,c\n1;2\n", ';', []string{"a", "b,c"}, []string{"1+2"}, []int{2}},
	} {
		t.Run(name, func(t *testing.T) {
			header, rows, lines, err := all(iotest.OneByteReader(strings.NewReader(c.text)), c.comma)
			require.NoError(t, err)
			assert.Equal(t, c.header, header)
			assert.Equal(t, c.rows, rows)
			assert.Equal(t, c.lines, lines)
		})
	}
}

// endless is a file that repeats the same kilobytes.
type endless string

func (e endless) Read(p []byte) (int, error) { return copy(p, e), nil }

func TestErrors(t *testing.T) {
	broken := errors.New("the disk is broken")
	text := strings.NewReader
	line := strings.Repeat("x", 1<<16)
	for name, c := range map[string]struct {
		from io.Reader
		is   error
		says string
	}{
		"nothing":                {text(""), csvfile.ErrEmpty, "there are no rows"},
		"lines of nothing":       {text("\n\n"), csvfile.ErrEmpty, "there are no rows"},
		"a header":               {text("a,b\n"), csvfile.ErrEmpty, "there are no rows after the header"},
		"too few":                {text("a,b\n1,2\n\n3\n"), csv.ErrFieldCount, "line 4: wrong number of fields: 1, but the header has 2"},
		"too many":               {text("a,b\n\"1\n\",2,3\n"), csv.ErrFieldCount, "line 2: wrong number of fields: 3, but the header has 2"},
		"a quote left open":      {text("a,b\n1,2\n3,\"4\n5,6\n"), csv.ErrQuote, `line 3: extraneous or missing " in quoted-field`},
		"a bare quote":           {text("a,b\n1,2\"\n"), csv.ErrBareQuote, `line 2: bare " in non-quoted-field`},
		"UTF-16":                 {text("\xff\xfea\x00"), nil, "the text is UTF-16: save it as UTF-8"},
		"UTF-16 of big ends":     {text("\xfe\xff\x00a"), nil, "the text is UTF-16: save it as UTF-8"},
		"UTF-16, unmarked":       {text("a\x00,\x00b\x00\n\x001\x00"), nil, "the text is UTF-16: save it as UTF-8"},
		"and of big ends":        {text("\x00a\x00,\x00\xfc\x00b\x00\n\x001"), nil, "the text is UTF-16: save it as UTF-8"},
		"gzip":                   {text("\x1f\x8b\x08\x00"), nil, "the file, which is compressed by gzip, is damaged: it is cut short"},
		"half a gzip":            {text(packed("a,b\n1,2\n")[:20]), nil, "compressed by gzip, is damaged: it is cut short"},
		"a bomb":                 {text(packed("a,b\n" + strings.Repeat(strings.Repeat("x", 1<<20)+",2\n", 40))), nil, "unpacks to more than 200 times its size"},
		"a ZIP archive":          {text("PK\x03\x04\x14"), nil, "the file is a ZIP archive or an Excel workbook: unpack it, or save the sheet as CSV"},
		"Parquet":                {text("PAR1\x15\x04"), nil, "the file is a Parquet file: open it with package objective/parquet, or save it as CSV"},
		"a pointer":              {text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"), nil, "the file is a pointer of Git LFS, not the data: fetch them with git lfs pull"},
		"a picture":              {text("\x89PNG\r\n\x1a\n\x00\x00"), nil, "the file is binary: want text"},
		"one zero byte":          {text("a,b\n1,\x002\n"), nil, "the file is binary"},
		"lines of old Macs":      {text("a,b\r1,2\r"), nil, "the lines end with carriage returns, as on old Macs: save it with line feeds"},
		"a header without end":   {endless(line), nil, "line 1: longer than 16 MiB: a line or a quoted text does not end"},
		"a line without end":     {io.MultiReader(text("a,b\n1,2\n\"\n\",3\n4"), endless(line)), nil, "line 5: longer than 16 MiB"},
		"a quote without end":    {io.MultiReader(text("a,b\n1,2\n3,\""), endless(line[:1000]+"\n")), nil, "line 3: longer than 16 MiB"},
		"a disk at the header":   {iotest.ErrReader(broken), broken, "line 1: the disk is broken"},
		"a disk after some rows": {io.MultiReader(text("a,b\n1,2\n"), iotest.ErrReader(broken)), broken, "line 3: the disk is broken"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, _, err := all(c.from, 0)
			var at *csvfile.Error
			require.ErrorAs(t, err, &at)
			if c.is != nil {
				assert.ErrorIs(t, err, c.is)
			}
			assert.ErrorContains(t, err, c.says)
		})
	}
}

// A row just under 16 MiB is read, wherever it begins.
func TestLongRows(t *testing.T) {
	long := strings.Repeat("x", 16<<20-2)
	_, rows, lines, err := all(strings.NewReader("a\n"+long+"\ny\n"+long), 0)
	require.NoError(t, err)
	require.Len(t, rows, 3)
	assert.Equal(t, []int{2, 3, 4}, lines)
	for i, want := range []int{len(long), 1, len(long)} {
		assert.Len(t, rows[i], want)
	}
}

func TestFind(t *testing.T) {
	in, err := csvfile.NewReader(strings.NewReader("a,b,\x1b[2J,b"), 0)
	require.NoError(t, err)
	k, err := in.Find("a")
	require.NoError(t, err)
	assert.Equal(t, 0, k)
	_, err = in.Find("c")
	assert.ErrorIs(t, err, csvfile.ErrColumn)
	assert.EqualError(t, err, `line 1: column "c": column not found: there are "a", "b", "\x1b[2J", "b"`)
	_, err = in.Find("b")
	assert.EqualError(t, err, `line 1: column "b": column occurs twice`)

	in, err = csvfile.NewReader(strings.NewReader("a,,b"), 0)
	require.NoError(t, err)
	in.NameColumns()
	for _, name := range []string{"", "Unnamed: 1"} {
		k, err := in.Find(name)
		require.NoError(t, err)
		assert.Equal(t, 1, k)
	}
	in, err = csvfile.NewReader(strings.NewReader(",,b"), 0)
	require.NoError(t, err)
	in.NameColumns()
	_, err = in.Find("")
	assert.EqualError(t, err, `line 1: column not found: there are "Unnamed: 0", "Unnamed: 1", "b"`)
}

func TestText(t *testing.T) {
	in, err := csvfile.NewReader(strings.NewReader("a\nM\xfcller\n"), 0)
	require.NoError(t, err)
	require.NoError(t, in.Text(in.Header...))
	row, err := in.Read()
	require.NoError(t, err)
	assert.EqualError(t, in.Text(row...), `line 2: "M\xfcller": the text is not UTF-8: save it as UTF-8`)
}

func TestNames(t *testing.T) {
	assert.Equal(t, `"a", "b\n"`, csvfile.Names([]string{"a", "b\n"}))
	assert.Equal(t, `"`+strings.Repeat("y", 200)+`"..., "z"`, csvfile.Names([]string{strings.Repeat("y", 1<<20), "z"}))
	assert.Equal(t, strings.Repeat(`"", `, 20)+"and 980 more", csvfile.Names(make([]string, 1000)))
}

func TestNumber(t *testing.T) {
	for text, want := range map[string]float64{"1e2": 100, "-0.5": -0.5, "": math.NaN(), "NA": math.NaN(), "nan": math.NaN()} {
		x, ok := csvfile.Number(text, csvfile.NA)
		assert.True(t, ok, text)
		assert.InDelta(t, want, x, 0, text)
	}
	for _, text := range []string{"one", "inf", "-Inf", "1e999", "1,5", " 1", "2020_01_31"} {
		_, ok := csvfile.Number(text, csvfile.NA)
		assert.False(t, ok, text)
	}
}

func TestReadFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.csv")
	read := func(r io.Reader) (int, error) {
		_, rows, _, err := all(r, 0)
		return len(rows), err
	}
	_, err := csvfile.ReadFile(file, nil, read)
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "open "+file)
	require.NoError(t, os.WriteFile(file, []byte("a\n1\n2\n"), 0o600))
	n, err := csvfile.ReadFile(file, nil, read)
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = csvfile.ReadFile(file, nil, read)
	assert.EqualError(t, err, file+": there are no rows")
}

func packed(text string) string {
	var b strings.Builder
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

// A file compressed by gzip reads like the file itself, even of several parts.
func TestGzip(t *testing.T) {
	_, rows, _, err := all(strings.NewReader(packed("\xef\xbb\xbfa;b\n1;2\n")+packed("3;4\n")), 0)
	require.NoError(t, err)
	assert.Equal(t, []string{"1+2", "3+4"}, rows)
}
