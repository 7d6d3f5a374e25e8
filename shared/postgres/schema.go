package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tidemark/shared/job"
)

// Querier is a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Execer is a pool, a connection or a transaction.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// SchemaError says why the live schema cannot be worked on, and which command repairs it.
type SchemaError struct{ Reason string }

func (e *SchemaError) Error() string {
	return e.Reason + ": run `tidemark migrate up` (and `tidemark migrate status` to see where the database stands)"
}

// NeededSchema is the newest migration this binary brings.
const NeededSchema = 11

// CheckSchema refuses a database that is older than this binary needs, or whose
// dedup indexes are not what [job.DedupConfig] says, with a [*SchemaError]. A
// newer schema is accepted: migrations only add, so that two releases can run
// side by side during an upgrade.
func CheckSchema(ctx context.Context, db Querier) error {
	live, needed, err := SchemaVersion(ctx, db)
	if err != nil {
		return err
	}
	if live < needed {
		return &SchemaError{Reason: fmt.Sprintf("the schema is at version %d, this binary needs %d", live, needed)}
	}
	for _, c := range job.Configs() {
		if err := CheckIndex(ctx, db, c); err != nil {
			return err
		}
	}
	return nil
}

// SchemaVersion returns the newest migration that the database has, 0 for none, and the one that
// this binary needs.
func SchemaVersion(ctx context.Context, db Querier) (live, needed int64, err error) {
	live, err = liveVersion(ctx, db)
	return live, NeededSchema, err
}

func liveVersion(ctx context.Context, db Querier) (int64, error) {
	var exists bool
	if err := db.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, versionTable).Scan(&exists); err != nil {
		return 0, fmt.Errorf("check schema: %w", err)
	}
	if !exists {
		return 0, nil
	}
	var version int64
	err := db.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versionTable+` WHERE is_applied`).Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("check schema: %w", err)
	}
	return version, nil
}
