package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/trial"
)

// A study has one line, whatever its name.
func TestStudyNames(t *testing.T) {
	t.Parallel()
	var list []trial.Summary
	for _, name := range []string{"plain", "two words", "日本", "a\nb", "tab\tbed", "\x1b[31mred"} {
		list = append(list, trial.Summary{Header: trial.Header{Name: name}})
	}
	var b bytes.Buffer
	require.NoError(t, writeSummaries(&b, list))
	var names []string
	for _, line := range strings.Split(strings.TrimSpace(b.String()), "\n")[1:] {
		name, _, _ := strings.Cut(line, "  ")
		names = append(names, name)
	}
	assert.Equal(t, []string{"plain", "two words", "日本", `"a\nb"`, `"tab\tbed"`, `"\x1b[31mred"`}, names)
}
