package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
	"tidemark/shared/signal"
	"tidemark/shared/telemetry"
)

// Worker runs jobs until it is stopped.
type Worker struct {
	opts   Options
	log    *slog.Logger
	ledger *ledger.Ledger

	// data has one connection for each job that runs; a run never waits for it.
	data *pgxpool.Pool
	// claims may wait for requesters, at the doors of their scopes.
	claims *pgxpool.Pool
	// control carries what must wait neither behind calculations nor behind claims: renewals, failures.
	control *pgxpool.Pool
	rdb     redis.UniversalClient
	signals *signal.Sender
	metrics *metrics

	// slots bounds the runs, also when asynq has given up on a task whose run goes on.
	slots chan struct{}
	// stopping ends when a stop is asked for: no new claims. releasing ends, with errShutdown,
	// when the drain is over: what still runs is released.
	stopping  context.Context
	releasing context.Context

	// mu orders the last begin before the wait for active.
	mu     sync.Mutex
	active sync.WaitGroup
}

var errShutdown = errors.New("the worker shuts down")

// redisFarewell is how long asynq has to hand its last tasks back to Redis.
const redisFarewell = 3 * time.Second

// These are enough for the short statements of any number of runs.
const (
	claimConns   = 4
	controlConns = 2
)

// New validates the options, the web configuration file with them, and registers the metrics;
// it connects to nothing.
func New(o Options) (*Worker, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	return &Worker{opts: o, log: o.Logger, ledger: o.Ledger, slots: make(chan struct{}, o.Concurrency),
		metrics: newMetrics(o.Registry, o.Concurrency)}, nil
}

// Run serves until ctx ends, then drains and returns nil. It refuses to start on a schema
// that does not fit. Redis or PostgreSQL may be away at any later time.
func (w *Worker) Run(ctx context.Context) error {
	defer w.close()
	if err := w.open(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("worker: %w", err)
	}

	var stop context.CancelFunc
	w.stopping, stop = context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var release context.CancelCauseFunc
	w.releasing, release = context.WithCancelCause(context.WithoutCancel(ctx))
	defer release(nil)

	// Served until the last run has ended: the drain is worth watching.
	stopPages, err := telemetry.Start(ctx, w.opts.Web, w.log, w.pages())
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	defer stopPages()

	connected, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	signal.Until(connected, w.rdb)
	server := w.newServer()
	if err := server.Start(asynq.HandlerFunc(w.handle)); err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	w.log.Info("worker started", "concurrency", w.opts.Concurrency, "lease", w.opts.Lease)
	signal.WatchEviction(ctx, w.rdb, w.log, w.metrics.evictionWarnings) // until ctx ends

	w.mu.Lock()
	stop()
	w.mu.Unlock()
	// asynq notices only between two looks for tasks, each of which a Redis that is away makes
	// half a minute long. What it brings until then is turned away; see begin.
	var stopped sync.WaitGroup
	stopped.Go(server.Stop)
	w.log.Info("worker drains", "at_most", w.opts.Drain)
	drain := time.AfterFunc(w.opts.Drain, func() { release(errShutdown) })
	w.active.Wait()
	drain.Stop()
	// What is left is between asynq and Redis. asynq would wait for a Redis that is away, half a
	// minute for each command, until the platform kills us.
	farewell := time.AfterFunc(redisFarewell, leave)
	stopped.Wait()
	server.Shutdown()
	farewell.Stop()
	w.log.Info("worker stopped")
	return nil
}

// pages are what the worker serves of itself.
func (w *Worker) pages() http.Handler {
	serving := func(context.Context) (string, error) {
		if w.stopping.Err() != nil {
			return "the worker is stopping", nil
		}
		return "", nil
	}
	return telemetry.Pages(w.opts.Registry, w.log, serving, telemetry.Postgres(w.control), telemetry.Redis(w.rdb))
}

// begin reports whether a task may still be worked on; if so, done must follow.
func (w *Worker) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping.Err() != nil {
		return false
	}
	w.active.Add(1)
	return true
}

func (w *Worker) open(ctx context.Context) (err error) {
	// A run that meets a dead connection has lost an attempt, and a claim that does its task, until the
	// relay signals the scope again. After the server ended all sessions the pools hold as many dead
	// ones as a job has attempts, or more.
	w.data, err = postgres.Connect(ctx, postgres.Options{URL: w.opts.DatabaseURL, AppName: postgres.ProcessName("worker"), MaxConns: w.opts.Concurrency, Proven: true})
	if err != nil {
		return err
	}
	w.claims, err = postgres.Connect(ctx, postgres.Options{URL: w.opts.DatabaseURL, AppName: postgres.ProcessName("worker"), MaxConns: claimConns, Proven: true})
	if err != nil {
		return err
	}
	w.control, err = postgres.Connect(ctx, postgres.Options{URL: w.opts.DatabaseURL, AppName: postgres.ProcessName("worker"), MaxConns: controlConns})
	if err != nil {
		return err
	}
	if err := postgres.CheckSchema(ctx, w.control); err != nil {
		return err
	}
	w.rdb, err = signal.Connect(w.opts.RedisURL)
	if err != nil {
		return err
	}
	w.signals = signal.NewSender(w.rdb)
	return nil
}

// close closes what open opened, also when it came to an error on the way.
func (w *Worker) close() {
	for _, pool := range []*pgxpool.Pool{w.data, w.claims, w.control} {
		if pool != nil {
			pool.Close()
		}
	}
	if w.rdb != nil {
		_ = w.rdb.Close()
	}
}

// newServer configures asynq: it moves tasks, nothing else is left to it.
func (w *Worker) newServer() *asynq.Server {
	queues := make(map[string]int)
	for t := range w.opts.Calculations {
		if c, err := job.ConfigOf(t); err == nil {
			queues[c.Queue()] = 1
		}
	}
	return asynq.NewServerFromRedisClient(w.rdb, asynq.Config{
		Concurrency:       w.opts.Concurrency,
		Queues:            queues,
		TaskCheckInterval: w.opts.PollInterval,
		// By then only tasks are left that came too late; see handle.
		ShutdownTimeout: time.Second,
		Logger:          asynqLog{w.log},
		LogLevel:        asynq.WarnLevel,
	})
}

// asynqLog passes asynq's own log on.
type asynqLog struct{ log *slog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug(fmt.Sprint(args...), "source", "asynq") }
func (l asynqLog) Info(args ...any)  { l.log.Info(fmt.Sprint(args...), "source", "asynq") }
func (l asynqLog) Warn(args ...any)  { l.log.Warn(fmt.Sprint(args...), "source", "asynq") }
func (l asynqLog) Error(args ...any) { l.log.Error(fmt.Sprint(args...), "source", "asynq") }

// Fatal does not end the process: the worker decides when it stops.
func (l asynqLog) Fatal(args ...any) { l.log.Error(fmt.Sprint(args...), "source", "asynq") }
