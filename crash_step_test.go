package main

import (
	"context"
	"syscall"
	"testing"
	"time"
)

// waiting counts the workers' sessions that wait for a lock.
const waiting = `SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND (application_name LIKE 'tidemark-%' OR application_name = 'tidemark worker')`

// holdCommits keeps every commit of a finish waiting for an advisory lock.
const holdCommits = `
CREATE FUNCTION hold_commit() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER hold_commit AFTER UPDATE ON data_ingestion_jobs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.state = 'FINISHED') EXECUTE FUNCTION hold_commit()`

// TestKilledAtEachStep kills a worker with -9 at each step of its work but the computation
// itself (TestKilledWorker): in its claim, between claim and calculation, in the commit, and
// between commit and acknowledgement, before it could signal what has to follow. Locks that the
// test holds keep it there.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	for _, step := range []struct {
		name, prepare, hold string
		// committed lets the held commit take effect, before the kill.
		committed bool
		// attempts is how many runs count in the end.
		attempts int
	}{
		{name: "in the claim", attempts: 1,
			hold: `SELECT id FROM data_ingestion_jobs WHERE job_type = 'emission_recalc' FOR UPDATE`},
		{name: "between claim and calculation", attempts: 2,
			hold: `LOCK TABLE data_entries IN ACCESS EXCLUSIVE MODE`},
		{name: "in the commit", attempts: 2, prepare: holdCommits,
			hold: `SELECT pg_advisory_xact_lock(4711)`},
		{name: "between commit and acknowledgement", attempts: 1, prepare: holdCommits, committed: true,
			hold: `SELECT pg_advisory_xact_lock(4711)`},
	} {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
			t.Cleanup(cancel)
			c := newCrash(ctx, t)
			c.run("migrate", "up")
			c.exec(step.prepare)
			c.run("recalc", "--module=2", "--type=plane", "--year=2025")
			held, err := c.pool.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = held.Rollback(ctx) }()
			if _, err := held.Exec(ctx, step.hold); err != nil {
				t.Fatal(err)
			}
			pid := c.worker()
			c.await("the worker is there", waiting+` HAVING count(*) > 0`)
			if step.committed {
				c.kill(pid, syscall.SIGSTOP)
				_ = held.Rollback(ctx)
				c.await("the job is finished", `SELECT 1 FROM data_ingestion_jobs WHERE state = 'FINISHED'`)
			}
			c.kill(pid, syscall.SIGKILL)
			killed := time.Now()
			if !step.committed {
				// The server notices within two seconds; here it is told.
				c.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
					AND (application_name LIKE 'tidemark-%' OR application_name = 'tidemark worker')`)
				c.await("its sessions are gone", `SELECT 1 WHERE (`+waiting+`) = 0`)
			}
			_ = held.Rollback(ctx)
			c.worker()
			c.scheduler()
			c.await("recalculation and aggregation are done", `SELECT 1 WHERE (SELECT count(*) FROM data_ingestion_jobs WHERE state = 'FINISHED') = 2`)
			t.Logf("done by another %.1f s later", time.Since(killed).Seconds())
			c.await("each ran as often as it should", `SELECT 1 WHERE (SELECT array_agg(attempts ORDER BY id) FROM data_ingestion_jobs WHERE result <> 'ERROR') = $1::integer[]`,
				[]int{step.attempts, 1})
		})
	}
}

// await waits until the query has a row.
func (c *crash) await(what, query string, args ...any) {
	c.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		rows, err := c.pool.Query(c.ctx, query, args...)
		if err != nil {
			c.t.Fatal(err)
		}
		found := rows.Next()
		rows.Close()
		if err := rows.Err(); err != nil {
			c.t.Fatal(err)
		}
		if found {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (c *crash) exec(sql string) {
	c.t.Helper()
	if _, err := c.pool.Exec(c.ctx, sql); err != nil {
		c.t.Fatal(err)
	}
}
