package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/storage/storagetest"
)

var config = storagetest.Config{
	Open:    func(t *testing.T) storage.Store { return sqlite.File(filepath.Join(t.TempDir(), "study.db")) },
	Address: func(s storage.Store) string { return s.(*sqlite.Store).Path },
	Dial:    func(address string) storage.Store { return sqlite.File(address) },
	// With another program for workers, files are shared by builds with cgo and
	// without; see make test-nocgo.
	Worker: os.Getenv("ATTUNE_SQLITE_WORKER"),
}

func TestMain(m *testing.M) { storagetest.Main(m, config) }

func TestStore(t *testing.T) { storagetest.Run(t, config) }
