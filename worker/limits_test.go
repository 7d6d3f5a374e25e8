package worker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/worker"
)

// Ten thousand requests for a hundred scopes are at most two hundred runs: one that may have begun
// before a request came, and one after.
func TestTenThousandRequestsOfAHundredScopes(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const scopes, requests, atOnce = 100, 10_000, 20
	scope := func(n int) job.Scope { return job.AggregationOf(1+n%scopes%8, 2000+n%scopes/8) }
	all := make(chan struct{})
	aggregation := &toy{then: func(context.Context, pgx.Tx, *ledger.Claim) error {
		<-all
		return nil
	}}
	f.work(nil, aggregation, func(o *worker.Options) { o.Concurrency = atOnce; o.Lease = time.Minute })
	by := ledger.Origin{Actor: "tester", Via: ledger.ViaCLI, RequestID: "test"}
	var requesters sync.WaitGroup
	for r := range 4 {
		requesters.Go(func() {
			for n := r * 10; n < requests; n += 4 * 10 {
				// Ten requests a transaction, of scopes that others want as well.
				b := ledger.Batch{By: by}
				for k := range 10 {
					b.Requests = append(b.Requests, ledger.Request{Scope: scope(n*7 + k)})
				}
				var tickets []ledger.Ticket
				if err := pgx.BeginFunc(f.ctx, f.pool, func(tx pgx.Tx) (err error) {
					tickets, err = f.ledger.Request(f.ctx, tx, b)
					return err
				}); err != nil {
					t.Error(err)
					return
				}
				var created []ledger.Ticket
				for _, ticket := range tickets {
					if ticket.Created {
						created = append(created, ticket)
					}
				}
				if err := f.sender.Send(f.ctx, created...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	requesters.Wait()
	close(all)
	f.await("everything is done", func() bool {
		return value[bool](f, `SELECT bool_and(state = 'FINISHED') FROM data_ingestion_jobs`)
	})
	f.wantCount(requests, `SELECT count(*) FROM job_requests`)
	f.wantCount(scopes, `SELECT count(DISTINCT (module_type_id, year)) FROM data_ingestion_jobs WHERE result = 'SUCCESS'`)
	f.wantCount(0, `SELECT count(*) FROM job_requests r WHERE NOT EXISTS (SELECT FROM data_ingestion_jobs j
		WHERE (j.module_type_id, j.year) = (r.module_type_id, r.year) AND j.started_at > r.requested_at)`)
	if runs := aggregation.runs.Load(); runs < scopes || runs > 2*scopes {
		t.Errorf("%d runs of %d scopes", runs, scopes)
	}
}

// Claims that wait at the doors of many scopes take nothing from the heartbeat of a run.
func TestWaitingClaimsDoNotStarveHeartbeats(t *testing.T) {
	t.Parallel()
	f := setup(t)
	begun, release := make(chan struct{}), make(chan struct{})
	recalc := &toy{then: func(ctx context.Context, _ pgx.Tx, _ *ledger.Claim) error {
		close(begun)
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}}
	const contended = 15
	f.work(recalc, &toy{}, func(o *worker.Options) { o.Concurrency, o.Lease = contended+1, 2*time.Second })
	run := f.request(planes)
	f.send(run)
	<-begun
	tx, err := f.pool.Begin(f.ctx)
	f.must(err)
	defer func() { _ = tx.Rollback(f.ctx) }()
	var tickets []ledger.Ticket
	for n := range contended {
		tickets = append(tickets, f.request(job.AggregationOf(3, 2000+n)))
	}
	b := ledger.Batch{By: ledger.Origin{Actor: "tester", Via: ledger.ViaCLI, RequestID: "test"}}
	for _, ticket := range tickets {
		b.Requests = append(b.Requests, ledger.Request{Scope: ticket.Scope})
	}
	_, err = f.ledger.Request(f.ctx, tx, b)
	f.must(err)
	f.send(tickets...)
	claims := func() float64 {
		return f.counted(`tidemark_worker_claims_total{job_type="aggregation",sight="contended"}`)
	}
	f.await(fmt.Sprintf("%d claims waited in vain", contended), func() bool { return claims() >= contended })
	f.must(tx.Rollback(f.ctx))
	close(release)
	f.awaitJob(run.JobID, "FINISHED SUCCESS computed")
	if n := recalc.runs.Load(); n != 1 {
		t.Errorf("the job ran %d times", n)
	}
}
