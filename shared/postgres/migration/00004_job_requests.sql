-- Who asked for which job, through what and why: a line for every request of a person or a
-- program, written in the transaction of the request. It outlives its job and pipeline, so
-- it refers to them without a foreign key.

-- +goose Up
CREATE TABLE IF NOT EXISTS job_requests (
    id                 bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    requested_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor              text        NOT NULL,
    via                text        NOT NULL,
    reason             text,
    request_id         text        NOT NULL,
    pipeline_id        uuid,
    job_id             integer     NOT NULL,
    -- False where the request joined a job that waited already.
    created            boolean     NOT NULL,
    job_type           text        NOT NULL,
    module_type_id     integer     NOT NULL,
    data_entry_type_id integer,
    year               integer     NOT NULL
);
-- A repeated request finds its answer here.
CREATE INDEX IF NOT EXISTS ix_job_requests_pipeline_id ON job_requests (pipeline_id);
CREATE INDEX IF NOT EXISTS ix_job_requests_job_id ON job_requests (job_id);
