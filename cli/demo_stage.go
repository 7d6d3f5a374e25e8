package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
	"tidemark/shared/ingest"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
	"tidemark/shared/sample"
)

// load brings the data set in, as `tidemark load` does.
func (d *demo) load(ctx context.Context, dir string) error {
	files, err := sample.Write(dir)
	if err != nil {
		return err
	}
	rows := 0
	for _, f := range files {
		o := ingest.Options{Path: f.Path, Year: f.Year, CreateUnits: true, By: demoOrigin(), Ledger: ledger.New(ledger.DefaultMaxHold)}
		load := ingest.Airports
		if f.Type != "" {
			if o.DataEntryType, err = catalog.ParseDataEntryType(f.Type, catalog.CalculatedTypes()); err != nil {
				return err
			}
			load = ingest.Factors
		}
		if f.Entries {
			load = ingest.Entries
		}
		report, err := load(ctx, d.pool, o)
		if err != nil {
			return err
		}
		rows += report.Rows
		if err := d.signals.Send(ctx, report.Tickets...); err != nil {
			return err
		}
	}
	d.say("loaded %d rows from %d files: airports, emission factors, and the entries of three years", rows, len(files))
	return nil
}

// The story needs time to pass and things to go wrong; these statements are what it is
// given. Everything else in the demo happens by itself.
const (
	// openYear is what happens when a new year is opened: reports are there, nothing was computed.
	openYear = `
WITH report AS (
    INSERT INTO carbon_reports (year, unit_id, carbon_project_id, overall_status)
    SELECT 2026, unit_id, id, 0 FROM carbon_projects WHERE carbon_report_type = 'Calculator'
    RETURNING id)
INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id)
SELECT m, 0, report.id FROM report, unnest(ARRAY[2, 3]) AS m`
	// growOld lets two hours pass for one aggregation.
	growOld = `
UPDATE data_ingestion_jobs SET started_at = started_at - interval '2 hours', finished_at = finished_at - interval '2 hours'
 WHERE job_type = 'aggregation' AND module_type_id = 4 AND year = 2023`
	// spoil breaks the statistics of a module that is rolled up with the others of its report.
	spoil = `
INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id, stats)
SELECT 5, 2, min(id), '["not statistics"]' FROM carbon_reports WHERE year = 2024`
	// correct changes an entry the way a program that knows nothing of Tidemark would.
	correct = `
UPDATE data_entries SET updated_at = updated_at + interval '1 second'
 WHERE id = (SELECT min(e.id) FROM data_entries e JOIN carbon_report_modules m ON m.id = e.carbon_report_module_id
               JOIN carbon_reports r ON r.id = m.carbon_report_id WHERE m.module_type_id = 2 AND r.year = 2024)`
	// postpone keeps a requested aggregation from being started today.
	postpone = `UPDATE data_ingestion_jobs SET run_after = now() + interval '1 day' WHERE id = @id`
)

// goStale brings scopes into each of the four buckets, and lets one drift from its data.
func (d *demo) goStale(ctx context.Context) error {
	if _, err := d.pool.Exec(ctx, openYear); err != nil {
		return err
	}
	d.say("opened the reports of 2026: two modules in which nothing was ever aggregated")
	if _, err := d.pool.Exec(ctx, growOld); err != nil {
		return err
	}
	d.say("let two hours pass for the aggregation of equipment 2023")
	if _, err := d.pool.Exec(ctx, correct); err != nil {
		return err
	}
	d.say("corrected a flight of 2024 past Tidemark: the statistics are young, and older than their data")
	id, err := d.request(ctx, job.AggregationOf(3, 2023), postpone)
	if err != nil {
		return err
	}
	d.say("requested the aggregation of buildings 2023 and postponed it by a day: job %d hangs", id)
	if _, err := d.pool.Exec(ctx, spoil); err != nil {
		return err
	}
	id, err = d.request(ctx, job.AggregationOf(8, 2024), "")
	if err != nil {
		return err
	}
	return d.awaitFailure(ctx, id)
}

// request asks for a scope and, if told to, changes the job before anyone can claim it.
func (d *demo) request(ctx context.Context, s job.Scope, change string) (jobID int64, err error) {
	record := ledger.New(ledger.DefaultMaxHold)
	var started ledger.Started
	err = postgres.InTx(ctx, d.pool, 3, func(tx pgx.Tx) (err error) {
		started, err = record.Start(ctx, tx, ledger.NewPipeline{Kind: s.Type, ModuleType: s.ModuleType, Year: s.Year}, demoOrigin(), s)
		if err == nil && change != "" {
			_, err = tx.Exec(ctx, change, pgx.StrictNamedArgs{"id": started.Tickets[0].JobID})
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return started.Tickets[0].JobID, d.signals.Send(ctx, started.Tickets...)
}

// demoOrigin says for the record that nobody asked but the story.
func demoOrigin() ledger.Origin {
	return ledger.Origin{Actor: "demo", Via: ledger.ViaCLI, Reason: "the demo's story", RequestID: uuid.NewString()}
}

func (d *demo) awaitFailure(ctx context.Context, id int64) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		j, err := ledger.New(ledger.DefaultMaxHold).Job(ctx, d.pool, id)
		if err != nil {
			return err
		}
		if j.Finished() {
			d.say("spoilt a report's statistics and aggregated process_emissions 2024: job %d ended in %s\n  %s", id, textOr(j.Result), textOr(j.Message))
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return fmt.Errorf("job %d did not end within 30 s", id)
}
