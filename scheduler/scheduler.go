package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
	"tidemark/shared/signal"
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
	// Ledger is the record's protocol; its hold must be the workers'.
	Ledger *ledger.Ledger
	Logger *slog.Logger
}

// DefaultOptions returns the defaults of everything that has one.
func DefaultOptions() Options {
	return Options{
		RelayInterval: time.Second,
		RelayGrace:    2 * time.Second,
		StuckAfter:    10 * time.Second,
		ReapInterval:  2 * time.Second,
		Ledger:        ledger.New(ledger.DefaultMaxHold),
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
	return nil
}

// Scheduler runs the relay and the reaper.
type Scheduler struct{ opts Options }

// New validates the options; it touches nothing.
func New(o Options) (*Scheduler, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	return &Scheduler{opts: o}, nil
}

// schedulerConns: the relay and the reaper need one each.
const schedulerConns = 3

// Run works until ctx ends and returns nil then. It refuses to start on a schema that does
// not fit. Redis or PostgreSQL may be away at any later time.
func (s *Scheduler) Run(ctx context.Context) error {
	pool, err := postgres.Connect(ctx, postgres.Options{URL: s.opts.DatabaseURL, AppName: "tidemark scheduler", MaxConns: schedulerConns})
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

	signals := signal.NewSender(rdb)
	relay := &relay{opts: s.opts, db: pool, signals: signals, seen: map[flight]time.Time{}}
	reaper := &reaper{opts: s.opts, db: pool, signals: signals}
	s.opts.Logger.Info("scheduler started")
	var loops sync.WaitGroup
	loops.Go(func() { every(ctx, s.opts.RelayInterval, relay.tick) })
	loops.Go(func() { every(ctx, s.opts.ReapInterval, reaper.tick) })
	loops.Wait()
	s.opts.Logger.Info("scheduler stopped")
	return nil
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
