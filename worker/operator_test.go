package worker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/signal/monitor"
	"tidemark/worker"
)

// taskID is that of a job's first signal.
func (f *field) taskID(t ledger.Ticket) string {
	f.t.Helper()
	c, err := job.ConfigOf(t.Scope.Type)
	f.must(err)
	return c.TaskID(t.Scope, t.JobID, t.SignalSeq)
}

// console is an asynqmon.
type console struct {
	f    *field
	name string
	h    http.Handler
}

// consoles are the exporter's asynqmon and one that somebody else runs on the same Redis.
func (f *field) consoles() []console {
	f.t.Helper()
	connection, err := asynq.ParseRedisURI(f.redis)
	f.must(err)
	alone := asynqmon.New(asynqmon.Options{RedisConnOpt: connection})
	f.t.Cleanup(func() { f.must(alone.Close()) })
	return []console{{f, "ours", monitor.New(f.rdb(), "/asynqmon", false)}, {f, "alone", alone}}
}

// press does what a button of a queue does, for these tasks where it is about several, and returns
// the status of the answer.
func (c console) press(method, queue, button string, tasks ...string) int {
	c.f.t.Helper()
	body := ""
	if len(tasks) > 0 {
		body = `{"task_ids":["` + strings.Join(tasks, `","`) + `"]}`
	}
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, httptest.NewRequest(method, "/api/queues/"+queue+button, strings.NewReader(body)))
	if text := w.Body.String(); strings.HasPrefix(text, "<") || len(tasks) > 0 && !strings.Contains(text, `"failed_ids":[]`) && !strings.Contains(text, `"error_ids":[]`) {
		c.f.t.Errorf("%s: %s %s%s: %d %.80s", c.name, method, queue, button, w.Code, text)
	}
	return w.Code
}

// do presses a button that must work.
func (c console) do(method, queue, button string, tasks ...string) {
	c.f.t.Helper()
	if status := c.press(method, queue, button, tasks...); status/100 != 2 {
		c.f.t.Fatalf("%s: %s %s%s: %d", c.name, method, queue, button, status)
	}
}

const (
	post   = http.MethodPost
	remove = http.MethodDelete
)

// A paused queue gives workers nothing, and says so; what is deleted or archived meanwhile comes
// back, for its job waits. All of it runs when the queue is resumed, once.
func TestPauseDeleteAndArchiveOfLiveTasks(t *testing.T) {
	t.Parallel()
	f := setup(t)
	recalc := &toy{}
	f.work(recalc, &toy{})
	f.schedule()
	f.must(f.sender.Publish(f.ctx))
	consoles := f.consoles()
	consoles[0].do(post, "emission_recalc", ":pause")
	var tickets []ledger.Ticket
	for module := 2; module < 5; module++ {
		tickets = append(tickets, f.request(job.RecalcOf(module, 20, 2025)))
	}
	f.send(tickets...)
	pending := func() bool {
		found, err := f.inspector.ListPendingTasks("emission_recalc")
		return err == nil && len(found) == len(tickets) && f.tasks("emission_recalc") == len(tickets)
	}
	one, two, three := f.taskID(tickets[0]), f.taskID(tickets[1]), f.taskID(tickets[2])
	for _, c := range consoles {
		for what, press := range map[string]func(){
			"delete":       func() { c.do(remove, "emission_recalc", "/pending_tasks/"+one) },
			"delete some":  func() { c.do(post, "emission_recalc", "/pending_tasks:batch_delete", one, three) },
			"delete all":   func() { c.do(remove, "emission_recalc", "/pending_tasks:delete_all") },
			"archive":      func() { c.do(post, "emission_recalc", "/pending_tasks/"+two+":archive") },
			"archive some": func() { c.do(post, "emission_recalc", "/pending_tasks:batch_archive", two, three) },
			"archive all":  func() { c.do(post, "emission_recalc", "/pending_tasks:archive_all") },
			"delete a queue": func() {
				if status := c.press(remove, "emission_recalc", ""); status/100 == 2 {
					t.Error("a queue that is not empty was deleted")
				}
			},
		} {
			f.await("all tasks wait", pending)
			press()
			f.await(c.name+": all tasks wait again after "+what, pending)
		}
	}
	if n := recalc.runs.Load(); n != 0 {
		t.Errorf("%d runs of a queue that is paused", n)
	}
	consoles[1].do(post, "emission_recalc", ":resume")
	f.awaitJobs(6)
	f.wantCount(6, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'SUCCESS' AND attempts = 1`)
	f.awaitNoTasks()
	// Nothing is in the queue now, so it can be deleted. The next request brings it back.
	consoles[0].do(remove, "emission_recalc", "")
	f.send(f.request(planes))
	f.awaitJobs(8)
	f.awaitQueue("emission_recalc")
}

// Nothing an operator presses touches a run: delete and archive are refused for its task, cancel
// and "run all" only move the task.
func TestButtonsDoNotTouchARun(t *testing.T) {
	t.Parallel()
	f := setup(t)
	g := newGate()
	f.work(&g.toy, &toy{}, func(o *worker.Options) { o.Concurrency = 1 })
	ticket := f.request(planes)
	f.send(ticket)
	<-g.begun
	f.schedule() // not before: its relay may signal a job that waits, and this is about one task
	id := f.taskID(ticket)
	consoles := f.consoles()
	for _, c := range consoles {
		// They are buttons of other lists, pressed on what has begun meanwhile.
		for _, button := range []string{"/pending_tasks/" + id + ":archive", "/archived_tasks/" + id + ":run"} {
			if status := c.press(post, "emission_recalc", button); status/100 == 2 {
				t.Errorf("%s is done to a running task", button)
			}
		}
		if status := c.press(remove, "emission_recalc", "/pending_tasks/"+id); status/100 == 2 {
			t.Error("a running task was deleted")
		}
	}
	cancel := []func(){
		func() { consoles[0].do(post, "emission_recalc", "/active_tasks/"+id+":cancel") },
		func() { consoles[1].do(post, "emission_recalc", "/active_tasks:batch_cancel", id) },
		func() { consoles[0].do(post, "emission_recalc", "/active_tasks:cancel_all") },
	}
	for i, press := range cancel {
		f.await("it is cancelled", func() bool {
			press() // which gets lost before the worker has subscribed
			archived, _ := f.inspector.ListArchivedTasks("emission_recalc")
			return len(archived) == 1
		})
		if now := f.job(ticket.JobID); !strings.HasPrefix(now, "RUNNING") {
			t.Errorf("cancelled, the job is %s", now)
		}
		if i == len(cancel)-1 {
			break
		}
		// Another delivery takes asynq's place; the job's own run has the worker's.
		f.await("it is delivered again", func() bool {
			// A cancel that was pressed once too often may meet the delivery, and archives it again.
			if archived, _ := f.inspector.ListArchivedTasks("emission_recalc"); len(archived) == 1 {
				consoles[1].do(post, "emission_recalc", "/archived_tasks/"+id+":run")
			}
			active, _ := f.inspector.ListActiveTasks("emission_recalc")
			return len(active) == 1
		})
	}
	consoles[0].do(post, "emission_recalc", "/archived_tasks:run_all")
	close(g.open)
	f.awaitJobs(2)
	f.awaitNoTasks()
	f.wantCount(2, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'SUCCESS' AND attempts = 1`)
	if n := g.runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

// Every way to run a failed job's task again is one request for it, pressed once or twice; every way
// to delete it leaves the record as it is.
func TestButtonsOfTheArchive(t *testing.T) {
	t.Parallel()
	f := setup(t)
	flaky := &toy{}
	flaky.then = func(_ context.Context, _ pgx.Tx, c *ledger.Claim) error {
		if c.Scope.Year == 2024 {
			return errors.New("boom")
		}
		return nil
	}
	f.work(nil, flaky)
	failed := func(years ...int) (tasks []string) {
		var tickets []ledger.Ticket
		for _, year := range years {
			tickets = append(tickets, f.request(job.AggregationOf(2, year)))
			tasks = append(tasks, f.taskID(tickets[len(tickets)-1]))
		}
		f.send(tickets...)
		return tasks
	}
	jobs, requests := 0, 0
	for _, c := range f.consoles() {
		for button, press := range map[string]func(id string){
			"run": func(id string) { c.do(post, "aggregation", "/archived_tasks/"+id+":run") },
			"run, twice": func(id string) {
				c.do(post, "aggregation", "/archived_tasks/"+id+":run")
				c.press(post, "aggregation", "/archived_tasks/"+id+":run")
			},
			"run some":    func(id string) { c.do(post, "aggregation", "/archived_tasks:batch_run", id) },
			"run all":     func(string) { c.do(post, "aggregation", "/archived_tasks:run_all") },
			"delete":      func(id string) { c.do(remove, "aggregation", "/archived_tasks/"+id) },
			"delete some": func(id string) { c.do(post, "aggregation", "/archived_tasks:batch_delete", id) },
			"delete all":  func(string) { c.do(remove, "aggregation", "/archived_tasks:delete_all") },
		} {
			id := failed(2024)[0]
			task := f.awaitArchived("aggregation", 1)[0]
			if task.ID != id || !strings.HasPrefix(task.LastErr, "job ") || !strings.HasSuffix(task.LastErr, " failed: boom") {
				t.Errorf("archived is %s with %q", task.ID, task.LastErr)
			}
			jobs++
			press(id)
			if strings.HasPrefix(button, "run") {
				jobs++
				requests++
				// Double presses included: what fails again is archived again, with the newer job's words.
				f.await(c.name+": a second job after "+button, func() bool {
					return value[int](f, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'ERROR'`) == jobs
				})
				f.awaitArchived("aggregation", 1)
				c.do(remove, "aggregation", "/archived_tasks:delete_all")
			}
			f.awaitNoTasks()
			f.wantCount(jobs, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'ERROR' AND attempts = 1`)
			f.wantCount(jobs, `SELECT count(*) FROM data_ingestion_jobs`)
			f.wantCount(requests, `SELECT count(*) FROM job_requests WHERE actor = 'asynq' AND created`)
		}
	}
}

// A task of another program is a request from when it is delivered on: run, it is one; archived or
// deleted before, it is none. A task that was done and is kept stands for nothing any more.
func TestButtonsOnTasksOfOtherPrograms(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.must(f.sender.Publish(f.ctx))
	f.work(nil, &toy{})
	year := 2000
	// put makes a task of another program in this state, for a scope of its own.
	put := func(state string) (id string) {
		year++
		id = fmt.Sprintf("theirs-%d", year)
		task := asynq.NewTask("aggregation", fmt.Appendf(nil, `{"module_type_id":2,"year":%d}`, year))
		options := []asynq.Option{asynq.TaskID(id), asynq.Queue("aggregation"), asynq.MaxRetry(5)}
		switch state {
		case "scheduled", "retry":
			options = append(options, asynq.ProcessIn(time.Hour))
		case "completed":
			options = append(options, asynq.Retention(time.Hour))
		}
		_, err := f.client.Enqueue(task, options...)
		f.must(err)
		if state == "retry" { // as if a delivery had failed
			const queue = "asynq:{aggregation}:"
			pipe := f.rdb().TxPipeline()
			pipe.ZRem(f.ctx, queue+"scheduled", id)
			pipe.ZAdd(f.ctx, queue+"retry", redis.Z{Score: float64(time.Now().Add(time.Hour).Unix()), Member: id})
			pipe.HSet(f.ctx, queue+"t:"+id, "state", "retry")
			_, err := pipe.Exec(f.ctx)
			f.must(err)
		}
		f.await("a task is "+state, func() bool {
			info, err := f.inspector.GetTaskInfo("aggregation", id)
			return err == nil && info.State.String() == state
		})
		return id
	}
	jobsOf := func() int {
		return value[int](f, fmt.Sprintf(`SELECT count(*) FROM data_ingestion_jobs WHERE year = %d`, year))
	}
	for _, c := range f.consoles() {
		for _, state := range []string{"scheduled", "retry"} {
			list := "/" + state + "_tasks"
			for _, press := range []func(id string){
				func(id string) { c.do(post, "aggregation", list+"/"+id+":run") },
				func(id string) { c.do(post, "aggregation", list+":batch_run", id) },
				func(string) { c.do(post, "aggregation", list+":run_all") },
			} {
				press(put(state))
				f.await("it was made into a request, and that is done", func() bool {
					return f.tasks("aggregation") == 0 && value[int](f, fmt.Sprintf(`SELECT count(*) FROM data_ingestion_jobs WHERE year = %d AND result = 'SUCCESS'`, year)) == 1
				})
				if n := jobsOf(); n != 1 {
					t.Errorf("%d jobs of one task", n)
				}
			}
			for _, press := range []func(id string){
				func(id string) { c.do(post, "aggregation", list+"/"+id+":archive") },
				func(id string) { c.do(post, "aggregation", list+":batch_archive", id) },
				func(string) { c.do(post, "aggregation", list+":archive_all") },
				func(id string) { c.do(remove, "aggregation", list+"/"+id) },
				func(id string) { c.do(post, "aggregation", list+":batch_delete", id) },
				func(string) { c.do(remove, "aggregation", list+":delete_all") },
			} {
				press(put(state))
				if n := jobsOf(); n != 0 {
					t.Errorf("%d jobs of a task that was never delivered", n)
				}
				if f.tasks("aggregation") == 1 { // archived: it can be run after all
					c.do(post, "aggregation", "/archived_tasks:run_all")
					f.await("it was made into a request", func() bool { return f.tasks("aggregation") == 0 && jobsOf() == 1 })
				}
			}
		}
		for _, press := range []func(id string){
			func(id string) { c.do(remove, "aggregation", "/completed_tasks/"+id) },
			func(id string) { c.do(post, "aggregation", "/completed_tasks:batch_delete", id) },
			func(string) { c.do(remove, "aggregation", "/completed_tasks:delete_all") },
		} {
			press(put("completed"))
			if n := jobsOf(); n != 1 || f.tasks("aggregation") != 0 {
				t.Errorf("%d jobs, %d tasks", n, f.tasks("aggregation"))
			}
		}
	}
	f.wantCount(0, `SELECT count(*) FROM data_ingestion_jobs WHERE result IS DISTINCT FROM 'SUCCESS'`)
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
	f.consoles()[1].do(post, "aggregation", "/archived_tasks:run_all")
	f.awaitJobs(6)
	f.awaitNoTasks()
	f.wantCount(3, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'SUCCESS'`)
	f.wantCount(3, `SELECT count(DISTINCT module_type_id) FROM data_ingestion_jobs WHERE result = 'SUCCESS'`)
}

func (f *field) awaitQueue(name string) {
	f.t.Helper()
	f.await("the queue is known", func() bool {
		queues, _ := f.inspector.Queues()
		return slices.Contains(queues, name)
	})
}

// A queue that is deleted with all that is in it, which asynq's other tools can do, comes back.
func TestDeletedQueueComesBack(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.send(f.request(planes))
	f.must(f.inspector.DeleteQueue("emission_recalc", true))
	f.work(&toy{}, &toy{})
	f.schedule()
	f.awaitJobs(2)
	f.awaitQueue("emission_recalc")
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
