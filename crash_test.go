package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/local/localtest"
	"tidemark/shared/sample"
	"tidemark/shared/signal"
)

// crashEntries makes a recalculation of some seconds.
const crashEntries = 60_000

// TestKilledWorker kills a worker with -9 in the middle of a recalculation and flushes
// Redis at the same moment: another worker does the work once more, nothing is doubled,
// nothing lost. Real processes, real servers.
func TestKilledWorker(t *testing.T) {
	t.Parallel()
	c := deploy(t)
	pid, job := c.awaitProgress()
	c.kill(pid, syscall.SIGKILL)
	// This hits the other tests here as well, which have to survive it.
	c.flushRedis()
	killed := time.Now()
	c.awaitQuiet()
	t.Logf("killed worker %d at job %d, done by another %.1f s later", pid, job, time.Since(killed).Seconds())
	c.check(job, 2)
}

// TestStoppedWorker stops a worker in the middle of a recalculation for three leases, until
// another has done the work, and lets it go on then: nothing of what it still writes is kept.
func TestStoppedWorker(t *testing.T) {
	t.Parallel()
	c := deploy(t)
	pid, job := c.awaitProgress()
	c.kill(pid, syscall.SIGSTOP)
	stopped := time.Now()
	c.awaitQuiet()
	t.Logf("done by another after %.1f s", time.Since(stopped).Seconds())
	c.check(job, 2)
	time.Sleep(time.Until(stopped.Add(3 * crashLease)))
	c.kill(pid, syscall.SIGCONT)
	// It has slots and connections again: what is requested now may be its work as well.
	c.run("recalc", "--module=2", "--year=2025", "--wait")
	c.check(job, 2)
}

// crashLease is the workers' lease.
const crashLease = 2 * time.Second

// deploy starts two workers and a scheduler, and loads entries whose recalculation takes some seconds.
func deploy(t *testing.T) *crash {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	c := newCrash(ctx, t)
	c.run("migrate", "up")
	for range 2 {
		c.worker()
	}
	c.scheduler()
	c.load(crashEntries)
	return c
}

// load loads entries, which requests their recalculation.
func (c *crash) load(entries int) {
	c.t.Helper()
	c.run("load", "reference", "airports", c.file("airports.csv"))
	c.run("load", "factors", "--type=plane", "--year=2025", c.file("factors_plane.csv"))
	c.run("load", "entries", "--type=plane", "--year=2025", "--create-units", c.flights(entries))
}

func (c *crash) worker() *process {
	return c.start("worker", "--lease="+crashLease.String(), "--heartbeat=200ms", "--drain=1s")
}

func (c *crash) scheduler() {
	c.start("scheduler", "--reap-interval=200ms", "--relay-interval=200ms", "--relay-grace=500ms", "--stuck-after=500ms")
}

// check sees how many runs of the job counted, and that entries, emissions and statistics agree.
func (c *crash) check(job int64, runs int) {
	c.t.Helper()
	var attempts, rows, entries, active, counted int
	var total, sum float64
	err := c.pool.QueryRow(c.ctx, `
SELECT (SELECT attempts FROM data_ingestion_jobs WHERE id = $1),
       (SELECT count(*) FROM data_entry_emissions),
       (SELECT count(DISTINCT data_entry_id) FROM data_entry_emissions),
       (SELECT count(*) FROM data_ingestion_jobs WHERE state <> 'FINISHED'),
       (SELECT sum((stats->>'entry_count')::int) FROM carbon_report_modules),
       (SELECT sum((stats->>'total')::float8) FROM carbon_report_modules),
       (SELECT sum(kg_co2eq) FROM data_entry_emissions)`, job).Scan(&attempts, &rows, &entries, &active, &counted, &total, &sum)
	if err != nil {
		c.t.Fatal(err)
	}
	if attempts != runs || rows != crashEntries || entries != crashEntries || active != 0 {
		c.t.Errorf("job %d ran %d times (want %d); %d emissions of %d entries (want %d each); %d jobs active (want 0)",
			job, attempts, runs, rows, entries, crashEntries, active)
	}
	if counted != crashEntries || total/sum < 1-1e-9 || total/sum > 1+1e-9 {
		c.t.Errorf("statistics: %d entries, %f kg; emissions: %f kg", counted, total, sum)
	}
}

// crash is a deployment of real processes.
type crash struct {
	ctx    context.Context
	t      *testing.T
	binary string
	dir    string
	redis  string
	env    []string
	pool   *pgxpool.Pool
}

// binaryDir is where the program is built, once for all tests.
var binaryDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if binaryDir != "" {
		_ = os.RemoveAll(binaryDir)
	}
	os.Exit(code)
}

var built = sync.OnceValues(func() (path string, err error) {
	if binaryDir, err = os.MkdirTemp("", "tidemark-test-"); err != nil {
		return "", err
	}
	path = filepath.Join(binaryDir, "tidemark")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func newCrash(ctx context.Context, t *testing.T) *crash {
	t.Helper()
	return newCrashOn(ctx, t, localtest.EmptyDatabase(t), localtest.Redis(t))
}

// newCrashOn is newCrash on servers of the test's own.
func newCrashOn(ctx context.Context, t *testing.T, database, redis string) *crash {
	t.Helper()
	c := &crash{ctx: ctx, t: t, dir: t.TempDir(), redis: redis, pool: localtest.Connect(t, database)}
	var err error
	if c.binary, err = built(); err != nil {
		t.Fatal(err)
	}
	c.env = append(os.Environ(), "TIDEMARK_DATABASE_URL="+database, "TIDEMARK_REDIS_URL="+c.redis)
	if _, err := sample.Write(c.dir); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *crash) file(name string) string { return filepath.Join(c.dir, name) }

// run carries out a command and fails the test if that fails.
func (c *crash) run(args ...string) {
	c.t.Helper()
	if out, err := c.command(args...).CombinedOutput(); err != nil {
		c.t.Fatalf("tidemark %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (c *crash) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(c.ctx, c.binary, args...)
	cmd.Env = c.env
	return cmd
}

// logs is what the processes have written so far.
func (c *crash) logs() (all string) {
	paths, _ := filepath.Glob(c.file("*.log"))
	for _, path := range paths {
		text, _ := os.ReadFile(path)
		all += string(text)
	}
	return all
}

// process is one that a test started.
type process struct {
	pid    int
	exited chan struct{}
}

// start runs a process until the end of the test.
func (c *crash) start(args ...string) *process {
	c.t.Helper()
	cmd := exec.Command(c.binary, args...)
	cmd.Env = c.env
	log, err := os.Create(filepath.Join(c.dir, fmt.Sprintf("%s-%d.log", args[0], time.Now().UnixNano())))
	if err != nil {
		c.t.Fatal(err)
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	p := &process{cmd.Process.Pid, make(chan struct{})}
	go func() { _ = cmd.Wait(); close(p.exited) }()
	c.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Signal(os.Interrupt)
		<-p.exited
		log.Close()
		if c.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			c.t.Logf("%s:\n%s", filepath.Base(log.Name()), text)
		}
	})
	return p
}

// flights writes the file of entries, all of which can be computed.
func (c *crash) flights(entries int) string {
	path := c.file("many.csv")
	f, err := os.Create(path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "unit_institutional_id,origin_iata,destination_iata,user_institutional_id,departure_date,number_of_trips,cabin_class,note")
	for i := range entries {
		fmt.Fprintf(w, "UNIT%d,GVA,%s,P1,2025-03-01,%d,economy,\n", i%50, []string{"LHR", "JFK", "NRT", "FRA"}[i%4], 1+i%3)
	}
	if err := w.Flush(); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// awaitProgress waits until a recalculation has done some, not all, of its entries.
func (c *crash) awaitProgress() (pid int, jobID int64) {
	c.t.Helper()
	for c.ctx.Err() == nil {
		var token string
		err := c.pool.QueryRow(c.ctx, `SELECT id, locked_by FROM data_ingestion_jobs
			WHERE job_type = 'emission_recalc' AND state = 'RUNNING' AND progress_done BETWEEN 1 AND progress_total / 2`).Scan(&jobID, &token)
		if err == nil {
			m := regexp.MustCompile(`-(\d+)-[0-9a-f]+$`).FindStringSubmatch(token)
			if m == nil {
				c.t.Fatalf("claim token %q does not name its process", token)
			}
			pid, _ = strconv.Atoi(m[1])
			return pid, jobID
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatal("no recalculation was seen under way")
	return 0, 0
}

func (c *crash) kill(pid int, sig syscall.Signal) {
	c.t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		c.t.Fatal(err)
	}
}

// awaitQuiet waits until no job waits or runs.
func (c *crash) awaitQuiet() {
	c.t.Helper()
	for active := true; active; time.Sleep(10 * time.Millisecond) {
		if err := c.pool.QueryRow(c.ctx, `SELECT EXISTS (SELECT FROM data_ingestion_jobs WHERE state <> 'FINISHED')`).Scan(&active); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *crash) flushRedis() {
	c.t.Helper()
	rdb, err := signal.Connect(c.redis)
	if err != nil {
		c.t.Fatal(err)
	}
	defer rdb.Close()
	if err := rdb.(*redis.Client).FlushAll(c.ctx).Err(); err != nil {
		c.t.Fatal(err)
	}
}
