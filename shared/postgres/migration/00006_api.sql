-- What the API needs: word of every change to a pipeline that somebody watches, and
-- indexes that find the latest factors and recalculations in a long history.
--
-- NOTIFY has a price: PostgreSQL lets transactions that notify commit one at a time, each
-- waiting for the disk. With a notification for every change, sixteen writers together got
-- a tenth of their commits done. So a change is announced only while somebody watches the
-- pipeline. Who watches holds a shared advisory lock on the pipeline's slot; who writes
-- tries for a moment to have it alone, and can when nobody watches. (Two writers that try
-- at the same moment announce one change too many.) Watchers make up for writers that
-- tried just before they came: see exporter/stream.

-- +goose NO TRANSACTION
-- +goose Up

-- There are 1024 slots, not a lock for each pipeline: the server's lock table is small.
-- 1953064039 is the lock space behind those of shared/ledger. It is one expression, so that
-- no interruption can come between taking and giving back.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tidemark_pipeline_slot(pipeline uuid) RETURNS integer
LANGUAGE sql IMMUTABLE AS 'SELECT uuid_hash(pipeline) & 1023';
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tidemark_pipeline_watched(pipeline uuid) RETURNS boolean
LANGUAGE sql VOLATILE AS $$
SELECT pipeline IS NOT NULL AND NOT
           CASE WHEN pg_try_advisory_lock(1953064039, tidemark_pipeline_slot(pipeline))
                THEN pg_advisory_unlock(1953064039, tidemark_pipeline_slot(pipeline))
                ELSE false END
$$;
-- +goose StatementEnd

-- A job that changed is a change to every pipeline that created or joined it. The functions
-- run as their owner and with a fixed search path: who writes the tables need not know ours.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tidemark_announce_job() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF tidemark_pipeline_watched(NEW.pipeline_id) THEN
        PERFORM pg_notify('tidemark_pipeline', NEW.pipeline_id::text);
    END IF;
    PERFORM pg_notify('tidemark_pipeline', j.pipeline_id::text)
       FROM pipeline_joins j
      WHERE j.job_id = NEW.id AND tidemark_pipeline_watched(j.pipeline_id);
    RETURN NULL;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tidemark_announce_join() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF tidemark_pipeline_watched(NEW.pipeline_id) THEN
        PERFORM pg_notify('tidemark_pipeline', NEW.pipeline_id::text);
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tidemark_announce_pipeline() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF tidemark_pipeline_watched(NEW.id) THEN
        PERFORM pg_notify('tidemark_pipeline', NEW.id::text);
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- The conditions are what a watcher is shown. A heartbeat without progress to tell is not
-- part of it and costs no more than the comparison; any other change that nobody watches
-- costs some 40 µs beside the wait of its commit for the disk.
DROP TRIGGER IF EXISTS tidemark_announce_created ON data_ingestion_jobs;
CREATE TRIGGER tidemark_announce_created AFTER INSERT ON data_ingestion_jobs
    FOR EACH ROW WHEN (NEW.pipeline_id IS NOT NULL) EXECUTE FUNCTION tidemark_announce_job();
DROP TRIGGER IF EXISTS tidemark_announce_changed ON data_ingestion_jobs;
CREATE TRIGGER tidemark_announce_changed AFTER UPDATE ON data_ingestion_jobs
    FOR EACH ROW WHEN ((OLD.state, OLD.result, OLD.status_message, OLD.started_at, OLD.finished_at, OLD.pipeline_id, OLD.superseded_by)
      IS DISTINCT FROM (NEW.state, NEW.result, NEW.status_message, NEW.started_at, NEW.finished_at, NEW.pipeline_id, NEW.superseded_by))
    EXECUTE FUNCTION tidemark_announce_job();
DROP TRIGGER IF EXISTS tidemark_announce_joined ON pipeline_joins;
CREATE TRIGGER tidemark_announce_joined AFTER INSERT ON pipeline_joins
    FOR EACH ROW EXECUTE FUNCTION tidemark_announce_join();
DROP TRIGGER IF EXISTS tidemark_announce_settled ON pipelines;
CREATE TRIGGER tidemark_announce_settled AFTER UPDATE ON pipelines
    FOR EACH ROW WHEN ((OLD.kind, OLD.status, OLD.expected_recalc) IS DISTINCT FROM (NEW.kind, NEW.status, NEW.expected_recalc))
    EXECUTE FUNCTION tidemark_announce_pipeline();

-- What recalculation-status asks of the history: the last load of factors, the last computed
-- jobs of a data entry type.
DROP INDEX CONCURRENTLY IF EXISTS ix_data_ingestion_jobs_factors;
CREATE INDEX CONCURRENTLY ix_data_ingestion_jobs_factors
    ON data_ingestion_jobs (year) WHERE target_type = 'FACTORS';
DROP INDEX CONCURRENTLY IF EXISTS ix_data_ingestion_jobs_latest_computed;
CREATE INDEX CONCURRENTLY ix_data_ingestion_jobs_latest_computed
    ON data_ingestion_jobs (module_type_id, data_entry_type_id, year, id DESC)
 WHERE target_type = 'DATA_ENTRIES' AND ingestion_method = 'computed' AND data_entry_type_id IS NOT NULL;
