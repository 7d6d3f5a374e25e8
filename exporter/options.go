package exporter

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Options say what an exporter serves and where. The zero value of a field with a
// default stands for it.
type Options struct {
	// ListenAddress is host:port of the HTTP server; port 0 lets the system choose.
	// Default ":9310".
	ListenAddress string
	// OlderThan is the age from which tidemark_stale_scopes counts a finished aggregation
	// as too old, a minute or more. Default 60 minutes.
	OlderThan time.Duration
	// AnonymousAPI opens the /v1 routes to callers without an identity.
	AnonymousAPI bool
	// Logger receives failures of collectors and requests. Default [slog.Default].
	Logger *slog.Logger
	// Pool reaches the record. Required; its owner closes it after Run. One connection
	// serves all scrapes, each API request that runs takes another.
	Pool *pgxpool.Pool
	// Version is shown in tidemark_build_info and on the landing page. Default "unknown".
	Version string
	// OnListen, when given, is called once with the bound address before requests are served.
	OnListen func(net.Addr)
}

const (
	defaultListenAddress = ":9310"
	defaultOlderThan     = time.Hour
	minOlderThan         = time.Minute
)

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	if o.ListenAddress == "" {
		o.ListenAddress = defaultListenAddress
	}
	if o.OlderThan == 0 {
		o.OlderThan = defaultOlderThan
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Version == "" {
		o.Version = "unknown"
	}
	return o
}

// validate names the field that cannot be worked with.
func (o Options) validate() error {
	if o.Pool == nil {
		return errors.New("exporter: Pool is missing: give it a pool of shared/postgres")
	}
	if o.OlderThan < minOlderThan {
		return fmt.Errorf("exporter: OlderThan is %s: below %s every aggregation would be too old", o.OlderThan, minOlderThan)
	}
	if _, _, err := net.SplitHostPort(o.ListenAddress); err != nil {
		return fmt.Errorf("exporter: ListenAddress %q is not host:port, for example %q: %w", o.ListenAddress, defaultListenAddress, err)
	}
	return nil
}
