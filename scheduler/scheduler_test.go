package scheduler

import (
	"context"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
)

// run runs a scheduler with short intervals; stop ends it, as the end of the test does.
func (f *field) run(adjust func(*Options)) (stop func()) {
	f.t.Helper()
	o := f.opts
	o.RelayInterval, o.ReapInterval = 20*time.Millisecond, 20*time.Millisecond
	o.Registry = prometheus.NewRegistry()
	if adjust != nil {
		adjust(&o)
	}
	s, err := New(o)
	f.must(err)
	return localtest.Start(f.t, s.Run)
}

func (f *field) signalled(queue, id string) func() bool {
	return func() bool { return f.tasks(queue)[id] == "pending" }
}

// O-15: a lost worker's job waits again, with a signal under a new id.
func TestReaperGivesBackAndSignals(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.opts.RelayGrace = time.Hour // Not the relay's doing.
	f.request(planes)
	c := f.claim(planes)
	f.run(nil)
	f.exec(`UPDATE data_ingestion_jobs SET lease_expires_at = clock_timestamp() WHERE id = $1`, c.JobID)
	f.await("the job is signalled again", f.signalled("emission_recalc", "emission_recalc:2:20:2025:1.2"))
	if again := f.claim(planes); again.Attempt != 2 {
		t.Errorf("attempt %d", again.Attempt)
	}
}

// stall: whoever is held by a recalculation that is given up hears of it.
func TestReaperSignalsWhatAnAbandonedJobHeld(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.opts.RelayGrace = time.Hour
	f.request(planes, travel)
	f.exec(`UPDATE data_ingestion_jobs SET max_attempts = 1`)
	c := f.claim(planes)
	f.exec(`UPDATE data_ingestion_jobs SET lease_expires_at = clock_timestamp() WHERE id = $1`, c.JobID)
	f.must(f.reaper().tick(f.ctx))
	f.wantTasks("after a tick", "aggregation", "aggregation:2:2025:1", "pending")
	f.wantTasks("after a tick", "emission_recalc")
	f.wantCount(1, f.metrics.reaped.WithLabelValues("emission_recalc", string(ledger.Abandoned)))
}

// One scope whose door is held does not keep the others' jobs from being given back.
func TestReaperGoesOnAfterTrouble(t *testing.T) {
	t.Parallel()
	f := setup(t)
	trains := job.RecalcOf(2, 21, 2025)
	f.request(planes, trains)
	f.claim(planes)
	f.claim(trains)
	tx, err := f.pool.Begin(f.ctx)
	f.must(err)
	defer func() { _ = tx.Rollback(f.ctx) }()
	_, err = tx.Exec(f.ctx, `UPDATE data_ingestion_jobs SET lease_expires_at = clock_timestamp() RETURNING id`)
	f.must(err)
	f.must(tx.Commit(f.ctx))
	held, err := f.pool.Begin(f.ctx)
	f.must(err)
	defer func() { _ = held.Rollback(f.ctx) }()
	_, err = held.Exec(f.ctx, `SELECT FROM data_ingestion_jobs WHERE data_entry_type_id = 20 FOR UPDATE`)
	f.must(err)
	if err := f.reaper().tick(f.ctx); err == nil || !strings.Contains(err.Error(), "reap job") {
		t.Errorf("one row is locked: %v", err)
	}
	f.wantTasks("one row is locked", "emission_recalc", "emission_recalc:2:21:2025:2.2", "pending")
	f.must(held.Rollback(f.ctx))
	f.must(f.reaper().tick(f.ctx))
	f.wantCount(2, f.metrics.reaped.WithLabelValues("emission_recalc", string(ledger.Requeued)))
	f.wantTasks("and is free", "emission_recalc", "emission_recalc:2:21:2025:2.2", "pending", "emission_recalc:2:20:2025:1.2", "pending")
}

func TestSchedulerOutlivesAPostgresThatIsAway(t *testing.T) {
	t.Parallel()
	f := setup(t)
	proxy := localtest.NewProxy(t, f.database)
	f.run(func(o *Options) { o.DatabaseURL = proxy.URL })
	f.request(planes)
	f.await("the job is signalled", f.signalled("emission_recalc", "emission_recalc:2:20:2025:1"))
	proxy.Cut()
	f.request(job.AggregationOf(3, 2025))
	proxy.Restore()
	f.await("the next one is", f.signalled("aggregation", "aggregation:3:2025:2"))
}

// link is a way to Redis that can be cut: then nobody listens at its end, as when the server is down.
type link struct {
	t                       *testing.T
	network, target, socket string

	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
}

func newLink(t *testing.T, redisURL string) (*link, string) {
	t.Helper()
	u, err := url.Parse(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: the path of a socket must be short.
	dir, err := os.MkdirTemp("/tmp", "tm-link-")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{t: t, network: "unix", target: u.Path, socket: dir + "/redis.sock"}
	db := u.Query().Get("db")
	if u.Scheme != "redis-socket" {
		l.network, l.target, db = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	}
	l.restore()
	t.Cleanup(func() { l.cut(); os.RemoveAll(dir) })
	return l, "redis-socket://" + l.socket + "?db=" + db
}

func (l *link) restore() {
	l.mu.Lock()
	defer l.mu.Unlock()
	listener, err := net.Listen("unix", l.socket)
	if err != nil {
		l.t.Fatal(err)
	}
	l.listener = listener
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			l.join(client)
		}
	}()
}

func (l *link) join(client net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	server, err := net.Dial(l.network, l.target)
	if err != nil {
		client.Close()
		return
	}
	l.conns = append(l.conns, client, server)
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			way[0].Close()
		}()
	}
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listener.Close()
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
}

// Redis may be away at any time: what was requested meanwhile is signalled afterwards, and what
// was lost is given back meanwhile.
func TestSchedulerOutlivesARedisThatIsAway(t *testing.T) {
	t.Parallel()
	f := setup(t)
	way, throughIt := newLink(t, f.opts.RedisURL)
	var registry *prometheus.Registry
	f.run(func(o *Options) { o.RedisURL, registry = throughIt, o.Registry })
	f.request(planes)
	f.await("the job is signalled", f.signalled("emission_recalc", "emission_recalc:2:20:2025:1"))
	way.cut()
	c := f.claim(planes)
	f.exec(`UPDATE data_ingestion_jobs SET lease_expires_at = clock_timestamp() WHERE id = $1`, c.JobID)
	f.await("the lost job waits again", func() bool {
		var waits bool
		f.must(f.pool.QueryRow(f.ctx, `SELECT state = 'NOT_STARTED' FROM data_ingestion_jobs`).Scan(&waits))
		return waits
	})
	f.await("the failures are counted", func() bool {
		body := page(registry)
		return !strings.Contains(body, `tidemark_scheduler_signal_failures_total{loop="relay"} 0`) &&
			!strings.Contains(body, `tidemark_scheduler_tick_failures_total{loop="relay"} 0`)
	})
	way.restore()
	f.await("it is signalled", f.signalled("emission_recalc", "emission_recalc:2:20:2025:1.2"))
}

// Any number of schedulers may run.
func TestSchedulersDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for range 3 {
		f.run(nil)
	}
	f.request(planes)
	f.await("the job is signalled", f.signalled("emission_recalc", "emission_recalc:2:20:2025:1"))
	c := f.claim(planes)
	f.exec(`UPDATE data_ingestion_jobs SET lease_expires_at = clock_timestamp() WHERE id = $1`, c.JobID)
	f.await("the job is signalled again", f.signalled("emission_recalc", "emission_recalc:2:20:2025:1.2"))
	f.wantTasks("three schedulers", "emission_recalc", "emission_recalc:2:20:2025:1", "pending", "emission_recalc:2:20:2025:1.2", "pending")
}

// two code versions: a schema that is too old is refused, and the message says what to do.
func TestOldSchemaIsRefused(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.DatabaseURL, o.RedisURL = localtest.EmptyDatabase(t), localtest.Redis(t)
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "tidemark migrate up") {
		t.Errorf("got %v", err)
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*Options){
		"RelayInterval": func(o *Options) { o.RelayInterval = 0 },
		"ReapInterval":  func(o *Options) { o.ReapInterval = -1 },
		"StuckAfter":    func(o *Options) { o.StuckAfter = 0 },
		"RelayGrace":    func(o *Options) { o.RelayGrace = -1 },
		"Retention":     func(o *Options) { o.Retention = time.Minute },
		"BacklogLimit":  func(o *Options) { o.BacklogLimit.Jobs = 0 },
		"Registry":      func(o *Options) { o.Registry = nil },
		"not host:port": func(o *Options) { o.Web.Addresses = []string{"9879"} },
	} {
		o := DefaultOptions()
		spoil(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
