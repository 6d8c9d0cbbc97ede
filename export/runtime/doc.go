// Package runtime runs ONNX files through ONNX Runtime, and serves models.
//
// A [Session] runs any model on tensors. A [Predictor] has the method of
// objective/tree's Predictor, so that the one can take the other's place: [Model] is
// what they have in common. [Fallback], [Shadow] and [AB] are models made of two;
// [Measurement] compares several side by side.
//
// The library of ONNX Runtime is found, and loaded once, by the first Open: see
// [Load]. It stays loaded while the process lives. Its telemetry is off, unless the
// environment variable ORT_DISABLE_TELEMETRY is set already, to 0; it prints nothing.
// This package needs cgo: in a program built without, all that opens a session fails
// and the rest works.
//
// Sessions hold memory that the garbage collector does not see: close them.
package runtime
