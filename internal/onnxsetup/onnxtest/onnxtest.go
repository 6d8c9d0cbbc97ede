// Package onnxtest finds ONNX Runtime for tests.
package onnxtest

import (
	"os"
	"testing"

	"github.com/attune-hpo/attune/internal/onnxsetup"
)

// Env is the environment variable that makes tests fail, when it is 1, rather than
// skip when there is no ONNX Runtime: so that CI cannot pass without having run it.
const Env = "ATTUNE_REQUIRE_ONNXRUNTIME"

// Require returns the path of the library, or skips the test (see [Env]).
func Require(t testing.TB) string {
	t.Helper()
	file, err := onnxsetup.Find("")
	if err == nil {
		return file
	}
	if os.Getenv(Env) == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}
