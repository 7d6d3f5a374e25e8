package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"tidemark/shared/job"
)

// Conflict is a scope with more jobs than its dedup index allows.
type Conflict struct {
	// Index is the name of the index the rows would break.
	Index string
	// Scope is the scope in words, for example "module_type_id=2, year=2025".
	Scope string
	// State is "waiting" or "running".
	State string
	// Jobs are the ids, for example "12, 15".
	Jobs string
}

// ConflictError lists the rows that keep a dedup index from being built. They
// are for a person to decide on: Tidemark deletes none.
type ConflictError struct{ Conflicts []Conflict }

func (e *ConflictError) Error() string {
	var b strings.Builder
	b.WriteString("rows of data_ingestion_jobs break the dedup indexes, nothing was changed:\n")
	for _, c := range e.Conflicts {
		fmt.Fprintf(&b, "  %s: %s has several %s jobs: %s\n", c.Index, c.Scope, c.State, c.Jobs)
	}
	b.WriteString("finish all but one job of each line, for example with\n" +
		"  UPDATE data_ingestion_jobs SET state = 'FINISHED', result = 'ERROR', finished_at = now() WHERE id = ...;\n" +
		"then run `tidemark migrate up` again")
	return b.String()
}

// checkConflicts looks for scopes with two waiting or two running jobs. There can
// be none while the original's narrower index stands, but it may have been dropped.
func checkConflicts(ctx context.Context, db *sql.DB) error {
	var exists bool
	if err := db.QueryRowContext(ctx, `SELECT to_regclass('data_ingestion_jobs') IS NOT NULL`).Scan(&exists); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if !exists {
		return nil
	}
	var found []Conflict
	for _, c := range job.Configs() {
		rows, err := db.QueryContext(ctx, conflictQuery(c))
		if err != nil {
			return fmt.Errorf("migrate: look for rows that break %s: %w", c.ConstraintName, err)
		}
		for rows.Next() {
			k := Conflict{Index: c.ConstraintName}
			if err := rows.Scan(&k.Scope, &k.State, &k.Jobs); err != nil {
				return err
			}
			found = append(found, k)
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	if len(found) > 0 {
		return &ConflictError{Conflicts: found}
	}
	return nil
}

// conflictQuery finds scopes whose key occurs twice in the index of c.
func conflictQuery(c job.DedupConfig) string {
	var words, notNull []string
	for _, col := range c.ScopeColumns {
		words = append(words, fmt.Sprintf("'%[1]s=' || %[1]s", col))
		notNull = append(notNull, fmt.Sprintf("%s IS NOT NULL", col))
	}
	return fmt.Sprintf(`
SELECT %s AS scope,
       CASE WHEN state = 'RUNNING' THEN 'running' ELSE 'waiting' END AS occupied,
       string_agg(id::text, ', ' ORDER BY id)
  FROM data_ingestion_jobs
 WHERE %s AND %s
 GROUP BY scope, occupied
HAVING count(*) > 1
 ORDER BY scope, occupied`, strings.Join(words, " || ', ' || "), c.Predicate(), strings.Join(notNull, " AND "))
}
