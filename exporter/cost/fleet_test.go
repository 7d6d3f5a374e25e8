package cost

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
	"tidemark/shared/signal"
)

// fleet is two workers and a scheduler, kept busy by requesters.
type fleet struct {
	pool    *pgxpool.Pool
	record  *ledger.Ledger
	signals *signal.Sender

	stop       context.CancelFunc
	requesters sync.WaitGroup
}

// startFleet starts the processes, with so many jobs at once in each worker, and lets people work:
// recalculations of the ten years with entries, aggregations of any scope, and single entries
// edited. The workers always find something to do.
func startFleet(b *testing.B, url string, concurrency int) *fleet {
	b.Helper()
	d, err := deploy()
	must(b, err)
	env := []string{"TIDEMARK_DATABASE_URL=" + url, "TIDEMARK_REDIS_URL=" + d.redis.URL}
	for range 2 {
		process(b, env, d.binary, "worker", "--web.listen-address=127.0.0.1:0", "--log.level=error", "--concurrency="+strconv.Itoa(concurrency))
	}
	process(b, env, d.binary, "scheduler", "--web.listen-address=127.0.0.1:0", "--log.level=error")
	rdb, err := signal.Connect(d.redis.URL)
	must(b, err)
	b.Cleanup(func() { _ = rdb.Close() })
	ctx, stop := context.WithCancel(context.Background())
	f := &fleet{pool: connect(b, url), record: ledger.New(ledger.DefaultMaxHold), signals: signal.NewSender(rdb), stop: stop}
	b.Cleanup(func() { stop(); f.requesters.Wait() })
	f.each(b, ctx, func(rng *rand.Rand) error { return f.request(ctx, job.RecalcOf(2, 20, 2016+rng.IntN(10))) })
	f.each(b, ctx, func(rng *rand.Rand) error {
		return f.request(ctx, job.AggregationOf(1+rng.IntN(8), 1526+rng.IntN(500)))
	})
	f.each(b, ctx, func(rng *rand.Rand) error {
		_, err := f.pool.Exec(ctx, `UPDATE data_entries SET updated_at = now() WHERE id = $1`, 1+rng.IntN(50_000))
		return err
	})
	return f
}

// each does something fifty times a second until ctx ends.
func (f *fleet) each(b *testing.B, ctx context.Context, something func(*rand.Rand) error) {
	rng, tick := rand.New(rand.NewPCG(3, 10)), time.NewTicker(20*time.Millisecond)
	f.requesters.Go(func() {
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := something(rng); err != nil && ctx.Err() == nil {
				b.Error(err)
				return
			}
		}
	})
}

// request asks for a scope, unless enough wait already to keep the workers busy.
func (f *fleet) request(ctx context.Context, s job.Scope) error {
	const enough = 32
	var waiting int
	err := f.pool.QueryRow(ctx, `SELECT count(*) FROM data_ingestion_jobs WHERE state = 'NOT_STARTED' AND run_after IS NULL`).Scan(&waiting)
	if err != nil || waiting >= enough {
		return err
	}
	var started ledger.Started
	err = postgres.InTx(ctx, f.pool, 5, func(tx pgx.Tx) (err error) {
		by := ledger.Origin{Actor: "cost", Via: ledger.ViaCLI, RequestID: "cost"}
		started, err = f.record.Start(ctx, tx, ledger.NewPipeline{Kind: s.Type, ModuleType: s.ModuleType, Year: s.Year}, by, s)
		return err
	})
	if err != nil {
		return err
	}
	return f.signals.Send(ctx, started.Tickets...)
}

// work is what a fleet had done at some moment.
type work struct {
	finished, waiting int
	busy, idle        uint64
}

func (f *fleet) work(b *testing.B) (w work) {
	b.Helper()
	must(b, f.pool.QueryRow(context.Background(), `
SELECT count(*) FILTER (WHERE state = 'FINISHED'), count(*) FILTER (WHERE state = 'NOT_STARTED' AND run_after IS NULL)
  FROM data_ingestion_jobs WHERE id > 3000170`).Scan(&w.finished, &w.waiting))
	w.busy, w.idle = processorTime(b)
	return w
}

// since says what was done between two moments.
func (w work) since(before work, took time.Duration) string {
	busy, idle := w.busy-before.busy, w.idle-before.idle
	return fmt.Sprintf("%.0f jobs/s, %d more wait, processors %.0f %% busy",
		float64(w.finished-before.finished)/took.Seconds(), w.waiting, 100*float64(busy)/float64(busy+idle))
}
