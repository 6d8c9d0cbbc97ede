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

// Setup is the command that installs ONNX Runtime for the tests of this module.
const Setup = "go run ./cmd/attune setup onnxruntime"

// Require returns the path of the library. Where there is none it skips the test, and
// says how to get one; or fails it, see [Env].
func Require(t testing.TB) string {
	t.Helper()
	file, err := onnxsetup.Find("")
	if err == nil {
		return file
	}
	if os.Getenv(Env) == "1" {
		t.Fatalf("%v\nto run this test: %s", err, Setup)
	}
	t.Skipf("%v\nto run this test: %s", err, Setup)
	return ""
}
