package worker_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/worker"
)

// What asynqmon's buttons do, asynq's Inspector does: it is the one that is pressed here.

// taskID is that of a job's first signal.
func (f *field) taskID(t ledger.Ticket) string {
	f.t.Helper()
	c, err := job.ConfigOf(t.Scope.Type)
	f.must(err)
	return c.TaskID(t.Scope, t.JobID, t.SignalSeq)
}

// A paused queue gives workers nothing, and says so; what is deleted or archived meanwhile comes
// back, for its job waits. All of it runs when the queue is resumed, once.
func TestPauseDeleteAndArchiveOfLiveTasks(t *testing.T) {
	t.Parallel()
	f := setup(t)
	recalc := &toy{}
	f.work(recalc, &toy{})
	f.schedule()
	f.must(f.sender.Publish(f.ctx))
	f.must(f.inspector.PauseQueue("emission_recalc"))
	var tickets []ledger.Ticket
	for module := 2; module < 5; module++ {
		tickets = append(tickets, f.request(job.RecalcOf(module, 20, 2025)))
	}
	f.send(tickets...)
	pending := func() bool {
		found, err := f.inspector.ListPendingTasks("emission_recalc")
		return err == nil && len(found) == len(tickets) && f.tasks("emission_recalc") == len(tickets)
	}
	for what, press := range map[string]func() error{
		"delete":      func() error { return f.inspector.DeleteTask("emission_recalc", f.taskID(tickets[0])) },
		"archive":     func() error { return f.inspector.ArchiveTask("emission_recalc", f.taskID(tickets[1])) },
		"delete all":  func() error { _, err := f.inspector.DeleteAllPendingTasks("emission_recalc"); return err },
		"archive all": func() error { _, err := f.inspector.ArchiveAllPendingTasks("emission_recalc"); return err },
	} {
		f.await("all tasks wait", pending)
		f.must(press())
		f.await("all tasks wait again after "+what, pending)
	}
	if n := recalc.runs.Load(); n != 0 {
		t.Errorf("%d runs of a queue that is paused", n)
	}
	f.must(f.inspector.UnpauseQueue("emission_recalc"))
	f.awaitJobs(6)
	f.wantCount(6, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'SUCCESS' AND attempts = 1`)
	f.awaitNoTasks()
}

// Nothing an operator presses touches a run: delete and archive are refused for its task, cancel
// and "run all" only move the task.
func TestButtonsDoNotTouchARun(t *testing.T) {
	t.Parallel()
	f := setup(t)
	g := newGate()
	f.work(&g.toy, &toy{}, func(o *worker.Options) { o.Concurrency = 1 })
	f.schedule()
	ticket := f.request(planes)
	f.send(ticket)
	<-g.begun
	id := f.taskID(ticket)
	if err := f.inspector.DeleteTask("emission_recalc", id); err == nil {
		t.Error("a running task was deleted")
	}
	if err := f.inspector.ArchiveTask("emission_recalc", id); err == nil {
		t.Error("a running task was archived")
	}
	f.await("it is cancelled", func() bool {
		f.must(f.inspector.CancelProcessing(id)) // which gets lost before the worker has subscribed
		archived, _ := f.inspector.ListArchivedTasks("emission_recalc")
		return len(archived) == 1
	})
	n, err := f.inspector.RunAllArchivedTasks("emission_recalc")
	f.must(err)
	if n != 1 || f.job(ticket.JobID)[:len("RUNNING")] != "RUNNING" {
		t.Errorf("%d tasks run again; job is %s", n, f.job(ticket.JobID))
	}
	close(g.open)
	f.awaitJobs(2)
	f.awaitNoTasks()
	f.wantCount(2, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'SUCCESS' AND attempts = 1`)
	if n := g.runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

// "Run all" on the archive is one request for each failed job.
func TestRunAllIsARequestForEachFailure(t *testing.T) {
	t.Parallel()
	f := setup(t)
	flaky := &toy{}
	flaky.then = func(_ context.Context, _ pgx.Tx, c *ledger.Claim) error {
		if c.JobID <= 3 {
			return errors.New("boom")
		}
		return nil
	}
	f.work(nil, flaky)
	for module := 2; module < 5; module++ {
		f.send(f.request(job.AggregationOf(module, 2025)))
	}
	f.awaitArchived("aggregation", 3)
	_, err := f.inspector.RunAllArchivedTasks("aggregation")
	f.must(err)
	f.awaitJobs(6)
	f.awaitNoTasks()
	f.wantCount(3, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'SUCCESS'`)
	f.wantCount(3, `SELECT count(DISTINCT module_type_id) FROM data_ingestion_jobs WHERE result = 'SUCCESS'`)
}

// A queue that is deleted with all that is in it comes back.
func TestDeletedQueueComesBack(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.send(f.request(planes))
	f.must(f.inspector.DeleteQueue("emission_recalc", true))
	f.work(&toy{}, &toy{})
	f.schedule()
	f.awaitJobs(2)
	f.await("the queue is known", func() bool {
		queues, _ := f.inspector.Queues()
		return slices.Contains(queues, "emission_recalc")
	})
}

// The next release may have migrated the database already, and send tasks with headers that this
// one does not know: it works as before, and leaves alone what is not its own.
func TestWorkerBesideANewerRelease(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.exec(`
INSERT INTO tidemark_schema_version (version_id, is_applied) SELECT max(version_id) + 1, true FROM tidemark_schema_version;
ALTER TABLE data_ingestion_jobs ADD COLUMN of_the_future text NOT NULL DEFAULT 'x';
INSERT INTO data_ingestion_jobs (entity_type, target_type, ingestion_method, provider, state, is_current, job_type, module_type_id, year)
     VALUES ('MODULE_PER_YEAR', 'DATA_ENTRIES', 'computed', 'DEFAULT', 'NOT_STARTED', false, 'forecast', 2, 2025)`)
	f.work(&toy{}, &toy{})
	f.schedule()
	f.send(f.request(planes))
	newer := f.request(job.AggregationOf(3, 2025))
	_, err := f.client.Enqueue(asynq.NewTaskWithHeaders("aggregation", []byte(`{"module_type_id":3,"year":2025}`),
		map[string]string{"tidemark-job": "3", "tidemark-future": "x"}), asynq.TaskID(f.taskID(newer)), asynq.Queue("aggregation"), asynq.MaxRetry(0))
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		t.Error(err)
	}
	f.await("all of ours is done", func() bool {
		return value[int](f, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'SUCCESS' AND attempts = 1`) == 3
	})
	f.wantCount(1, `SELECT count(*) FROM data_ingestion_jobs WHERE job_type = 'forecast' AND state = 'NOT_STARTED'`)
}
