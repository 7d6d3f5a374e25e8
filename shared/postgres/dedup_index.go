package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
)

// buildIndexes makes every dedup index that is missing or differs from its
// configuration and returns the names of those it made. Each is built under
// another name without blocking writers, then takes the old one's name in one
// transaction: there is no moment without a guard. An index left invalid by an
// interrupted run is dropped first, so this may be started again at any point.
func buildIndexes(ctx context.Context, db *sql.Conn) ([]string, error) {
	var built []string
	for _, c := range job.Configs() {
		var wrong *SchemaError
		err := db.Raw(func(driver any) error {
			return CheckIndex(ctx, driver.(interface{ Conn() *pgx.Conn }).Conn(), c)
		})
		if err == nil {
			continue
		}
		if !errors.As(err, &wrong) {
			return built, err
		}
		fresh := c.ConstraintName + "_new"
		for _, step := range []string{
			"DROP INDEX CONCURRENTLY IF EXISTS " + fresh,
			c.CreateIndex(fresh),
			fmt.Sprintf("BEGIN; DROP INDEX IF EXISTS %[1]s; ALTER INDEX %[2]s RENAME TO %[1]s; COMMIT", c.ConstraintName, fresh),
		} {
			if _, err := db.ExecContext(ctx, step); err != nil {
				return built, fmt.Errorf("build index %s: %w", c.ConstraintName, err)
			}
		}
		built = append(built, c.ConstraintName)
	}
	return built, nil
}

// indexShape is what the catalogue says of an index.
const indexShape = `
SELECT i.indisunique AND i.indisvalid AND i.indimmediate AS good,
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true) FROM generate_series(1, i.indnkeyatts) AS n) AS keys,
       coalesce(pg_get_expr(i.indpred, i.indrelid, true), '') AS predicate
  FROM pg_index i
 WHERE i.indexrelid = to_regclass($1) AND i.indrelid = 'data_ingestion_jobs'::regclass`

// CheckIndex compares the live index with the one that the configuration asks
// for, in the spelling of the catalogue. A look at the planner (would this
// conflict target find it?) is not enough: an index with a wider predicate would
// be found as well, and refuse requests after a finished job. The error is a [*SchemaError] where they differ.
func CheckIndex(ctx context.Context, db Querier, c job.DedupConfig) error {
	var (
		good      bool
		keys      []string
		predicate string
	)
	err := db.QueryRow(ctx, indexShape, c.ConstraintName).Scan(&good, &keys, &predicate)
	if errors.Is(err, pgx.ErrNoRows) {
		return &SchemaError{Reason: fmt.Sprintf("index %s is missing", c.ConstraintName)}
	}
	if err != nil {
		return fmt.Errorf("check index %s: %w", c.ConstraintName, err)
	}
	wantKeys, wantPredicate := catalogueSpelling(c)
	gotKeys := strings.Join(keys, ", ")
	switch {
	case !good:
		return &SchemaError{Reason: fmt.Sprintf("index %s is not a valid unique index", c.ConstraintName)}
	case gotKeys != wantKeys:
		return &SchemaError{Reason: fmt.Sprintf("index %s is on (%s), %s jobs need (%s)", c.ConstraintName, gotKeys, c.JobType, wantKeys)}
	case predicate != wantPredicate:
		return &SchemaError{Reason: fmt.Sprintf("index %s holds where %s, %s jobs need %s", c.ConstraintName, predicate, c.JobType, wantPredicate)}
	}
	return nil
}

// catalogueSpelling renders the configuration's index as pg_get_indexdef and
// pg_get_expr print it.
func catalogueSpelling(c job.DedupConfig) (keys, predicate string) {
	var cols []string
	for _, col := range c.ScopeColumns {
		cols = append(cols, string(col))
	}
	cols = append(cols, "(state = 'RUNNING'::ingestion_state_enum)")
	return strings.Join(cols, ", "), fmt.Sprintf("job_type::text = '%s'::text AND "+
		"(state = ANY (ARRAY['NOT_STARTED'::ingestion_state_enum, 'QUEUED'::ingestion_state_enum, 'RUNNING'::ingestion_state_enum]))",
		c.JobType)
}
