package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/attune-hpo/attune/objective/internal/pickle"
)

var (
	// ErrFormat reports a file that is broken or is not a model of the expected kind.
	ErrFormat = errors.New("malformed model")
	// ErrUnsupported reports a model that uses something that a [Model] or a file format
	// cannot express; the error names it.
	ErrUnsupported = errors.New("unsupported")
	// ErrUnknown reports, in addition to [ErrFormat], a file that does not begin like any kind of model. A program
	// that searches a folder can skip it.
	ErrUnknown = errors.New("no known kind of model")
)

// unknown is an error that wraps ErrUnknown and does not say so.
type unknown struct{ error }

func (unknown) Is(target error) bool { return target == ErrUnknown }
func (u unknown) Unwrap() error      { return u.error }

func unsupported(format string, args ...any) error {
	return pkg.Errorf("%w: %w", ErrUnsupported, fmt.Errorf(format, args...))
}

// ReadOptions say how to read models of other libraries. The functions of this package use
// the zero value.
type ReadOptions struct {
	// AllTrees takes all trees of a model that was trained with early stopping. By
	// default, trees after the best iteration are omitted if the file records the best
	// iteration and its library omits them: for XGBoost's estimators, and for LightGBM's
	// estimators and boosters in a pickle. A file that LightGBM saved as text, and every
	// model of CatBoost, only contains the trees that it predicts with.
	AllTrees bool
}

// A Source describes the file of a model.
type Source struct {
	Format string // of the file: "LightGBM text", "XGBoost UBJSON" ...
	Trees  int    // in the file; a tree whose leaves have several outputs counts once
	Taken  int    // those of them in the Model: fewer after early stopping

	// Classes are the names of the classes of a CatBoost model, in the order of its probabilities; nil if the file
	// lacks them. Numbers are the same as integers, if all names are integers.
	Classes []string
	Numbers []int64

	// Labels reports that the outputs are probabilities of labels of which a row may have several, rather than of
	// classes of which it has one.
	Labels bool

	// Targets are the numbers of classes of each target, for a classifier of scikit-learn with several, which only
	// [ReadPickled] reads: the outputs are the probabilities of the classes of the first target, then those of the second, and so on.
	Targets []int

	// Categories are the names of categories from a pandas data frame, by the index of the feature, if the file of
	// LightGBM, XGBoost or histogram gradient boosting has them. Category k of a feature has the name with index k.
	Categories map[int]Categories
}

// Categories are the names of categories: texts, or numbers.
type Categories struct {
	Texts   []string
	Numbers []float64
	// Cut reports that names are not ASCII. XGBoost truncates such names: it counts their characters, but stores that
	// many bytes.
	Cut bool
}

// Read reads a model that [Write] wrote, one in any format of [ReadLightGBM],
// [ReadXGBoost], [ReadCatBoost] and [ReadScikitLearn], or a pickle of an estimator or
// booster of the first three. It recognizes the format by the content, not by the name. The
// file may begin with a byte order mark, and may be compressed with zlib, gzip, bzip2, xz,
// LZMA or LZ4.
// Read reads r to its end. Errors wrap [ErrFormat], [ErrUnsupported] or [ErrInvalid].
func Read(r io.Reader) (*Model, error) {
	m, _, err := ReadOptions{}.Read(r)
	return m, err
}

// Read is like the function [Read] with options. It also describes the file.
func (o ReadOptions) Read(r io.Reader) (*Model, Source, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, Source{}, pkg.Errorf("read: %w", err)
	}
	return o.parse(data)
}

func (o ReadOptions) parse(data []byte) (*Model, Source, error) {
	packed := len(data)
	if pickle.Packed(data) {
		var err error
		if data, err = pickle.Unpack(data); errors.Is(err, pickle.ErrUnsupported) {
			return nil, Source{}, unsupported("%w", err)
		} else if err != nil {
			return nil, Source{}, pkg.Errorf("%w: %w", ErrFormat, err)
		}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	rd := newReading(data, o)
	rd.packed = packed
	head := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case isSaved(head):
		m, err := parseSaved(data)
		return rd.result("attune JSON", m, err)
	case bytes.HasPrefix(head, []byte("tree")):
		m, err := lightGBM(rd, string(data))
		return rd.finish("LightGBM text", m, err)
	case bytes.HasPrefix(data, []byte(cbm)):
		m, err := catBoostBinary(rd, data)
		return rd.finish("CatBoost .cbm", m, err)
	case pickle.Detect(data):
		root, err := pickle.Decode(data, packed, pickledNames)
		if err != nil {
			return rd.finish("a pickle", nil, err)
		}
		if err := ownMissing(root); err != nil {
			return rd.finish("a pickle", nil, err)
		}
		return rd.pickled(root)
	case !bytes.HasPrefix(head, []byte("{")):
		what, known := other(head)
		err := pkg.Errorf("%w: %s", ErrFormat, what)
		if !known {
			err = unknown{err}
		}
		return nil, Source{}, err
	}
	doc, kind, err := decode(data)
	if err != nil {
		return nil, Source{}, pkg.Errorf("%w: %w", ErrFormat, err)
	}
	return rd.document(doc, kind)
}

// document reads JSON or UBJSON, from the library that wrote it.
func (r *reading) document(doc value, kind string) (*Model, Source, error) {
	switch {
	case !doc.get("features_info").absent():
		m, err := catBoost(r, doc)
		return r.finish("CatBoost "+kind, m, err)
	case !doc.get("tree_info").absent(), !doc.get("num_tree_per_iteration").absent():
		return nil, Source{}, unsupported(`what LightGBM's dump_model returns, which lacks parts of the model: save the model with booster.save_model("m.txt")`)
	case !doc.get("learner").absent() || !doc.get("Model").absent():
		m, err := xgBoost(r, doc)
		return r.finish("XGBoost "+kind, m, err)
	}
	return nil, Source{}, unknown{pkg.Errorf("%w: %s of another kind: want a model of XGBoost or CatBoost", ErrFormat, kind)}
}

const wanted = "want LightGBM text, XGBoost JSON or UBJSON, CatBoost JSON or .cbm, or a pickle of scikit-learn"

// other says what a file is that no reader supports, by how it begins, and what to do. known is
// false if it says what is wanted only.
func other(head []byte) (what string, known bool) {
	for _, k := range []struct{ magic, is string }{
		{"binf", `it is XGBoost's old binary format: load it with XGBoost 3.0 or older and save it again: xgboost.Booster(model_file="m.bin").save_model("m.json")`},
		{"booster[", `it is XGBoost's text dump, which lacks parts of the model: save the model with booster.save_model("m.json")`},
		{"[", `it is a JSON array, such as XGBoost's dump_model writes, which lacks parts of the model: save the model with booster.save_model("m.json")`},
		{"\x08", "it looks like an ONNX model: attune reads the model that ONNX was made from"},
		{"version https://git-lfs", "it is a pointer of Git LFS, not the model: fetch that with git lfs pull"},
		{"PK\x03\x04", "it is a zip archive: unpack it, and convert the model in it"},
		{"\x89HDF", "it is an HDF5 file, such as Keras writes: attune reads tree ensembles"},
		{"#include", `it is C++ source: save the model with model.save_model("m.json", format="json")`},
		{"<?xml", "it is XML, such as PMML: attune reads what the library that trained the model saves"},
		{"\xff\xfe", "it is text in UTF-16: write it in UTF-8"},
		{"\xfe\xff", "it is text in UTF-16: write it in UTF-8"},
	} {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return k.is, true
		}
	}
	return wanted, false
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
	rd := newReading(data, ReadOptions{})
	m, err := convert(rd, doc)
	m, _, err = rd.finish(library+" "+kind, m, err)
	return m, err
}

// finish ensures that a reader returns valid models, and errors of the documented kinds.
func (r *reading) finish(what string, m *Model, err error) (*Model, Source, error) {
	if err == nil {
		err = m.Validate()
	}
	switch {
	case err == nil:
		return r.result(what, m, nil)
	case errors.Is(err, pickle.ErrUnsupported):
		err = unsupported("%w", err)
	}
	if errors.Is(err, ErrUnsupported) || errors.Is(err, ErrInvalid) {
		return nil, Source{}, pkg.Errorf("%w (reading %s)", err, what)
	}
	return nil, Source{}, pkg.Errorf("%w: %s: %w", ErrFormat, what, err)
}

// result adds the description of the file.
func (r *reading) result(format string, m *Model, err error) (*Model, Source, error) {
	if err != nil {
		return nil, Source{}, err
	}
	s := r.source
	s.Format = format
	if s.Trees == 0 {
		s.Trees, s.Taken = len(m.Trees), len(m.Trees)
	}
	return m, s, nil
}

// reading is a file being read. It bounds what the file can make its reader allocate, since
// a file can declare sizes without listing the elements.
type reading struct {
	ReadOptions
	size   int
	packed int  // size of the file before decompression
	words  int  // of category sets, still allowed
	inside bool // the model is part of a file
	source Source
}

func newReading(data []byte, o ReadOptions) *reading {
	return &reading{ReadOptions: o, size: len(data), packed: len(data), words: 1<<20 + 16*len(data)}
}

// taken records that the first of all trees are taken.
func (r *reading) taken(first, all int) { r.source.Taken, r.source.Trees = first, all }

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
