package cost

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/local"
	"tidemark/shared/postgres"
)

// durable takes back what throw-away servers do for speed: fsync and full pages are part of what
// writers pay. A large deployment has more than the default of shared buffers.
var durable = []string{"fsync=on", "synchronous_commit=on", "full_page_writes=on", "max_wal_size=1GB", "shared_buffers=256MB"}

// deployment is what all benchmarks share: servers, and the binary.
type deployment struct {
	postgres *local.Postgres
	redis    *local.Redis
	binary   string
}

var deploy = sync.OnceValues(func() (d deployment, err error) {
	ctx := context.Background()
	if d.postgres, err = local.StartPostgres(ctx, durable...); err != nil {
		return d, err
	}
	atExit(d.postgres.Stop)
	if d.redis, err = local.StartRedis(ctx); err != nil {
		return d, err
	}
	atExit(d.redis.Stop)
	dir, err := os.MkdirTemp("", "tidemark-cost-")
	if err != nil {
		return d, err
	}
	atExit(func() { _ = os.RemoveAll(dir) })
	d.binary = filepath.Join(dir, "tidemark")
	if out, err := exec.Command("go", "build", "-o", d.binary, "tidemark").CombinedOutput(); err != nil {
		return d, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return d, nil
})

var ends []func()

func atExit(end func()) { ends = append(ends, end) }

func TestMain(m *testing.M) {
	code := m.Run()
	for _, end := range ends {
		end()
	}
	os.Exit(code)
}

// must ends the benchmark where there is an error.
func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// connect returns a pool that is closed with the benchmark.
func connect(b *testing.B, url string) *pgxpool.Pool {
	b.Helper()
	pool, err := postgres.Connect(context.Background(), postgres.Options{URL: url, AppName: "cost", MaxConns: 16})
	must(b, err)
	b.Cleanup(pool.Close)
	return pool
}

// session returns one connection, as a scrape has it.
func session(b *testing.B, url string) *pgx.Conn {
	b.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	must(b, err)
	b.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// do runs statements on a connection of their own.
func do(b *testing.B, url string, statements ...string) {
	b.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	must(b, err)
	defer conn.Close(ctx)
	for _, s := range statements {
		_, err := conn.Exec(ctx, s)
		must(b, err)
	}
}

// process starts a program until the benchmark ends, and returns its pid.
func process(b *testing.B, env []string, name string, args ...string) int {
	b.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	log, err := os.Create(filepath.Join(b.TempDir(), "log"))
	must(b, err)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	must(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = log.Close()
		if b.Failed() {
			text, _ := os.ReadFile(log.Name())
			b.Logf("%s:\n%s", filepath.Base(name), text)
		}
	})
	return cmd.Process.Pid
}
