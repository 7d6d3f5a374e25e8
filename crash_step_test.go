package main

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// waiting counts the workers' sessions that wait for a lock.
const waiting = `SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND (application_name LIKE 'tidemark-%' OR application_name LIKE 'tidemark worker%')`

// holdCommits keeps every commit of a finish waiting for an advisory lock.
const holdCommits = `
CREATE FUNCTION hold_commit() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER hold_commit AFTER UPDATE ON data_ingestion_jobs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.state = 'FINISHED') EXECUTE FUNCTION hold_commit()`

// lockEntries keeps a recalculation from reading its first entry.
const lockEntries = `LOCK TABLE data_entries IN ACCESS EXCLUSIVE MODE`

// scene is a worker that the locks of the test hold at one step of its work.
type scene struct {
	*crash
	victim *process
	// release ends the hold.
	release func()
}

// stage lets a worker run into the hold, with entries to recalculate behind it.
func stage(t *testing.T, entries int, prepare, hold string, env ...string) *scene {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	s := &scene{crash: newCrash(ctx, t)}
	s.run("migrate", "up")
	s.load(entries)
	s.exec(prepare)
	held, err := s.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.release = func() { _ = held.Rollback(ctx) }
	t.Cleanup(s.release)
	if _, err := held.Exec(ctx, hold); err != nil {
		t.Fatal(err)
	}
	clean := s.env
	s.env = append(slices.Clone(clean), env...)
	s.victim = s.worker()
	s.env = clean
	s.await("the worker is there", waiting+` HAVING count(*) > 0`)
	return s
}

// strike sends the worker a signal that ends it, and waits until it is gone.
func (s *scene) strike(sig syscall.Signal) {
	s.t.Helper()
	s.kill(s.victim.pid, sig)
	<-s.victim.exited
}

// endSessions ends what a dead worker left open. The server notices by itself within two seconds.
func (s *scene) endSessions() {
	s.t.Helper()
	s.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
		AND (application_name LIKE 'tidemark-%' OR application_name LIKE 'tidemark worker%')`)
	s.await("its sessions are gone", `SELECT 1 WHERE (`+waiting+`) = 0`)
}

// finish lets another worker do the work, and sees how many runs counted.
func (s *scene) finish(since time.Time, attempts, entries int) {
	s.t.Helper()
	s.worker()
	s.scheduler()
	s.await("recalculation and aggregation are done", `SELECT 1 FROM data_ingestion_jobs
		WHERE job_type IN ('emission_recalc', 'aggregation') AND result = 'SUCCESS' HAVING count(*) = 2`)
	s.t.Logf("done by another %.1f s later", time.Since(since).Seconds())
	var counted, emissions int
	if err := s.pool.QueryRow(s.ctx, `SELECT (SELECT attempts FROM data_ingestion_jobs WHERE job_type = 'emission_recalc'),
		(SELECT count(*) FROM data_entry_emissions)`).Scan(&counted, &emissions); err != nil {
		s.t.Fatal(err)
	}
	if counted != attempts || emissions != entries {
		s.t.Errorf("%d runs count, want %d; %d emissions of %d entries", counted, attempts, emissions, entries)
	}
}

// TestKilledAtEachStep kills a worker with -9 at each step of its work but the computation
// itself (TestKilledWorker): in its claim, between claim and calculation, in the commit, and
// between commit and acknowledgement, before it could signal what has to follow.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	const entries, holdCommit = 10, `SELECT pg_advisory_xact_lock(4711)`
	for _, step := range []struct {
		name, prepare, hold string
		// committed lets the held commit take effect, before the kill.
		committed bool
		// attempts is how many runs count in the end.
		attempts int
	}{
		{name: "in the claim", attempts: 1,
			hold: `SELECT id FROM data_ingestion_jobs WHERE job_type = 'emission_recalc' FOR UPDATE`},
		{name: "between claim and calculation", attempts: 2, hold: lockEntries},
		{name: "in the commit", attempts: 2, prepare: holdCommits, hold: holdCommit},
		{name: "between commit and acknowledgement", attempts: 1, prepare: holdCommits, hold: holdCommit, committed: true},
	} {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			s := stage(t, entries, step.prepare, step.hold)
			if step.committed {
				s.kill(s.victim.pid, syscall.SIGSTOP)
				s.release()
				s.await("the job is finished", `SELECT 1 FROM data_ingestion_jobs WHERE job_type = 'emission_recalc' AND state = 'FINISHED'`)
			}
			s.strike(syscall.SIGKILL)
			killed := time.Now()
			if !step.committed {
				s.endSessions()
				s.release()
			}
			s.finish(killed, step.attempts, entries)
		})
	}
}

// TestStormOfTerminations sends a worker one SIGTERM after the other in the middle of a run. It
// ends as after the first one: the run is released when the drain is over, and does not count.
func TestStormOfTerminations(t *testing.T) {
	t.Parallel()
	s := stage(t, 10, "", lockEntries)
	storm := time.Now()
	for ended := false; !ended; {
		_ = syscall.Kill(s.victim.pid, syscall.SIGTERM)
		select {
		case <-s.victim.exited:
			ended = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	s.release()
	s.finish(storm, 1, 10)
}

// TestWorkerOutOfMemory takes the memory from a worker at the beginning of a run: the process
// dies, another does the work.
func TestWorkerOutOfMemory(t *testing.T) {
	t.Parallel()
	const entries = 10_000
	s := stage(t, entries, "", lockEntries, "GOGC=off") // so that what it computes needs memory
	limit := syscall.Rlimit{Cur: 1, Max: 1}
	if _, _, errno := syscall.Syscall6(syscall.SYS_PRLIMIT64, uintptr(s.victim.pid), syscall.RLIMIT_DATA, uintptr(unsafe.Pointer(&limit)), 0, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
	s.release()
	<-s.victim.exited
	if said := s.logs(); !strings.Contains(said, "out of memory") && !strings.Contains(said, "cannot allocate memory") {
		t.Errorf("it did not die of that:\n%s", said)
	}
	s.finish(time.Now(), 2, entries)
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
