package cost

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/postgres"
)

// several has 200 scopes, and 100,000 entries in the last ten years: enough to
// tell what writing one takes, little enough to be made in seconds.
var several = size{units: 400, years: 20, modules: 10, pipelines: 2_000}

const (
	editEntry       = `UPDATE data_entries SET data = '{"number_of_trips": 3}' WHERE id = 4711`
	insertEmissions = `
INSERT INTO data_entry_emissions (data_entry_id, emission_type_id, primary_factor_id, kg_co2eq, computed_at)
SELECT id, 50200, (SELECT min(id) FROM factors), 1.5, now() FROM data_entries`
	requestAggregation = `
INSERT INTO data_ingestion_jobs (entity_type, target_type, ingestion_method, provider, is_current, state, job_type, module_type_id, year, meta)
VALUES ('MODULE_PER_YEAR', 'DATA_ENTRIES', 'computed', 'DEFAULT', false, 'NOT_STARTED', 'aggregation', 2, 2025, '{"config": {}}')`
	// What a claim and a finish change of the job, without what they do beside it.
	runAggregation = `
DO $$ DECLARE newest CONSTANT integer := (SELECT max(id) FROM data_ingestion_jobs); BEGIN
    UPDATE data_ingestion_jobs SET state = 'RUNNING', started_at = now() WHERE id = newest;
    UPDATE data_ingestion_jobs SET state = 'FINISHED', result = 'SUCCESS', finished_at = now() WHERE id = newest;
END $$`
)

// writers are those whose statements fire the triggers of freshness. Each changes the same rows in
// both databases, after the statements that make them. One entry is edited by a session that is
// new, then by the same one after bulk statements: a session keeps the plans of its triggers.
var writers = []struct {
	what         string
	rounds, rows int
	before       []string
	statement    string
}{
	{"edit one entry", 1000, 1, nil, editEntry},
	{"insert emissions", 5, 100_000, nil, insertEmissions},
	{"update emissions", 5, 100_000, []string{insertEmissions}, `UPDATE data_entry_emissions SET kg_co2eq = kg_co2eq + 1`},
	{"delete emissions", 5, 100_000, []string{insertEmissions}, `DELETE FROM data_entry_emissions`},
	{"update entries", 5, 100_000, nil, `UPDATE data_entries SET data = '{"number_of_trips": 2}'`},
	{"insert report modules", 5, 10_000, nil, `INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id)
	                                           SELECT m, 0, id FROM carbon_reports, generate_series(11, 12) m LIMIT 10000`},
	{"claim and finish", 1000, 1, []string{requestAggregation}, runAggregation},
	{"edit one entry later", 1000, 1, nil, editEntry},
}

// BenchmarkWriters compares what writers of the original's tables wait for with and without the
// triggers that keep freshness: statements alone, without the commit that both have to wait for.
func BenchmarkWriters(b *testing.B) {
	ctx := context.Background()
	url := newOriginal(b, "written", several)
	_, err := postgres.Migrate(ctx, url)
	must(b, err)
	do(b, url, "VACUUM ANALYZE")
	bare := copyOf(b, "bare", "written")
	do(b, bare, withoutTriggers)
	with, without := session(b, url), session(b, bare)
	b.ReportMetric(0, "ns/op")
	for _, w := range writers {
		times := inTurns(b, w.rounds,
			func() (time.Duration, error) { return undone(ctx, with, w.before, w.statement) },
			func() (time.Duration, error) { return undone(ctx, without, w.before, w.statement) })
		kept, plain := times[0], times[1]
		b.Logf("%-22s %7d rows   with triggers %s, without %s: %+.1f %%, %+.1f µs a row", w.what, w.rows, kept, plain,
			100*(kept.over(plain)-1), float64(kept.median()-plain.median())/float64(time.Microsecond)/float64(w.rows))
	}
}

const withoutTriggers = `
DO $$ DECLARE t record; BEGIN
    FOR t IN SELECT tgname, tgrelid::regclass AS of FROM pg_trigger WHERE tgname LIKE 'tidemark\_%' LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', t.tgname, t.of);
    END LOOP;
END $$`

// undone runs a statement in a transaction that is rolled back, and returns how long it took; not
// how long those before it did.
func undone(ctx context.Context, conn *pgx.Conn, before []string, statement string) (time.Duration, error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	for _, s := range before {
		if _, err := tx.Exec(ctx, s); err != nil {
			return 0, err
		}
	}
	return timed(func() error { _, err := tx.Exec(ctx, statement); return err })
}
