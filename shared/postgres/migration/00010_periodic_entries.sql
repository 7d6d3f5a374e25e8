-- How far each periodic entry of the scheduler is. The row is moved on in the transaction that makes
-- the request, so no time is served twice, whoever looks, and however often.

-- +goose Up
CREATE TABLE IF NOT EXISTS periodic_entries (
    name              text        PRIMARY KEY,
    -- When it is due, in the words of the file. Where these change it begins anew.
    schedule          text        NOT NULL,
    -- Due times up to here are dealt with: requested, or counted as missed.
    handled_until     timestamptz NOT NULL,
    -- The last due time that was requested, when that was, and as which pipeline; NULL before the first.
    last_due_at       timestamptz,
    last_requested_at timestamptz,
    last_pipeline_id  uuid,
    -- Due times that were not requested.
    missed            bigint      NOT NULL DEFAULT 0
);
