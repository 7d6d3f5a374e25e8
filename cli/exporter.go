package cli

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"tidemark/exporter"
	"tidemark/exporter/api"
	"tidemark/shared/access"
	"tidemark/shared/postgres"
	"tidemark/shared/signal"
)

// The exporter's connections: one for all scrapes and one for readiness, and those that
// requests of the API share.
const (
	scrapeConns = 2
	apiConns    = 4
)

// defaultScopeSeries is more than most have, at two to five series each.
const defaultScopeSeries = 1000

const (
	flagUnmigrated = "database.unmigrated"
	flagMaxScopes  = "metrics.max-scopes"

	flagRequestBurst = "web.request-burst"
	flagRequestEvery = "web.request-every"
)

func exporterCommand() *cli.Command {
	return &cli.Command{
		Name:  "exporter",
		Usage: "serve /metrics, the console and the API",
		Flags: slices.Concat([]cli.Flag{databaseFlag(), redisFlag(),
			&cli.BoolFlag{Name: flagUnmigrated, EnvVars: []string{"TIDEMARK_DATABASE_UNMIGRATED"},
				Usage: "read a database of the original application that Tidemark may not migrate: slower, and nobody knows what drifted"},
			durationFlag("stale.older-than", exporter.DefaultOlderThan, "`TIME` after which a finished aggregation counts as too old"),
			holdFlag(),
			&cli.IntFlag{Name: flagMaxScopes, Value: defaultScopeSeries, EnvVars: []string{"TIDEMARK_METRICS_MAX_SCOPES"},
				Usage: "at most `N` scopes get series of their own, stale ones first, then drifted ones"}},
			webFlags("TIDEMARK_WEB_LISTEN_ADDRESS", exporter.DefaultAddress, "`HOST:PORT` to serve on; may be repeated"), []cli.Flag{
				&cli.StringFlag{Name: flagMetricsPath, Value: exporter.DefaultTelemetryPath, EnvVars: []string{"TIDEMARK_WEB_TELEMETRY_PATH"}, Usage: "`PATH` of the metrics"},
				&cli.StringFlag{Name: flagRoutePrefix, EnvVars: []string{"TIDEMARK_WEB_ROUTE_PREFIX"}, Usage: "`PATH` in front of every route, health included, for example /api"},
				&cli.BoolFlag{Name: flagAnonymous, EnvVars: []string{"TIDEMARK_WEB_ANONYMOUS_API"}, Usage: "let everybody who can reach the port look: console, /v1/... and asynqmon; requests need a token all the same"},
				&cli.IntFlag{Name: flagRequestBurst, Value: api.RequestBurst, EnvVars: []string{"TIDEMARK_WEB_REQUEST_BURST"}, Usage: "a caller may request `N` times at once, then again after a while; more is answered 429"},
				durationFlag(flagRequestEvery, api.RequestEvery, "`TIME` after which a caller who has used that up may request once more"),
			}, authFlags(), logFlags()),
		Action: serveExporter,
	}
}

func serveExporter(c *cli.Context) error {
	log, err := newLogger(c)
	if err != nil {
		return err
	}
	o := exporter.Options{
		Web: webOptions(c, false), TelemetryPath: c.String(flagMetricsPath), RoutePrefix: c.String(flagRoutePrefix),
		OlderThan: c.Duration("stale.older-than"), MaxHold: c.Duration(flagMaxHold), MaxScopeSeries: c.Int(flagMaxScopes), Unmigrated: c.Bool(flagUnmigrated),
		AnonymousAPI: c.Bool(flagAnonymous), Logger: log.With("component", "exporter"),
	}
	if o.Limiter, err = access.NewLimiter(c.Duration(flagRequestEvery), c.Int(flagRequestBurst)); err != nil {
		return refusedError{fmt.Errorf("--%s, --%s: %w", flagRequestBurst, flagRequestEvery, err)}
	}
	if o.Authenticator, err = authenticator(c, o.Logger); err != nil {
		return err
	}
	database := postgres.Options{URL: c.String(flagDatabase), AppName: postgres.ProcessName("exporter"), MaxConns: scrapeConns}
	if o.Pool, err = postgres.Connect(c.Context, database); err != nil {
		return refusedError{err}
	}
	defer o.Pool.Close()
	database.AppName, database.MaxConns = database.AppName+" api", apiConns
	if o.APIPool, err = postgres.Connect(c.Context, database); err != nil {
		return refusedError{err}
	}
	defer o.APIPool.Close()
	if url := c.String(flagRedis); url != "" {
		if o.Redis, err = signal.Connect(url); err != nil {
			return refusedError{err}
		}
		defer o.Redis.Close()
	}
	e, err := exporter.New(o)
	if err != nil {
		return refusedError{err}
	}
	announce(o.Logger)
	return e.Run(c.Context)
}
