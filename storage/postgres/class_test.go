package postgres

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"

	"github.com/attune-hpo/attune/storage/internal/dbserver"
)

// A failure of the server or the network is retried; a mistake of the caller is not.
func TestClass(t *testing.T) {
	reset := fmt.Errorf("receive message failed: %w", &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)})
	for name, test := range map[string]struct {
		err  error
		want dbserver.Class
	}{
		"a connection that is reset":        {lost(t.Context(), reset), dbserver.Again},
		"a connection that ends":            {lost(t.Context(), io.ErrUnexpectedEOF), dbserver.Again},
		"nobody listens at first":           {dbserver.Unreachable{Cause: reset}, dbserver.Final},
		"a commit that may have happened":   {dbserver.ErrUnknown, dbserver.Final},
		"a context that is done":            {lost(t.Context(), context.Canceled), dbserver.Final},
		"a deadlock":                        {&pgconn.PgError{Code: "40P01"}, dbserver.Again},
		"a serialization failure":           {&pgconn.PgError{Code: "40001"}, dbserver.Again},
		"too many connections":              {&pgconn.PgError{Code: "53300"}, dbserver.Again},
		"a server that starts":              {&pgconn.PgError{Code: "57P03"}, dbserver.Again},
		"a row that is there already":       {&pgconn.PgError{Code: "23505"}, dbserver.Clash},
		"a trial that runs no longer":       {&pgconn.PgError{Code: "22012"}, dbserver.Clash},
		"a wrong password":                  {&pgconn.PgError{Code: "28P01"}, dbserver.Final},
		"a full disk":                       {&pgconn.PgError{Code: "53100"}, dbserver.Final},
		"a statement that cannot be parsed": {&pgconn.PgError{Code: "42601"}, dbserver.Final},
	} {
		assert.Equal(t, test.want, engine{}.Class(test.err), name)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, dbserver.Final, engine{}.Class(lost(done, reset)), "nobody waits for it")
}
