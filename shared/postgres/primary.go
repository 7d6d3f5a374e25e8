package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrStandby is why a server in recovery is not believed. Its clock is of today, so what it has
// not heard of yet (a failure, a request) would look like freshness.
var ErrStandby = errors.New("the database is in recovery: a standby may lag behind, and nobody can tell by how much; " +
	"give the address of the primary (target_session_attrs=read-write chooses it among several hosts)")

const recovery = `SELECT pg_is_in_recovery()`

// primary tries a new connection, after what the connection string asks of it: of several hosts the
// next one is tried. Once is enough without a pooler in between: a standby may become a primary
// meanwhile, a primary does not become a standby without losing its connections.
func primary(before pgconn.ValidateConnectFunc) pgconn.ValidateConnectFunc {
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		if before != nil {
			if err := before(ctx, conn); err != nil {
				return err
			}
		}
		found, err := conn.Exec(ctx, recovery).ReadAll()
		if err != nil {
			return err
		}
		if string(found[0].Rows[0][0]) == "t" {
			return ErrStandby
		}
		return nil
	}
}
