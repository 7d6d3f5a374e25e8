package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"tidemark/exporter"
	"tidemark/scheduler"
	"tidemark/shared/access"
	"tidemark/shared/local"
	"tidemark/shared/postgres"
	"tidemark/shared/signal"
	"tidemark/shared/telemetry"
	"tidemark/shared/web"
	"tidemark/worker"
)

const flagMonitoring = "with-monitoring"

func demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "see it work: throw-away servers, a small university's data, the whole fleet in one process",
		Description: "Starts PostgreSQL and Redis for itself, loads three years of flights, devices, fuels and gases,\n" +
			"computes and aggregates them, then brings scopes into each of the four stale buckets.\n" +
			"Ctrl-C stops everything and removes it.",
		Flags: append([]cli.Flag{&cli.StringFlag{Name: flagListen, Value: exporter.DefaultAddress,
			EnvVars: []string{"TIDEMARK_WEB_LISTEN_ADDRESS"}, Usage: "`HOST:PORT` for the exporter to serve on"},
			&cli.BoolFlag{Name: flagMonitoring, Usage: "with Prometheus and Alertmanager, where they are installed, on the shipped rules"}}, logFlags()...),
		Action: func(c *cli.Context) error {
			log, err := newLogger(c)
			if err != nil {
				return err
			}
			if !c.IsSet(flagLogLevel) {
				// The demo tells what happens; the components' own words come on request.
				log = slog.New(slog.DiscardHandler)
			}
			d := &demo{out: c.App.Writer, log: log, listen: c.String(flagListen), withMonitoring: c.Bool(flagMonitoring),
				workerAt: make(chan net.Addr, 1), schedulerAt: make(chan net.Addr, 1)}
			return d.run(c.Context)
		},
	}
}

// demo is one run of the demo.
type demo struct {
	out            io.Writer
	log            *slog.Logger
	listen         string
	withMonitoring bool

	// dir has the demo's files, token lets its operator request.
	dir, token      string
	database, redis string
	pool            *pgxpool.Pool
	rdb             redis.UniversalClient
	signals         *signal.Sender
	// workerAt and schedulerAt tell where the two serve their metrics, once they do.
	workerAt, schedulerAt chan net.Addr
	// stops end what the story started, last one first.
	stops []func()
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

// run assembles servers and components, and takes them down in reverse.
func (d *demo) run(ctx context.Context) error {
	// The address first: that it is taken should not come out after the work.
	probe, err := net.Listen("tcp", d.listen)
	if err != nil {
		return refuse("--%s: %w; choose another one", flagListen, err)
	}
	d.listen = probe.Addr().String()
	if err := probe.Close(); err != nil {
		return err
	}
	if d.dir, err = os.MkdirTemp("", "tidemark-demo-"); err != nil {
		return err
	}
	defer os.RemoveAll(d.dir)
	pg, err := local.StartPostgres(ctx)
	if err != nil {
		return err
	}
	defer pg.Stop()
	rd, err := local.StartRedis(ctx)
	if err != nil {
		return err
	}
	defer rd.Stop()
	d.database, d.redis = pg.URL, rd.URL
	d.say("started a throw-away PostgreSQL and Redis")
	if rd.Substitute {
		d.say("  redis-server is not installed: an in-process substitute stands in")
	}
	if _, err := postgres.Migrate(ctx, d.database); err != nil {
		return err
	}
	d.pool, err = postgres.Connect(ctx, postgres.Options{URL: d.database, AppName: postgres.ProcessName("exporter") + " demo", MaxConns: scrapeConns + apiConns})
	if err != nil {
		return err
	}
	defer d.pool.Close()
	d.rdb, err = signal.Connect(d.redis)
	if err != nil {
		return err
	}
	defer d.rdb.Close()
	d.signals = signal.NewSender(d.rdb)

	defer d.stop()
	group, ctx := errgroup.WithContext(ctx)
	if err := d.components(ctx, group); err != nil {
		return err
	}
	group.Go(func() error {
		err := d.tell(ctx)
		if ctx.Err() != nil {
			return nil
		}
		return err
	})
	err = group.Wait()
	d.say("stopped, everything is removed")
	return err
}

// components starts the three as one process would start each.
func (d *demo) components(ctx context.Context, group *errgroup.Group) error {
	wo := worker.DefaultOptions()
	wo.DatabaseURL, wo.RedisURL, wo.Calculations, wo.Logger = d.database, d.redis, calculations(), d.log.With("component", "worker")
	wo.Drain = 2 * time.Second
	wo.Registry, wo.Web = telemetry.NewRegistry(), beside(worker.DefaultAddress, d.workerAt)
	w, err := worker.New(wo)
	if err != nil {
		return err
	}
	so := scheduler.DefaultOptions()
	so.DatabaseURL, so.RedisURL, so.Logger = d.database, d.redis, d.log.With("component", "scheduler")
	so.Registry, so.Web = telemetry.NewRegistry(), beside(scheduler.DefaultAddress, d.schedulerAt)
	s, err := scheduler.New(so)
	if err != nil {
		return err
	}
	known, err := d.operator()
	if err != nil {
		return err
	}
	e, err := exporter.New(exporter.Options{Web: web.Options{Addresses: []string{d.listen}}, AnonymousAPI: true, Authenticator: known, Pool: d.pool, Redis: d.rdb,
		MaxScopeSeries: defaultScopeSeries, Logger: d.log.With("component", "exporter")})
	if err != nil {
		return err
	}
	for _, run := range []func(context.Context) error{w.Run, s.Run, e.Run} {
		group.Go(func() error { return run(ctx) })
	}
	return nil
}

// operator makes the one who may request, with a token that is good as long as the demo runs.
func (d *demo) operator() (*access.Authenticator, error) {
	account, token, err := access.NewAccount("operator", time.Time{}, access.SyncAll)
	if err != nil {
		return nil, err
	}
	d.token = token
	file := filepath.Join(d.dir, "tokens")
	if err := access.AppendAccount(file, account); err != nil {
		return nil, err
	}
	return access.New(access.Options{TokensFile: file, Logger: d.log})
}

// beside serves on an address, or where that is taken on another, and tells on which.
func beside(address string, at chan<- net.Addr) web.Options {
	return web.Options{Addresses: []string{address}, OtherPort: true, OnListen: func(bound []net.Addr) { at <- bound[0] }}
}
