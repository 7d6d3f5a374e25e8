package exporter

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"tidemark/exporter/collector"
	"tidemark/shared/access"
	"tidemark/shared/explain"
	"tidemark/shared/web"
)

// Options say what an exporter serves and where. The zero value of a field with a
// default stands for it.
type Options struct {
	// Web says where it serves. Default [DefaultAddress], without TLS.
	Web web.Options
	// TelemetryPath is where the metrics are. Default [DefaultTelemetryPath].
	TelemetryPath string
	// RoutePrefix stands before every route, for a proxy that passes its own path on; slashes
	// around it do not matter. Default none.
	RoutePrefix string
	// OlderThan is the age from which tidemark_stale_scopes counts a finished aggregation
	// as too old, a minute or more. Default 60 minutes.
	OlderThan time.Duration
	// MaxHold is how long the fleet's workers hold an aggregation for recalculations at most, which
	// pages and explanations say; 0 where it holds none.
	MaxHold time.Duration
	// AnonymousAPI lets callers without credentials read: the console, the /v1 routes and asynqmon.
	AnonymousAPI bool
	// Authenticator knows the callers of console and API. Without one nobody is known.
	Authenticator *access.Authenticator
	// Limiter bounds how often each caller of the API requests. Default that of [api.Options].
	Limiter *access.Limiter
	// Logger receives failures of collectors and requests. Default [slog.Default].
	Logger *slog.Logger
	// Pool reaches the record for scrapes and readiness, with a connection each; its owner
	// closes it after Run. Required.
	Pool *pgxpool.Pool
	// APIPool is that of console and API: however many ask there, a scrape does not wait. Default Pool.
	APIPool *pgxpool.Pool
	// Redis reaches the queues, by a client of signal.Connect; its owner closes it after Run. Without
	// one no queue is watched, there is no asynqmon, and workers hear of requests from the scheduler.
	Redis redis.UniversalClient
	// MaxScopeSeries is how many scopes have series of their own, stale ones first; 0 for none.
	MaxScopeSeries int
	// Unmigrated says that the database is the original application's own and is to stay as it is:
	// it is read the slow way, and nobody knows what drifted.
	Unmigrated bool
}

// The defaults that the command line shows.
const (
	DefaultAddress       = "127.0.0.1:9877"
	DefaultTelemetryPath = "/metrics"
	DefaultOlderThan     = time.Hour
)

const (
	minOlderThan = time.Minute
	// writeTimeout is that of an answer to the most patient scraper.
	writeTimeout = collector.MaxScrapeTimeout + 10*time.Second
)

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	if o.Web.Addresses == nil && !o.Web.SystemdSocket {
		o.Web.Addresses = []string{DefaultAddress}
	}
	o.Web.WriteTimeout = writeTimeout
	if o.TelemetryPath == "" {
		o.TelemetryPath = DefaultTelemetryPath
	}
	o.RoutePrefix = trimPrefix(o.RoutePrefix)
	if o.OlderThan == 0 {
		o.OlderThan = DefaultOlderThan
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.APIPool == nil {
		o.APIPool = o.Pool
	}
	return o
}

// limits are what console and API judge by.
func (o Options) limits() explain.Limits {
	return explain.Limits{OlderThan: o.OlderThan, MaxHold: o.MaxHold}
}

// validate names the field, or the flag behind it, that cannot be worked with.
func (o Options) validate() error {
	if o.Pool == nil {
		return errors.New("exporter: Pool is missing: give it a pool of shared/postgres")
	}
	if o.OlderThan < minOlderThan {
		return fmt.Errorf("exporter: OlderThan is %s: below %s every aggregation would be too old", o.OlderThan, minOlderThan)
	}
	if o.MaxScopeSeries < 0 {
		return fmt.Errorf("exporter: --metrics.max-scopes is %d: 0 or more", o.MaxScopeSeries)
	}
	if err := checkPrefix(o.RoutePrefix); err != nil {
		return fmt.Errorf("exporter: --web.route-prefix %w", err)
	}
	if err := checkTelemetryPath(o.TelemetryPath); err != nil {
		return fmt.Errorf("exporter: --web.telemetry-path %w", err)
	}
	if o.Web.Off() {
		return errors.New("exporter: --web.listen-address is empty: an exporter that serves nothing has nothing to do")
	}
	if err := o.Web.Validate(); err != nil {
		return fmt.Errorf("exporter: %w", err)
	}
	return nil
}
