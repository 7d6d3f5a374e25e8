package signal_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/signal"
)

// queues reads the queues by name.
func (b *bundle) queues() map[string]signal.Queue {
	b.t.Helper()
	_, queues, err := signal.ReadQueues(b.ctx, b.rdb)
	b.must(err)
	named := map[string]signal.Queue{}
	for _, q := range queues {
		named[q.Name] = q
	}
	return named
}

// wantTasks compares the counts of a queue; what is not wanted must be zero.
func (b *bundle) wantTasks(queue string, want map[string]int) {
	b.t.Helper()
	all := map[string]int{}
	for _, state := range signal.TaskStates() {
		all[state] = want[state]
	}
	if got := b.queues()[queue].Tasks; !maps.Equal(got, all) {
		b.t.Errorf("tasks of %s: %v, want %v", queue, got, all)
	}
}

// await polls until asynq has done it.
func (b *bundle) await(what string, done func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("%s: not within 20 s", what)
		}
	}
}

func TestEmptyRedisHasEveryQueueAtZero(t *testing.T) {
	t.Parallel()
	b := setup(t)
	before := time.Now().Add(-time.Second)
	at, queues, err := signal.ReadQueues(b.ctx, b.rdb)
	b.must(err)
	if at.Before(before) || at.After(time.Now().Add(time.Second)) {
		t.Errorf("the moment is %s", at)
	}
	if len(queues) != len(job.Configs()) {
		t.Fatalf("%d queues", len(queues))
	}
	for i, q := range queues {
		if q.Name != job.Configs()[i].Queue() || !q.OldestPending.IsZero() || q.Undated != 0 || q.Paused || q.Workers != 0 {
			t.Errorf("%+v", q)
		}
		b.wantTasks(q.Name, nil)
	}
}

// TestQueuesAreAsAsynqHasThem puts a task into every state by asynq's own means.
func TestQueuesAreAsAsynqHasThem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := asynq.NewClientFromRedisClient(b.rdb)
	enqueue := func(id string, options ...asynq.Option) {
		t.Helper()
		_, err := client.Enqueue(asynq.NewTask("aggregation", nil), append(options, asynq.TaskID(id), asynq.Queue("aggregation"))...)
		b.must(err)
	}
	enqueue("fails", asynq.MaxRetry(0))
	enqueue("fails for now", asynq.MaxRetry(1))
	enqueue("is kept", asynq.Retention(time.Hour))
	release := make(chan struct{})
	_, stop := b.server(func(_ context.Context, task *asynq.Task) error {
		switch id := task.ResultWriter().TaskID(); {
		case strings.HasPrefix(id, "fails"):
			return errors.New("no")
		case id == "runs":
			<-release
		}
		return nil
	})
	b.await("three tasks are processed", func() bool {
		tasks := b.queues()["aggregation"].Tasks
		return tasks["archived"] == 1 && tasks["retry"] == 1 && tasks["completed"] == 1
	})
	enqueue("runs")
	b.await("one task runs", func() bool { return b.queues()["aggregation"].Tasks["active"] == 1 })
	enqueue("later", asynq.ProcessIn(time.Hour))
	enqueue("in a group", asynq.Group("g"))
	before := time.Now()
	enqueue("first")
	after := time.Now()
	enqueue("second")
	b.wantTasks("aggregation", map[string]int{"pending": 2, "active": 1, "scheduled": 1, "retry": 1, "archived": 1, "completed": 1, "aggregating": 1})
	b.wantTasks("emission_recalc", nil)
	if q := b.queues()["aggregation"]; q.OldestPending.Before(before) || q.OldestPending.After(after) || q.Undated != 0 {
		t.Errorf("the oldest waits since %s, it was sent between %s and %s; %d undated", q.OldestPending, before, after, q.Undated)
	}
	close(release)
	stop()
}

func TestPausedQueue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.must(b.inspector.PauseQueue("aggregation"))
	if q := b.queues(); !q["aggregation"].Paused || q["emission_recalc"].Paused {
		t.Errorf("%+v", q)
	}
	b.must(b.inspector.UnpauseQueue("aggregation"))
	if b.queues()["aggregation"].Paused {
		t.Error("still paused")
	}
}

// Only who would take a task of the queue is one of its workers.
func TestWorkersOfAQueue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	workers := func(aggregation, recalc int) func() bool {
		return func() bool {
			q := b.queues()
			return q["aggregation"].Workers == aggregation && q["emission_recalc"].Workers == recalc
		}
	}
	start := func(queues map[string]int, handle asynq.HandlerFunc) *asynq.Server {
		s := asynq.NewServerFromRedisClient(b.rdb, asynq.Config{Concurrency: 1, Queues: queues, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel})
		b.must(s.Start(handle))
		return s
	}
	release := make(chan struct{})
	both := start(map[string]int{"aggregation": 2, "emission_recalc": 1}, func(context.Context, *asynq.Task) error { <-release; return nil })
	b.await("one worker for each queue", workers(1, 1))
	foreign := start(map[string]int{"mail": 1}, func(context.Context, *asynq.Task) error { return nil })
	one := start(map[string]int{"emission_recalc": 1}, func(context.Context, *asynq.Task) error { return nil })
	b.await("two workers for one queue", workers(1, 2))
	one.Shutdown()
	foreign.Shutdown()
	b.await("it took its leave", workers(1, 1))

	// A worker that stops still shows for as long as it works.
	b.must(b.sender.Send(b.ctx, travel))
	b.await("the task runs", func() bool { return b.queues()["aggregation"].Tasks["active"] == 1 })
	both.Stop()
	b.await("it takes nothing more", workers(0, 0))
	if b.queues()["aggregation"].Tasks["active"] != 1 {
		t.Error("it is no longer at work")
	}
	close(release)
	both.Shutdown()

	// A killed one leaves its name; what it said of itself expires.
	b.must(b.rdb.ZAdd(b.ctx, "asynq:servers", redis.Z{Score: float64(time.Now().Add(-time.Minute).Unix()), Member: "asynq:servers:{gone:1:x}"}).Err())
	if !workers(0, 0)() {
		t.Errorf("%+v", b.queues())
	}
}

// A task that is handed back by a stopping worker, or run again, carries no time.
func TestUndatedTasksDoNotHideTheAgeOfOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.must(b.sender.Send(b.ctx, travel))
	release := make(chan struct{})
	started, stop := b.server(func(context.Context, *asynq.Task) error { <-release; return nil })
	<-started
	before := time.Now()
	b.must(b.sender.Send(b.ctx, ledger.Ticket{Scope: job.AggregationOf(3, 2025), JobID: 1235}))
	after := time.Now()
	b.must(b.inspector.PauseQueue("aggregation")) // the server has a free hand again while it stops
	stop()                                        // hands the running task back, to the front
	close(release)
	q := b.queues()["aggregation"]
	if q.Undated != 1 || q.OldestPending.Before(before) || q.OldestPending.After(after) {
		t.Errorf("%+v, the dated one was sent between %s and %s", q, before, after)
	}
	b.must(b.inspector.DeleteTask("aggregation", "aggregation:3:2025:1235"))
	if q := b.queues()["aggregation"]; q.Undated != 1 || !q.OldestPending.IsZero() || q.Tasks["pending"] != 1 {
		t.Errorf("alone: %+v", q)
	}
}

// A task that is nothing but an id (asynq can lose the rest) is undated too, and a long row of
// such tasks does not keep Redis busy.
func TestUndatedTasksAreCountedToALimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := make([]any, 1500)
	for i := range ids {
		ids[i] = i
	}
	b.must(b.rdb.LPush(b.ctx, "asynq:{aggregation}:pending", ids...).Err())
	b.must(b.sender.Send(b.ctx, travel))
	if q := b.queues()["aggregation"]; q.Undated != 1000 || !q.OldestPending.IsZero() || q.Tasks["pending"] != 1501 {
		t.Errorf("%+v", q)
	}
}

// TestQueuesOfForeignContent: what is not asynq's must not come out as a number.
func TestQueuesOfForeignContent(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"asynq:servers", "asynq:servers:{h:1:x}", "asynq:{aggregation}:pending", "asynq:{aggregation}:active",
		"asynq:{emission_recalc}:scheduled", "asynq:{emission_recalc}:retry", "asynq:{aggregation}:archived", "asynq:{aggregation}:completed",
		"asynq:{aggregation}:groups", "asynq:{aggregation}:g:x", "asynq:{aggregation}:t:1"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.must(b.rdb.SAdd(b.ctx, "asynq:{aggregation}:groups", "x").Err())
			b.must(b.rdb.LPush(b.ctx, "asynq:{aggregation}:pending", "1").Err())
			b.must(b.rdb.ZAdd(b.ctx, "asynq:servers", redis.Z{Score: float64(time.Now().Unix()), Member: "asynq:servers:{h:1:x}"}).Err())
			b.queues()
			b.must(b.rdb.Del(b.ctx, key).Err())
			b.must(b.rdb.XAdd(b.ctx, &redis.XAddArgs{Stream: key, Values: []string{"a", "b"}}).Err())
			if _, queues, err := signal.ReadQueues(b.ctx, b.rdb); err == nil || queues != nil || !strings.Contains(err.Error(), "WRONGTYPE") {
				t.Errorf("got %v, %v", queues, err)
			}
		})
	}
	t.Run("a server's words", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.must(b.rdb.ZAdd(b.ctx, "asynq:servers", redis.Z{Score: float64(time.Now().Unix()), Member: "asynq:servers:{h:1:x}"}).Err())
		b.must(b.rdb.Set(b.ctx, "asynq:servers:{h:1:x}", "active", 0).Err())
		if _, queues, err := signal.ReadQueues(b.ctx, b.rdb); err == nil || queues != nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("got %v, %v", queues, err)
		}
	})
	t.Run("a task's time", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.must(b.rdb.LPush(b.ctx, "asynq:{aggregation}:pending", "1").Err())
		b.must(b.rdb.HSet(b.ctx, "asynq:{aggregation}:t:1", "pending_since", "soon").Err())
		if _, queues, err := signal.ReadQueues(b.ctx, b.rdb); err == nil || queues != nil || !strings.Contains(err.Error(), "pending_since") {
			t.Errorf("got %v, %v", queues, err)
		}
	})
}

// TestQueuesNeedFewPermissions: the user of one who only watches.
func TestQueuesNeedFewPermissions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.must(b.rdb.Do(b.ctx, "ACL", "SETUSER", "watcher", "on", ">secret", "resetkeys", "~asynq:*", "-@all",
		"+@read", "+eval", "+time", "+wait", "+hello", "+select", "+client").Err())
	t.Cleanup(func() { b.rdb.Do(b.ctx, "ACL", "DELUSER", "watcher") })
	o := *b.rdb.(*redis.Client).Options()
	o.Username, o.Password = "watcher", "secret"
	watcher := redis.NewClient(&o)
	defer watcher.Close()
	if _, _, err := signal.ReadQueues(b.ctx, watcher); err != nil {
		t.Error(err)
	}
}

// TestQueuesAreAskedForOnce: a Redis that is away is the next scrape's to find back.
func TestQueuesAreAskedForOnce(t *testing.T) {
	t.Parallel()
	rdb, err := signal.Connect("redis-socket://" + filepath.Join(t.TempDir(), "nobody"))
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, queues, err := signal.ReadQueues(ctx, rdb); err == nil || queues != nil || ctx.Err() != nil {
		t.Errorf("got %v, %v; context %v", queues, err, ctx.Err())
	}
}

// TestQueuesOfAnotherForm: something between this process and Redis answers in its place.
func TestQueuesOfAnotherForm(t *testing.T) {
	t.Parallel()
	const queue = "*10\r\n:0\r\n:0\r\n:0\r\n:0\r\n:0\r\n:0\r\n:0\r\n:0\r\n:0\r\n$-1\r\n"
	const head = "*4\r\n:1700000000\r\n:5\r\n*0\r\n"
	ask := func(answer string) ([]signal.Queue, error) {
		rdb := redis.NewClient(&redis.Options{Protocol: 2, DisableIdentity: true, MaxRetries: -1, ContextTimeoutEnabled: true,
			Dialer: func(context.Context, string, string) (net.Conn, error) {
				client, server := net.Pipe()
				go impersonate(server, answer)
				return client, nil
			}})
		defer rdb.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, queues, err := signal.ReadQueues(ctx, rdb)
		return queues, err
	}
	if queues, err := ask(head + "*2\r\n" + queue + queue); err != nil || len(queues) != 2 {
		t.Fatalf("the impersonation is wrong: %v, %v", queues, err)
	}
	for name, answer := range map[string]string{
		"a text":          "+OK\r\n",
		"a number":        ":1\r\n",
		"nothing":         "$-1\r\n",
		"no answer":       "*-1\r\n",
		"too little":      "*2\r\n:1700000000\r\n:5\r\n",
		"no queues":       head + "*0\r\n",
		"one queue":       head + "*1\r\n" + queue,
		"three queues":    head + "*3\r\n" + queue + queue + queue,
		"an empty queue":  head + "*2\r\n" + queue + "*0\r\n",
		"a text queue":    head + "*2\r\n" + queue + "+OK\r\n",
		"a text for a 0":  head + "*2\r\n" + queue + strings.Replace(queue, ":0", "+0", 1),
		"a nil for a 0":   head + "*2\r\n" + queue + strings.Replace(queue, ":0", "$-1", 1),
		"a text for time": "*4\r\n+now\r\n:5\r\n*0\r\n*2\r\n" + queue + queue,
		"a number server": "*4\r\n:1700000000\r\n:5\r\n*1\r\n:5\r\n*2\r\n" + queue + queue,
		"an error":        "-ERR no\r\n",
	} {
		if queues, err := ask(answer); err == nil || queues != nil {
			t.Errorf("%s: got %v, %v", name, queues, err)
		}
	}
}

// impersonate answers every command with +OK, and a script with this.
func impersonate(conn net.Conn, answer string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		var words, length int
		if _, err := fmt.Fscanf(in, "*%d\r\n", &words); err != nil {
			return
		}
		reply := "+OK\r\n"
		for range words {
			if _, err := fmt.Fscanf(in, "$%d\r\n", &length); err != nil {
				return
			}
			word := make([]byte, length+2)
			if _, err := io.ReadFull(in, word); err != nil {
				return
			}
			switch strings.ToLower(string(word[:length])) {
			case "hello":
				reply = "-ERR unknown command\r\n"
			case "eval":
				reply = answer
			}
		}
		if _, err := conn.Write([]byte(reply)); err != nil {
			return
		}
	}
}
