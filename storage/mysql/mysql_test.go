package mysql_test

import (
	"testing"
	"unicode/utf8"

	"github.com/attune-hpo/attune/internal/dev/servertest"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/mysql"
	"github.com/attune-hpo/attune/storage/storagetest"
)

var config = storagetest.Config{
	Open:    func(t *testing.T) storage.Store { return mysql.Database(servertest.MySQLReused(t)) },
	Address: func(s storage.Store) string { return s.(*mysql.Store).URL },
	Dial:    func(address string) storage.Store { return mysql.Database(address) },
	Keeps:   func(name string) bool { return utf8.RuneCountInString(name) <= 512 },
}

func TestMain(m *testing.M) { storagetest.Main(m, config) }

func TestStore(t *testing.T) {
	servertest.Server(t, servertest.MySQLEnv)
	storagetest.Run(t, config)
}
