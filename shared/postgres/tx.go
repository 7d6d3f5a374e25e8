package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Beginner is a pool or a connection.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// InTx runs fn in a READ COMMITTED transaction and commits it. An error from fn
// rolls everything back and is returned as it is. Deadlocks and serialization
// failures, which say nothing about the work itself, are tried again up to
// attempts times in all; fn must therefore have no effect outside the transaction.
func InTx(ctx context.Context, db Beginner, attempts int, fn func(tx pgx.Tx) error) error {
	for n := 1; ; n++ {
		err := pgx.BeginFunc(ctx, db, fn)
		if err == nil || n >= attempts || !Retryable(err) || ctx.Err() != nil {
			return err
		}
	}
}

// TxBeginner is a pool or a connection.
type TxBeginner interface {
	BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error)
}

// InSnapshot runs fn in a transaction that reads only, and sees the record as it was at one moment.
func InSnapshot(ctx context.Context, db TxBeginner, fn func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, db, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
}

// SQLSTATE codes that decisions hang on.
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	lockNotAvailable     = "55P03"
	adminShutdown        = "57P01"
)

// Retryable reports whether the server gave up on the transaction for the sake
// of another one: running it again may well succeed.
func Retryable(err error) bool {
	code := Code(err)
	return code == serializationFailure || code == deadlockDetected
}

// LockTimeout reports whether a lock could not be had within lock_timeout.
func LockTimeout(err error) bool { return Code(err) == lockNotAvailable }

// Unavailable reports whether the error says that the connection or the server went away, or
// that none could be had, rather than anything about the statement. Whether a commit that
// ended this way took effect is not known.
func Unavailable(err error) bool {
	if err == nil {
		return false
	}
	// Whatever the server's reason for refusing a connection is (it has too many, the password
	// was changed), no statement was its cause.
	if errors.As(err, new(*pgconn.ConnectError)) {
		return true
	}
	if code := Code(err); code != "" {
		// Class 08: connection exceptions; 57P01 to 57P05: the server ended the session; 25P03: it
		// did so because the client was silent inside a transaction.
		return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P") || code == "25P03"
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, pgconn.ErrConnClosed)
}

// Dismissed reports whether the server ended the session because somebody told it to
// (pg_terminate_backend, an orderly shutdown), whatever the session was doing.
func Dismissed(err error) bool { return Code(err) == adminShutdown }

// Code returns the SQLSTATE of an error of the server, or "".
func Code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// LacksObject reports whether the statement names a table, column or function that the
// database does not have: it was not migrated.
func LacksObject(err error) bool {
	code := Code(err)
	return code == "42P01" || code == "42703" || code == "42883"
}
