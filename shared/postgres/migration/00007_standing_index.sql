-- The aggregations that still count, of all scopes: a few rows for each, whatever the history
-- is. Built without blocking writers; one left invalid by an interrupted run is dropped first.

-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS ix_data_ingestion_jobs_standing;
CREATE INDEX CONCURRENTLY ix_data_ingestion_jobs_standing
    ON data_ingestion_jobs (module_type_id, year, id) WHERE job_type = 'aggregation' AND (standing OR state IS DISTINCT FROM 'FINISHED');
