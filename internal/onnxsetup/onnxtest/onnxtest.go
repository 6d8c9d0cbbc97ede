// Package onnxtest finds ONNX Runtime for tests.
package onnxtest

import (
	"os"
	"testing"

	"github.com/attune-hpo/attune/internal/onnxsetup"
)

// Env is an environment variable. If it is 1 and ONNX Runtime is missing, tests fail
// instead of being skipped, so that CI cannot pass without having run them.
const Env = "ATTUNE_REQUIRE_ONNXRUNTIME"

// Setup is the command that installs ONNX Runtime for the tests of this module.
const Setup = "go run ./cmd/attune setup onnxruntime"

// Require returns the path of the library. If it is missing, Require skips the test, and
// says how to get it; or fails the test, see [Env].
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
