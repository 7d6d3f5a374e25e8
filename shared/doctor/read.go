package doctor

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/ledger"
)

// DefaultTimeout is how long a server has for what is asked of it.
const DefaultTimeout = 5 * time.Second

// Options say whom to ask.
type Options struct {
	// Pool leads to the record. Required.
	Pool *pgxpool.Pool
	// Redis is nil where no address was given.
	Redis redis.UniversalClient
	// PrometheusURL is "" where none was given.
	PrometheusURL string
	// MaxHold is how long the fleet's workers hold an aggregation for recalculations at most: one
	// that is held waits for nobody's mistake.
	MaxHold time.Duration
	// Timeout bounds what is asked of one server; 0 means [DefaultTimeout].
	Timeout time.Duration
}

// Read collects the facts. What cannot be read is told by the facts themselves.
func Read(ctx context.Context, o Options) Facts {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	record := ledger.New(o.MaxHold)
	var f Facts
	// Redis before the record: a signal that is there is not missed because its job ended meanwhile.
	f.Redis = ask(ctx, o, o.Redis != nil, func(ctx context.Context) (Redis, error) { return readRedis(ctx, o.Redis) })
	redisThere := f.Redis.Asked && f.Redis.Err == nil
	f.Eviction = ask(ctx, o, redisThere, func(ctx context.Context) (string, error) { return readEviction(ctx, o.Redis) })
	f.Queues = ask(ctx, o, redisThere, func(ctx context.Context) (Queues, error) { return readQueues(ctx, o.Redis) })
	f.Database = ask(ctx, o, true, func(ctx context.Context) (Database, error) { return readDatabase(ctx, o.Pool) })
	databaseThere := f.Database.Err == nil
	f.Sessions = ask(ctx, o, databaseThere, func(ctx context.Context) (Sessions, error) { return readSessions(ctx, o.Pool) })
	f.Schema = ask(ctx, o, databaseThere, func(ctx context.Context) (Schema, error) { return readSchema(ctx, o.Pool) })
	// An older schema lacks what the rest is read from; schema.version says so.
	migrated := databaseThere && f.Schema.Err == nil && f.Schema.Value.Live >= f.Schema.Value.Needed
	f.Triggers = ask(ctx, o, migrated, func(ctx context.Context) ([]string, error) { return readTriggers(ctx, o.Pool) })
	f.Record = ask(ctx, o, migrated, func(ctx context.Context) (Record, error) { return readRecord(ctx, o.Pool, record) })
	f.Signals = ask(ctx, o, migrated && redisThere, func(ctx context.Context) (Signals, error) { return readSignals(ctx, o.Pool, o.Redis, record) })
	f.Prometheus = ask(ctx, o, o.PrometheusURL != "", func(ctx context.Context) (Prometheus, error) { return readPrometheus(ctx, o.PrometheusURL) })
	return f
}

func ask[T any](ctx context.Context, o Options, wanted bool, read func(context.Context) (T, error)) (p Part[T]) {
	if !wanted {
		return p
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	p.Asked = true
	p.Value, p.Err = read(ctx)
	return p
}

// clockOf asks a server for its time and returns by how much its clock is ahead of ours, and how
// exactly that is known: the answer is of some moment between question and arrival.
func clockOf(ask func() (time.Time, error)) (ahead, exact time.Duration, err error) {
	before := time.Now()
	at, err := ask()
	exact = time.Since(before) / 2
	return at.Sub(before.Add(exact)), exact, err
}
