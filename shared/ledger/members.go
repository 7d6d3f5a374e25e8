package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

// Member is a job of a pipeline, created or joined, as a program looks at it. What the
// original may leave NULL is nil.
type Member struct {
	JobID         int64
	Type          *string
	EntityType    string
	TargetType    *string
	ModuleType    *int
	DataEntryType *int
	Year          *int
	State         *string
	Result        *string
	Message       *string
	StartedAt     *time.Time
	FinishedAt    *time.Time
	Attempts      int
}

func (m Member) is(t job.Type) bool { return m.Type != nil && *m.Type == string(t) }

func (m Member) finished() bool { return m.State != nil && *m.State == string(job.Finished) }

// Failed reports whether the job ended in [job.Error].
func (m Member) Failed() bool {
	return m.finished() && m.Result != nil && *m.Result == string(job.Error)
}

// began reports whether somebody worked on the job.
func (m Member) began() bool {
	return m.State != nil && (*m.State == string(job.Running) || *m.State == string(job.Finished))
}

// PipelineMembers is a pipeline with its jobs, by ascending id. A job that another one took
// over is history, not a member.
type PipelineMembers struct {
	// ID is uuid.Nil for an orphan: a job that no pipeline created or joined.
	ID uuid.UUID
	// Kind is the job type of the root, where the pipeline says it.
	Kind *string
	// Stored is pipelines.status. [PipelineMembers.Progress] says what it means.
	Stored string
	// ExpectedRecalc is how many recalculations there will be, where somebody has counted.
	ExpectedRecalc *int
	// Jobs is never empty.
	Jobs []Member
}

const memberColumns = `j.id AS job_id, j.job_type AS type, j.entity_type::text AS entity_type, j.target_type::text AS target_type,
       j.module_type_id AS module_type, j.data_entry_type_id AS data_entry_type, j.year, j.state::text AS state, j.result::text AS result,
       j.status_message AS message, j.started_at, j.finished_at, j.attempts`

// keptTables are what the statements about pipelines read: the jobs that count, who joined
// one, and both as members. A job that another one took over is history.
const keptTables = `
WITH job AS NOT MATERIALIZED (SELECT * FROM data_ingestion_jobs WHERE superseded_by IS NULL),
     joined AS NOT MATERIALIZED (SELECT pipeline_id, job_id FROM pipeline_joins),` + memberTable

// originalTables are the same on a database that was not migrated: there nobody joins, and
// nothing is taken over.
const originalTables = `
WITH job AS NOT MATERIALIZED (SELECT * FROM data_ingestion_jobs),
     joined AS NOT MATERIALIZED (SELECT NULL::uuid AS pipeline_id, NULL::integer AS job_id WHERE false),` + memberTable

const memberTable = `
     member AS NOT MATERIALIZED (
         SELECT pipeline_id, id AS job_id FROM job WHERE pipeline_id IS NOT NULL
          UNION
         SELECT pipeline_id, job_id FROM joined)`

const migrated = `SELECT to_regclass('pipeline_joins') IS NOT NULL`

// isMigrated tells which of the two this database has.
func isMigrated(ctx context.Context, db postgres.Querier) (yes bool, err error) {
	err = db.QueryRow(ctx, migrated).Scan(&yes)
	return yes, err
}

// tables is what a statement about pipelines begins with.
func tables(kept bool) string {
	if kept {
		return keptTables
	}
	return originalTables
}

const membersOf = `
SELECT p.id AS pipeline, p.kind, p.status AS stored, p.expected_recalc, ` + memberColumns + `
  FROM pipelines p
  JOIN member m ON m.pipeline_id = p.id
  JOIN job j ON j.id = m.job_id
 WHERE p.id = ANY (@pipelines) AND m.pipeline_id = ANY (@pipelines) -- see tallyPipelines
 ORDER BY p.id, j.id`

// memberRow is a row of membersOf.
type memberRow struct {
	Pipeline       uuid.UUID
	Kind           *string
	Stored         string
	ExpectedRecalc *int
	Member
}

// Members reads these pipelines with their jobs, all at one moment. Those that are not
// there, or have no job, are absent.
func (l *Ledger) Members(ctx context.Context, db postgres.Querier, pipelines ...uuid.UUID) (map[uuid.UUID]PipelineMembers, error) {
	fail := func(err error) (map[uuid.UUID]PipelineMembers, error) {
		return nil, fmt.Errorf("read the jobs of %d pipelines: %w", len(pipelines), err)
	}
	kept, err := isMigrated(ctx, db)
	if err != nil {
		return fail(err)
	}
	rows, err := db.Query(ctx, tables(kept)+membersOf, pgx.StrictNamedArgs{"pipelines": pipelines})
	if err != nil {
		return fail(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[memberRow])
	if err != nil {
		return fail(err)
	}
	result := make(map[uuid.UUID]PipelineMembers, len(pipelines))
	for _, row := range found {
		p, ok := result[row.Pipeline]
		if !ok {
			p = PipelineMembers{ID: row.Pipeline, Kind: row.Kind, Stored: row.Stored, ExpectedRecalc: row.ExpectedRecalc}
		}
		p.Jobs = append(p.Jobs, row.Member)
		result[row.Pipeline] = p
	}
	return result, nil
}
