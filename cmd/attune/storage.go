package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/mysql"
	"github.com/attune-hpo/attune/storage/postgres"
	"github.com/attune-hpo/attune/storage/remote"
	"github.com/attune-hpo/attune/storage/sqlite"
)

// storageEnv is the environment variable with the default of --storage.
const storageEnv = "ATTUNE_STORAGE"

// A store is a storage of studies, with its name.
type store struct {
	storage.Store
	Path string // path of a file, or URL of a server without its password
}

var _ storage.Reader = store{}

// Read implements [storage.Reader] with the store's own Read, if it has one.
func (s store) Read(ctx context.Context, name string) (storage.Ledger, error) {
	return storage.Read(ctx, s.Store, name)
}

// isURL reports whether a storage is on a server: a database, or attune serve.
func isURL(storage string) bool {
	return strings.HasPrefix(storage, "postgres://") || strings.HasPrefix(storage, "postgresql://") || isMySQL(storage) || isServed(storage)
}

// isServed reports whether a storage is what attune serve has.
func isServed(storage string) bool {
	return strings.HasPrefix(storage, "http://") || strings.HasPrefix(storage, "https://")
}

func isMySQL(storage string) bool { return strings.HasPrefix(storage, "mysql://") }

// knownScheme returns an error for a URL of another kind, such as Optuna's. As the path of a
// file, it would be shown, and become the name of a folder, with its password.
func knownScheme(storage string) error {
	scheme, rest, ok := strings.Cut(storage, "://")
	kind, _, _ := strings.Cut(strings.ToLower(scheme), "+")
	switch {
	case !ok || isURL(storage) || strings.ContainsAny(scheme, `/\`):
		return nil
	case kind == "sqlite":
		return fmt.Errorf("a URL of SQLite: want the path of the file alone: %s", quote(strings.TrimPrefix(rest, "/")))
	case isURL(kind + "://"):
		return fmt.Errorf("a URL that begins with %s: begin it with %s", quote(scheme+"://"), kind+"://")
	}
	return fmt.Errorf("a URL that begins with %s: want the path of a file, or a URL that begins with postgres://, mysql://, http:// or https://", quote(scheme+"://"))
}

// newStore returns the store for a value of --storage, without opening it.
func newStore(storage string) store {
	switch {
	case isServed(storage):
		served := remote.Server(storage)
		served.Away = away(shown(storage))
		if !hasPassword(storage) {
			served.Token = os.Getenv(serveTokenVariable)
		}
		return store{served, shown(storage)}
	case isMySQL(storage):
		database := mysql.Database(storage)
		database.Away = away(shown(storage))
		return store{database, shown(storage)}
	case isURL(storage):
		database := postgres.Database(storage)
		database.Away = away(shown(storage))
		return store{database, shown(storage)}
	}
	return store{sqlite.File(storage), storage}
}

// away returns a function that says when a server is away, and when it is back.
func away(url string) func(error) {
	return func(err error) {
		if err == nil {
			fmt.Fprintf(os.Stderr, "attune: %s answers again\n", url)
			return
		}
		fmt.Fprintf(os.Stderr, "attune: %s does not answer, and attune waits for it: %s\n", url, plain(err))
	}
}

// openStore returns a store for reading.
func openStore(storage string) (store, error) {
	if isURL(storage) {
		return newStore(storage), nil
	}
	info, err := os.Stat(storage)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return store{}, fmt.Errorf("%s: no such file: attune optimize and attune run create it; name another one with --storage", quote(storage))
	case err != nil:
		return store{}, err
	case info.IsDir():
		return store{}, fmt.Errorf("%s: this is a folder: --storage needs a file", storage)
	}
	return newStore(storage), nil
}

// shown returns a storage without its password.
func shown(storage string) string {
	if !isURL(storage) {
		return storage
	}
	u, err := url.Parse(storage)
	if err != nil {
		scheme, _, _ := strings.Cut(storage, "//")
		return scheme + "//"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	if q := u.Query(); q.Has("password") {
		q.Del("password")
		u.RawQuery = q.Encode()
	}
	return u.String()
}

// hasPassword reports whether the URL of a storage holds a password.
func hasPassword(storage string) bool {
	u, err := url.Parse(storage)
	if !isURL(storage) || err != nil {
		return false
	}
	_, has := u.User.Password()
	return has || u.Query().Has("password")
}

// beside returns the prefix of the paths of folders that belong to a storage: its own path
// or, for a database, one in the current folder with the database's name.
func beside(storage string) string {
	if !isURL(storage) {
		return storage
	}
	u, err := url.Parse(newStore(storage).Store.(interface{ Address() string }).Address())
	if err != nil {
		return "attune"
	}
	name := strings.NewReplacer("/", "-", ":", "-").Replace(u.Host + u.Path)
	return cmp.Or(strings.Trim(name, "-"), "attune")
}

// storageFlag adds --storage to a command. Its default is ATTUNE_STORAGE, which may contain a
// password, so the help does not show it.
func storageFlag(cmd *cobra.Command, storage *string, usage string) {
	*storage = cmp.Or(os.Getenv(storageEnv), "attune.db")
	f := cmd.Flags()
	f.StringVar(storage, "storage", *storage, usage+" (default: $"+storageEnv+", or else attune.db)")
	f.Lookup("storage").DefValue = ""
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		from := storageEnv
		if f.Changed("storage") {
			from = "--storage"
			warnOfPassword(cmd.ErrOrStderr(), *storage)
		}
		if err := knownScheme(*storage); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
		return run(cmd, args)
	}
}

// warnOfPassword warns if other users of the machine can see the password.
func warnOfPassword(stderr io.Writer, storage string) {
	if hasPassword(storage) {
		secret := "PGPASSWORD, ~/.pgpass or MYSQL_PWD"
		if isServed(storage) {
			secret = serveTokenVariable
		}
		warn(stderr, errors.New("--storage holds a password, which a list of processes shows: put it in "+secret+", or the whole URL in "+storageEnv))
	}
}
