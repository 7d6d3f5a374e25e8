package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"tidemark/scheduler/periodic"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
	"tidemark/shared/signal"
	"tidemark/shared/telemetry"
	"tidemark/shared/web"
)

// Options configure a scheduler.
type Options struct {
	DatabaseURL string
	RedisURL    string
	// RelayInterval is the time between two looks for jobs without a signal.
	RelayInterval time.Duration
	// RelayGrace is how old a request must be before the relay looks after it: its requester
	// signals it, normally, right after the commit.
	RelayGrace time.Duration
	// StuckAfter is how long the task of a waiting job may count as being processed before the
	// relay takes its worker for dead and sends another.
	StuckAfter time.Duration
	// ReapInterval is the time between two looks for expired leases.
	ReapInterval time.Duration
	// Periodic are requested at their times; none by default.
	Periodic []periodic.Entry
	// Retention is how long finished jobs stay in the record, if nothing needs them; 0 keeps all.
	Retention time.Duration
	// BacklogLimit is from when on a queue counts as not healthy.
	BacklogLimit ledger.BacklogLimit
	// Ledger is the record's protocol; its hold must be the workers'.
	Ledger *ledger.Ledger
	// Registry takes the scheduler's metrics, and is what the scheduler serves. Two schedulers
	// need two.
	Registry *prometheus.Registry
	// Web says where metrics and health are served; without an address they are not.
	Web    web.Options
	Logger *slog.Logger
}

// DefaultAddress is where the command line serves a scheduler's metrics and health.
const DefaultAddress = "127.0.0.1:9879"

// DefaultOptions returns the defaults of everything that has one.
func DefaultOptions() Options {
	return Options{
		RelayInterval: time.Second,
		RelayGrace:    2 * time.Second,
		StuckAfter:    10 * time.Second,
		ReapInterval:  2 * time.Second,
		BacklogLimit:  ledger.DefaultBacklogLimit,
		Ledger:        ledger.New(ledger.DefaultMaxHold),
		Registry:      prometheus.NewRegistry(),
		Logger:        slog.New(slog.DiscardHandler),
	}
}

func (o Options) validate() error {
	for name, d := range map[string]time.Duration{"RelayInterval": o.RelayInterval, "ReapInterval": o.ReapInterval, "StuckAfter": o.StuckAfter} {
		if d <= 0 {
			return fmt.Errorf("%s: %s; more than 0", name, d)
		}
	}
	if o.RelayGrace < 0 {
		return errors.New("RelayGrace: not negative")
	}
	if o.Retention < 0 || o.Retention > 0 && o.Retention < minRetention {
		return fmt.Errorf("Retention: %s; 0 to keep everything, or at least %s", o.Retention, minRetention)
	}
	if o.BacklogLimit.Jobs < 1 || o.BacklogLimit.Age <= 0 {
		return fmt.Errorf("BacklogLimit: %d jobs, %s; at least 1 job and more than 0", o.BacklogLimit.Jobs, o.BacklogLimit.Age)
	}
	if o.Registry == nil {
		return errors.New("Registry: none given for the scheduler's metrics")
	}
	return o.Web.Validate()
}

// Scheduler stands for election and, while it leads, repairs.
type Scheduler struct {
	opts    Options
	metrics *metrics
}

// New validates the options, the web configuration file with them, and registers the metrics;
// it connects to nothing.
func New(o Options) (*Scheduler, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	return &Scheduler{opts: o, metrics: newMetrics(o.Registry, o.Periodic...)}, nil
}

// schedulerConns: each loop needs one.
const schedulerConns = 7

// Run works until ctx ends and returns nil then. It refuses to start on a schema that does
// not fit. Redis or PostgreSQL may be away at any later time.
func (s *Scheduler) Run(ctx context.Context) error {
	pool, err := postgres.Connect(ctx, postgres.Options{URL: s.opts.DatabaseURL, AppName: postgres.ProcessName("scheduler"), MaxConns: schedulerConns})
	if err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	defer pool.Close()
	if err := postgres.CheckSchema(ctx, pool); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("scheduler: %w", err)
	}
	rdb, err := signal.Connect(s.opts.RedisURL)
	if err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	defer rdb.Close()

	pages := telemetry.Pages(s.opts.Registry, s.opts.Logger, telemetry.Postgres(pool), telemetry.Redis(rdb))
	stopPages, err := telemetry.Start(ctx, s.opts.Web, s.opts.Logger, pages)
	if err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	defer stopPages()

	watching, stopWatching := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { signal.WatchEviction(watching, rdb, s.opts.Logger, s.metrics.evictionWarnings) })
	defer watch.Wait()
	defer stopWatching()

	s.opts.Logger.Info("scheduler started")
	election := &election{config: sessionOf(pool.Config().ConnConfig), timing: defaultTiming(), metrics: s.metrics, log: s.opts.Logger}
	if err := election.run(ctx, func(ctx context.Context) { s.lead(ctx, pool, signal.NewSender(rdb)) }); err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	s.opts.Logger.Info("scheduler stopped")
	return nil
}

// lead runs the loops until ctx ends.
func (s *Scheduler) lead(ctx context.Context, db *pgxpool.Pool, signals *signal.Sender) {
	relay := &relay{opts: s.opts, db: db, signals: signals, metrics: s.metrics, seen: map[flight]time.Time{}}
	reaper := &reaper{opts: s.opts, db: db, signals: signals, metrics: s.metrics}
	sweeper := &sweeper{opts: s.opts, db: db, signals: signals, metrics: s.metrics, offsets: map[job.Type]int{}}
	calendar := &calendar{opts: s.opts, db: db, signals: signals, metrics: s.metrics}
	retention := &retention{opts: s.opts, db: db, metrics: s.metrics}
	health := &health{opts: s.opts, db: db, metrics: s.metrics, exceeded: map[job.Type]bool{}}
	compactor := &compactor{db: db, log: s.opts.Logger}
	var loops sync.WaitGroup
	loops.Go(func() { every(ctx, s.opts.RelayInterval, s.metrics.watched(relayLoop, relay.tick)) })
	loops.Go(func() { every(ctx, s.opts.ReapInterval, s.metrics.watched(reaperLoop, reaper.tick)) })
	loops.Go(func() { every(ctx, sweepInterval, s.metrics.watched(sweeperLoop, sweeper.tick)) })
	loops.Go(func() { every(ctx, calendarInterval, s.metrics.watched(calendarLoop, calendar.tick)) })
	loops.Go(func() { every(ctx, retainInterval, s.metrics.watched(retentionLoop, retention.tick)) })
	loops.Go(func() { every(ctx, healthInterval, s.metrics.watched(healthLoop, health.tick)) })
	loops.Go(func() { every(ctx, compactInterval, s.metrics.watched(compactorLoop, compactor.tick)) })
	loops.Wait()
	s.metrics.forget()
}

// every calls tick now, then after each interval, until ctx ends.
func every(ctx context.Context, interval time.Duration, tick func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		tick(ctx)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}
