package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// bundle is a hub on a database of the test's own.
type bundle struct {
	t    *testing.T
	pool *pgxpool.Pool
	hub  *Hub
}

func setup(t *testing.T) *bundle {
	t.Helper()
	pool := localtest.Pool(t)
	return setupOn(t, pool, pool.Config().ConnConfig)
}

func setupOn(t *testing.T, pool *pgxpool.Pool, connection *pgx.ConnConfig) *bundle {
	t.Helper()
	hub := NewHub(Options{Connection: connection, Logger: slog.New(slog.DiscardHandler), Read: read})
	return &bundle{t: t, pool: pool, hub: hub}
}

// read shows the status of a pipeline and its jobs, as words.
func read(ctx context.Context, db postgres.Querier, ids ...uuid.UUID) (map[uuid.UUID]Snapshot, error) {
	rows, err := db.Query(ctx, `
SELECT p.id, p.status, string_agg(concat_ws(' ', '', j.id, j.state, j.status_message), ',' ORDER BY j.id)
  FROM pipelines p LEFT JOIN pipeline_jobs m ON m.pipeline_id = p.id LEFT JOIN data_ingestion_jobs j ON j.id = m.job_id
 WHERE p.id = ANY ($1) GROUP BY p.id`, ids)
	if err != nil {
		return nil, err
	}
	found := map[uuid.UUID]Snapshot{}
	var id uuid.UUID
	var status, jobs string
	_, err = pgx.ForEachRow(rows, []any{&id, &status, &jobs}, func() error {
		found[id] = NewSnapshot([]byte(status+jobs), status == "SUCCESS", nil)
		return nil
	})
	return found, err
}

func (b *bundle) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	_, err := b.pool.Exec(b.t.Context(), sql, args...)
	b.must(err)
}

// pipeline makes one with a job, both numbered n.
func (b *bundle) pipeline(n int) uuid.UUID {
	b.t.Helper()
	id := uuid.MustParse(fmt.Sprintf("00000000-0000-4000-8000-%012d", n))
	b.exec(`INSERT INTO pipelines (id, kind, status) VALUES ($1, 'emission_recalc', 'RUNNING')`, id)
	b.job(n, id)
	return id
}

func (b *bundle) job(n int, pipeline uuid.UUID) {
	b.t.Helper()
	b.exec(`INSERT INTO data_ingestion_jobs (id, entity_type, ingestion_method, provider, is_current, job_type, state, pipeline_id)
	        VALUES ($1, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'emission_recalc', 'NOT_STARTED', $2)`, n, pipeline)
}

// subscribe subscribes until the test ends, or the caller closes it.
func (b *bundle) subscribe(pipeline uuid.UUID) *Subscription {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	s, err := b.hub.Subscribe(ctx, pipeline)
	b.must(err)
	b.t.Cleanup(s.Close)
	return s
}

func data(s *Subscription) string {
	latest, ok := s.Latest()
	if !ok {
		return "gone"
	}
	return string(latest.Data)
}

// await waits until the subscription shows this.
func (b *bundle) await(s *Subscription, want string) {
	b.t.Helper()
	deadline := time.After(patience)
	for data(s) != want {
		select {
		case <-s.Changed():
		case <-deadline:
			b.t.Fatalf("it shows %q, want %q", data(s), want)
		}
	}
}

// until polls a condition on the database.
func (b *bundle) until(what, condition string, args ...any) {
	b.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var holds bool
		b.must(b.pool.QueryRow(b.t.Context(), `SELECT `+condition, args...).Scan(&holds))
		if holds {
			return
		}
		select {
		case <-deadline:
			b.t.Fatal("waited in vain until " + what)
		case <-tick.C:
		}
	}
}

const (
	sessions = `(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'test streams')`
	locks    = `(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1953064039
	              AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`
)

// notified returns what is announced on a connection of its own while do runs.
func (b *bundle) notified(do func()) (payloads []string) {
	b.t.Helper()
	ctx := b.t.Context()
	conn, err := pgx.ConnectConfig(ctx, b.pool.Config().ConnConfig)
	b.must(err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, listen)
	b.must(err)
	do()
	b.exec(`SELECT pg_notify('tidemark_pipeline', 'that is all')`)
	for {
		n, err := conn.WaitForNotification(ctx)
		b.must(err)
		if n.Payload == "that is all" {
			return payloads
		}
		payloads = append(payloads, n.Payload)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}
