package worker_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
	"tidemark/worker"
)

// sleeps is a calculation whose first runs sleep in the database until something ends them.
func sleeps(runs int32) *gate {
	g := newGate()
	g.then = func(ctx context.Context, tx pgx.Tx, _ *ledger.Claim) error {
		if g.runs.Load() > runs {
			return nil
		}
		g.begun <- struct{}{}
		_, err := tx.Exec(ctx, `SELECT pg_sleep(600)`)
		return err
	}
	return g
}

// A restart of PostgreSQL in the middle of a run costs no attempt.
func TestPostgresRestartsInTheMiddleOfARun(t *testing.T) {
	t.Parallel()
	pg := localtest.OwnPostgres(t)
	if _, err := postgres.Migrate(context.Background(), pg.URL); err != nil {
		t.Fatal(err)
	}
	f := setupOn(t, pg.URL, localtest.Redis(t))
	g := sleeps(1)
	f.work(&g.toy, &toy{}, func(o *worker.Options) { o.Lease, o.Heartbeat = time.Minute, time.Second })
	f.send(f.request(planes))
	<-g.begun
	down := time.Now()
	f.must(pg.Restart(f.ctx))
	up := time.Now()
	f.pool.Reset() // the test's own connections are dead as well
	f.awaitJobs(2)
	t.Logf("done %s after the restart, which took %s", time.Since(up), up.Sub(down))
	f.wantCount(1, `SELECT attempts FROM data_ingestion_jobs WHERE job_type = 'emission_recalc'`)
	f.wantCount(2, `SELECT count(*) FROM data`)
	f.awaitRuns(1, "released")
}

// stormTime is how long the backends are terminated; TIDEMARK_TEST_STORM names another time.
func stormTime(t *testing.T) time.Duration {
	if text := os.Getenv("TIDEMARK_TEST_STORM"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	return 2 * time.Second
}

// Every backend of the fleet is terminated five times a second, while runs take longer than
// that. Nothing fails, nothing is lost, everything is done soon after.
func TestBackendsTerminatedAgainAndAgain(t *testing.T) {
	t.Parallel()
	f := setup(t)
	slow := func() *toy {
		return &toy{then: func(ctx context.Context, tx pgx.Tx, _ *ledger.Claim) error {
			_, err := tx.Exec(ctx, `SELECT pg_sleep(0.3)`)
			return err
		}}
	}
	for range 2 {
		f.work(slow(), slow())
	}
	f.schedule()
	f.send(f.request(job.RecalcOf(1, 20, 2025)))
	f.awaitJobs(2) // The fleet is up: a worker that starts refuses to do so without a database.
	const scopes = 5
	var storm sync.WaitGroup
	over := time.Now().Add(stormTime(t))
	storm.Go(func() {
		for tick := time.NewTicker(200 * time.Millisecond); time.Now().Before(over); <-tick.C {
			_, err := f.pool.Exec(f.ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'test'`)
			if err != nil {
				t.Error(err)
			}
		}
	})
	for module := 2; module < 2+scopes; module++ {
		f.send(f.request(job.RecalcOf(module, 20, 2025)))
	}
	storm.Wait()
	calm := time.Now()
	f.awaitJobs(2 + 2*scopes)
	t.Logf("done %s after the storm; the most runs of a job: %d", time.Since(calm), value[int](f, `SELECT max(signal_seq) + 1 FROM data_ingestion_jobs`))
	f.wantCount(2+2*scopes, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'SUCCESS'`)
	f.wantCount(2+2*scopes, `SELECT count(*) FROM data`)
}

// A connection that breaks again and again is left to the reaper from the second run on: the
// attempts must outlast more than the first second of trouble.
func TestSecondLostConnectionIsLeftToTheReaper(t *testing.T) {
	t.Parallel()
	f := setup(t)
	proxy := localtest.NewProxy(t, f.database)
	g := sleeps(2)
	f.work(&g.toy, &toy{}, func(o *worker.Options) { o.DatabaseURL, o.Lease, o.Heartbeat = proxy.URL, time.Minute, 20*time.Second })
	f.schedule()
	ticket := f.request(planes)
	f.send(ticket)
	for _, end := range []string{"forfeited", "unrecorded"} {
		<-g.begun
		proxy.Cut()
		proxy.Restore()
		f.awaitRuns(1, end)
	}
	if got := f.job(ticket.JobID); got != "RUNNING started" {
		t.Errorf("job is %s", got)
	}
	f.expireLeases()
	f.awaitJobs(2)
	f.wantCount(3, `SELECT attempts FROM data_ingestion_jobs WHERE job_type = 'emission_recalc'`)
	f.wantCount(1, `SELECT count(*) FROM data WHERE scope LIKE 'emission%'`)
}

// holdCommits keeps every commit of a finish waiting, until release.
func (f *field) holdCommits() (release func()) {
	f.t.Helper()
	f.exec(`
CREATE FUNCTION hold_commit() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER hold_commit AFTER UPDATE ON data_ingestion_jobs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.state = 'FINISHED') EXECUTE FUNCTION hold_commit()`)
	conn, err := f.pool.Acquire(f.ctx)
	f.must(err)
	release = sync.OnceFunc(func() {
		_, _ = conn.Exec(f.ctx, `SELECT pg_advisory_unlock(4711)`)
		conn.Release()
	})
	f.t.Cleanup(release)
	_, err = conn.Exec(f.ctx, `SELECT pg_advisory_lock(4711)`)
	f.must(err)
	return release
}

const inCommit = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'commit%' AND wait_event_type = 'Lock'`

// The answer to a commit gets lost. Whether it took effect is for the record to say: a run that
// is in it is not repeated, one that is not is.
func TestConnectionCutInTheCommit(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, end string
		commits   bool
		attempts  int
	}{
		{"that takes effect", "unrecorded", true, 1},
		{"that does not", "forfeited", false, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			proxy := localtest.NewProxy(t, f.database)
			release := f.holdCommits()
			recalc := &toy{}
			f.work(recalc, &toy{}, func(o *worker.Options) { o.DatabaseURL, o.Lease, o.Heartbeat = proxy.URL, time.Minute, 20*time.Second })
			f.schedule()
			ticket := f.request(planes)
			f.send(ticket)
			f.await("the run commits", func() bool { return value[int](f, inCommit) == 1 })
			proxy.Stall()
			if tc.commits {
				release()
				f.awaitJob(ticket.JobID, "FINISHED SUCCESS computed")
			} else {
				f.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'commit%' AND wait_event_type = 'Lock'`)
				f.await("the commit has ended", func() bool { return value[int](f, inCommit) == 0 })
				release()
			}
			proxy.Cut()
			proxy.Restore()
			f.awaitJobs(2)
			f.awaitRuns(1, tc.end)
			f.wantCount(tc.attempts, `SELECT attempts FROM data_ingestion_jobs WHERE job_type = 'emission_recalc'`)
			f.wantCount(1, `SELECT count(*) FROM data WHERE scope LIKE 'emission%'`)
			f.wantCount(1, `SELECT count(*) FROM pipelines WHERE status = 'SUCCESS'`)
			if n := recalc.runs.Load(); int(n) != tc.attempts {
				t.Errorf("%d runs", n)
			}
		})
	}
}

// A server that has no connection left for a run costs no job an attempt.
func TestRefusedConnectionCostsNoAttempt(t *testing.T) {
	t.Parallel()
	f := setup(t)
	role := "fleet_" + value[string](f, `SELECT current_database()`)
	// Of a superuser PostgreSQL counts no connections.
	f.exec(`CREATE ROLE ` + role + ` LOGIN CONNECTION LIMIT 1 IN ROLE pg_read_all_data, pg_write_all_data`)
	f.work(&toy{}, &toy{}, func(o *worker.Options) { o.DatabaseURL = strings.Replace(f.database, "user=tidemark", "user="+role, 1) })
	f.schedule()
	f.send(f.request(planes))
	f.await("a look has failed", func() bool {
		return f.counted(`tidemark_worker_claims_total{job_type="emission_recalc",sight="failed"}`) > 0
	})
	f.exec(`ALTER ROLE ` + role + ` CONNECTION LIMIT -1`)
	f.awaitJobs(2)
	f.wantCount(2, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'SUCCESS' AND attempts = 1`)
}

// A database that does not answer does not keep a worker from stopping.
func TestShutdownDoesNotWaitForAStalledPostgres(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"in a run", "in a claim"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			proxy := localtest.NewProxy(t, f.database)
			g := newGate()
			stop := f.work(&g.toy, &toy{}, func(o *worker.Options) {
				o.DatabaseURL, o.Drain, o.Lease, o.Heartbeat = proxy.URL, 100*time.Millisecond, time.Second, 100*time.Millisecond
			})
			ticket := f.request(planes)
			if when == "in a run" {
				f.send(ticket)
				<-g.begun
				proxy.Stall()
			} else {
				f.await("the worker serves", func() bool {
					servers, _ := f.inspector.Servers()
					return len(servers) == 1
				})
				proxy.Stall()
				f.send(ticket)
				f.await("the task is being served", func() bool {
					active, _ := f.inspector.ListActiveTasks("emission_recalc")
					return len(active) == 1
				})
			}
			stopped := make(chan struct{})
			go func() { stop(); close(stopped) }()
			if when == "in a run" {
				f.awaitRuns(1, "unrecorded")
			} else {
				f.awaitCounted(1, `tidemark_worker_task_failures_total{reason="unserved"}`)
			}
			proxy.Cut() // The pools take their time to say good-bye to a server that does not answer.
			<-stopped
			f.wantCount(0, `SELECT count(*) FROM data`)
			if got := f.job(ticket.JobID); !slices.Contains([]string{"NOT_STARTED", "RUNNING started", "RUNNING 1 of 2"}, got) {
				t.Errorf("job is %s", got)
			}
		})
	}
}
