package ledger

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
)

// Load describes data that was brought in: the root of the pipeline that follows from it.
type Load struct {
	Pipeline uuid.UUID
	// Type is [job.CSVIngest], [job.FactorIngest] or [job.ReferenceIngest].
	Type job.Type
	// ModuleType, DataEntryType and Year are 0 where the data has none.
	ModuleType, DataEntryType, Year int
	// Result is [job.Warning] where something was left out, else [job.Success].
	Result  job.Result
	Message string
	// Meta is kept as the job's meta; nil for none.
	Meta json.RawMessage
}

// targets is the target_type of each kind of load.
var targets = map[job.Type]string{
	job.CSVIngest:       "DATA_ENTRIES",
	job.FactorIngest:    "FACTORS",
	job.ReferenceIngest: "REFERENCE_DATA",
}

// lockLoads makes two loads of the same data go one after the other: neither would see the
// other's row, and both would be current.
const (
	loadSpace = doorSpace + 1
	lockLoads = `SELECT pg_advisory_xact_lock(@space::integer, hashtext(concat_ws(':', @target::text, @module::integer, @type::integer, @year::integer)))`
)

// demoteLoads makes room for a new current load of the same data: the original keeps one
// per combination. With a NULL in the combination several may be current; none is hurt.
const demoteLoads = `
UPDATE data_ingestion_jobs SET is_current = false
 WHERE is_current AND target_type = @target::target_type_enum AND ingestion_method = 'csv' AND state <> 'RUNNING'
   AND module_type_id = nullif(@module::integer, 0)
   AND data_entry_type_id = nullif(@type::integer, 0)
   AND year = nullif(@year::integer, 0)`

const recordLoad = `
INSERT INTO data_ingestion_jobs
       (entity_type, target_type, ingestion_method, provider, state, result, is_current, job_type, module_type_id,
        data_entry_type_id, year, status_message, meta, pipeline_id, requested_at, started_at, finished_at, attempts)
VALUES ('MODULE_PER_YEAR', @target::target_type_enum, 'csv', 'DEFAULT', 'FINISHED', @result::ingestion_result_enum,
        -- Another program's load that runs keeps the place.
        NOT EXISTS (SELECT FROM data_ingestion_jobs
                     WHERE is_current AND target_type = @target::target_type_enum AND ingestion_method = 'csv'
                       AND module_type_id = @module AND data_entry_type_id = @type AND year = @year),
        @job_type, nullif(@module::integer, 0), nullif(@type::integer, 0), nullif(@year::integer, 0), @message, @meta, @pipeline,
        now(), now(), clock_timestamp(), 1)
RETURNING id`

// RecordLoad records data that this transaction brought in as a finished root job.
// There is never a load that runs: data, job and requests commit together or not at all.
func (l *Ledger) RecordLoad(ctx context.Context, tx pgx.Tx, in Load) (jobID int64, err error) {
	target, ok := targets[in.Type]
	if !ok {
		return 0, fmt.Errorf("record load: %q is not a type of load", in.Type)
	}
	if in.Meta == nil {
		in.Meta = json.RawMessage("{}")
	}
	args := pgx.NamedArgs{"target": target, "job_type": in.Type, "module": in.ModuleType, "type": in.DataEntryType, "year": in.Year,
		"space": loadSpace, "result": in.Result, "message": in.Message, "meta": in.Meta, "pipeline": in.Pipeline}
	if _, err := tx.Exec(ctx, lockLoads, args); err != nil {
		return 0, fmt.Errorf("record load: %w", err)
	}
	if _, err := tx.Exec(ctx, demoteLoads, args); err != nil {
		return 0, fmt.Errorf("record load: %w", err)
	}
	if err := tx.QueryRow(ctx, recordLoad, args).Scan(&jobID); err != nil {
		return 0, fmt.Errorf("record load: %w", err)
	}
	return jobID, lockAndSettle(ctx, tx, jobID)
}
