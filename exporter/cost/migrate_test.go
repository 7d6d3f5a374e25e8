package cost

import (
	"context"
	"testing"
	"time"

	"tidemark/shared/postgres"
)

// databases are the data sets, made when a benchmark first needs them.
type databases struct {
	// original is as the original application made it, migrated and tenth are Tidemark's.
	original, migrated, tenth string

	took, jobsWaited, entriesWaited time.Duration
}

var made *databases

// data makes the databases, or returns those that are there.
func data(b *testing.B) *databases {
	b.Helper()
	if made != nil {
		return made
	}
	b.StopTimer()
	defer b.StartTimer()
	d := &databases{original: newOriginal(b, "original", large)}
	d.migrated = copyOf(b, "migrated", "original")
	d.migrate(b)
	d.tenth = newOriginal(b, "tenth", tenth)
	_, err := postgres.Migrate(context.Background(), d.tenth)
	must(b, err)
	for _, url := range []string{d.migrated, d.tenth} {
		// As after some days of Tidemark's own runs, of whose scopes one in ten was edited since.
		do(b, url,
			`UPDATE data_ingestion_jobs SET read_snapshot = pg_current_snapshot() WHERE standing`,
			`INSERT INTO scope_changes (module_type_id, year, xid) SELECT module_type_id, year, pg_current_xact_id() FROM declared_scopes WHERE year % 10 = 0`,
			`VACUUM ANALYZE`)
	}
	made = d
	return d
}

// migrate measures how long the migration takes, and the longest that a writer of jobs and a
// writer of entries wait for it meanwhile.
func (d *databases) migrate(b *testing.B) {
	b.Helper()
	done := make(chan struct{})
	longest := func(statement string) (wait func() time.Duration) {
		conn, result := session(b, d.migrated), make(chan time.Duration)
		go func() {
			var most time.Duration
			defer func() { result <- most }()
			for {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
				start := time.Now()
				if _, err := conn.Exec(context.Background(), statement); err != nil {
					b.Error(err)
					return
				}
				most = max(most, time.Since(start))
			}
		}()
		return func() time.Duration { return <-result }
	}
	jobs := longest(`UPDATE data_ingestion_jobs SET locked_at = now() WHERE id = 5`)
	entries := longest(`UPDATE data_entries SET updated_at = now() WHERE id = 5`)
	start := time.Now()
	_, err := postgres.Migrate(context.Background(), d.migrated)
	d.took = time.Since(start)
	close(done)
	d.jobsWaited, d.entriesWaited = jobs(), entries()
	must(b, err)
}

// BenchmarkMigrate tells what the migration of the original's database cost.
func BenchmarkMigrate(b *testing.B) {
	d := data(b)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(d.took.Seconds(), "s-in-all")
	b.ReportMetric(d.jobsWaited.Seconds(), "s-longest-wait-of-a-job-writer")
	b.ReportMetric(d.entriesWaited.Seconds(), "s-longest-wait-of-an-entry-writer")
}
