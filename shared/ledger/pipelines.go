package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/postgres"
)

// PipelineFilter narrows [Ledger.Pipelines]. A nil field does not, nor does the zero value of
// one that is no pointer. A pipeline is found by a job of it that fits Type to Text, all of them.
type PipelineFilter struct {
	Type       string
	ModuleType *int
	Year       *int
	// Since and Until bound when the job started, both included.
	Since, Until *time.Time
	// Text is part of the job's message, in any case of letters.
	Text string

	// Status leaves out orphans: jobs without a pipeline have no status.
	Status Status
	// HasErrors keeps what ended with a failed job, or what did not.
	HasErrors *bool
	// Modules keeps what has jobs of these module types only; nil keeps everything.
	Modules []int

	// Limit and Offset choose the page. Limit is 1 or more.
	Limit, Offset int
}

// PipelinePage is part of a list of pipelines.
type PipelinePage struct {
	// Items are the pipelines, and the jobs without one, newest fitting job first.
	Items []PipelineItem
	// Total is how many there are, or that there are more than so many.
	Total int
	// More means that Total was not counted to the end.
	More bool
}

// PipelineItem is a pipeline in a list.
type PipelineItem struct {
	PipelineMembers
	// Author is who asked for it, where that was recorded.
	Author *string
	// LastError is the message of its first failed job or, where it was aborted, by whom and why.
	LastError *string
	// Details are those of PipelineMembers.Jobs, in their order.
	Details []MemberDetail
}

// MemberDetail is what the list says about a job beyond [Member].
type MemberDetail struct {
	// Unit is the institutional id of the unit that the job is about, if of a single one.
	Unit *string
	// Meta is the part of the job's meta that is for display; nil where it cannot be read.
	Meta json.RawMessage
}

// countTo is how far the list counts. A total beyond it helps nobody to find anything, and
// costs a look at the whole history.
const countTo = 1000

// The list is looked for in the newest jobs, then in sixteen times as many, until it is full
// or there are no more: a page of the present costs the same after ten years. A filter that
// little fits reads all jobs in the end.
const (
	firstWindow  = 4096
	windowGrowth = 16
)

const newestJob = `SELECT coalesce(max(id), 0) FROM data_ingestion_jobs`

const listPipelines = `
, fitting_job AS NOT MATERIALIZED (
    SELECT j.id, j.pipeline_id, j.state, j.result
      FROM job j
     WHERE j.id > @floor
       AND (@type::text IS NULL OR j.job_type = @type)
       -- As bigint, so that an id no column can hold is unknown instead of an error.
       AND (@module::bigint IS NULL OR j.module_type_id = @module)
       AND (@year::bigint IS NULL OR j.year = @year)
       AND (@since::timestamptz IS NULL OR j.started_at >= @since)
       AND (@until::timestamptz IS NULL OR j.started_at <= @until)
       AND (@text::text IS NULL OR strpos(lower(j.status_message), lower(@text)) > 0)
       -- What a caller may see has jobs of these modules only, so it has one.
       AND (@modules::bigint[] IS NULL OR j.module_type_id = ANY (@modules))
), fitting_pipeline AS NOT MATERIALIZED (
    SELECT p.id
      FROM pipelines p
     -- The original writes no RUNNING: there it is what has begun and has not ended.
     WHERE (@status::text IS NULL OR p.status = @status OR @status = 'RUNNING' AND p.status = 'NOT_STARTED')
       AND (@status::text IS NULL OR p.status <> 'NOT_STARTED' OR (@status = 'RUNNING') = EXISTS (
               SELECT FROM member m JOIN job j ON j.id = m.job_id
                WHERE m.pipeline_id = p.id AND j.state IN ('RUNNING', 'FINISHED')
               OFFSET 0)) -- looks up each, instead of hashing all there are
       AND (@has_errors::boolean IS NULL OR (p.status IN ('PARTIAL', 'FAILED')) = @has_errors)
), newest AS (
    SELECT max(id) AS id, pipeline
      FROM (SELECT j.id, p.id AS pipeline, NULL::integer AS orphan
              FROM fitting_job j JOIN fitting_pipeline p ON p.id = j.pipeline_id
             UNION ALL
            SELECT j.id, p.id, NULL
              FROM joined x JOIN fitting_job j ON j.id = x.job_id JOIN fitting_pipeline p ON p.id = x.pipeline_id
             WHERE x.job_id > @floor
             UNION ALL
            SELECT j.id, NULL, j.id
              FROM fitting_job j
             WHERE j.pipeline_id IS NULL AND @status::text IS NULL
               AND (@has_errors::boolean IS NULL OR coalesce(j.state = 'FINISHED' AND j.result = 'ERROR', false) = @has_errors)
               AND NOT EXISTS (SELECT FROM joined x WHERE x.job_id = j.id)) AS found
     GROUP BY pipeline, orphan
), item AS MATERIALIZED (
    SELECT n.id, n.pipeline
      FROM newest n
     WHERE @modules::bigint[] IS NULL OR NOT EXISTS (
               SELECT FROM member m JOIN job j ON j.id = m.job_id
                WHERE m.pipeline_id = n.pipeline AND NOT coalesce(j.module_type_id = ANY (@modules), false)
               OFFSET 0) -- likewise
     ORDER BY n.id DESC, n.pipeline
     LIMIT @wanted)
SELECT (SELECT count(*) FROM item) AS found, page.id, page.pipeline
  -- Without a page there is still one row, with the count.
  FROM (VALUES (true)) AS always
  LEFT JOIN (SELECT * FROM item ORDER BY id DESC, pipeline LIMIT @limit OFFSET @offset) AS page ON true
 ORDER BY page.id DESC, page.pipeline`

// Pipelines lists pipelines, and the jobs without one, newest fitting job first.
func (l *Ledger) Pipelines(ctx context.Context, db postgres.TxBeginner, f PipelineFilter) (page PipelinePage, err error) {
	err = postgres.InSnapshot(ctx, db, func(tx pgx.Tx) error {
		kept, err := isMigrated(ctx, tx)
		if err != nil {
			return err
		}
		entries, err := findPage(ctx, tx, kept, f, &page)
		if err != nil {
			return err
		}
		if page.Items, err = readItems(ctx, tx, kept, entries); err != nil || !kept {
			return err // the original does not record who asked
		}
		return readAuthors(ctx, tx, page.Items)
	})
	if err != nil {
		return PipelinePage{}, fmt.Errorf("list pipelines: %w", err)
	}
	return page, nil
}

// entry is a place on a page: a pipeline, or the job without one.
type entry struct {
	job      int64
	pipeline *uuid.UUID
}

// findPage looks for the page in wider and wider windows, and counts.
func findPage(ctx context.Context, tx pgx.Tx, kept bool, f PipelineFilter, page *PipelinePage) ([]entry, error) {
	var newest int64
	if err := tx.QueryRow(ctx, newestJob).Scan(&newest); err != nil {
		return nil, err
	}
	wanted := max(countTo, f.Offset+f.Limit) + 1
	for window := int64(firstWindow); ; window *= windowGrowth {
		floor := max(newest-window, 0)
		found, entries, err := findIn(ctx, tx, kept, f, floor, wanted)
		if err != nil {
			return nil, err
		}
		if found < wanted && floor > 0 {
			continue
		}
		page.Total, page.More = min(found, wanted-1), found == wanted
		return entries, nil
	}
}

func findIn(ctx context.Context, tx pgx.Tx, kept bool, f PipelineFilter, floor int64, wanted int) (found int, entries []entry, err error) {
	// Planned anew for each set of filters: those that are not given vanish from the plan.
	rows, err := tx.Query(ctx, tables(kept)+listPipelines, pgx.QueryExecModeDescribeExec, listArgs(f, floor, wanted))
	if err != nil {
		return 0, nil, err
	}
	var id *int64
	var pipeline *uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&found, &id, &pipeline}, func() error {
		if id != nil {
			entries = append(entries, entry{*id, pipeline})
		}
		return nil
	})
	return found, entries, err
}

func listArgs(f PipelineFilter, floor int64, wanted int) pgx.StrictNamedArgs {
	return pgx.StrictNamedArgs{
		"floor": floor, "type": orNull(f.Type), "module": f.ModuleType, "year": f.Year, "since": f.Since, "until": f.Until,
		"text": orNull(f.Text), "status": orNull(string(f.Status)), "has_errors": f.HasErrors, "modules": f.Modules,
		"wanted": wanted, "limit": f.Limit, "offset": f.Offset}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// itemMembers reads the jobs of a page. The keys of meta that are for display are few; the
// rest can be megabytes. A NUL in it, which json may hold and PostgreSQL cannot look past,
// hides the meta of that job.
const itemMembers = `
SELECT p.id AS pipeline, p.kind, coalesce(p.status, '') AS stored, p.expected_recalc, p.last_error, u.institutional_id AS unit,
       CASE WHEN strpos(j.meta::text, '\u0000') = 0
            THEN json_build_object('provider_name', j.meta -> 'provider_name', 'filters', j.meta -> 'filters',
                                   'status_history', j.meta -> 'status_history', 'phases', j.meta -> 'phases')
       END AS meta,
       ` + memberColumns + `
  FROM (SELECT pipeline_id, job_id FROM member WHERE pipeline_id = ANY (@pipelines)
         UNION ALL
        SELECT NULL, unnest(@orphans::bigint[])) AS m
  JOIN job j ON j.id = m.job_id
  LEFT JOIN pipelines p ON p.id = m.pipeline_id
  LEFT JOIN carbon_report_modules c ON c.id = j.entity_id AND j.entity_type = 'MODULE_UNIT_SPECIFIC'
  LEFT JOIN carbon_reports r ON r.id = c.carbon_report_id
  LEFT JOIN units u ON u.id = r.unit_id
 ORDER BY j.id`

// itemRow is a row of itemMembers.
type itemRow struct {
	Pipeline       *uuid.UUID
	Kind           *string
	Stored         string
	ExpectedRecalc *int
	LastError      *string
	MemberDetail
	Member
}

// readItems reads what is to be shown of each entry, in their order.
func readItems(ctx context.Context, tx pgx.Tx, kept bool, entries []entry) ([]PipelineItem, error) {
	items := make([]PipelineItem, len(entries))
	byPipeline, byOrphan := map[uuid.UUID]*PipelineItem{}, map[int64]*PipelineItem{}
	pipelines, orphans := []uuid.UUID{}, []int64{}
	for i, e := range entries {
		if e.pipeline != nil {
			items[i].ID = *e.pipeline
			byPipeline[*e.pipeline] = &items[i]
			pipelines = append(pipelines, *e.pipeline)
		} else {
			byOrphan[e.job] = &items[i]
			orphans = append(orphans, e.job)
		}
	}
	rows, err := tx.Query(ctx, tables(kept)+itemMembers, pgx.StrictNamedArgs{"pipelines": pipelines, "orphans": orphans})
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[itemRow])
	if err != nil {
		return nil, err
	}
	for _, row := range found {
		item := byOrphan[row.JobID]
		if row.Pipeline != nil {
			item = byPipeline[*row.Pipeline]
		}
		item.Kind, item.Stored, item.ExpectedRecalc, item.LastError = row.Kind, row.Stored, row.ExpectedRecalc, row.LastError
		item.Jobs = append(item.Jobs, row.Member)
		item.Details = append(item.Details, row.MemberDetail)
	}
	return items, nil
}

// authorsOf reads who asked first for each pipeline and, where there is none, for the job. Both
// lists have a place for every item.
const authorsOf = `
(SELECT DISTINCT ON (place) place, r.actor
   FROM unnest(@pipelines::uuid[]) WITH ORDINALITY AS i (pipeline, place) JOIN job_requests r ON r.pipeline_id = i.pipeline
  ORDER BY place, r.id)
 UNION ALL
(SELECT DISTINCT ON (place) place, r.actor
   FROM unnest(@orphans::bigint[]) WITH ORDINALITY AS i (job, place) JOIN job_requests r ON r.job_id = i.job
  ORDER BY place, r.id)`

func readAuthors(ctx context.Context, tx pgx.Tx, items []PipelineItem) error {
	pipelines, orphans := make([]*uuid.UUID, len(items)), make([]*int64, len(items))
	for i := range items {
		if items[i].ID != uuid.Nil {
			pipelines[i] = &items[i].ID
		} else {
			orphans[i] = &items[i].Jobs[0].JobID
		}
	}
	rows, err := tx.Query(ctx, authorsOf, pgx.StrictNamedArgs{"pipelines": pipelines, "orphans": orphans})
	if err != nil {
		return err
	}
	var place int
	var author string
	_, err = pgx.ForEachRow(rows, []any{&place, &author}, func() error {
		items[place-1].Author = new(author)
		return nil
	})
	return err
}
