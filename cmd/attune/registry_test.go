package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/objective/tune"
)

// tunedModel returns a new folder with a tuned model, the model's file, and its export as
// model.onnx.
func tunedModel(t *testing.T) (dir, native string) {
	t.Helper()
	dir, args := air(t, "--windows", "4", "--trials", "1")
	succeed(t, dir, args...)
	native = "attune.db.models/model-air-passengers%2Flightgbm.json"
	m, err := tune.ReadFile(filepath.Join(dir, native), families()...)
	require.NoError(t, err)
	h := sha256.New()
	require.NoError(t, m.Forecaster.Save(h))
	of := onnx.Property{Key: "attune.native", Value: hex.EncodeToString(h.Sum(nil))}
	exported, err := onnx.Forecaster(m.Forecaster, onnx.ForecasterOptions{Info: onnx.Info{Metadata: []onnx.Property{of}}})
	require.NoError(t, err)
	data, err := exported.Encode()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.onnx"), data, 0o644))
	return dir, native
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	dir, native := tunedModel(t)
	registry := func(args ...string) string { return succeed(t, dir, append([]string{"registry"}, args...)...) }
	fail := func(want string, args ...string) {
		t.Helper()
		o := attune(t, dir, args...)
		assert.Equal(t, 1, o.code, args)
		assert.Contains(t, o.stderr, want)
		assert.Equal(t, 1, countLines(o.stderr), o.stderr)
	}
	live := []string{"predict", "--registry", "models", "--name", "air", "--data", "air.csv"}

	fail("--registry models: there is no such folder", "registry", "list")
	assert.NoDirExists(t, filepath.Join(dir, "models"))
	assert.Equal(t, "models: air, version 1\n", registry("add", "air", "model.onnx", "--native", native, "--note", "of May"))
	fail("attune: air: no version is live: promote one of 1\n", live...)
	fail("attune: air: no version is live: promote one of 1\n", "registry", "show", "air")
	assert.Equal(t, "models: air, version 1, live\n", registry("promote", "air", "1"))
	assert.Equal(t, succeed(t, dir, "predict"), succeed(t, dir, live...))

	assert.Equal(t, "models: air, version 2, live\n", registry("add", "air", "model.onnx", "--promote"))
	fail("air, version 2: it has no native model to predict with", live...)
	fail("it is live: promote another first", "registry", "delete", "air", "2")
	assert.Equal(t, "models: air, version 1, live\n", registry("rollback", "air"))
	fail("attune: roll back air: no version was live before\n", "registry", "rollback", "air")

	text := registry("list")
	data, err := os.ReadFile(filepath.Join(dir, "model.onnx"))
	require.NoError(t, err)
	sum := sha256.Sum256(data)
	assert.Equal(t, text, registry("list", "air"))
	assert.Regexp(t, `air +1 +live +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC +model.onnx +\d+ +`+hex.EncodeToString(sum[:]), text)
	assert.Regexp(t, `air +2 +- +20`, text)
	var list []struct {
		Number int
		Live   bool
		Note   string
		Files  []struct{ Name, SHA256 string }
	}
	require.NoError(t, json.Unmarshal([]byte(registry("list", "--format", "json")), &list))
	require.Len(t, list, 2)
	assert.True(t, list[0].Live)
	assert.False(t, list[1].Live)
	assert.Equal(t, "of May", list[0].Note)
	assert.Equal(t, hex.EncodeToString(sum[:]), list[1].Files[0].SHA256)
	assert.Contains(t, registry("show", "air"), "live since ")
	assert.Contains(t, registry("show", "air", "1"), "of May\nfiles:\n  models/air/000001/model.onnx")
	assert.Contains(t, registry("show", "air", "2"), "attune.native")
	assert.Equal(t, "models: air, version 2, deleted\n", registry("delete", "air", "2"))

	for _, c := range []struct {
		want string
		args []string
	}{
		{`unknown command drop: see attune registry --help`, []string{"drop"}},
		{"want NAME FILE.onnx, not 1 arguments", []string{"add", "air"}},
		{"want NAME VERSION, not 1 arguments", []string{"promote", "air"}},
		{"want [NAME], not 2 arguments", []string{"list", "a", "b"}},
		{"there is no version 9: want one of 1", []string{"promote", "air", "9"}},
		{"there is no version 2: want one of 1", []string{"delete", "air", "2"}},
		{"there is no version 2: want one of 1", []string{"show", "air", "2"}},
		{"version x: want a whole number from 1", []string{"promote", "air", "x"}},
		{"version 0: want a whole number from 1", []string{"show", "air", "0"}},
		{"version 99999999999999999999: want a whole number from 1", []string{"delete", "air", "99999999999999999999"}},
		{`the registry has no model sea: want one of air`, []string{"rollback", "sea"}},
		{`the registry has no model sea: want one of air`, []string{"list", "sea"}},
		{`name "../air": want lower-case letters`, []string{"show", "../air"}},
		{`name "AIR": want lower-case letters`, []string{"add", "AIR", "model.onnx"}},
		{"--format xml: want one of text, json", []string{"list", "--format", "xml"}},
		{"--registry air.csv: a file: want a folder", []string{"list", "--registry", "air.csv"}},
		{"--registry '': there is no such folder", []string{"list", "--registry", ""}},
		{"air.csv: decode: malformed model", []string{"add", "air", "air.csv"}},
		{"no.onnx: no such file", []string{"add", "air", "no.onnx"}},
		{"is a directory", []string{"add", "air", "."}},
		{"--native: not a model file: air.csv", []string{"add", "air", "model.onnx", "--native", "air.csv"}},
		{"it is not the model that model.onnx was exported from", []string{"add", "air", "model.onnx", "--native",
			"attune.db.models/tuned/model-air-passengers%2Flightgbm.json"}},
	} {
		fail(c.want, append([]string{"registry"}, c.args...)...)
	}
	for want, args := range map[string][]string{
		"--registry: name the data to continue with --data":             {"--registry", "models", "--name", "air"},
		"--registry and --name: give both, or none":                     {"--registry", "models"},
		"--study, --model and --registry: give one of them":             {"--registry", "models", "--name", "air", "--study", "a"},
		`the registry has no model sea: want one of air`:                {"--registry", "models", "--name", "sea", "--data", "air.csv"},
		"--registry nowhere: there is no such folder: attune export --": {"--registry", "nowhere", "--name", "air", "--data", "air.csv"},
	} {
		fail(want, append([]string{"predict"}, args...)...)
	}

	assert.Equal(t, "models: nothing is damaged\n", registry("verify"))
	file := filepath.Join(dir, "models", "air", "000001", "native.json")
	require.NoError(t, os.Chmod(file, 0o644))
	require.NoError(t, os.WriteFile(file, []byte("{}"), 0o644))
	o := attune(t, dir, "registry", "verify")
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stdout, "native.json: damaged: 2 bytes, want ")
	assert.Equal(t, "attune: --registry models: 1 files are damaged\n", o.stderr)
	fail("native.json: damaged: its SHA-256 differs: put back what was there, or delete the version: attune registry verify lists all damage", live...)

	assert.Equal(t, "models: sea, version 1\n", registry("add", "sea", "model.onnx"))
	require.NoError(t, os.Remove(filepath.Join(dir, "models", "sea", "000001", "model.onnx")))
	fail("model.onnx: damaged: no such file or directory: put back what was there, or delete the version", "registry", "promote", "sea", "1")
	fail("there is no version 2: want one of 1\n", "registry", "promote", "sea", "2")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "models", "air", "state"), []byte("{}"), 0o644))
	for _, args := range [][]string{{"list"}, {"list", "air"}, {"show", "air"}, {"promote", "air", "1"}, {"rollback", "air"}, {"delete", "air", "1"}, {"add", "air", "model.onnx"}} {
		fail("damaged: remove the file "+filepath.Join("models", "air", "state")+": then no version is live; promote one\n", append([]string{"registry"}, args...)...)
	}
	assert.Contains(t, attune(t, dir, "registry", "list").stdout, "\nsea ", "the other models are listed")
	require.NoError(t, os.Remove(filepath.Join(dir, "models", "air", "state")))
	fail("attune: air: no version is live: promote one of 1\n", "registry", "show", "air")
}
