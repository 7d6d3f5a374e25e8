-- What the record needs beside the original's columns. Every column is
-- nullable or has a constant default, so adding it rewrites no row, and the
-- original's inserts, which do not name them, go on working.

-- +goose Up
ALTER TABLE data_ingestion_jobs
    -- When the job was asked for. The hold of an aggregation is counted from here.
    ADD COLUMN IF NOT EXISTS requested_at             timestamptz,
    -- Until when the claim is good unless renewed; NULL for claims that are not Tidemark's.
    ADD COLUMN IF NOT EXISTS lease_expires_at         timestamptz,
    -- How often the job went back to waiting: each time its signal needs a task id of its own.
    ADD COLUMN IF NOT EXISTS signal_seq               integer NOT NULL DEFAULT 0,
    -- The report modules a recalculation is narrowed to; NULL means the whole scope.
    ADD COLUMN IF NOT EXISTS carbon_report_module_ids integer[],
    -- Units of work done and in all, renewed while the job runs.
    ADD COLUMN IF NOT EXISTS progress_done            bigint,
    ADD COLUMN IF NOT EXISTS progress_total           bigint,
    -- The waiting job that took over from a lost or released one; such a job no longer counts
    -- for the status of a pipeline.
    ADD COLUMN IF NOT EXISTS superseded_by            integer REFERENCES data_ingestion_jobs (id) ON DELETE SET NULL;

-- Only from now on: a default given with the column would date every old row to this moment.
ALTER TABLE data_ingestion_jobs ALTER COLUMN requested_at SET DEFAULT now();
UPDATE data_ingestion_jobs SET requested_at = now()
    WHERE requested_at IS NULL AND state IN ('NOT_STARTED', 'QUEUED');

-- Pipelines that joined a job which another one created. The creator is
-- data_ingestion_jobs.pipeline_id.
CREATE TABLE IF NOT EXISTS pipeline_joins (
    pipeline_id uuid        NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    job_id      integer     NOT NULL REFERENCES data_ingestion_jobs (id) ON DELETE CASCADE,
    joined_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline_id, job_id)
);
CREATE INDEX IF NOT EXISTS ix_pipeline_joins_job_id ON pipeline_joins (job_id);

-- Every job of a pipeline, created or joined.
CREATE OR REPLACE VIEW pipeline_jobs AS
    SELECT pipeline_id, id AS job_id FROM data_ingestion_jobs WHERE pipeline_id IS NOT NULL
    UNION
    SELECT pipeline_id, job_id FROM pipeline_joins;
