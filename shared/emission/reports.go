package emission

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const lockReportsQuery = `
SELECT r.id
  FROM carbon_reports r
 WHERE r.year = $2 AND r.id > $3
   AND EXISTS (SELECT FROM carbon_report_modules m WHERE m.carbon_report_id = r.id AND m.module_type_id = $1)
 -- Aggregations of other modules write the same reports. Locks taken by ascending id, here and from
 -- page to page, cannot deadlock.
 ORDER BY r.id
 LIMIT $4
   FOR NO KEY UPDATE OF r`

// lockReports locks and returns the reports after an id that have the module. It
// waits for an aggregation of another module that is about to commit.
func lockReports(ctx context.Context, tx pgx.Tx, moduleType, year, after, limit int) ([]int, error) {
	rows, err := tx.Query(ctx, lockReportsQuery, moduleType, year, after, limit)
	if err != nil {
		return nil, fmt.Errorf("lock carbon_reports: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return nil, fmt.Errorf("lock carbon_reports: %w", err)
	}
	return ids, nil
}

// reportRow is a report with what is written to it.
type reportRow struct {
	id       int
	stats    string
	progress string
	overall  int
}

// reportModulesQuery is a statement of its own, after the lock: in READ COMMITTED its
// snapshot holds what the aggregation we waited for has committed.
const reportModulesQuery = `
SELECT id, carbon_report_id, module_type_id, status, stats
  FROM carbon_report_modules
 WHERE carbon_report_id = ANY ($1)
 ORDER BY carbon_report_id, module_type_id`

// addUpReports adds up all modules of the locked reports.
func addUpReports(ctx context.Context, tx pgx.Tx, ids []int, now time.Time) ([]reportRow, error) {
	rows, err := tx.Query(ctx, reportModulesQuery, ids)
	if err != nil {
		return nil, fmt.Errorf("read stats: %w", err)
	}
	modules, err := pgx.CollectRows(rows, pgx.RowToStructByPos[reportModule])
	if err != nil {
		return nil, fmt.Errorf("read stats: %w", err)
	}
	var reports []reportRow
	for len(modules) > 0 {
		n := 1
		for n < len(modules) && modules[n].ReportID == modules[0].ReportID {
			n++
		}
		r, err := addUpReport(modules[:n], now)
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
		modules = modules[n:]
	}
	return reports, nil
}

func addUpReport(modules []reportModule, now time.Time) (reportRow, error) {
	sums, err := reportStats(modules, now)
	if err != nil {
		return reportRow{}, err
	}
	b, err := json.Marshal(sums)
	if err != nil {
		return reportRow{}, fmt.Errorf("carbon_reports %d: %w", modules[0].ReportID, err)
	}
	r := reportRow{id: modules[0].ReportID, stats: string(b)}
	r.progress, r.overall = reportStatus(modules)
	return r, nil
}

const storeReportsQuery = `
UPDATE carbon_reports r
   SET stats = s.stats::json, completion_progress = s.progress, overall_status = s.overall,
       last_updated = $5
  FROM unnest($1::integer[], $2::text[], $3::text[], $4::integer[]) AS s (id, stats, progress, overall)
 WHERE r.id = s.id`

func storeReports(ctx context.Context, tx pgx.Tx, reports []reportRow, now time.Time) error {
	var (
		ids             []int
		stats, progress []string
		overall         []int
	)
	for _, r := range reports {
		ids, stats = append(ids, r.id), append(stats, r.stats)
		progress, overall = append(progress, r.progress), append(overall, r.overall)
	}
	if _, err := tx.Exec(ctx, storeReportsQuery, ids, stats, progress, overall, now.Unix()); err != nil {
		return fmt.Errorf("write carbon_reports: %w", err)
	}
	return nil
}
