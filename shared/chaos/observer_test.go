package chaos

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/chaos/verdict"
)

// observer notes every committed change that the verdict needs. A statement that writes results
// also takes its time.
const observer = `
CREATE SCHEMA observer;
CREATE TABLE observer.move (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, xid xid8 DEFAULT pg_current_xact_id(), saw pg_snapshot DEFAULT pg_current_snapshot(),
    writer text DEFAULT current_setting('application_name'), job_id integer, module integer, type integer, year integer,
    was text, is_now text, was_token text, token text, result text, superseded_by integer, filter integer[], message text);
CREATE TABLE observer.request (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, xid xid8 DEFAULT pg_current_xact_id(),
    nonce text, module integer, type integer, year integer, job_id integer, created boolean);
CREATE TABLE observer.write (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, xid xid8 DEFAULT pg_current_xact_id(),
    writer text DEFAULT current_setting('application_name'), module integer, type integer, year integer, n integer, doubled integer DEFAULT 0);

CREATE FUNCTION observer.moved() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    j data_ingestion_jobs := coalesce(NEW, OLD);
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.state, OLD.result, OLD.locked_by, OLD.superseded_by, OLD.carbon_report_module_ids)
           IS NOT DISTINCT FROM (NEW.state, NEW.result, NEW.locked_by, NEW.superseded_by, NEW.carbon_report_module_ids) THEN
        RETURN NULL;
    END IF;
    INSERT INTO observer.move (job_id, module, type, year, was, is_now, was_token, token, result, superseded_by, filter, message)
    VALUES (j.id, j.module_type_id, CASE j.job_type WHEN 'aggregation' THEN 0 ELSE j.data_entry_type_id END, j.year, OLD.state, NEW.state, OLD.locked_by, NEW.locked_by,
            NEW.result, NEW.superseded_by, NEW.carbon_report_module_ids, NEW.status_message);
    RETURN NULL;
END $$;
CREATE TRIGGER observer_created AFTER INSERT ON data_ingestion_jobs FOR EACH ROW
    WHEN (NEW.job_type IN ('aggregation', 'emission_recalc')) EXECUTE FUNCTION observer.moved();
CREATE TRIGGER observer_moved AFTER UPDATE OR DELETE ON data_ingestion_jobs FOR EACH ROW
    WHEN (OLD.job_type IN ('aggregation', 'emission_recalc')) EXECUTE FUNCTION observer.moved();

CREATE FUNCTION observer.requested() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO observer.request (nonce, module, type, year, job_id, created)
    VALUES (coalesce(NEW.reason, NEW.request_id), NEW.module_type_id, coalesce(NEW.data_entry_type_id, 0), NEW.year, NEW.job_id, NEW.created);
    RETURN NULL;
END $$;
CREATE TRIGGER observer_requested AFTER INSERT ON job_requests FOR EACH ROW EXECUTE FUNCTION observer.requested();

CREATE FUNCTION observer.emitted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO observer.write (module, type, year, n, doubled)
    SELECT m.module_type_id, e.data_entry_type_id, r.year, count(*),
           sum((EXISTS (SELECT FROM data_entry_emissions x WHERE x.data_entry_id = w.data_entry_id AND x.id <> w.id))::integer)
      FROM written w JOIN data_entries e ON e.id = w.data_entry_id
      JOIN carbon_report_modules m ON m.id = e.carbon_report_module_id JOIN carbon_reports r ON r.id = m.carbon_report_id
     GROUP BY 1, 2, 3;
    PERFORM pg_sleep(0.05 + random() * 0.3);
    RETURN NULL;
END $$;
CREATE TRIGGER observer_emitted AFTER INSERT ON data_entry_emissions
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION observer.emitted();

CREATE FUNCTION observer.added_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO observer.write (module, type, year, n)
    SELECT w.module_type_id, 0, r.year, count(*) FROM written w JOIN carbon_reports r ON r.id = w.carbon_report_id GROUP BY 1, 3;
    PERFORM pg_sleep(0.05 + random() * 0.2);
    RETURN NULL;
END $$;
CREATE TRIGGER observer_added_up AFTER UPDATE ON carbon_report_modules
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION observer.added_up();`

const (
	readMoves = `
SELECT seq, xid::text::bigint, pg_xact_commit_timestamp(xid::xid) AS at, saw::text, writer, job_id, module, type, year, coalesce(was, ''), coalesce(is_now, ''),
       coalesce(was_token, ''), coalesce(token, ''), coalesce(result, ''), coalesce(superseded_by, 0), filter, coalesce(message, '')
  FROM observer.move ORDER BY seq`
	readRequests = `
SELECT nonce, xid::text::bigint, pg_xact_commit_timestamp(xid::xid), module, type, year, job_id, created FROM observer.request ORDER BY seq`
	readWrites = `
SELECT xid::text::bigint, pg_xact_commit_timestamp(xid::xid), writer, module, type, year, n, doubled FROM observer.write ORDER BY seq`
	readEntries = `
SELECT e.id, m.id, m.module_type_id, e.data_entry_type_id, r.year, (e.data ->> '__kg_co2eq_override__')::float8,
       ARRAY(SELECT x.kg_co2eq FROM data_entry_emissions x WHERE x.data_entry_id = e.id)
  FROM data_entries e JOIN carbon_report_modules m ON m.id = e.carbon_report_module_id JOIN carbon_reports r ON r.id = m.carbon_report_id ORDER BY e.id`
	readModules = `
SELECT m.id, m.module_type_id, r.year, coalesce((m.stats ->> 'total')::float8, -1), coalesce((m.stats ->> 'entry_count')::integer, -1)
  FROM carbon_report_modules m JOIN carbon_reports r ON r.id = m.carbon_report_id ORDER BY m.id`
)

// readHistory reads what the observer noted, and the data as they are.
func readHistory(ctx context.Context, pool *pgxpool.Pool, h *verdict.History) (err error) {
	h.Moves, err = collect(ctx, pool, err, readMoves, func(row pgx.CollectableRow) (m verdict.Move, err error) {
		return m, row.Scan(&m.Seq, &m.XID, &m.At, &m.Snapshot, &m.Writer, &m.JobID, &m.Scope.Module, &m.Scope.Type, &m.Scope.Year, &m.From, &m.To,
			&m.FromToken, &m.ToToken, &m.Result, &m.SupersededBy, &m.Filter, &m.Message)
	})
	h.Requests, err = collect(ctx, pool, err, readRequests, func(row pgx.CollectableRow) (r verdict.Request, err error) {
		return r, row.Scan(&r.Nonce, &r.XID, &r.At, &r.Scope.Module, &r.Scope.Type, &r.Scope.Year, &r.JobID, &r.Created)
	})
	h.Writes, err = collect(ctx, pool, err, readWrites, func(row pgx.CollectableRow) (w verdict.Write, err error) {
		return w, row.Scan(&w.XID, &w.At, &w.Writer, &w.Scope.Module, &w.Scope.Type, &w.Scope.Year, &w.Rows, &w.Doubled)
	})
	h.Final.Entries, err = collect(ctx, pool, err, readEntries, func(row pgx.CollectableRow) (e verdict.Entry, err error) {
		return e, row.Scan(&e.ID, &e.ReportModule, &e.Scope.Module, &e.Scope.Type, &e.Scope.Year, &e.Kg, &e.Emissions)
	})
	h.Final.Modules, err = collect(ctx, pool, err, readModules, func(row pgx.CollectableRow) (m verdict.ReportModule, err error) {
		return m, row.Scan(&m.ID, &m.Scope.Module, &m.Scope.Year, &m.Total, &m.Entries)
	})
	return err
}

// collect reads rows, unless there was an error before.
func collect[T any](ctx context.Context, pool *pgxpool.Pool, before error, sql string, scan pgx.RowToFunc[T]) ([]T, error) {
	if before != nil {
		return nil, before
	}
	rows, err := pool.Query(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	return found, nil
}
