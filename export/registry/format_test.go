package registry_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/registry"
)

// The files of doc/format/registry.md are a registry, and equal those that Put and Promote
// write for the same model, except for the times.
func TestFormat(t *testing.T) {
	page, err := os.ReadFile("../../doc/format/registry.md")
	require.NoError(t, err)
	shown := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)\n`(demand/[^`]+)`\n\n```[a-z]*\n(.*?)```\n").FindAllStringSubmatch(string(page), -1) {
		shown[m[1]] = m[2]
	}
	require.Len(t, shown, 3)
	files := map[string]string{registry.ONNX: "the ONNX file\n", registry.Native: "the model it was made from\n"}
	for name, text := range files {
		shown["demand/000001/"+name] = text
	}
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "demand", "000001"), 0o755))
	for name, text := range shown {
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(text), 0o644))
	}
	r, err := registry.Open(dir)
	require.NoError(t, err)
	damage, err := r.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, damage)
	want, err := r.Live("demand")
	require.NoError(t, err)
	history, err := r.History("demand")
	require.NoError(t, err)
	assert.Equal(t, []registry.Promotion{{Number: 1, At: time.Date(2026, 11, 21, 9, 0, 1, 5e8, time.UTC)}}, history)

	dir = t.TempDir()
	r, err = registry.Open(dir)
	require.NoError(t, err)
	d := registry.Draft{Files: map[string]io.Reader{}, Note: want.Note, Meta: want.Meta}
	for name, text := range files {
		d.Files[name] = strings.NewReader(text)
	}
	got, err := r.Put(t.Context(), "demand", d)
	require.NoError(t, err)
	require.NoError(t, r.Promote(t.Context(), "demand", 1))
	history, err = r.History("demand")
	require.NoError(t, err)
	for name, text := range shown {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		require.NoError(t, err)
		made := strings.NewReplacer(stamp(t, got.Created), stamp(t, want.Created), stamp(t, history[0].At), `"2026-11-21T09:00:01.5Z"`).Replace(string(data))
		switch filepath.Base(name) {
		case "state": // its second line depends on the first
			text, _, _ = strings.Cut(text, "\n")
			made, _, _ = strings.Cut(made, "\n")
		case "SHA256SUMS": // and its last on the manifest
			text, _, _ = strings.Cut(text, "native.json")
			made, _, _ = strings.Cut(made, "native.json")
		}
		assert.Equal(t, text, made, name)
	}
}

// stamp formats a time for JSON.
func stamp(t *testing.T, at time.Time) string {
	b, err := json.Marshal(at)
	require.NoError(t, err)
	return string(b)
}
