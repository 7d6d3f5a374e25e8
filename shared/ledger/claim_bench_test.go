package ledger_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
)

// BenchmarkClaimAmongJoiners measures how long a claim takes while sixteen requesters join
// the waiting job without a pause, each for 5 ms: with the doors, and with the row locks
// alone, where a new share lock passes a claim that waits. Given up after 5 s.
func BenchmarkClaimAmongJoiners(b *testing.B) {
	for name, sabotage := range map[string]string{"doors": "none", "row locks alone": "no doors"} {
		b.Run(name, func(b *testing.B) {
			const joiners, patience = 16, 5 * time.Second
			pool := localtest.Pool(b)
			record := ledger.Sabotage(ledger.New(ledger.DefaultMaxHold), sabotage)
			scope := job.AggregationOf(2, 2025)
			starved := 0
			for b.Loop() {
				ctx, stop := context.WithCancel(context.Background())
				var requesters sync.WaitGroup
				for range joiners {
					requesters.Go(func() {
						for ctx.Err() == nil {
							_ = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
								if _, err := record.Request(ctx, tx, ledger.Batch{By: tester, Requests: []ledger.Request{{Scope: scope}}}); err != nil {
									return err
								}
								_, err := tx.Exec(ctx, `SELECT pg_sleep(0.005)`)
								return err
							})
						}
					})
				}
				claimed := false
				waiting, giveUp := context.WithTimeout(ctx, patience)
				for !claimed && waiting.Err() == nil {
					c, sight, err := record.Claim(waiting, pool, scope, time.Minute)
					if err != nil && waiting.Err() == nil {
						b.Fatal(err)
					}
					if claimed = sight == ledger.Claimed; claimed {
						b.StopTimer()
						err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
							_, err := record.Finish(ctx, tx, c, job.Outcome{Result: job.Success})
							return err
						})
						if err != nil {
							b.Fatal(err)
						}
						b.StartTimer()
					}
				}
				giveUp()
				if !claimed {
					starved++
				}
				b.StopTimer()
				stop()
				requesters.Wait()
				b.StartTimer()
			}
			b.ReportMetric(float64(starved)/float64(b.N), "starved/op")
		})
	}
}
