package worker_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/ledger"
	"tidemark/worker"
)

// Somebody locks the job table. Shorter than a lease that is a delay; longer, the runs are given
// up and repeated.
func TestLockOnTheJobTable(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		lease    time.Duration
		attempts int
	}{
		{"shorter than the lease", time.Minute, 1},
		{"longer than the lease", 500 * time.Millisecond, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			g := newGate()
			f.work(&g.toy, &toy{}, func(o *worker.Options) { o.Lease, o.Heartbeat = tc.lease, tc.lease/5 })
			f.send(f.request(planes))
			<-g.begun
			tx, err := f.pool.Begin(f.ctx)
			f.must(err)
			defer func() { _ = tx.Rollback(f.ctx) }()
			_, err = tx.Exec(f.ctx, `LOCK TABLE data_ingestion_jobs IN ACCESS EXCLUSIVE MODE`)
			f.must(err)
			f.schedule()
			if tc.attempts == 1 {
				close(g.open)
				f.await("the finish waits", func() bool {
					return value[int](f, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name LIKE 'tidemark-%'`) > 0
				})
			} else {
				f.awaitRuns(1, "lost")
				close(g.open)
			}
			f.must(tx.Rollback(f.ctx))
			f.awaitJobs(2)
			f.wantCount(tc.attempts, `SELECT attempts FROM data_ingestion_jobs WHERE job_type = 'emission_recalc'`)
			f.wantCount(1, `SELECT count(*) FROM data WHERE scope LIKE 'emission%'`)
		})
	}
}

// diskFull makes writes fail as they do when the disk is full: a trigger raises the error that
// PostgreSQL raises then. A disk that really is full needs rights a test does not have.
func (f *field) diskFull(table, when string) (space func()) {
	f.exec(`
CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER disk_full BEFORE INSERT OR UPDATE ON ` + table + ` FOR EACH ROW WHEN (` + when + `) EXECUTE FUNCTION disk_full()`)
	return func() { f.exec(`DROP FUNCTION disk_full CASCADE`) }
}

// A disk that is full fails the calculation, visibly, once.
func TestDiskIsFullForTheCalculation(t *testing.T) {
	t.Parallel()
	f := setup(t)
	recalc := &toy{}
	f.work(recalc, &toy{})
	space := f.diskFull("data", "true")
	ticket := f.request(planes)
	f.send(ticket)
	f.await("the job has failed", func() bool {
		return strings.HasPrefix(f.job(ticket.JobID), "FINISHED ERROR") && strings.Contains(f.job(ticket.JobID), "No space left on device")
	})
	f.awaitArchived("emission_recalc", 1)
	space()
	f.send(f.request(planes))
	f.awaitJobs(3)
	if n := recalc.runs.Load(); n != 2 {
		t.Errorf("%d runs", n)
	}
}

// A disk on which not even the failure can be recorded: the job is given back when its lease is
// over, and runs again as soon as there is space.
func TestDiskIsFullForTheRecord(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.work(&toy{}, &toy{}, func(o *worker.Options) { o.Lease, o.Heartbeat = time.Minute, 20*time.Second })
	f.schedule()
	space := f.diskFull("data_ingestion_jobs", "NEW.state = 'FINISHED'")
	f.send(f.request(planes))
	f.awaitRuns(1, "unrecorded")
	f.wantCount(0, `SELECT count(*) FROM data`)
	space()
	f.expireLeases()
	f.awaitJobs(2)
	f.wantCount(2, `SELECT attempts FROM data_ingestion_jobs WHERE job_type = 'emission_recalc'`)
	f.wantCount(2, `SELECT count(*) FROM data`)
}

// What the server gave up for the sake of another transaction is tried three times, not more.
func TestServerThatGivesUpIsTriedThreeTimes(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]string{"deadlock": "40P01", "serialization failure": "40001"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			recalc := &toy{then: func(ctx context.Context, tx pgx.Tx, _ *ledger.Claim) error {
				_, err := tx.Exec(ctx, `DO $$ BEGIN RAISE EXCEPTION 'given up' USING ERRCODE = '`+code+`'; END $$`)
				return err
			}}
			f.work(recalc, nil)
			ticket := f.request(planes)
			f.send(ticket)
			f.awaitJob(ticket.JobID, "FINISHED ERROR ERROR: given up (SQLSTATE "+code+")")
			if n := recalc.runs.Load(); n != 3 {
				t.Errorf("%d runs", n)
			}
		})
	}
}

// A statement_timeout of the server's ends the calculation, which has failed then.
func TestStatementTimeoutIsAFailure(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.work(&toy{then: func(ctx context.Context, tx pgx.Tx, _ *ledger.Claim) error {
		if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = '20ms'`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `SELECT pg_sleep(600)`)
		return err
	}}, nil)
	ticket := f.request(planes)
	f.send(ticket)
	f.awaitJob(ticket.JobID, "FINISHED ERROR ERROR: canceling statement due to statement timeout (SQLSTATE 57014)")
}
