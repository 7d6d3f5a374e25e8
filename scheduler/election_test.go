package scheduler

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

// office is the place that candidates of a test stand for.
type office struct {
	*field
	// held counts the leaders of this moment, most is how many there ever were at once, by the
	// word of those who worked.
	held, most atomic.Int32
	// hang keeps work that has been told to end from ending; nil does not.
	hang chan struct{}
}

type candidate struct {
	*election
	stop func()
}

func (c *candidate) leads() bool { return testutil.ToFloat64(c.metrics.leader) == 1 }

func (c *candidate) times(transition string) float64 {
	return testutil.ToFloat64(c.metrics.transitions.WithLabelValues(transition))
}

// stand starts a candidate that reaches the database by this URL.
func (o *office) stand(url string) *candidate {
	o.t.Helper()
	pool, err := postgres.Connect(o.ctx, postgres.Options{URL: url})
	o.must(err)
	o.t.Cleanup(pool.Close)
	c := &candidate{election: &election{config: sessionOf(pool.Config().ConnConfig), log: o.opts.Logger, metrics: newMetrics(prometheus.NewRegistry()),
		// Between patience and silence lies how late a busy machine may be.
		timing: timing{standby: 10 * time.Millisecond, check: 10 * time.Millisecond, patience: time.Second, silence: 4 * time.Second}}}
	c.stop = localtest.Start(o.t, func(ctx context.Context) error {
		return c.run(ctx, func(ctx context.Context) {
			if n := o.held.Add(1); n > o.most.Load() {
				o.most.Store(n)
			}
			<-ctx.Done()
			if o.hang != nil {
				<-o.hang
			}
			o.held.Add(-1)
		})
	})
	return c
}

func (o *office) awaitLeader(c *candidate) {
	o.t.Helper()
	o.await("the candidate leads", c.leads)
}

func (o *office) wantNeverTwo() {
	o.t.Helper()
	if n := o.most.Load(); n != 1 {
		o.t.Errorf("%d led at once", n)
	}
}

func TestLeaderHandsOver(t *testing.T) {
	t.Parallel()
	o := &office{field: setup(t)}
	first := o.stand(o.database)
	o.awaitLeader(first)
	second, third := o.stand(o.database), o.stand(o.database)
	first.stop()
	o.await("one of the others leads", func() bool { return second.leads() || third.leads() })
	second.stop()
	o.awaitLeader(third)
	if first.times(termGained) != 1 || first.times(termHandedOver) != 1 || first.times(termLost) != 0 || first.leads() {
		t.Errorf("gained %v, handed over %v, lost %v", first.times(termGained), first.times(termHandedOver), first.times(termLost))
	}
	o.wantNeverTwo()
}

// A loop that does not end at once, since its Redis is away, keeps no other scheduler from leading.
func TestLeaderThatHangsHandsOver(t *testing.T) {
	t.Parallel()
	o := &office{field: setup(t), hang: make(chan struct{})}
	first := o.stand(o.database)
	o.awaitLeader(first)
	second := o.stand(o.database)
	go first.stop()
	o.awaitLeader(second)
	close(o.hang)
	first.stop()
	if first.times(termHandedOver) != 1 || first.leads() {
		t.Errorf("handed over %v", first.times(termHandedOver))
	}
}

func TestLeaderThatIsCutOffStopsAndStandsBy(t *testing.T) {
	t.Parallel()
	o := &office{field: setup(t)}
	proxy := localtest.NewProxy(t, o.database)
	first := o.stand(proxy.URL)
	o.awaitLeader(first)
	second := o.stand(o.database)
	proxy.Cut()
	o.awaitLeader(second)
	o.await("the first knows", func() bool { return first.times(termLost) == 1 })
	proxy.Restore()
	second.stop()
	o.await("the first leads again", func() bool { return first.times(termGained) == 2 })
}

// A link that swallows everything tells neither side: each has to draw the conclusion by itself,
// and the leader first.
func TestLeaderThatHearsNothingStopsBeforeAnotherBegins(t *testing.T) {
	t.Parallel()
	o := &office{field: setup(t)}
	proxy := localtest.NewProxy(t, o.database)
	first := o.stand(proxy.URL)
	o.awaitLeader(first)
	second := o.stand(o.database)
	proxy.Stall()
	o.awaitLeader(second)
	if first.leads() || first.times(termLost) != 1 {
		t.Errorf("the first leads still; lost %v", first.times(termLost))
	}
	o.wantNeverTwo()
}

func TestLeaderWhoseSessionIsEndedStops(t *testing.T) {
	t.Parallel()
	o := &office{field: setup(t)}
	first := o.stand(o.database)
	o.awaitLeader(first)
	o.exec(fmt.Sprintf(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = %d
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, leaderSpace))
	o.await("it knows", func() bool { return first.times(termLost) == 1 })
	o.await("and stands again", func() bool { return first.times(termGained) == 2 })
}

// TestOnlyTheLeaderWorks: what waits without a signal is signalled by one scheduler, and by
// another when that one is gone.
func TestOnlyTheLeaderWorks(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var registries []*prometheus.Registry
	var stops []func()
	for range 2 {
		stops = append(stops, f.run(func(o *Options) { registries = append(registries, o.Registry) }))
		f.await("the first leads", func() bool { return strings.Contains(page(registries[0]), "\ntidemark_scheduler_leader 1\n") })
	}
	f.request(planes)
	f.await("the job is signalled", f.signalled("emission_recalc", "emission_recalc:2:20:2025:1"))
	if !strings.Contains(page(registries[1]), `tidemark_scheduler_tick_duration_seconds_count{loop="relay"} 0`) {
		t.Error("the one that stands by works")
	}
	stops[0]()
	f.must(f.rdb.FlushDB(f.ctx).Err())
	f.await("the other signals it again", f.signalled("emission_recalc", "emission_recalc:2:20:2025:1"))
}
