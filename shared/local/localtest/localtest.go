// Package localtest hands every test throw-away servers of its own.
//
// The servers are started once for each test binary, on first use, and die with
// it. A test that cannot have its server fails: it never skips.
package localtest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/local"
	"tidemark/shared/postgres"
)

// template is the migrated database that every test's own is copied from.
const template = "tidemark_template"

var servers = sync.OnceValues(func() (*local.Postgres, error) { return local.StartPostgres(context.Background()) })

var migrated = sync.OnceValues(func() (*local.Postgres, error) {
	pg, err := servers()
	if err != nil {
		return nil, err
	}
	if err := exec(pg, "CREATE DATABASE "+template); err != nil {
		return nil, err
	}
	if _, err := postgres.Migrate(context.Background(), pg.Database(template)); err != nil {
		return nil, err
	}
	return pg, nil
})

var redisServer = sync.OnceValues(func() (*local.Redis, error) { return local.StartRedis(context.Background()) })

var databases, redisDatabases atomic.Int64

// Database returns the URL of a migrated database of the test's own.
func Database(t testing.TB) string {
	t.Helper()
	pg, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	return create(t, pg, " TEMPLATE "+template)
}

// EmptyDatabase returns the URL of a database without any table.
func EmptyDatabase(t testing.TB) string {
	t.Helper()
	pg, err := servers()
	if err != nil {
		t.Fatal(err)
	}
	return create(t, pg, "")
}

// Pool returns a pool on a migrated database of the test's own, closed when the test ends.
func Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return Connect(t, Database(t))
}

// Connect returns a pool on this database, closed when the test ends.
func Connect(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Connect(context.Background(), postgres.Options{URL: url, MaxConns: 24, AppName: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// Redis returns the URL of a Redis database of the test's own.
func Redis(t testing.TB) string {
	t.Helper()
	r, err := redisServer()
	if err != nil {
		t.Fatal(err)
	}
	return r.Database(int(redisDatabases.Add(1)))
}

// OwnPostgres starts a server for a test that does to it what others must not see. Settings are
// those of [local.StartPostgres].
func OwnPostgres(t testing.TB, settings ...string) *local.Postgres {
	t.Helper()
	pg, err := local.StartPostgres(context.Background(), settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pg.Stop)
	return pg
}

// OwnRedis starts a server for a test that does to it what others must not see. Settings are
// more arguments for redis-server.
func OwnRedis(t testing.TB, settings ...string) *local.Redis {
	t.Helper()
	r, err := local.StartRedis(context.Background(), settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	if r.Substitute {
		t.Fatal("redis-server is not installed: run `apt-get install redis-server`, or `make setup`")
	}
	return r
}

// Failover starts a Redis with a replica and a sentinel.
func Failover(t testing.TB) *local.Failover {
	t.Helper()
	f, err := local.StartFailover(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Stop)
	return f
}

// Prometheus starts a server on prometheus.yml, one of these files by path, until the test ends.
func Prometheus(t testing.TB, files map[string]string) *local.Prometheus {
	t.Helper()
	p, err := local.StartPrometheus(context.Background(), files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// Alertmanager starts a server on this configuration, until the test ends.
func Alertmanager(t testing.TB, config string) *local.Alertmanager {
	t.Helper()
	a, err := local.StartAlertmanager(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	return a
}

func create(t testing.TB, pg *local.Postgres, options string) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := exec(pg, "CREATE DATABASE "+name+options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { drop(pg, name) })
	return pg.Database(name)
}

var dropping sync.Mutex

// drop frees a database's space without keeping its test waiting: it costs a checkpoint. The
// server goes with the test binary anyhow.
func drop(pg *local.Postgres, name string) {
	go func() {
		dropping.Lock()
		defer dropping.Unlock()
		_ = exec(pg, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	}()
}

func exec(pg *local.Postgres, sql string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, pg.URL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}
