package onnx

import "fmt"

const producer = "attune"

// The domains of operators.
const (
	Standard  = ""              // ai.onnx
	ML        = "ai.onnx.ml"    // trees and the like
	Microsoft = "com.microsoft" // additional operators of ONNX Runtime
)

// A Form says how a model is written: for exactness, for old runtimes, or for rows in single precision.
type Form int

const (
	// Exact computes in float64. It needs a runtime with the operator TreeEnsemble of
	// ai.onnx.ml 5.
	Exact Form = iota
	// Compatible runs on older runtimes too. Rows and thresholds are float64, so that every row reaches the same leaf
	// as in the native model. The sums of a row's leaves are rounded to float32.
	Compatible
	// Single takes rows of float32, as older programs send them. Thresholds are rounded down, so that no float32
	// number changes sides. A float64 number that is rounded to float32 may change sides.
	Single
)

// A Stamp has the versions that a model requires. [Form.Stamp] is the only place that defines those of this package's
// models; internal/onnxsetup pins the runtime that they are tested with.
type Stamp struct {
	IR    int64  // version of the file format
	Opset int64  // version of the standard operators
	ML    int64  // version of ai.onnx.ml
	Least string // the earliest tested ONNX Runtime that runs all of it
}

// Stamp returns the versions of models of the form.
//
//	Exact                IR 10, opset 21, ai.onnx.ml 5   ONNX Runtime 1.23.2
//	Compatible, Single   IR 8, opset 17, ai.onnx.ml 3    ONNX Runtime 1.16.3
func (f Form) Stamp() Stamp {
	if f != Exact {
		return Stamp{IR: 8, Opset: 17, ML: 3, Least: "1.16.3"}
	}
	return Stamp{IR: 10, Opset: 21, ML: 5, Least: "1.23.2"}
}

// Forms are all forms.
var Forms = []Form{Exact, Compatible, Single}

// ParseForm returns the form with the given name, or false if there is none.
func ParseForm(name string) (form Form, ok bool) {
	for _, f := range Forms {
		if f.String() == name {
			return f, true
		}
	}
	return 0, false
}

// String returns the name of the form: exact, compatible or float32.
func (f Form) String() string {
	switch f {
	case Exact:
		return "exact"
	case Compatible:
		return "compatible"
	case Single:
		return "float32"
	}
	return fmt.Sprintf("Form(%d)", int(f))
}

// The newest versions that [Model.Check] knows the operators of.
const (
	newestIR    = 13
	newestOpset = 26
	newestML    = 5
	newestMS    = 1
)
