// Package foreign reads models that other libraries wrote for the tests of
// objective/tree, with the predictions of these libraries.
package foreign

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A Case is a model, rows and the predictions of its library; see generate.py in the testdata.
type Case struct {
	Library string            `json:"-"` // library and version, from the name of the file
	Name    string            `json:"name"`
	Columns int               `json:"columns"`
	Files   map[string]string `json:"files"` // by format: text, txt, json, ubj (in base64) ...
	Refuse  string            `json:"refuse"`
	Rows    Floats            `json:"rows"`
	Raw     Floats            `json:"raw"`
	Pred    Floats            `json:"pred"`
	Class   Floats            `json:"class"`
	Contrib Floats            `json:"contrib"`
	Split   []float64         `json:"split"`
	Gain    []float64         `json:"gain"`
	Names   []string          `json:"names"`
}

// Floats are little-endian float64 in base64.
type Floats []float64

// UnmarshalJSON implements [json.Unmarshaler].
func (f *Floats) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(s)
	for i := 0; i+8 <= len(raw); i += 8 {
		*f = append(*f, math.Float64frombits(binary.LittleEndian.Uint64(raw[i:])))
	}
	return err
}

// Read returns the cases in the files of a pattern, which must match at least one file.
func Read(t testing.TB, pattern string) []Case {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: there are no such files: %v", pattern, err)
	}
	var all []Case
	for _, path := range paths {
		cases, err := read(path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, cases...)
	}
	return all
}

func read(path string) ([]Case, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Columns int    `json:"columns"`
		Rows    Floats `json:"rows"` // for cases without rows, which use the first of the columns
		Cases   []Case `json:"cases"`
	}
	if err := json.NewDecoder(z).Decode(&doc); err != nil {
		return nil, err
	}
	for i := range doc.Cases {
		c := &doc.Cases[i]
		c.Library = strings.TrimSuffix(filepath.Base(path), ".json.gz")
		if c.Rows != nil {
			continue
		}
		for at := 0; at < len(doc.Rows); at += doc.Columns {
			c.Rows = append(c.Rows, doc.Rows[at:at+c.Columns]...)
		}
	}
	return doc.Cases, nil
}
