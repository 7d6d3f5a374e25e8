package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/goleak"

	"tidemark/shared/chaos/verdict"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("tidemark/shared/local.start.func1"),
		goleak.IgnoreAnyFunction("os/exec.(*Cmd).writerDescriptor.func1"))
}

const (
	envDuration = "CHAOS_DURATION"
	envSeed     = "CHAOS_SEED"
	envHistory  = "CHAOS_HISTORY"
	// aMinute is what every run of all tests has.
	aMinute = time.Minute
)

// TestChaos runs the deployment under faults, and judges.
func TestChaos(t *testing.T) {
	t.Parallel()
	duration, seed := settings(t)
	dir := os.Getenv(envHistory)
	if dir == "" {
		var err error
		dir, err = os.MkdirTemp("", "tidemark-chaos-")
		must(t, err)
		t.Cleanup(func() {
			if !t.Failed() {
				_ = os.RemoveAll(dir)
			}
		})
	}
	h, err := verdict.Read(dir)
	if err != nil {
		fmt.Printf("chaos for %s: %s=%d, histories in %s\n", duration, envSeed, seed, dir)
		h = run(t, dir, duration, seed)
		must(t, h.Write(dir))
	}
	report, err := verdict.Judge(h)
	must(t, err)
	var names []string
	for _, f := range faults() {
		names = append(names, f.name)
	}
	fmt.Printf("\n%s\n", report.Text(names, points))
	for _, f := range h.Faults {
		if f.Error != "" {
			t.Errorf("fault %s: %s", f.Name, f.Error)
		}
	}
	if n := len(report.Violations); n > 0 {
		t.Errorf("%d violations; %s=%d, histories in %s. The first: %s", n, envSeed, seed, dir, report.Violations[0])
		for _, v := range report.Violations[:min(n, 20)] {
			t.Log(v)
		}
	}
	if report.Requests == 0 || report.Runs == 0 || report.Scrapes == 0 || report.Faults == 0 {
		t.Error("nothing was tried")
	}
	if empty := report.Empty(names, points); len(empty) > 0 && len(h.Faults) > len(names)*len(points) {
		t.Errorf("never tried: %s", strings.Join(empty, ", "))
	}
}

func settings(t testing.TB) (duration time.Duration, seed uint64) {
	t.Helper()
	duration, seed = aMinute, rand.Uint64N(1_000_000)
	var err error
	if text := os.Getenv(envDuration); text != "" {
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v; for example 10m", envDuration, err)
		}
	}
	if text := os.Getenv(envSeed); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v; a number", envSeed, err)
		}
	}
	return duration, seed
}

// run lets everything go on for a time, mends it, waits until what was accepted is worked off,
// and returns what was noted.
func run(t *testing.T, dir string, duration time.Duration, seed uint64) *verdict.History {
	ctx := context.Background()
	w := newWorld(ctx, t, dir)
	return w.observe(ctx, t, duration, quietPatience, seed, func(ctx context.Context) { w.torment(ctx, t, newPack(seed)) })
}

// observe lets requesters and scraper go on for a time, beside something that happens to the
// world, and returns what was noted after all was worked off, or patience was at its end.
func (w *world) observe(ctx context.Context, t *testing.T, duration, patience time.Duration, seed uint64, something func(context.Context)) *verdict.History {
	t.Helper()
	requesting, stopRequesters := context.WithTimeout(ctx, duration)
	defer stopRequesters()
	scraping, stopScraper := context.WithCancel(ctx)
	defer stopScraper()
	scraped := make(chan struct{})
	go func() { defer close(scraped); w.scrape(scraping) }()
	// Who requests what is decided by the seed as well, but not when.
	requested := w.request(requesting, t, rand.New(rand.NewPCG(seed, 1)))
	something(requesting)
	must(t, w.lastSignals(ctx, func() { stopRequesters(); requested() }))
	w.workOff(ctx, t, patience)
	stopScraper()
	<-scraped
	for _, p := range w.members() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		w.searchLog(t, p)
	}
	h := &verdict.History{Attempts: w.journal.attempts, Scrapes: w.scrapes, Faults: w.faults}
	must(t, readHistory(ctx, w.pool, h))
	h.Final.Tasks = w.tasks(ctx, t)
	return h
}

// lastSignals kills all workers, lets the last requests pile up, and takes their signals away:
// nobody asks again who would send new ones by the way. Some bear the mark of another program.
func (w *world) lastSignals(ctx context.Context, stopRequesters func()) error {
	last := verdict.Fault{Name: "the last signals are lost", Kills: len(w.workers), Struck: time.Now(), EmptiesRedis: true}
	for _, p := range w.workers {
		p.gate.Lock()
		defer p.gate.Unlock()
		if exited, err := p.signal(syscall.SIGKILL); err == nil {
			<-exited
		}
	}
	pause(ctx, time.Second)
	stopRequesters()
	_, err := w.pool.Exec(ctx, `UPDATE data_ingestion_jobs SET state = 'QUEUED' WHERE state = 'NOT_STARTED' AND id % 2 = 0`)
	err = errors.Join(err, w.rdb.FlushAll(ctx).Err())
	last.Ended = time.Now()
	w.faults = append(w.faults, last)
	return err
}

// quietPatience is how long may pass until everything that was accepted is done: longer than any
// lease, hold and retry.
const quietPatience = 90 * time.Second

// workOff waits until no job waits or runs, and stops the workers. What they still took from Redis
// as they stopped is worked off by new ones.
func (w *world) workOff(ctx context.Context, t testing.TB, patience time.Duration) {
	t.Helper()
	deadline := time.Now().Add(patience)
	active := func() (n int) {
		if err := w.pool.QueryRow(ctx, `SELECT count(*) FROM data_ingestion_jobs WHERE state <> 'FINISHED'`).Scan(&n); err != nil {
			return -1
		}
		return n
	}
	inspector := asynq.NewInspectorFromRedisClient(w.rdb)
	for time.Now().Before(deadline) {
		// asynq would try these again in some minutes; they stay visible.
		for _, queue := range []string{"aggregation", "emission_recalc"} {
			_, _ = inspector.ArchiveAllRetryTasks(queue)
		}
		if active() != 0 || !w.nothingPends(inspector) {
			pause(ctx, 50*time.Millisecond)
			continue
		}
		for _, p := range w.workers {
			if err := p.stop(); err != nil {
				t.Error(err)
			}
		}
		if active() == 0 {
			return
		}
		w.startWorker(t)
	}
}

// nothingPends reports whether no task waits for a worker.
func (w *world) nothingPends(inspector *asynq.Inspector) bool {
	for _, queue := range []string{"aggregation", "emission_recalc"} {
		if info, err := inspector.GetQueueInfo(queue); err == nil && info.Pending > 0 {
			return false
		}
	}
	return true
}

// searchLog looks for what no fault may cause.
func (w *world) searchLog(t testing.TB, p *process) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, p.name+".log"))
	must(t, err)
	for line := range bytes.Lines(text) {
		for _, sign := range []string{"panic: ", "fatal error: ", "calculation panicked"} {
			if bytes.Contains(line, []byte(sign)) {
				t.Errorf("%s: %s", p.name, line)
			}
		}
	}
}

// tasks are the ids of all tasks that Redis holds.
func (w *world) tasks(ctx context.Context, t testing.TB) []string {
	t.Helper()
	var ids []string
	keys := w.rdb.Scan(ctx, 0, "asynq:*:t:*", 1000).Iterator()
	for keys.Next(ctx) {
		_, id, _ := strings.Cut(keys.Val(), "}:t:")
		ids = append(ids, id)
	}
	must(t, keys.Err())
	return ids
}
