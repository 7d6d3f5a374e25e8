package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"tidemark/exporter/collector"
	"tidemark/shared/postgres"
)

// Exporter serves the metrics and the read-only API. Make it with [New].
type Exporter struct{ opts Options }

// New validates the options. It opens nothing: a database that is away shows in
// the answers, not here.
func New(o Options) (*Exporter, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	return &Exporter{opts: o}, nil
}

// Limits of the server. A request is a line and a few headers; an answer may take
// as long as the longest scrape.
const (
	readTimeout    = 5 * time.Second
	writeTimeout   = collector.MaxScrapeTimeout + 10*time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
	// drainTimeout is how long requests may go on after the stop signal: less than the kill
	// delay of the usual platforms.
	drainTimeout = 5 * time.Second
)

// Run serves until ctx is done, lets open requests end and returns nil. An error
// means that the schema does not fit, the address cannot be had, the server broke, or
// requests had to be cut off. A database that is away is no reason not to start: it may
// come, and until then the answers say that nothing is known.
func (e *Exporter) Run(ctx context.Context) error {
	var wrong *postgres.SchemaError
	if err := postgres.CheckSchema(ctx, e.opts.Pool); errors.As(err, &wrong) {
		return fmt.Errorf("exporter: %w", err)
	} else if err != nil {
		e.opts.Logger.Warn("the record cannot be read yet", "err", err)
	}
	if ctx.Err() != nil {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", e.opts.ListenAddress)
	if err != nil {
		return fmt.Errorf("exporter: listen on %s: %w: choose another address or stop the process that has it", e.opts.ListenAddress, err)
	}
	if e.opts.OnListen != nil {
		e.opts.OnListen(listener.Addr())
	}
	server := &http.Server{
		Handler:           e.Handler(),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(e.opts.Logger.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("exporter: serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return fmt.Errorf("exporter: requests were cut off after %s: %w", drainTimeout, errors.Join(err, server.Close()))
	}
	return nil
}
