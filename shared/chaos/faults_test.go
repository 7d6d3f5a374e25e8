package chaos

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/local/localtest"
)

// fault is something that befalls the deployment.
type fault struct {
	name string
	// lasts is from the strike to its end.
	lasts time.Duration
	// strike does it; end undoes it, and may be nil.
	strike func(ctx context.Context, w *world, victim *process) (end func() error, err error)
	// kills is how many processes end without warning; exporter says that it is the exporter's, and
	// empties that Redis loses what it holds.
	kills             int
	exporter, empties bool
}

// Which process it befalls; the victim is the worker that has come to the step.
type whose func(w *world, victim *process) *process

func theWorker(_ *world, victim *process) *process { return victim }
func theExporter(w *world, _ *process) *process    { return w.exporter }
func theScheduler(w *world, victim *process) *process {
	// Now the one, now the other.
	return w.schedulers[victim.pid()%len(w.schedulers)]
}

// faults are all there are. The first is none: what recovery takes where nothing happens.
func faults() []fault {
	const beyondLease = 2 * lease
	return []fault{
		{name: "nothing", strike: nothing},
		{name: "worker kill -9", strike: kill(theWorker), kills: 1},
		{name: "worker SIGSTOP, SIGCONT", strike: stopped(theWorker), lasts: beyondLease},
		{name: "worker SIGTERM", strike: terminated(theWorker), lasts: time.Second},
		{name: "worker cut from PostgreSQL", strike: cut(theWorker, toDatabase), lasts: time.Second},
		{name: "worker's PostgreSQL silent", strike: silent(theWorker, toDatabase), lasts: beyondLease},
		{name: "worker cut from Redis", strike: cut(theWorker, toQueues), lasts: 2 * time.Second},
		{name: "scheduler kill -9", strike: kill(theScheduler), kills: 1},
		{name: "scheduler SIGSTOP, SIGCONT", strike: stopped(theScheduler), lasts: beyondLease},
		{name: "scheduler SIGTERM", strike: terminated(theScheduler), lasts: 500 * time.Millisecond},
		{name: "exporter kill -9", strike: kill(theExporter), kills: 1, exporter: true},
		{name: "exporter SIGSTOP, SIGCONT", strike: stopped(theExporter), lasts: 2 * time.Second, exporter: true},
		{name: "exporter SIGTERM", strike: terminated(theExporter), lasts: 500 * time.Millisecond, exporter: true},
		{name: "exporter cut from PostgreSQL", strike: cut(theExporter, toDatabase), lasts: time.Second, exporter: true},
		{name: "Redis restarts empty", strike: redisCrash, lasts: 300 * time.Millisecond, empties: true},
		{name: "Redis FLUSHALL", strike: redisFlush, empties: true},
		{name: "Redis cuts connections", strike: redisKill},
		{name: "Redis 500 ms late", strike: redisLate, lasts: 2 * time.Second},
		{name: "Redis out of memory", strike: redisFull, lasts: 2 * time.Second},
		{name: "PostgreSQL ends sessions", strike: endSessions},
		{name: "PostgreSQL crashes", strike: postgresCrash, lasts: 300 * time.Millisecond},
		{name: "PostgreSQL cut off", strike: postgresCut, lasts: time.Second},
		{name: "PostgreSQL 100 ms late", strike: postgresLate, lasts: 2 * time.Second},
		{name: "table of jobs locked", strike: locked, lasts: beyondLease},
		{name: "statement timeout 150 ms", strike: impatient, lasts: 2 * time.Second},
		{name: "both down", strike: bothDown, lasts: time.Second, empties: true},
	}
}

func nothing(context.Context, *world, *process) (func() error, error) { return nil, nil }

// kill ends a process without warning; what it was just sending never arrives.
func kill(who whose) func(context.Context, *world, *process) (func() error, error) {
	return func(_ context.Context, w *world, victim *process) (func() error, error) {
		p := who(w, victim)
		exited, err := p.signal(syscall.SIGKILL)
		if err != nil {
			return nil, err
		}
		<-exited
		p.database.Cut()
		p.queues.Cut()
		return func() error { p.database.Restore(); p.queues.Restore(); return nil }, nil
	}
}

func stopped(who whose) func(context.Context, *world, *process) (func() error, error) {
	return func(_ context.Context, w *world, victim *process) (func() error, error) {
		p := who(w, victim)
		_, err := p.signal(syscall.SIGSTOP)
		return func() error { _, err := p.signal(syscall.SIGCONT); return err }, err
	}
}

func terminated(who whose) func(context.Context, *world, *process) (func() error, error) {
	return func(_ context.Context, w *world, victim *process) (func() error, error) {
		p := who(w, victim)
		exited, err := p.signal(syscall.SIGTERM)
		if err != nil {
			return nil, err
		}
		return func() error {
			select {
			case <-exited:
				return nil
			case <-time.After(stopPatience):
				return errors.New(p.name + " does not stop")
			}
		}, nil
	}
}

func toDatabase(p *process) *localtest.Proxy { return p.database }
func toQueues(p *process) *localtest.Proxy   { return p.queues }

func cut(who whose, way func(*process) *localtest.Proxy) func(context.Context, *world, *process) (func() error, error) {
	return func(_ context.Context, w *world, victim *process) (func() error, error) {
		p := way(who(w, victim))
		p.Cut()
		return func() error { p.Restore(); return nil }, nil
	}
}

// silent carries nothing any more, and does not say so.
func silent(who whose, way func(*process) *localtest.Proxy) func(context.Context, *world, *process) (func() error, error) {
	return func(_ context.Context, w *world, victim *process) (func() error, error) {
		p := way(who(w, victim))
		p.Stall()
		return func() error { p.Restore(); return nil }, nil
	}
}

func redisCrash(ctx context.Context, w *world, _ *process) (func() error, error) {
	w.redis.Crash()
	return func() error { return w.redis.Start(ctx) }, nil
}

func redisFlush(ctx context.Context, w *world, _ *process) (func() error, error) {
	return nil, w.rdb.FlushAll(ctx).Err()
}

func redisKill(ctx context.Context, w *world, _ *process) (func() error, error) {
	return nil, w.rdb.Do(ctx, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err()
}

func redisLate(_ context.Context, w *world, _ *process) (func() error, error) {
	_, queues := w.ways()
	return late(queues, 500*time.Millisecond), nil
}

func postgresLate(_ context.Context, w *world, _ *process) (func() error, error) {
	databases, _ := w.ways()
	return late(databases, 100*time.Millisecond), nil
}

func late(ways []*localtest.Proxy, by time.Duration) (end func() error) {
	for _, p := range ways {
		p.Delay(by)
	}
	return restored(ways)
}

func restored(ways []*localtest.Proxy) func() error {
	return func() error {
		for _, p := range ways {
			p.Restore()
		}
		return nil
	}
}

// redisFull makes Redis refuse to write.
func redisFull(ctx context.Context, w *world, _ *process) (func() error, error) {
	return func() error { return w.rdb.ConfigSet(ctx, "maxmemory", "0").Err() }, w.rdb.ConfigSet(ctx, "maxmemory", "1").Err()
}

const endSessionsStatement = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`

func endSessions(ctx context.Context, w *world, _ *process) (func() error, error) {
	return nil, w.directly(ctx, endSessionsStatement)
}

// directly runs statements on a connection of its own: the pool's may just have been ended, or
// have caught the timeout.
func (w *world) directly(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, w.postgres.URL+"&statement_timeout=0")
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func postgresCrash(ctx context.Context, w *world, _ *process) (func() error, error) {
	w.postgres.Crash()
	return func() error { return w.postgres.Start(ctx) }, nil
}

func postgresCut(_ context.Context, w *world, _ *process) (func() error, error) {
	databases, _ := w.ways()
	for _, p := range databases {
		p.Cut()
	}
	return restored(databases), nil
}

// locked is what a careless migration does. It may have to wait for the victim's transaction, and
// all others wait behind it from now on.
func locked(ctx context.Context, w *world, _ *process) (func() error, error) {
	conn, err := pgx.Connect(ctx, w.postgres.URL)
	if err != nil {
		return nil, err
	}
	had := make(chan error, 1)
	go func() {
		_, err := conn.Exec(ctx, `BEGIN; LOCK TABLE data_ingestion_jobs IN ACCESS EXCLUSIVE MODE`)
		had <- err
	}()
	return func() error { return errors.Join(<-had, conn.Close(ctx)) }, nil
}

// impatient is a setting that lets calculations fail.
func impatient(ctx context.Context, w *world, _ *process) (func() error, error) {
	return func() error {
		return w.directly(ctx, `ALTER DATABASE postgres RESET statement_timeout`, endSessionsStatement)
	}, w.directly(ctx, `ALTER DATABASE postgres SET statement_timeout = '150ms'`, endSessionsStatement)
}

func bothDown(ctx context.Context, w *world, _ *process) (func() error, error) {
	w.redis.Crash()
	w.postgres.Crash()
	return func() error { return errors.Join(w.redis.Start(ctx), w.postgres.Start(ctx)) }, nil
}
