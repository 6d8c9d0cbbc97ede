package onnx

import "fmt"

const producer = "attune"

// The domains of operators.
const (
	Standard  = ""              // ai.onnx
	ML        = "ai.onnx.ml"    // trees and the like
	Microsoft = "com.microsoft" // what ONNX Runtime has besides
)

// A Form is how a model is written: for exactness or for old runtimes.
type Form int

const (
	// Exact computes in float64. It needs a runtime with the operator TreeEnsemble of
	// ai.onnx.ml 5.
	Exact Form = iota
	// Compatible runs everywhere. Trees are in float32, with thresholds rounded down,
	// so that no float32 value changes sides.
	Compatible
)

// A Stamp is what a model declares to need. What the models of this package are
// stamped with stands here and nowhere else; the runtime that they are tested with is
// pinned in internal/onnxsetup.
type Stamp struct {
	IR    int64  // version of the file format
	Opset int64  // version of the standard operators
	ML    int64  // version of ai.onnx.ml
	Least string // the first ONNX Runtime that was seen to run all of it
}

// Stamp returns the versions of models of the form.
//
//	Exact        IR 10, opset 21, ai.onnx.ml 5   ONNX Runtime 1.23.2
//	Compatible   IR 8, opset 17, ai.onnx.ml 3    ONNX Runtime 1.16.3
func (f Form) Stamp() Stamp {
	if f == Compatible {
		return Stamp{IR: 8, Opset: 17, ML: 3, Least: "1.16.3"}
	}
	return Stamp{IR: 10, Opset: 21, ML: 5, Least: "1.23.2"}
}

// String returns the form in lower case.
func (f Form) String() string {
	switch f {
	case Exact:
		return "exact"
	case Compatible:
		return "compatible"
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
