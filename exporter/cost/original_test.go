package cost

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// The original answers with three queries: the declared scopes, the latest aggregation of every
// scope, and the rows of those. Here they select the columns that the answer needs, where the
// original selects all, and bind the ids as one array instead of a list.
const (
	originalScopes = `
SELECT DISTINCT m.module_type_id, r.year
  FROM carbon_report_modules m JOIN carbon_reports r ON r.id = m.carbon_report_id`
	originalLatest = `
SELECT module_type_id, year, max(id)
  FROM data_ingestion_jobs
 WHERE job_type = 'aggregation' AND module_type_id IS NOT NULL AND year IS NOT NULL
 GROUP BY module_type_id, year`
	originalRows = `
SELECT id, state::text, result::text, finished_at FROM data_ingestion_jobs WHERE id = ANY ($1)`
)

type originalScope struct{ Module, Year int }

type originalJob struct {
	ID            int
	State, Result *string
	FinishedAt    *time.Time
}

// lookAsOriginal finds out which scopes are stale as the original does, and returns how many are.
func lookAsOriginal(ctx context.Context, conn *pgx.Conn) (stale int, err error) {
	rows, _ := conn.Query(ctx, originalScopes)
	scopes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[originalScope])
	if err != nil {
		return 0, err
	}
	latest, ids := map[originalScope]int{}, []int{}
	rows, _ = conn.Query(ctx, originalLatest)
	var scope originalScope
	var id int
	if _, err := pgx.ForEachRow(rows, []any{&scope.Module, &scope.Year, &id}, func() error {
		latest[scope] = id
		ids = append(ids, id)
		return nil
	}); err != nil {
		return 0, err
	}
	rows, _ = conn.Query(ctx, originalRows, ids)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[originalJob])
	if err != nil {
		return 0, err
	}
	jobs := make(map[int]originalJob, len(found))
	for _, j := range found {
		jobs[j.ID] = j
	}
	cutoff := time.Now().Add(-time.Hour)
	for _, s := range scopes {
		if j, ok := jobs[latest[s]]; !ok || j.stale(cutoff) {
			stale++
		}
	}
	return stale, nil
}

func (j originalJob) stale(cutoff time.Time) bool {
	return j.State == nil || *j.State != "FINISHED" || j.Result != nil && *j.Result == "ERROR" || j.FinishedAt == nil || j.FinishedAt.Before(cutoff)
}
