-- What makes the question "what is stale, and why" cheap at any size, and lets it be answered
-- exactly: which scopes there are, which of their aggregations still count, and what changed
-- after an aggregation began to read. All three are kept by triggers, whatever program
-- writes, and none makes one writer wait for another: what is written is only ever added.
--
-- The functions run as their owner: who writes the tables need not know ours.
-- Writers of the tables named here wait for the seconds that this takes on a large database.

-- +goose Up
-- Nobody may claim, finish or write between the first trigger and the last.
LOCK TABLE data_ingestion_jobs, carbon_reports, carbon_report_modules, data_entries, data_entry_emissions, factors, locations
    IN SHARE ROW EXCLUSIVE MODE;

---- 1. Which scopes the reports declare ----------------------------------------------------

-- A line for every statement that added report modules to a scope or took some away. The sum
-- says how many there are; lines are folded now and then (freshness.Compact).
CREATE TABLE IF NOT EXISTS declared_scopes (
    module_type_id integer NOT NULL,
    year           integer NOT NULL,
    report_modules integer NOT NULL
);

-- +goose StatementBegin
-- Counts anew, for what the triggers below cannot follow. Line and report module become
-- visible together, so one statement that replaces all lines it sees by a count of all modules it
-- sees is exact beside writers; the lock keeps two of its kind, or a fold, apart.
CREATE OR REPLACE FUNCTION tidemark_count_scopes() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1953064293, 0);
    WITH gone AS (DELETE FROM declared_scopes)
    INSERT INTO declared_scopes
    SELECT m.module_type_id, r.year, count(*)
      FROM carbon_report_modules m JOIN carbon_reports r ON r.id = m.carbon_report_id
     GROUP BY 1, 2;
END
$$;

CREATE OR REPLACE FUNCTION tidemark_report_modules_added() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO declared_scopes
    SELECT m.module_type_id, r.year, count(*)
      FROM added m JOIN carbon_reports r ON r.id = m.carbon_report_id
     GROUP BY 1, 2;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION tidemark_report_modules_removed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO declared_scopes
    SELECT m.module_type_id, r.year, -count(*)
      FROM removed m JOIN carbon_reports r ON r.id = m.carbon_report_id
     GROUP BY 1, 2;
    -- One statement may delete a report together with its modules; then their year is gone.
    IF EXISTS (SELECT FROM removed m WHERE NOT EXISTS (SELECT FROM carbon_reports r WHERE r.id = m.carbon_report_id)) THEN
        PERFORM tidemark_count_scopes();
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION tidemark_report_modules_truncated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM tidemark_count_scopes();
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION tidemark_report_module_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO declared_scopes
    SELECT v.module_type_id, r.year, v.n
      FROM (VALUES (OLD.module_type_id, OLD.carbon_report_id, -1), (NEW.module_type_id, NEW.carbon_report_id, 1)) AS v (module_type_id, report, n)
      JOIN carbon_reports r ON r.id = v.report;
    INSERT INTO scope_changes (module_type_id, year, xid)
    SELECT DISTINCT v.module_type_id, r.year, pg_current_xact_id()
      FROM (VALUES (OLD.module_type_id, OLD.carbon_report_id), (NEW.module_type_id, NEW.carbon_report_id)) AS v (module_type_id, report)
      JOIN carbon_reports r ON r.id = v.report
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION tidemark_report_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO declared_scopes
    SELECT m.module_type_id, v.year, v.sign * count(*)
      FROM carbon_report_modules m, (VALUES (OLD.year, -1), (NEW.year, 1)) AS v (year, sign)
     WHERE m.carbon_report_id = NEW.id
     GROUP BY m.module_type_id, v.year, v.sign;
    INSERT INTO scope_changes (module_type_id, year, xid)
    SELECT DISTINCT m.module_type_id, v.year, pg_current_xact_id()
      FROM carbon_report_modules m, (VALUES (OLD.year), (NEW.year)) AS v (year)
     WHERE m.carbon_report_id = NEW.id
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE OR REPLACE TRIGGER tidemark_report_modules_added AFTER INSERT ON carbon_report_modules
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tidemark_report_modules_added();
CREATE OR REPLACE TRIGGER tidemark_report_modules_removed AFTER DELETE ON carbon_report_modules
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION tidemark_report_modules_removed();
CREATE OR REPLACE TRIGGER tidemark_report_modules_truncated AFTER TRUNCATE ON carbon_report_modules
    FOR EACH STATEMENT EXECUTE FUNCTION tidemark_report_modules_truncated();
-- By row: statistics are written to these tables all the time, a move is rare.
CREATE OR REPLACE TRIGGER tidemark_report_module_moved AFTER UPDATE OF module_type_id, carbon_report_id ON carbon_report_modules
    FOR EACH ROW WHEN ((OLD.module_type_id, OLD.carbon_report_id) IS DISTINCT FROM (NEW.module_type_id, NEW.carbon_report_id))
    EXECUTE FUNCTION tidemark_report_module_moved();
CREATE OR REPLACE TRIGGER tidemark_report_moved AFTER UPDATE OF year ON carbon_reports
    FOR EACH ROW WHEN (OLD.year IS DISTINCT FROM NEW.year) EXECUTE FUNCTION tidemark_report_moved();

SELECT tidemark_count_scopes();

---- 2. What changed ------------------------------------------------------------------------

-- A mark for every transaction that changed what the aggregation of a scope is computed from.
-- An aggregation keeps the snapshot with which it began to read: it has drifted from its data if
-- there is a mark of a transaction which that snapshot does not see. Marks that the latest
-- aggregation did see are removed as it finishes.
--
-- Transaction ids mean nothing on another server. A dump that is restored brings snapshots along
-- that may seem to see whatever happens from then on; so a change is not seen, in any case, by
-- a run that had finished when it was made.
CREATE TABLE IF NOT EXISTS scope_changes (
    module_type_id integer     NOT NULL,
    year           integer     NOT NULL,
    xid            xid8        NOT NULL,
    changed_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (module_type_id, year, xid)
);

-- The module of each data entry type, as the catalogue has it: factors name only the type.
CREATE TABLE IF NOT EXISTS data_entry_types (
    data_entry_type_id integer PRIMARY KEY,
    module_type_id     integer NOT NULL
);
INSERT INTO data_entry_types (data_entry_type_id, module_type_id) VALUES
    (1, 1), (2, 1),
    (20, 2), (21, 2),
    (30, 3), (31, 3), (32, 3),
    (10, 4), (11, 4), (12, 4),
    (60, 5), (61, 5), (62, 5), (63, 5), (64, 5), (65, 5), (66, 5), (67, 5),
    (70, 6), (71, 6),
    (40, 7), (41, 7),
    (50, 8)
    ON CONFLICT DO NOTHING;

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tidemark_entries_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO scope_changes (module_type_id, year, xid)
    SELECT DISTINCT m.module_type_id, r.year, pg_current_xact_id()
      FROM (SELECT DISTINCT carbon_report_module_id FROM changed) e
      JOIN carbon_report_modules m ON m.id = e.carbon_report_module_id
      JOIN carbon_reports r ON r.id = m.carbon_report_id
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION tidemark_entries_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO scope_changes (module_type_id, year, xid)
    SELECT DISTINCT m.module_type_id, r.year, pg_current_xact_id()
      FROM (SELECT carbon_report_module_id FROM before UNION SELECT carbon_report_module_id FROM changed) e
      JOIN carbon_report_modules m ON m.id = e.carbon_report_module_id
      JOIN carbon_reports r ON r.id = m.carbon_report_id
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION tidemark_emissions_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO scope_changes (module_type_id, year, xid)
    SELECT DISTINCT m.module_type_id, r.year, pg_current_xact_id()
      FROM (SELECT DISTINCT e.carbon_report_module_id FROM changed c JOIN data_entries e ON e.id = c.data_entry_id) e
      JOIN carbon_report_modules m ON m.id = e.carbon_report_module_id
      JOIN carbon_reports r ON r.id = m.carbon_report_id
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION tidemark_emissions_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO scope_changes (module_type_id, year, xid)
    SELECT DISTINCT m.module_type_id, r.year, pg_current_xact_id()
      FROM (SELECT data_entry_id FROM before UNION SELECT data_entry_id FROM changed) c
      JOIN data_entries e ON e.id = c.data_entry_id
      JOIN carbon_report_modules m ON m.id = e.carbon_report_module_id
      JOIN carbon_reports r ON r.id = m.carbon_report_id
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

-- A factor counts for its own year only; one without a year counts for nothing.
CREATE OR REPLACE FUNCTION tidemark_factors_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO scope_changes (module_type_id, year, xid)
    SELECT DISTINCT t.module_type_id, f.year, pg_current_xact_id()
      FROM changed f JOIN data_entry_types t USING (data_entry_type_id)
     WHERE f.year IS NOT NULL
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

-- A load touches every factor of its file, also those that stay as they are.
CREATE OR REPLACE FUNCTION tidemark_factors_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO scope_changes (module_type_id, year, xid)
    SELECT DISTINCT t.module_type_id, v.year, pg_current_xact_id()
      FROM before b JOIN changed c USING (id)
     CROSS JOIN LATERAL (VALUES (b.data_entry_type_id, b.year), (c.data_entry_type_id, c.year)) AS v (data_entry_type_id, year)
      JOIN data_entry_types t ON t.data_entry_type_id = v.data_entry_type_id
     WHERE v.year IS NOT NULL
       AND (b.emission_type_id, b.data_entry_type_id, b.classification, b."values"::text, b.year)
           IS DISTINCT FROM (c.emission_type_id, c.data_entry_type_id, c.classification, c."values"::text, c.year)
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

-- The emissions of a deleted factor go with it, and need not be of its own module and year.
CREATE OR REPLACE FUNCTION tidemark_factor_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO scope_changes (module_type_id, year, xid)
    SELECT DISTINCT m.module_type_id, r.year, pg_current_xact_id()
      FROM data_entry_emissions x
      JOIN data_entries e ON e.id = x.data_entry_id
      JOIN carbon_report_modules m ON m.id = e.carbon_report_module_id
      JOIN carbon_reports r ON r.id = m.carbon_report_id
     WHERE x.primary_factor_id = OLD.id
        ON CONFLICT DO NOTHING;
    RETURN OLD;
END
$$;

-- Airports are what flights are computed from, in every year. 2 is professional_travel.
CREATE OR REPLACE FUNCTION tidemark_locations_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO scope_changes (module_type_id, year, xid)
    SELECT DISTINCT module_type_id, year, pg_current_xact_id() FROM declared_scopes WHERE module_type_id = 2
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION tidemark_everything_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO scope_changes (module_type_id, year, xid)
    SELECT DISTINCT module_type_id, year, pg_current_xact_id() FROM declared_scopes
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE OR REPLACE TRIGGER tidemark_entries_inserted AFTER INSERT ON data_entries
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tidemark_entries_changed();
CREATE OR REPLACE TRIGGER tidemark_entries_deleted AFTER DELETE ON data_entries
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tidemark_entries_changed();
CREATE OR REPLACE TRIGGER tidemark_entries_updated AFTER UPDATE ON data_entries
    REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tidemark_entries_updated();
CREATE OR REPLACE TRIGGER tidemark_entries_truncated AFTER TRUNCATE ON data_entries
    FOR EACH STATEMENT EXECUTE FUNCTION tidemark_everything_changed();

CREATE OR REPLACE TRIGGER tidemark_emissions_inserted AFTER INSERT ON data_entry_emissions
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tidemark_emissions_changed();
-- Not where they go with their entry or factor, a statement a row: those make the mark.
CREATE OR REPLACE TRIGGER tidemark_emissions_deleted AFTER DELETE ON data_entry_emissions
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION tidemark_emissions_changed();
CREATE OR REPLACE TRIGGER tidemark_emissions_updated AFTER UPDATE ON data_entry_emissions
    REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tidemark_emissions_updated();
CREATE OR REPLACE TRIGGER tidemark_emissions_truncated AFTER TRUNCATE ON data_entry_emissions
    FOR EACH STATEMENT EXECUTE FUNCTION tidemark_everything_changed();

CREATE OR REPLACE TRIGGER tidemark_factors_inserted AFTER INSERT ON factors
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tidemark_factors_changed();
CREATE OR REPLACE TRIGGER tidemark_factors_deleted AFTER DELETE ON factors
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tidemark_factors_changed();
CREATE OR REPLACE TRIGGER tidemark_factor_deleted BEFORE DELETE ON factors
    FOR EACH ROW EXECUTE FUNCTION tidemark_factor_deleted();
CREATE OR REPLACE TRIGGER tidemark_factors_updated AFTER UPDATE ON factors
    REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tidemark_factors_updated();
CREATE OR REPLACE TRIGGER tidemark_factors_truncated AFTER TRUNCATE ON factors
    FOR EACH STATEMENT EXECUTE FUNCTION tidemark_everything_changed();

CREATE OR REPLACE TRIGGER tidemark_locations_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON locations
    FOR EACH STATEMENT EXECUTE FUNCTION tidemark_locations_changed();

---- 3. Which aggregations still count -----------------------------------------------------

ALTER TABLE data_ingestion_jobs
    -- The newest finished aggregation of its scope, or the newest that wrote its data; others may
    -- bear it too. With those that wait or run they are all that a look at freshness reads.
    ADD COLUMN IF NOT EXISTS standing      boolean,
    -- What was committed when the run began to read; NULL for runs of before this column.
    ADD COLUMN IF NOT EXISTS read_snapshot pg_snapshot;

-- +goose StatementBegin
-- A run sees at least what was committed when its job was claimed. Tidemark's own say more
-- exactly when they began to read, as they finish.
CREATE OR REPLACE FUNCTION tidemark_aggregation_before() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.state = 'RUNNING' AND (TG_OP = 'INSERT' OR OLD.state IS DISTINCT FROM 'RUNNING') THEN
        NEW.read_snapshot := pg_current_snapshot();
    END IF;
    NEW.standing := CASE WHEN NEW.state = 'FINISHED' AND NEW.module_type_id IS NOT NULL AND NEW.year IS NOT NULL THEN true END;
    RETURN NEW;
END
$$;

-- Brings back to standing what a removed or changed row had put in the shade. The lock is for two
-- of these at once; a finish never waits for it.
CREATE OR REPLACE FUNCTION tidemark_restore_standing(module integer, of_year integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1953064294, hashint8(module * 100000::bigint + of_year));
    UPDATE data_ingestion_jobs SET standing = true
     WHERE standing IS NOT TRUE AND id IN (
           (SELECT id FROM data_ingestion_jobs
             WHERE job_type = 'aggregation' AND module_type_id = module AND year = of_year AND state = 'FINISHED'
             ORDER BY module_type_id, year, id DESC LIMIT 1)
           UNION ALL
           (SELECT id FROM data_ingestion_jobs
             WHERE job_type = 'aggregation' AND module_type_id = module AND year = of_year AND state = 'FINISHED'
               AND result IS DISTINCT FROM 'ERROR' AND finished_at IS NOT NULL
             ORDER BY module_type_id, year, id DESC LIMIT 1));
END
$$;

CREATE OR REPLACE FUNCTION tidemark_aggregation_after() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    wrote CONSTANT boolean := NEW.state = 'FINISHED' AND NEW.result IS DISTINCT FROM 'ERROR' AND NEW.finished_at IS NOT NULL;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.job_type = 'aggregation' AND OLD.state = 'FINISHED' THEN
        PERFORM tidemark_restore_standing(OLD.module_type_id, OLD.year);
    END IF;
    IF NEW.job_type IS DISTINCT FROM 'aggregation' OR NEW.state IS DISTINCT FROM 'FINISHED' THEN
        RETURN NULL;
    END IF;
    UPDATE data_ingestion_jobs SET standing = NULL, read_snapshot = NULL
     WHERE job_type = 'aggregation' AND module_type_id = NEW.module_type_id AND year = NEW.year AND id < NEW.id
       AND standing AND state = 'FINISHED'
       AND (wrote OR result IS NOT DISTINCT FROM 'ERROR' OR finished_at IS NULL);
    IF wrote THEN
        DELETE FROM scope_changes
         WHERE module_type_id = NEW.module_type_id AND year = NEW.year
           AND (pg_visible_in_snapshot(xid, NEW.read_snapshot)
                -- Came with a dump from a server that had counted further: no transaction of this one
                -- that we can see has such an id.
                OR xid >= pg_snapshot_xmax(pg_current_snapshot()) AND xid <> pg_current_xact_id());
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION tidemark_aggregation_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM tidemark_restore_standing(OLD.module_type_id, OLD.year);
    RETURN NULL;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION tidemark_count_scopes(), tidemark_restore_standing(integer, integer) FROM PUBLIC;

-- Column lists: the heartbeat of a run, the most frequent write of all, passes these by.
CREATE OR REPLACE TRIGGER tidemark_aggregation_inserting BEFORE INSERT ON data_ingestion_jobs
    FOR EACH ROW WHEN (NEW.job_type = 'aggregation') EXECUTE FUNCTION tidemark_aggregation_before();
CREATE OR REPLACE TRIGGER tidemark_aggregation_updating BEFORE UPDATE OF state, result, finished_at, module_type_id, year, job_type ON data_ingestion_jobs
    FOR EACH ROW WHEN (NEW.job_type = 'aggregation') EXECUTE FUNCTION tidemark_aggregation_before();
CREATE OR REPLACE TRIGGER tidemark_aggregation_inserted AFTER INSERT ON data_ingestion_jobs
    FOR EACH ROW WHEN (NEW.job_type = 'aggregation' AND NEW.state = 'FINISHED') EXECUTE FUNCTION tidemark_aggregation_after();
CREATE OR REPLACE TRIGGER tidemark_aggregation_updated AFTER UPDATE OF state, result, finished_at, module_type_id, year, job_type ON data_ingestion_jobs
    FOR EACH ROW WHEN (NEW.job_type = 'aggregation' AND NEW.state = 'FINISHED' OR OLD.job_type = 'aggregation' AND OLD.state = 'FINISHED')
    EXECUTE FUNCTION tidemark_aggregation_after();
CREATE OR REPLACE TRIGGER tidemark_aggregation_deleted AFTER DELETE ON data_ingestion_jobs
    FOR EACH ROW WHEN (OLD.job_type = 'aggregation' AND OLD.standing) EXECUTE FUNCTION tidemark_aggregation_deleted();

-- The history so far.
UPDATE data_ingestion_jobs j SET standing = true
  FROM (SELECT max(id) AS newest, max(id) FILTER (WHERE result IS DISTINCT FROM 'ERROR' AND finished_at IS NOT NULL) AS wrote
          FROM data_ingestion_jobs
         WHERE job_type = 'aggregation' AND state = 'FINISHED' AND module_type_id IS NOT NULL AND year IS NOT NULL
         GROUP BY module_type_id, year) s
 WHERE j.id IN (s.newest, s.wrote);
