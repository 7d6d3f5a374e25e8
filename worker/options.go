package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/web"
)

// Calculation computes one scope inside a transaction and returns what it did. An error
// rolls everything back. It must stop when ctx ends; the worker commits.
type Calculation func(ctx context.Context, tx pgx.Tx, c *ledger.Claim, progress job.Progress) (job.Outcome, error)

// Options configure a worker.
type Options struct {
	DatabaseURL string
	RedisURL    string
	// Calculations say how each job type is computed; types without one are not served.
	Calculations map[job.Type]Calculation
	// Concurrency is how many jobs run at once; each has a database connection of its own.
	Concurrency int
	// Lease is how long a job stays ours without a renewal. A worker that dies is noticed after it.
	Lease time.Duration
	// Heartbeat is the time between renewals; at most a third of the lease.
	Heartbeat time.Duration
	// TimeLimit bounds one run; it then ends in ERROR.
	TimeLimit time.Duration
	// Drain is how long running jobs may go on after a stop was asked for. What is not done
	// by then is released. Keep it below the delay after which the platform kills.
	Drain time.Duration
	// PollInterval is how often an idle worker looks for signals.
	PollInterval time.Duration
	// Ledger is the record's protocol.
	Ledger *ledger.Ledger
	// Registry takes the worker's metrics, and is what the worker serves. Two workers need two.
	Registry *prometheus.Registry
	// Web says where metrics and health are served; without an address they are not.
	Web    web.Options
	Logger *slog.Logger
}

// DefaultAddress is where the command line serves a worker's metrics and health.
const DefaultAddress = "127.0.0.1:9878"

// DefaultOptions returns the defaults of everything that has one.
func DefaultOptions() Options {
	return Options{
		Concurrency:  4,
		Lease:        15 * time.Second,
		Heartbeat:    3 * time.Second,
		TimeLimit:    30 * time.Minute,
		Drain:        20 * time.Second,
		PollInterval: 10 * time.Millisecond,
		Ledger:       ledger.New(ledger.DefaultMaxHold),
		Registry:     prometheus.NewRegistry(),
		Logger:       slog.New(slog.DiscardHandler),
	}
}

func (o Options) validate() error {
	switch {
	case len(o.Calculations) == 0:
		return errors.New("Calculations: none given, the worker would have nothing to do")
	case o.Concurrency < 1:
		return fmt.Errorf("Concurrency: %d; at least 1", o.Concurrency)
	case o.Heartbeat <= 0 || 3*o.Heartbeat > o.Lease:
		return fmt.Errorf("Heartbeat: %s; more than 0 and at most a third of the lease (%s), or one late renewal loses the job", o.Heartbeat, o.Lease)
	case o.TimeLimit <= 0:
		return fmt.Errorf("TimeLimit: %s; more than 0", o.TimeLimit)
	case o.Drain < 0:
		return fmt.Errorf("Drain: %s; not negative", o.Drain)
	case o.PollInterval <= 0:
		return fmt.Errorf("PollInterval: %s; more than 0", o.PollInterval)
	case o.Registry == nil:
		return errors.New("Registry: none given for the worker's metrics")
	}
	for t := range o.Calculations {
		if _, err := job.ConfigOf(t); err != nil {
			return fmt.Errorf("Calculations: %w", err)
		}
	}
	return o.Web.Validate()
}
