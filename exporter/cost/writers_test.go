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

// writers are those whose statements fire the triggers of freshness. Each changes the same rows in
// both databases. One entry is edited by a session that is new, then by the same one after bulk
// statements: a session keeps the plans of its triggers.
var writers = []struct {
	what      string
	rows      int
	statement string
}{
	{"edit one entry", 1, `UPDATE data_entries SET data = '{"number_of_trips": 3}' WHERE id = 4711`},
	{"insert emissions", 100_000, `INSERT INTO data_entry_emissions (data_entry_id, emission_type_id, primary_factor_id, kg_co2eq, computed_at)
	                              SELECT id, 50200, (SELECT min(id) FROM factors), 1.5, now() FROM data_entries`},
	{"update emissions", 100_000, `UPDATE data_entry_emissions SET kg_co2eq = kg_co2eq + 1`},
	{"delete emissions", 100_000, `DELETE FROM data_entry_emissions`},
	{"update entries", 100_000, `UPDATE data_entries SET data = '{"number_of_trips": 2}'`},
	{"insert report modules", 10_000, `INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id)
	                                  SELECT m, 0, id FROM carbon_reports, generate_series(11, 12) m LIMIT 10000`},
	{"edit one entry later", 1, `UPDATE data_entries SET data = '{"number_of_trips": 3}' WHERE id = 4711`},
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
		statements, rounds := []string{w.statement}, 5
		switch w.what {
		case "update emissions", "delete emissions":
			statements = []string{writers[1].statement, w.statement}
		case "edit one entry", "edit one entry later":
			rounds = 1000
		}
		var took [2]durations
		inTurns(b, rounds,
			func() error { return undone(ctx, with, statements, &took[0]) },
			func() error { return undone(ctx, without, statements, &took[1]) })
		// A first round, of empty caches, does not count.
		kept, plain := took[0][1:].sorted(), took[1][1:].sorted()
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

// undone runs statements in a transaction that is rolled back, and notes how long the last one took.
func undone(ctx context.Context, conn *pgx.Conn, statements []string, took *durations) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	for i, s := range statements {
		start := time.Now()
		if _, err := tx.Exec(ctx, s); err != nil {
			return err
		}
		if i == len(statements)-1 {
			*took = append(*took, time.Since(start))
		}
	}
	return nil
}
