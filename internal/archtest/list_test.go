package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/gotool"
)

// A listed is the output of go list -json for one package.
type listed struct {
	ImportPath string
	Standard   bool
	Module     struct{ Path string }
	Imports    []string
	CgoFiles   []string
}

// list runs go list with env added to the environment.
func list(t *testing.T, env []string, args ...string) []listed {
	t.Helper()
	out := gotool.Run(t, env, append([]string{"list", "-json=ImportPath,Standard,Module,Imports,CgoFiles"}, args...)...)
	var pkgs []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		require.NoError(t, err)
		pkgs = append(pkgs, p)
	}
}
