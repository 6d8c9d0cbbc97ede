// Package runtime runs ONNX files through ONNX Runtime, and serves models.
//
// A [Session] runs any model on tensors. A [Predictor] predicts rows, and so does the
// Predictor of objective/tree; both are a [Model], and each can replace the other.
// [Fallback], [Shadow] and [AB] are models made of two. [Measurement] compares several
// models.
//
// The first Open finds and loads the library of ONNX Runtime: see [Load]. It stays loaded
// until the process ends, and prints nothing. Its telemetry is off, unless the environment
// variable ORT_DISABLE_TELEMETRY is 0. This package needs cgo: in a program built without
// it, opening a session fails and everything else works.
//
// Sessions hold memory that the garbage collector does not see: close them.
package runtime
