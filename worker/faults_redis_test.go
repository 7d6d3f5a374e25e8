package worker_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"tidemark/scheduler"
	"tidemark/shared/job"
	"tidemark/shared/local/localtest"
	"tidemark/shared/signal"
	"tidemark/worker"
)

// rdb reaches the test's Redis, without any proxy.
func (f *field) rdb() redis.UniversalClient {
	f.t.Helper()
	rdb, err := signal.Connect(f.redis)
	f.must(err)
	f.t.Cleanup(func() { rdb.Close() })
	return rdb
}

// Redis loses everything while one job runs and another waits: the run goes on, and the relay
// sends what waits again. Tools find the queues as before.
func TestRedisLosesEverythingWhileTasksRun(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"restarted empty", "FLUSHALL"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			server := localtest.OwnRedis(t)
			f := setupOn(t, localtest.Database(t), server.URL)
			g := newGate()
			f.work(&g.toy, &toy{}, func(o *worker.Options) { o.Concurrency = 1 })
			f.schedule()
			f.send(f.request(planes))
			<-g.begun
			f.send(f.request(job.RecalcOf(3, 30, 2025)))
			lost := time.Now()
			if how == "FLUSHALL" {
				f.must(f.rdb().(*redis.Client).FlushAll(f.ctx).Err())
			} else {
				f.must(server.Restart(f.ctx))
			}
			close(g.open)
			f.awaitJobs(4)
			t.Logf("done after %s", time.Since(lost))
			f.wantCount(4, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'SUCCESS' AND attempts = 1`)
			f.wantCount(4, `SELECT count(*) FROM data`)
			f.await("the queues are known", func() bool {
				queues, _ := f.inspector.Queues()
				return len(queues) == 2
			})
			f.awaitNoTasks()
		})
	}
}

// The link to Redis is cut just as a run ends: the acknowledgement gets through when it is back,
// and what has to follow is signalled by the relay. TIDEMARK_TEST_CUT makes the cut longer than
// the time in which a signal is given up.
func TestRedisIsCutAsTasksEnd(t *testing.T) {
	t.Parallel()
	f := setup(t)
	proxy := localtest.NewProxy(t, f.redis)
	g := newGate()
	f.work(&g.toy, &toy{}, func(o *worker.Options) { o.RedisURL = proxy.URL })
	ticket := f.request(planes)
	f.send(ticket)
	<-g.begun
	cut := time.Now()
	proxy.Cut()
	close(g.open)
	f.awaitJob(ticket.JobID, "FINISHED SUCCESS computed")
	f.awaitCounted(1, `tidemark_worker_signal_failures_total`)
	if text := os.Getenv("TIDEMARK_TEST_CUT"); text != "" {
		long, err := time.ParseDuration(text)
		f.must(err)
		time.Sleep(time.Until(cut.Add(long)))
	}
	proxy.Restore()
	back := time.Now()
	f.schedule()
	f.awaitJobs(2)
	t.Logf("cut for %s, done %s later", back.Sub(cut), time.Since(back))
	f.wantCount(2, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'SUCCESS' AND attempts = 1`)
	f.awaitNoTasks()
	t.Logf("the last task is gone after %s", time.Since(back))
}

// Redis is away for so long that an acknowledgement is given up. asynq takes the task for
// failed then: it does not make the job fail, and who runs it again does no harm. The worker
// stops all the same.
func TestLostAcknowledgementIsHarmless(t *testing.T) {
	t.Parallel()
	f := setup(t)
	proxy := localtest.NewProxy(t, f.redis)
	g := newGate()
	stop := f.work(&g.toy, nil, func(o *worker.Options) { o.RedisURL = proxy.URL })
	ticket := f.request(planes)
	f.send(ticket)
	<-g.begun
	proxy.Cut()
	close(g.open)
	f.awaitJob(ticket.JobID, "FINISHED SUCCESS computed")
	stop()
	// asynq's lease is half a minute, and it waits for as long again.
	rdb := f.rdb()
	const lease = "asynq:{emission_recalc}:lease"
	ids, err := rdb.ZRange(f.ctx, lease, 0, -1).Result()
	f.must(err)
	if len(ids) != 1 {
		t.Fatalf("asynq holds %q for active, want one task", ids)
	}
	f.must(rdb.ZAdd(f.ctx, lease, redis.Z{Score: float64(time.Now().Add(-time.Hour).Unix()), Member: ids[0]}).Err())
	f.work(&g.toy, nil)
	f.awaitArchived("emission_recalc", 1)
	f.must(f.inspector.RunTask("emission_recalc", ids[0]))
	f.awaitCounted(1, `tidemark_worker_tasks_total{action="ignore"}`)
	f.await("the task is gone", func() bool { return f.tasks("emission_recalc") == 0 })
	if n := g.runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
	f.wantCount(1, `SELECT count(*) FROM data`)
}

// A Redis that takes half a second for everything makes the fleet slow, nothing else.
func TestSlowRedis(t *testing.T) {
	t.Parallel()
	f := setup(t)
	proxy := localtest.NewProxy(t, f.redis)
	proxy.Delay(500 * time.Millisecond)
	f.redis = proxy.URL
	f.work(&toy{}, &toy{})
	f.schedule(func(o *scheduler.Options) { o.StuckAfter = 10 * time.Second })
	rdb, err := signal.Connect(proxy.URL)
	f.must(err)
	defer rdb.Close()
	start := time.Now()
	f.must(signal.NewSender(rdb).Send(f.ctx, f.request(planes)))
	t.Logf("a signal took %s", time.Since(start))
	f.awaitJobs(2)
	t.Logf("recalculated and aggregated after %s", time.Since(start))
	f.wantCount(2, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'SUCCESS' AND attempts = 1 AND signal_seq = 0`)
	f.awaitNoTasks()
}

// A Redis without memory takes no signals, and gives none to workers. What runs ends well; what
// is requested meanwhile is in the record, and runs when there is memory again.
func TestRedisIsOutOfMemory(t *testing.T) {
	t.Parallel()
	f := setupOn(t, localtest.Database(t), localtest.OwnRedis(t).URL)
	rdb := f.rdb().(*redis.Client)
	g := newGate()
	f.work(&g.toy, &toy{})
	ticket := f.request(planes)
	f.send(ticket)
	<-g.begun
	f.must(rdb.ConfigSet(f.ctx, "maxmemory", "1").Err())
	next := f.request(job.RecalcOf(3, 30, 2025))
	if err := f.sender.Send(f.ctx, next); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("a signal without memory: %v", err)
	}
	close(g.open)
	f.awaitJob(ticket.JobID, "FINISHED SUCCESS computed")
	f.awaitCounted(1, `tidemark_worker_signal_failures_total`)
	if got := f.job(next.JobID); got != "NOT_STARTED" {
		t.Errorf("job is %s", got)
	}
	f.schedule()
	f.must(rdb.ConfigSet(f.ctx, "maxmemory", "0").Err())
	freed := time.Now()
	f.awaitJobs(4)
	t.Logf("done %s after there was memory again", time.Since(freed))
	f.wantCount(4, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'SUCCESS' AND attempts = 1`)
	f.awaitNoTasks()
}

// The master dies as a run ends. The replica takes its place, and everything goes on there.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	servers := localtest.Failover(t)
	f := setupOn(t, localtest.Database(t), servers.URL)
	g := newGate()
	f.work(&g.toy, &toy{}, func(o *worker.Options) { o.Concurrency = 1 })
	f.schedule()
	f.send(f.request(planes))
	<-g.begun
	f.send(f.request(job.RecalcOf(3, 30, 2025)))
	servers.KillMaster()
	dead := time.Now()
	close(g.open)
	f.awaitJobs(4)
	t.Logf("done %s after the master died", time.Since(dead))
	f.wantCount(4, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'SUCCESS' AND attempts = 1`)
	f.wantCount(4, `SELECT count(*) FROM data`)
	f.await("the worker serves the queues of the new master", func() bool {
		_, queues, err := signal.ReadQueues(f.ctx, f.rdb())
		return err == nil && queues[0].Workers == 1
	})
}

// What a foreign client sends while Redis is cut for the worker is served afterwards, once.
func TestForeignTaskOutlastsACut(t *testing.T) {
	t.Parallel()
	f := setup(t)
	proxy := localtest.NewProxy(t, f.redis)
	f.work(nil, &toy{}, func(o *worker.Options) { o.RedisURL = proxy.URL })
	f.request(travel) // Joined, for it waits without a signal.
	proxy.Cut()
	_, err := f.client.EnqueueContext(context.Background(), asynq.NewTask("aggregation", []byte(`{"year":2025,"module_type_id":2}`)), asynq.Queue("aggregation"))
	f.must(err)
	proxy.Restore()
	f.awaitJobs(1)
	f.awaitNoTasks()
	f.wantCount(2, `SELECT count(*) FROM pipelines WHERE status = 'SUCCESS'`)
}
