package exporter

import (
	"context"
	"errors"
	"fmt"

	"tidemark/shared/postgres"
	"tidemark/shared/telemetry"
	"tidemark/shared/web"
)

// Exporter serves the metrics and the read-only API. Make it with [New].
type Exporter struct{ opts Options }

// New validates the options, the web configuration file with them. It opens nothing: a
// database that is away shows in the answers, not here.
func New(o Options) (*Exporter, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	return &Exporter{opts: o}, nil
}

// Run serves until ctx is done, lets open requests end and returns nil. An error
// means that the schema does not fit, an address cannot be had, the server broke, or
// requests had to be cut off. A database that is away is no reason not to start: it may
// come, and until then the answers say that nothing is known.
func (e *Exporter) Run(ctx context.Context) error {
	var wrong *postgres.SchemaError
	switch err := postgres.CheckSchema(ctx, e.opts.Pool); {
	case errors.As(err, &wrong) && !e.opts.Unmigrated:
		return fmt.Errorf("exporter: %w", err)
	case errors.As(err, &wrong):
		e.opts.Logger.Warn("the database is not migrated: each scrape reads all report modules and jobs, and nobody knows what drifted", "missing", wrong.Reason)
	case err != nil:
		e.opts.Logger.Warn("the record cannot be read yet", "err", err)
	}
	if ctx.Err() != nil {
		return nil
	}
	if e.opts.Redis == nil {
		e.opts.Logger.Warn("no Redis is given: the queues are not watched")
	}
	server, err := web.Listen(ctx, e.opts.Web, e.opts.Logger)
	if err != nil {
		return fmt.Errorf("exporter: %w", err)
	}
	metrics := e.metrics()
	defer metrics.WorkAhead(ctx)()
	if err := server.Serve(ctx, e.handler(metrics)); err != nil {
		return fmt.Errorf("exporter: %w", err)
	}
	return nil
}

// readiness is what the exporter needs to answer: the record and, unless it is the original's
// own, the schema.
func (e *Exporter) readiness() telemetry.Check {
	if e.opts.Unmigrated {
		return telemetry.Reachable(e.opts.Pool)
	}
	return telemetry.Postgres(e.opts.Pool)
}
