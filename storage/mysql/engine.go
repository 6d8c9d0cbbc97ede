package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"

	"github.com/go-sql-driver/mysql"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/dbserver"
	"github.com/attune-hpo/attune/storage/internal/tables"
)

var dialect = (&dbserver.Dialect{
	Statements: tables.New(tables.Dialect{
		Key:    "`key`",
		Upsert: "ON DUPLICATE KEY UPDATE value_json = VALUES(value_json)",
		Skip:   " ON DUPLICATE KEY UPDATE trial_id = trial_id",
	}),
	Key: "`key`",
	// Bytes of one encoding, whatever the tables have: columns of different collations do
	// not go together.
	Text:       "CAST(CONVERT(%s USING utf8mb4) AS BINARY)",
	Float:      "CAST(NULL AS DOUBLE)",
	Lock:       "FOR UPDATE",
	LockTrials: "FOR UPDATE",
	Listed:     "SELECT id, mark FROM JSON_TABLE(?, '$[*]' COLUMNS (id INT PATH '$[0]', mark INT PATH '$[1]')) AS pairs",
	Each:       "%[1]s STRAIGHT_JOIN %[2]s x ON x.trial_id = %[1]s.id",
	// Optuna writes the time of the session's time zone, too.
	Beat: "INSERT INTO trial_heartbeats (trial_id, heartbeat) SELECT trial_id, CURRENT_TIMESTAMP(6) FROM trials WHERE trial_id = ? AND state = 'RUNNING' " +
		"ON DUPLICATE KEY UPDATE heartbeat = VALUES(heartbeat)",
	Ago:     "CURRENT_TIMESTAMP(6) - INTERVAL ? SECOND",
	MaxName: 512,
}).Complete()

// engine is a [dbserver.Engine].
type engine struct {
	config *mysql.Config
	most   int // connections
}

func (engine) Dialect() *dbserver.Dialect { return dialect }

// Connect implements [dbserver.Engine].
func (e engine) Connect(ctx context.Context) (dbserver.Pool, error) {
	c, err := mysql.NewConnector(e.config)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector{c})
	db.SetMaxOpenConns(e.most)
	db.SetMaxIdleConns(e.most)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		if number(err) == 0 && ctx.Err() == nil {
			err = dbserver.Unreachable{Cause: err}
		}
		return nil, err
	}
	return &pool{db}, nil
}

// A connector sets up each new connection.
type connector struct{ driver.Connector }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range []string{
		// A write must see what was committed before it, once it has its locks.
		"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
		"SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
	} {
		if _, err := conn.(driver.ExecerContext).ExecContext(ctx, s, nil); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// number returns the number of an error of the server, 0 if it is none.
func number(err error) uint16 {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number
	}
	return 0
}

// Class implements [dbserver.Engine].
func (engine) Class(err error) dbserver.Class {
	if errors.Is(err, dbserver.ErrUnknown) {
		return dbserver.Final
	}
	switch number(err) {
	case 1062, 1451, 1452: // duplicate key, foreign keys
		return dbserver.Clash
	case 1213, 1205, // deadlock, timeout of a lock
		1040, 1053, 1927: // too many connections, shutting down, connection killed
		return dbserver.Again
	}
	if _, ok := errors.AsType[dbserver.Lost](err); ok {
		return dbserver.Again
	}
	return dbserver.Final
}

// gone reports whether an error says that a connection was lost.
func gone(err error) bool {
	_, network := errors.AsType[*net.OpError](err)
	n := number(err)
	return network || n == 1053 || n == 1927 ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, sql.ErrConnDone)
}

// noSpace matches the errno ENOSPC in the message of an engine of the server.
var noSpace = regexp.MustCompile(`(?i)(error|errno:|errcode:) 28\b`)

// Explain implements [dbserver.Engine].
func (e engine) Explain(err error) error {
	says := ""
	if fault, ok := errors.AsType[*mysql.MySQLError](err); ok {
		says = fault.Message
	}
	n := number(err)
	if (n == 1026 || n == 1030) && noSpace.MatchString(says) {
		n = 1021
	}
	switch n {
	case 0:
	case 1045, 1698:
		return fmt.Errorf("%w: the server does not let user %q in: check the name, and the password in MYSQL_PWD", storage.ErrAccess, e.config.User)
	case 1049:
		return fmt.Errorf("%w: there is no database %q: create it, as with CREATE DATABASE, or %w", storage.ErrPath, e.config.DBName, someURL)
	case 1044, 1142, 1143, 1227:
		return fmt.Errorf("%w: user %q lacks a privilege: %s: grant it, as with GRANT ALL ON the database, or only read", storage.ErrAccess, e.config.User, says)
	case 1290, 1792, 1836:
		return fmt.Errorf("%w: the server takes no changes: %s", storage.ErrReadOnly, says)
	case 1021, 1114:
		return fmt.Errorf("%w: the disk of the server is full: free some; what was committed is safe", storage.ErrFull)
	case 1146, 1054:
		return fmt.Errorf("%w: a table of Optuna's is missing or odd: %s", storage.ErrFormat, says)
	case 1406:
		return fmt.Errorf("%w: too long for the database: %s", space.ErrInvalid, says)
	case 1213, 1205, 1040, 1053, 1927:
		return err // with ErrBusy
	default:
		return fmt.Errorf("the server says: %s (error %d)", says, n)
	}
	if e, ok := errors.AsType[dbserver.Unreachable](err); ok {
		return fmt.Errorf("%w: start the server, or %w: %w", storage.ErrUnreachable, someURL, e.Cause)
	}
	return err
}
