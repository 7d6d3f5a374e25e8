package chaos

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/access"
	"tidemark/shared/chaos/verdict"
	"tidemark/shared/local"
	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
	"tidemark/shared/signal"
)

// lease is that of the workers.
const lease = 1500 * time.Millisecond

// world is servers, a fleet, requesters and a scraper.
type world struct {
	dir, binary string
	postgres    *local.Postgres
	redis       *local.Redis
	// pool and rdb reach the servers past all proxies.
	pool *pgxpool.Pool
	rdb  *redis.Client

	workers, schedulers []*process
	exporter            *process
	address             string
	tokens              []string
	// database and queues are the requesters' ways to the servers.
	database, queues *localtest.Proxy

	entries []verdict.Entry
	journal journal
	scrapes []verdict.Scrape
	faults  []verdict.Fault
}

// committed makes a commit survive a crash of the server, and keeps the moment of each.
var committed = []string{"synchronous_commit=on", "full_page_writes=on", "track_commit_timestamp=on"}

// newWorld starts servers and fleet, with data and the observer in place. Everything that is
// to be kept is written to dir.
func newWorld(ctx context.Context, t testing.TB, dir string) *world {
	t.Helper()
	w := &world{dir: dir, binary: filepath.Join(t.TempDir(), "tidemark")}
	must(t, os.MkdirAll(dir, 0o755))
	if out, err := exec.Command("go", "build", "-o", w.binary, "tidemark").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	w.postgres = localtest.OwnPostgres(t, committed...)
	var err error
	w.redis, err = local.StartRedis(ctx)
	must(t, err)
	t.Cleanup(w.redis.Stop)
	if w.redis.Substitute {
		t.Fatal("redis-server is not installed: run `apt-get install redis-server`, or `make setup`")
	}
	rdb, err := signal.Connect(w.redis.URL)
	must(t, err)
	w.rdb = rdb.(*redis.Client)
	t.Cleanup(func() { _ = rdb.Close() })
	_, err = postgres.Migrate(ctx, w.postgres.URL)
	must(t, err)
	w.pool = localtest.Connect(t, w.postgres.URL)
	_, err = w.pool.Exec(ctx, data+observer)
	must(t, err)
	var start verdict.History
	must(t, readHistory(ctx, w.pool, &start))
	w.entries = start.Final.Entries

	w.database, w.queues = localtest.NewProxy(t, w.postgres.URL), localtest.NewProxy(t, w.redis.URL)
	w.startFleet(t)
	return w
}

// data are two years of three units, with three entries of each of four types: their kg are given,
// so that nothing of the formulas matters here. The exporter has a user of its own.
const data = `
CREATE ROLE exporter SUPERUSER LOGIN;
INSERT INTO units (provider, institutional_code, institutional_id, name, level, is_active)
SELECT 'TEST', 'U' || u, 'U' || u, 'unit ' || u, 4, true FROM generate_series(1, 3) AS u;
INSERT INTO carbon_reports (year, unit_id, overall_status) SELECT y, u.id, 0 FROM generate_series(2024, 2025) AS y, units u;
INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) SELECT m, 0, r.id FROM unnest('{3,4,8}'::integer[]) AS m, carbon_reports r;
INSERT INTO data_entries (data_entry_type_id, carbon_report_module_id, data, created_at, updated_at)
SELECT t, m.id, json_build_object('name', 'natural_gas', 'category', 'co2', '__kg_co2eq_override__', t + n), now(), now()
  FROM (VALUES (31, 3), (10, 4), (11, 4), (50, 8)) AS types (t, module)
  JOIN carbon_report_modules m ON m.module_type_id = module CROSS JOIN generate_series(1, 3) AS n;`

// callers is how many accounts the requesters of the API take turns with: each has a limit.
const callers = 6

// hold is short: requests never end, and with them the recalculations that an aggregation waits for.
const hold = "--max-hold=2s"

func (w *world) startWorker(t testing.TB) {
	t.Helper()
	w.workers = append(w.workers, w.startProcess(t, fmt.Sprintf("worker%d", len(w.workers)+1), "worker", "--concurrency=3",
		"--lease="+lease.String(), "--heartbeat=300ms", "--drain=500ms", "--time-limit=20s", hold))
}

func (w *world) startFleet(t testing.TB) {
	t.Helper()
	for range 3 {
		w.startWorker(t)
	}
	for n := range 2 {
		w.schedulers = append(w.schedulers, w.startProcess(t, fmt.Sprintf("scheduler%d", n+1), "scheduler",
			"--reap-interval=250ms", "--relay-interval=250ms", "--relay-grace=500ms", "--stuck-after=1s", hold))
	}
	tokens := filepath.Join(t.TempDir(), "tokens")
	var accounts []byte
	for n := range callers {
		account, token, err := access.NewAccount(fmt.Sprintf("caller%d", n), time.Time{}, access.SyncAll)
		must(t, err)
		accounts = append(accounts, account.Line()+"\n"...)
		w.tokens = append(w.tokens, token)
	}
	must(t, os.WriteFile(tokens, accounts, 0o600))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w.address = listener.Addr().String()
	must(t, listener.Close())
	w.exporter = w.startProcess(t, "exporter", "exporter", "--web.listen-address="+w.address, "--auth.tokens-file="+tokens, "--stale.older-than=24h")
}

// members are all processes.
func (w *world) members() []*process {
	return append(append(append([]*process{}, w.workers...), w.schedulers...), w.exporter)
}

// ways are all proxies to either server.
func (w *world) ways() (databases, queues []*localtest.Proxy) {
	databases, queues = []*localtest.Proxy{w.database}, []*localtest.Proxy{w.queues}
	for _, p := range w.members() {
		databases, queues = append(databases, p.database), append(queues, p.queues)
	}
	return databases, queues
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
