package fault_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/attune-hpo/attune/fault"
)

const (
	study  fault.Package = "study"
	sqlite fault.Package = "sqlite"
)

var (
	errFormat = errors.New("not a store")
	seed      = fault.Hint{Field: "study.Config.Seed", Want: "set %s to 0"}
	name      = fault.Hint{Field: "study.Create", Want: "give %s another name"}
)

// flags presents the settings of a program without a seed.
func flags(h fault.Hint) string {
	switch h.Field {
	case "study.Create":
		return h.Named("--name")
	case "sqlite.Store.Path":
		return "name another file with --storage"
	}
	return ""
}

func TestText(t *testing.T) {
	path := fault.Hint{Field: "sqlite.Store.Path", Want: "set %s to the path of a file"}
	for what, tc := range map[string]struct {
		err             error
		text, bare, say string
	}{
		"a sentinel": {errFormat, "not a store", "not a store", "not a store"},
		"two layers": {
			study.Errorf("load: %w", sqlite.Errorf("open %q: %w", "a", errFormat)),
			`study: load: open "a": not a store`, `load: open "a": not a store`, `load: open "a": not a store`,
		},
		"a layer that calls itself": {
			study.Errorf("open: %w", fmt.Errorf("load: %w", study.Errorf("read: %w", errFormat))),
			"study: open: load: read: not a store", "open: load: read: not a store", "open: load: read: not a store",
		},
		"a hint at the end": {
			study.Errorf("create: %w: %w", errFormat, name),
			"study: create: not a store: give study.Create another name", "create: not a store: give study.Create another name", "create: not a store: give --name another name",
		},
		"a hint that the program has no word for": {
			study.Errorf("create: %w: %w", errFormat, seed),
			"study: create: not a store: set study.Config.Seed to 0", "create: not a store: set study.Config.Seed to 0", "create: not a store",
		},
		"the first of two ways out": {
			study.Errorf("create: %w: %w, or %w", errFormat, seed, name),
			"study: create: not a store: set study.Config.Seed to 0, or give study.Create another name", "create: not a store: set study.Config.Seed to 0, or give study.Create another name",
			"create: not a store: give --name another name",
		},
		"the second of two ways out": {
			study.Errorf("create: %w: %w, or %w", errFormat, path, seed),
			"study: create: not a store: set sqlite.Store.Path to the path of a file, or set study.Config.Seed to 0", "create: not a store: set sqlite.Store.Path to the path of a file, or set study.Config.Seed to 0",
			"create: not a store: name another file with --storage",
		},
		"a hint in the middle": {
			fmt.Errorf("%w: sort the rows or %w: line 8", errFormat, seed),
			"not a store: sort the rows or set study.Config.Seed to 0: line 8", "not a store: sort the rows or set study.Config.Seed to 0: line 8", "not a store: sort the rows: line 8",
		},
		"errors side by side": {
			errors.Join(study.Errorf("a: %w", name), sqlite.Errorf("b: %w", errFormat)),
			"study: a: give study.Create another name\nsqlite: b: not a store", "a: give study.Create another name\nb: not a store", "a: give --name another name\nb: not a store",
		},
		"a value that reads like the cause": {
			study.Errorf("column %q: %w", "sqlite: b: not a store", sqlite.Errorf("b: %w", errFormat)),
			`study: column "sqlite: b: not a store": b: not a store`, `column "sqlite: b: not a store": b: not a store`, `column "sqlite: b: not a store": b: not a store`,
		},
		"a cause that is kept from the text": {
			quiet{sqlite.Errorf("b: %w", name)}, "quiet", "quiet", "quiet",
		},
		"a type of another package": {
			study.Errorf("open: %w", &fs.PathError{Op: "open", Path: "a", Err: sqlite.Errorf("%w", os.ErrNotExist)}),
			"study: open: open a: file does not exist", "open: open a: file does not exist", "open: open a: file does not exist",
		},
		"a mark": {
			study.Errorf("create: %w", fault.Mark(sqlite.Errorf("no room: %w", name), errFormat)),
			"study: create: no room: give study.Create another name", "create: no room: give study.Create another name", "create: no room: give --name another name",
		},
		"a hint alone": {seed, "set study.Config.Seed to 0", "set study.Config.Seed to 0", ""},
	} {
		t.Run(what, func(t *testing.T) {
			assert.Equal(t, tc.text, tc.err.Error())
			assert.Equal(t, tc.bare, fault.Text(tc.err, nil))
			assert.Equal(t, tc.say, fault.Text(tc.err, flags))
		})
	}
	assert.Empty(t, fault.Text(nil, flags))
}

type quiet struct{ error }

func (quiet) Error() string   { return "quiet" }
func (q quiet) Unwrap() error { return q.error }

func TestTree(t *testing.T) {
	err := study.Errorf("create: %w", sqlite.Errorf("%w: %w, or %w", errFormat, seed, name))
	assert.ErrorIs(t, err, errFormat)
	assert.ErrorIs(t, err, seed)
	e, ok := errors.AsType[*fault.Error](err)
	assert.True(t, ok)
	assert.Equal(t, study, e.Package)
	assert.Equal(t, []fault.Hint{seed, name}, fault.Hints(err))
	assert.ErrorIs(t, fault.Mark(seed, errFormat), errFormat)
	assert.ErrorIs(t, fault.Mark(seed, errFormat), seed)
	assert.Equal(t, []fault.Hint{seed}, fault.Hints(fault.Mark(seed, errFormat)))
	assert.Empty(t, fault.Hints(errFormat))
	assert.Empty(t, fault.Hints(nil))
}
