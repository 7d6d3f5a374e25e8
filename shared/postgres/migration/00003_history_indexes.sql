-- Indexes that keep a look at the present from reading the history. They are
-- built without blocking writers; one left invalid by an interrupted run is
-- dropped first, so the migration may be started again at any point.
--
-- The dedup indexes are not here: `tidemark migrate up` derives them from
-- DedupConfig after the last migration (shared/postgres/dedup_index.go).

-- +goose NO TRANSACTION
-- +goose Up
-- The latest aggregation of each scope.
DROP INDEX CONCURRENTLY IF EXISTS ix_data_ingestion_jobs_latest_aggregation;
CREATE INDEX CONCURRENTLY ix_data_ingestion_jobs_latest_aggregation
    ON data_ingestion_jobs (module_type_id, year, id DESC) WHERE job_type = 'aggregation';

-- What waits or runs.
DROP INDEX CONCURRENTLY IF EXISTS ix_data_ingestion_jobs_active;
CREATE INDEX CONCURRENTLY ix_data_ingestion_jobs_active
    ON data_ingestion_jobs (id) WHERE state IN ('NOT_STARTED', 'QUEUED', 'RUNNING');

-- What is removed from the history must be looked for here.
DROP INDEX CONCURRENTLY IF EXISTS ix_data_ingestion_jobs_superseded_by;
CREATE INDEX CONCURRENTLY ix_data_ingestion_jobs_superseded_by
    ON data_ingestion_jobs (superseded_by) WHERE superseded_by IS NOT NULL;
