package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/attune-hpo/attune/objective/tree/internal/pickle"
)

var (
	// ErrFormat reports a file that is broken or is not a model of the expected kind.
	ErrFormat = errors.New("malformed model")
	// ErrUnsupported reports a model that uses something that a [Model] or a file format
	// cannot express; the error names it.
	ErrUnsupported = errors.New("unsupported")
)

func unsupported(format string, args ...any) error {
	return pkg.Errorf("%w: %w", ErrUnsupported, fmt.Errorf(format, args...))
}

// Read reads a model that [Write] wrote, or one in any format of [ReadLightGBM],
// [ReadXGBoost], [ReadCatBoost] and [ReadScikitLearn]. It recognizes the format by how
// the file begins. It reads r to its end. Errors wrap [ErrFormat], [ErrUnsupported] or
// [ErrInvalid].
func Read(r io.Reader) (*Model, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, pkg.Errorf("read: %w", err)
	}
	head := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case isSaved(head):
		return parseSaved(data)
	case bytes.HasPrefix(head, []byte("tree")):
		return parseLightGBM(data)
	case pickle.Detect(data):
		return parseScikitLearn(data)
	case !bytes.HasPrefix(head, []byte("{")):
		return nil, pkg.Errorf("%w: want LightGBM text, XGBoost JSON or UBJSON, CatBoost JSON, or a pickle of scikit-learn", ErrFormat)
	}
	doc, kind, err := decode(data)
	switch {
	case err != nil:
		return nil, pkg.Errorf("%w: %w", ErrFormat, err)
	case !doc.get("features_info").absent():
		return finish("CatBoost "+kind, data, doc, catBoost)
	}
	return finish("XGBoost "+kind, data, doc, xgBoost)
}

// decode reads JSON or UBJSON; an object of JSON continues with a string or ends.
func decode(data []byte) (value, string, error) {
	after := bytes.TrimLeft(bytes.TrimLeft(data, " \t\r\n")[1:], " \t\r\n")
	if len(after) == 0 || after[0] == '"' || after[0] == '}' {
		doc, err := decodeJSON(data)
		return doc, "JSON", err
	}
	doc, err := decodeUBJSON(data)
	return doc, "UBJSON", err
}

func readDocument(r io.Reader, library string, convert func(*reading, value) (*Model, error)) (*Model, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, pkg.Errorf("read %s: %w", library, err)
	}
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return nil, pkg.Errorf("%w: %s: not a JSON object: save the model as JSON", ErrFormat, library)
	}
	doc, kind, err := decode(data)
	if err != nil {
		return nil, pkg.Errorf("%w: %s: %w", ErrFormat, library, err)
	}
	return finish(library+" "+kind, data, doc, convert)
}

func finish(what string, data []byte, doc value, convert func(*reading, value) (*Model, error)) (*Model, error) {
	m, err := convert(newReading(data), doc)
	return check(what, m, err)
}

// check ensures that a reader returns valid models, and errors of the documented kinds.
func check(what string, m *Model, err error) (*Model, error) {
	if err == nil {
		err = m.Validate()
	}
	switch {
	case err == nil:
		return m, nil
	case errors.Is(err, ErrUnsupported), errors.Is(err, ErrInvalid):
		return nil, pkg.Errorf("%w (reading %s)", err, what)
	}
	return nil, pkg.Errorf("%w: %s: %w", ErrFormat, what, err)
}

// reading bounds what a file can make its reader allocate, since a file can declare
// sizes without listing the elements.
type reading struct {
	size  int
	words int // of category sets, still allowed
}

func newReading(data []byte) *reading { return &reading{len(data), 1<<20 + 16*len(data)} }

// features returns n features.
func (r *reading) features(n int) ([]Feature, error) {
	if n < 0 || n > min(MaxFeatures, 1<<16+r.size) {
		return nil, fmt.Errorf("%d features declared in a file of %d bytes", n, r.size)
	}
	return make([]Feature, n), nil
}

// categories makes n a categorical node that sends the listed categories to the left.
func (r *reading) categories(n *Node, listed []int) error {
	most := 0
	for _, c := range listed {
		if c < 0 || c >= MaxCategories {
			return fmt.Errorf("category %d, not in 0..%d", c, MaxCategories-1)
		}
		most = max(most, c)
	}
	if r.words -= most/32 + 1; r.words < 0 {
		return fmt.Errorf("categories up to %d are too sparse for a file of %d bytes: number them 0, 1, 2, …", most, r.size)
	}
	n.SetCategories(listed...)
	return nil
}

// clean returns gain, or 0 for a gain without meaning.
func clean(gain float64) float64 {
	if finite(gain) {
		return gain
	}
	return 0
}

// below returns the threshold t' for which x <= t' is x < t among float32.
func below(t float32) float64 { return float64(math.Nextafter32(t, float32(math.Inf(-1)))) }
