// Package servertest gives tests databases on the servers that scripts/servers.sh starts.
package servertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// PostgresEnv is the variable with the URL of a PostgreSQL server and its superuser.
const PostgresEnv = "ATTUNE_TEST_POSTGRES"

// Server returns the URL in a variable of the environment, or skips t. Where
// ATTUNE_REQUIRE_SERVERS is set, t fails instead.
func Server(t testing.TB, variable string) string {
	t.Helper()
	const start = `there is no database server: eval "$(scripts/servers.sh start)"`
	if at := os.Getenv(variable); at != "" {
		return at
	}
	if os.Getenv("ATTUNE_REQUIRE_SERVERS") != "" {
		t.Fatal(start)
	}
	t.Skip(start)
	return ""
}

var databases atomic.Int64

// Postgres returns the URL of an empty schema, which is to attune and to Optuna a
// database, to be gone when t ends.
func Postgres(t testing.TB) string {
	t.Helper()
	at, name := newSchema(t)
	t.Cleanup(func() { PostgresRun(t, Server(t, PostgresEnv), "DROP SCHEMA "+name+" CASCADE") })
	return at
}

func newSchema(t testing.TB) (at, name string) {
	t.Helper()
	server := Server(t, PostgresEnv)
	name = fmt.Sprintf("attune_%d_%d", os.Getpid(), databases.Add(1))
	PostgresRun(t, server, "DROP SCHEMA IF EXISTS "+name+" CASCADE", "CREATE SCHEMA "+name)
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.RawQuery = "options=-csearch_path%3D" + name
	return u.String(), name
}

// MySQLEnv is the variable with the URL of a MariaDB server and its superuser.
const MySQLEnv = "ATTUNE_TEST_MYSQL"

// MySQL returns the URL of an empty database, to be gone when t ends.
func MySQL(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(Server(t, MySQLEnv))
	require.NoError(t, err)
	name := fmt.Sprintf("attune_%d_%d", os.Getpid(), databases.Add(1))
	MySQLRun(t, u.String(), "DROP DATABASE IF EXISTS "+name, "CREATE DATABASE "+name)
	t.Cleanup(func() { MySQLRun(t, u.String(), "DROP DATABASE "+name) })
	at := *u
	at.Path = "/" + name
	return at.String()
}

// usedMySQL holds URLs of databases that are free for another test.
var usedMySQL = make(chan string, 100)

// MySQLReused is PostgresReused for MariaDB.
func MySQLReused(t testing.TB) string {
	t.Helper()
	var at string
	select {
	case at = <-usedMySQL:
	default:
		u, err := url.Parse(Server(t, MySQLEnv))
		require.NoError(t, err)
		name := fmt.Sprintf("attune_%d_%d", os.Getpid(), databases.Add(1))
		MySQLRun(t, u.String(), "DROP DATABASE IF EXISTS "+name, "CREATE DATABASE "+name)
		u.Path = "/" + name
		at = u.String()
	}
	t.Cleanup(func() {
		statements := []string{"SET FOREIGN_KEY_CHECKS = 0"}
		for _, table := range []string{
			"trial_params", "trial_values", "trial_intermediate_values", "trial_user_attributes", "trial_system_attributes",
			"trial_heartbeats", "trials", "study_directions", "study_user_attributes", "study_system_attributes", "studies",
		} {
			statements = append(statements, "DELETE FROM "+table)
		}
		MySQLRun(t, at, statements...)
		usedMySQL <- at
	})
	return at
}

// MySQLRun runs statements in a database, but for those about tables that are missing.
func MySQLRun(t testing.TB, at string, statements ...string) {
	t.Helper()
	u, err := url.Parse(at)
	require.NoError(t, err)
	secret, _ := u.User.Password()
	db, err := sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s)%s", u.User.Username(), secret, u.Host, u.Path))
	require.NoError(t, err)
	defer db.Close()
	ctx := context.WithoutCancel(t.Context()) // it is done in a cleanup
	c, err := db.Conn(ctx)
	require.NoError(t, err)
	defer c.Close()
	for _, s := range statements {
		_, err := c.ExecContext(ctx, s)
		if e, ok := errors.AsType[*mysql.MySQLError](err); ok && e.Number == 1146 {
			continue
		}
		require.NoError(t, err, s)
	}
}

// used holds URLs of databases that are free for another test.
var used = make(chan string, 100)

// PostgresReused returns the URL of a database that has no studies. It may have the tables
// of an earlier test: making them takes longer than most tests.
func PostgresReused(t testing.TB) string {
	t.Helper()
	var at string
	select {
	case at = <-used:
	default:
		at, _ = newSchema(t)
	}
	t.Cleanup(func() {
		PostgresRun(t, at, `DO $$
			DECLARE name text;
			BEGIN
				FOREACH name IN ARRAY string_to_array('trial_params trial_values trial_intermediate_values trial_user_attributes trial_system_attributes '
					'trial_heartbeats trials study_directions study_user_attributes study_system_attributes studies', ' ') LOOP
					IF to_regclass(name) IS NOT NULL THEN
						EXECUTE 'DELETE FROM ' || name;
					END IF;
				END LOOP;
			END $$`)
		used <- at
	})
	return at
}

// PostgresRun runs statements in a database.
func PostgresRun(t testing.TB, at string, statements ...string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // it is done in a cleanup
	c, err := pgx.Connect(ctx, at)
	require.NoError(t, err)
	defer c.Close(ctx)
	for _, s := range statements {
		_, err := c.Exec(ctx, s)
		require.NoError(t, err, s)
	}
}
