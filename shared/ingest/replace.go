package ingest

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const deleteLoadedQuery = `
DELETE FROM data_entries
 WHERE id IN (
       SELECT id FROM data_entries
        WHERE data_entry_type_id = $1 AND year = $2 AND source = $3
        -- A recalculation that runs locks the entries by ascending id as it reads them. In any
        -- other order the two could wait for each other.
        ORDER BY id
          FOR UPDATE)`

// deleteLoaded deletes what loads brought in for the type and year, whatever the unit.
// The emissions go with their entries. The totals of a unit that is not in the file any
// more are repaired by what the load requests: it covers the whole scope.
func deleteLoaded(ctx context.Context, tx pgx.Tx, o Options) (deleted int, err error) {
	tag, err := tx.Exec(ctx, deleteLoadedQuery, o.DataEntryType.ID, o.Year, sourceCSV)
	if err != nil {
		return 0, fmt.Errorf("delete the entries to be replaced: %w", err)
	}
	return int(tag.RowsAffected()), nil
}
