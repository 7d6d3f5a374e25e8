package stream

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
)

// BenchmarkHeartbeat measures what announcing costs a worker that renews its lease and tells
// its progress: without the triggers, while nobody watches its pipeline, while somebody does.
// These servers do not wait for the disk; where one does, a commit that notifies waits for
// those of all others that do (see migration 00006_api.sql).
func BenchmarkHeartbeat(b *testing.B) {
	for _, c := range []struct {
		name, before string
		watched      bool
	}{
		{"no triggers", `ALTER TABLE data_ingestion_jobs DISABLE TRIGGER tidemark_announce_changed`, false},
		{"nobody watches", `SELECT 1`, false},
		{"watched", `SELECT 1`, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			ctx, pool, record := b.Context(), localtest.Pool(b), ledger.New(ledger.DefaultMaxHold)
			const workers = 16
			claims := make(chan *ledger.Claim, workers)
			for n := range workers {
				var started ledger.Started
				scope := job.RecalcOf(2, 20, 2000+n)
				err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) (err error) {
					by := ledger.Origin{Actor: "bench", Via: ledger.ViaCLI, RequestID: "bench"}
					started, err = record.Start(ctx, tx, ledger.NewPipeline{ID: uuid.New(), Kind: scope.Type}, by, scope)
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
				claim, _, err := record.Claim(ctx, pool, scope, time.Hour)
				if err != nil {
					b.Fatal(err)
				}
				claims <- claim
				if c.watched {
					if _, err := pool.Exec(ctx, `SELECT pg_advisory_lock_shared(1953064039, tidemark_pipeline_slot($1))`, started.Pipeline); err != nil {
						b.Fatal(err)
					}
				}
			}
			if _, err := pool.Exec(ctx, c.before); err != nil {
				b.Fatal(err)
			}
			b.SetParallelism(workers / 2)
			b.ResetTimer()
			b.RunParallel(func(p *testing.PB) {
				claim := <-claims
				for n := 0; p.Next(); n++ {
					if err := record.Renew(ctx, pool, claim, n, 1<<30); err != nil {
						b.Error(err)
						return
					}
				}
				claims <- claim
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "heartbeats/s")
		})
	}
}
