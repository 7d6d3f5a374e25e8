package cli

import (
	"context"
	"errors"
	"net"
	"time"

	"tidemark/shared/freshness"
)

// tell plays the story: load, compute, go stale, and what to try next.
func (d *demo) tell(ctx context.Context) error {
	start := time.Now()
	if err := d.load(ctx, d.dir); err != nil {
		return err
	}
	if err := d.awaitQuiet(ctx); err != nil {
		return err
	}
	d.say("recalculated and aggregated everything, %.1f s after the first load", time.Since(start).Seconds())
	if err := d.goStale(ctx); err != nil {
		return err
	}
	snapshot, err := freshness.TakeSnapshot(ctx, d.pool)
	if err != nil {
		return err
	}
	stale := freshness.Stale(snapshot, time.Hour)
	d.say("\n%d scopes (a module in a year), %d of them fresh, the others:", len(snapshot.Scopes), len(snapshot.Scopes)-len(stale))
	counts := freshness.Counts(stale)
	for _, why := range freshness.Whys() {
		d.say("  %d %s", counts[why], why)
	}
	d.say("%d of the scopes drifted: its data changed after its aggregation", freshness.Drifts(snapshot)[freshness.Drifted])
	var besides [2]net.Addr
	for i, at := range []chan net.Addr{d.workerAt, d.schedulerAt} {
		select {
		case besides[i] = <-at:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	monitoring, err := d.monitor(ctx, besides[0], besides[1])
	if err != nil {
		return err
	}
	d.say(`
the exporter is at http://%[1]s; in a browser that is the console, and its buttons are for who signs in with
  %[7]s
  curl -s http://%[1]s/metrics | grep tidemark_
  curl -s 'http://%[1]s/v1/sync/health/stale-stats?older_than_minutes=60'
and what the other two count of their own work
  curl -s http://%[4]s/metrics | grep tidemark_worker_
  curl -s http://%[5]s/metrics | grep tidemark_scheduler_
%[6]s
try next, in another terminal:
  export TIDEMARK_DATABASE_URL='%[2]s' TIDEMARK_REDIS_URL='%[3]s'
  ./bin/tidemark stale
  ./bin/tidemark recalc --module equipment --year 2023 --wait
  ./bin/tidemark explain process_emissions 2024

Ctrl-C stops everything.`, d.listen, d.database, d.redis, besides[0], besides[1], monitoring, d.token)
	return nil
}

// awaitQuiet waits until no job waits or runs.
func (d *demo) awaitQuiet(ctx context.Context) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		active, err := freshness.ActiveJobs(ctx, d.pool)
		if err != nil {
			return err
		}
		n := 0
		for _, a := range active {
			n += a.Count
		}
		if n == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return errors.New("the jobs did not end within a minute; start again with --log.level info to see why")
}
