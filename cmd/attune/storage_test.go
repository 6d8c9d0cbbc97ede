package main

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/servertest"
)

func TestStorages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ storage, shown, beside string }{
		{"attune.db", "attune.db", "attune.db"},
		{"dir/a:b.db", "dir/a:b.db", "dir/a:b.db"},
		{"postgres://u:p@db.example.com/studies?sslmode=require", "postgres://u@db.example.com/studies?sslmode=require", "db.example.com-5432-studies"},
		{"postgresql://u@[::1]:99/studies?password=p", "postgresql://u@[::1]:99/studies", "[--1]-99-studies"},
		{"postgres://u:p@h:x/d", "postgres://", "attune"},
		{"https://u:p@tuning.example.com:8080/at", "https://u@tuning.example.com:8080/at", "tuning.example.com-8080-at"},
		{"mysql://u:p@db.example.com/studies?tls=true", "mysql://u@db.example.com/studies?tls=true", "db.example.com-3306-studies"},
	} {
		assert.Equal(t, test.shown, shown(test.storage))
		assert.Equal(t, test.beside, beside(test.storage))
		assert.Equal(t, test.shown, newStore(test.storage).Path)
		assert.Equal(t, strings.Contains(test.storage, ":p@") || strings.Contains(test.storage, "password"), hasPassword(test.storage) || test.shown == "postgres://")
	}
}

// Passwords are not shown, and the storage can be named where nobody sees it.
func TestStorageSecrets(t *testing.T) {
	t.Parallel()
	const at = "postgres://u:hunter2@127.0.0.1:1/db"
	dir := t.TempDir()
	o := attune(t, dir, "studies", "--storage", at)
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stderr, "warning: --storage holds a password")
	assert.Contains(t, o.stderr, "list studies in postgres://127.0.0.1:1/db: the server cannot be reached: start the server, or set --storage to postgres://")
	assert.NotContains(t, o.stderr, "hunter2")

	for _, args := range [][]string{{"studies"}, {"studies", "--help"}} {
		cmd := program(t, dir, args...)
		cmd.Env = append(cmd.Environ(), storageEnv+"="+at)
		out, _ := cmd.CombinedOutput()
		assert.Contains(t, string(out), map[bool]string{false: "the server cannot be reached", true: "(default: $ATTUNE_STORAGE, or else attune.db)"}[len(args) > 1])
		assert.NotContains(t, string(out), "hunter2")
		assert.NotContains(t, string(out), "warning")
	}
}

// A URL of another kind is refused before its password is shown or becomes the name of a folder.
func TestStorageSchemes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "space.yaml"), []byte("parameters:\n  - {name: x, type: float, low: 0, high: 1}\n"), 0o644))
	for storage, want := range map[string]string{
		"postgresql+psycopg2://u:hunter2@h/db": "a URL that begins with postgresql+psycopg2://: begin it with postgresql://",
		"mysql+pymysql://u:hunter2@h/db":       "a URL that begins with mysql+pymysql://: begin it with mysql://",
		"Postgres://u:hunter2@h/db":            "a URL that begins with Postgres://: begin it with postgres://",
		"mongodb://u:hunter2@h/db":             "a URL that begins with mongodb://: want the path of a file, or a URL that begins with postgres://, mysql://, http:// or https://",
		"sqlite:///x.db":                       "a URL of SQLite: want the path of the file alone: x.db",
		"sqlite:////tmp/x.db":                  "a URL of SQLite: want the path of the file alone: /tmp/x.db",
	} {
		for _, args := range [][]string{{"studies"}, {"serve", "--grpc", "127.0.0.1:0"}, {"run", "--space", "space.yaml", "--trials", "1", "--", "true"}} {
			o := attune(t, dir, append([]string{args[0], "--storage", storage}, args[1:]...)...)
			assert.Equal(t, 1, o.code)
			assert.Equal(t, "attune: --storage: "+want+"\n", o.stderr)
		}
		cmd := program(t, dir, "studies")
		cmd.Env = append(cmd.Environ(), storageEnv+"="+storage)
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		assert.Equal(t, "attune: "+storageEnv+": "+want+"\n", string(out))
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1, "nothing was made")
}

// Studies in a database are as those in a file to every command, and their models lie in the
// current folder.
func TestStorageOnServers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, secret string
		database     func(testing.TB) string
	}{
		{"PostgreSQL", "PGPASSWORD", servertest.Postgres},
		{"MariaDB", "MYSQL_PWD", servertest.MySQL},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, err := url.Parse(test.database(t))
			require.NoError(t, err)
			secret, _ := u.User.Password()
			u.User = url.User(u.User.Username())
			dir, args := air(t, "--trials", "2", "--name", "air", "--quiet", "--storage", u.String())
			call := func(args ...string) string {
				cmd := program(t, dir, args...)
				cmd.Env = append(cmd.Environ(), test.secret+"="+secret)
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, "%s", out)
				return string(out)
			}
			assert.Contains(t, call(args...), "://attune@")
			assert.Contains(t, call("studies", "--storage", u.String()), "air/lightgbm")
			assert.Contains(t, call("trials", "--storage", u.String()), "complete")
			assert.Contains(t, call("best", "--storage", u.String()), "study air/lightgbm")
			call("predict", "--storage", u.String(), "--output", "forecast.csv")
			folders, err := filepath.Glob(filepath.Join(dir, "127.0.0.1-*.models"))
			require.NoError(t, err)
			require.Len(t, folders, 1)
			_, err = os.Stat(filepath.Join(dir, "attune.db"))
			require.ErrorIs(t, err, os.ErrNotExist)
		})
	}
}
