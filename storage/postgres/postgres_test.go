package postgres_test

import (
	"strings"
	"testing"

	"github.com/attune-hpo/attune/internal/dev/servertest"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/postgres"
	"github.com/attune-hpo/attune/storage/storagetest"
)

var config = storagetest.Config{
	Open:    func(t *testing.T) storage.Store { return postgres.Database(servertest.PostgresReused(t)) },
	Address: func(s storage.Store) string { return s.(*postgres.Store).URL },
	Dial:    func(address string) storage.Store { return postgres.Database(address) },
	Keeps:   func(name string) bool { return len(name) <= 512 && !strings.Contains(name, "\x00") },
}

func TestMain(m *testing.M) { storagetest.Main(m, config) }

func TestStore(t *testing.T) {
	server(t)
	storagetest.Run(t, config)
}
