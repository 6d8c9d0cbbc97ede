package pipeline

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A token pattern is read only if its meaning is kept.
func TestTokens(t *testing.T) {
	for pattern, want := range map[string]struct {
		of    string
		least int
		whole bool
	}{
		`(?u)\b\w\w+\b`:    {"", 2, false},
		`\w{3,}`:           {"", 3, false},
		`\S+`:              {`\S`, 1, false},
		`[^\s]{2,}`:        {`\S`, 2, false},
		`[a-z]+`:           {"a-z", 1, false},
		`[a-z][a-z]+`:      {"a-z", 2, false},
		`[\w'-]+`:          {`\w'-`, 1, false},
		`\b[a-zA-Z]{3,}\b`: {"a-zA-Z", 3, true},
	} {
		of, least, whole, ok := tokens(pattern)
		assert.True(t, ok, pattern)
		assert.Equal(t, want.of, of, pattern)
		assert.Equal(t, want.least, least, pattern)
		assert.Equal(t, want.whole, whole, pattern)
	}
	for _, pattern := range []string{
		``, `.+`, `\w*`, `\w`, `\w{2,5}`, `\d+`, `[\d]+`, `[^,]+`, `[a-z]+?`, `\b[a-z]+`, `\b\S+\b`, `\b[\w']+\b`, `[a-z][0-9]+`, `[a z]+`, `[à-ý]+`, `[z-a]+`,
		`[\S]+`, `[a&&b]+`, `[a-\w]+`, `[\w-z]+`, `(\w+)`, `(?i)[a-z]+`, `\w+|\S`, `[]+`, `[\]+`, `\w{1000,}`, `[a\x62]+`,
	} {
		_, _, _, ok := tokens(pattern)
		assert.False(t, ok, pattern)
	}
}
