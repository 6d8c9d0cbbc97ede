// Package interop tests that Python's Optuna reads files written here, and vice versa. It
// only has tests. They run if ATTUNE_PYTHON names a Python that has optuna 5 or later.
package interop
