-- Who aborted which pipeline, through what and why: a line for every job that waited or ran for it
-- at that moment, written in the transaction of the abort. It outlives job and pipeline, so it
-- refers to them without a foreign key.

-- +goose Up
CREATE TABLE IF NOT EXISTS pipeline_aborts (
    id                 bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    aborted_at         timestamptz NOT NULL,
    actor              text        NOT NULL,
    via                text        NOT NULL,
    reason             text        NOT NULL,
    request_id         text        NOT NULL,
    pipeline_id        uuid        NOT NULL,
    job_id             integer     NOT NULL,
    job_type           text,
    module_type_id     integer,
    data_entry_type_id integer,
    year               integer,
    -- ended; shared where the job goes on for somebody else; foreign where it is another program's.
    outcome            text        NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_pipeline_aborts_pipeline_id ON pipeline_aborts (pipeline_id);
CREATE INDEX IF NOT EXISTS ix_pipeline_aborts_job_id ON pipeline_aborts (job_id);

-- When the pipeline was aborted: from then on it wants none of the jobs that it had, and its status
-- no longer depends on them. NULL where it was not, or has requested something since.
ALTER TABLE pipelines ADD COLUMN IF NOT EXISTS aborted_at timestamptz;
