// Package interop tests that files written here are read by Python's Optuna and
// the other way round. It has tests only; they run if ATTUNE_PYTHON names a
// Python that has optuna 5 or later.
package interop
