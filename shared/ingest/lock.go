package ingest

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
)

// airportLock is what a load of airports holds alone, and loads of flights share.
const airportLock = "tidemark load airports"

// lockLoad is held until the end of the transaction.
const lockLoad = `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`

// lock lets loads of the same data run one after the other. Two that replace the same
// entries at once would each miss what the other is about to insert, and both would
// claim to be the current load.
func lock(ctx context.Context, tx pgx.Tx, name string) error {
	if _, err := tx.Exec(ctx, lockLoad, name); err != nil {
		return fmt.Errorf("wait for other loads: %w", err)
	}
	return nil
}

func lockName(kind job.Type, o Options) string {
	return fmt.Sprintf("tidemark load %s %d %d", kind, o.DataEntryType.ID, o.Year)
}

const shareLoad = `SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))`

// share keeps a load of airports away. It asks which years have flights, and would
// overlook those that commit, and are computed, between its look and its commit.
func share(ctx context.Context, tx pgx.Tx, name string) error {
	if _, err := tx.Exec(ctx, shareLoad, name); err != nil {
		return fmt.Errorf("wait for other loads: %w", err)
	}
	return nil
}
