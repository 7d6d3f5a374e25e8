package collector_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/local"
	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

// hold keeps a lock on a table until it is released.
func (s *site) hold(table string) (release func()) {
	s.t.Helper()
	tx, err := s.admin.Begin(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := tx.Exec(context.Background(), "LOCK TABLE "+table); err != nil {
		s.t.Fatal(err)
	}
	return func() { _ = tx.Rollback(context.Background()) }
}

// change runs SQL, and what takes it back.
func change(sql, back string) func(*site) func() {
	return func(s *site) func() {
		s.exec(sql)
		return func() { s.exec(back) }
	}
}

// asGuest makes the exporter a database user that only reads, and whose limits the test sets.
func (s *site) asGuest() (name string) {
	s.t.Helper()
	var database string
	if err := s.admin.QueryRow(s.t.Context(), "SELECT current_database()").Scan(&database); err != nil {
		s.t.Fatal(err)
	}
	name = "guest_of_" + database
	s.exec("CREATE ROLE " + name + " LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + name)
	s.t.Cleanup(func() { s.exec("DROP OWNED BY " + name + "; DROP ROLE " + name) })
	s.serve(localtest.Connect(s.t, s.guestURL(name)))
	return name
}

func (s *site) guestURL(name string) string {
	u, err := url.Parse(s.database.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	q := u.Query()
	q.Set("user", name)
	u.RawQuery = q.Encode()
	return u.String()
}

var postgresFaults = map[string]fault{
	"down": {
		inject: func(s *site) func() { s.database.Cut(); return s.database.Restore },
		failed: ofRecord, says: "connect to the record",
	},
	"slow": {
		inject: func(s *site) func() { s.database.Stall(); return s.database.Restore },
		failed: ofRecord, says: "deadline exceeded", timeout: "2",
	},
	"table of reports missing": {
		inject: change(`ALTER TABLE carbon_report_modules RENAME TO elsewhere`, `ALTER TABLE elsewhere RENAME TO carbon_report_modules`),
		failed: []string{"stale"}, says: "42P01",
	},
	"table of jobs missing": {
		inject: change(`ALTER TABLE data_ingestion_jobs RENAME TO elsewhere`, `ALTER TABLE elsewhere RENAME TO data_ingestion_jobs`),
		failed: ofRecord, says: "42P01",
	},
	"table of pipelines missing": {
		inject: change(`ALTER TABLE pipelines RENAME TO elsewhere`, `ALTER TABLE elsewhere RENAME TO pipelines`),
		failed: []string{"pipelines"}, says: "42P01",
	},
	"column missing": {
		inject: change(`ALTER TABLE data_ingestion_jobs RENAME finished_at TO elsewhere`, `ALTER TABLE data_ingestion_jobs RENAME elsewhere TO finished_at`),
		failed: []string{"stale"}, says: "42703",
	},
	"migrated only partially": {
		inject: change(`UPDATE tidemark_schema_version SET is_applied = false WHERE version_id > 1; ALTER VIEW pipeline_jobs RENAME TO elsewhere`,
			`UPDATE tidemark_schema_version SET is_applied = true; ALTER VIEW elsewhere RENAME TO pipeline_jobs`),
		failed: []string{"pipelines"}, says: "the schema is at version 1, this binary needs",
	},
	"everything locked": {
		inject: func(s *site) func() { return s.hold("data_ingestion_jobs") },
		failed: ofRecord, says: "57014", timeout: "3",
	},
	"one table locked": {
		inject: func(s *site) func() { return s.hold("declared_scopes") },
		failed: []string{"stale"}, says: "57014", timeout: "5",
	},
	"one query slow": {
		inject: change(`ALTER TABLE declared_scopes RENAME TO elsewhere; CREATE VIEW declared_scopes AS SELECT elsewhere.* FROM elsewhere, pg_sleep(60)`,
			`DROP VIEW declared_scopes; ALTER TABLE elsewhere RENAME TO declared_scopes`),
		failed: []string{"stale"}, says: "57014", timeout: "5",
	},
	"pool exhausted": {
		inject: func(s *site) func() {
			pool, err := postgres.Connect(context.Background(), postgres.Options{URL: s.database.URL, MaxConns: 2})
			if err != nil {
				s.t.Fatal(err)
			}
			s.t.Cleanup(pool.Close)
			s.serve(pool)
			var taken []*pgxpool.Conn
			for range 2 {
				conn, err := pool.Acquire(context.Background())
				if err != nil {
					s.t.Fatal(err)
				}
				taken = append(taken, conn)
			}
			return func() {
				for _, conn := range taken {
					conn.Release()
				}
			}
		},
		failed: ofRecord, says: "connect to the record", timeout: "2",
	},
	"too many connections": {
		inject: func(s *site) func() {
			name := s.asGuest()
			s.exec("ALTER ROLE " + name + " CONNECTION LIMIT 1")
			other := localtest.Connect(s.t, s.guestURL(name))
			if err := other.Ping(context.Background()); err != nil {
				s.t.Fatal(err)
			}
			return func() { s.exec("ALTER ROLE " + name + " CONNECTION LIMIT 9") }
		},
		failed: ofRecord, says: "53300",
	},
	"permission taken away": {
		inject: func(s *site) func() {
			name := s.asGuest()
			s.exec("REVOKE SELECT ON pipelines FROM " + name)
			return func() { s.exec("GRANT SELECT ON pipelines TO " + name) }
		},
		failed: []string{"pipelines"}, says: "42501",
	},
}

func TestPostgresFaults(t *testing.T) {
	t.Parallel()
	for name, f := range postgresFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newSite(t, "", "").suffer(f)
		})
	}
}

// TestPostgresDiesAtAnyByte cuts the connection after every few bytes of what a scrape reads.
// A collector has read everything or has read nothing: no half of an answer comes out.
func TestPostgresDiesAtAnyByte(t *testing.T) {
	t.Parallel()
	s := newSite(t, "", "")
	s.database.Cut()
	for n := 0; ; n += 89 {
		s.database.Restore()
		s.database.CutAfter(n)
		got := s.scrape("")
		// They run in this order; whoever comes after the cut has nothing to read.
		read := 0
		for read < len(ofRecord) && got[success(ofRecord[read])] == "1" {
			read++
		}
		s.wantPage(got, s.healthy.without(ofRecord[read:]...))
		if t.Failed() {
			t.Fatalf("the connection was cut after %d bytes", n)
		}
		if read == len(ofRecord) {
			if n < 2000 {
				t.Errorf("a whole scrape in %d bytes?", n)
			}
			return
		}
	}
}

// TestPostgresEndsTheSession: an administrator ends it while a collector waits, and the one that
// takes over while the second collector waits. What the first one has read is whole, and of
// the same snapshot: it counts.
func TestPostgresEndsTheSession(t *testing.T) {
	t.Parallel()
	s := newSite(t, "", "")
	release := s.hold("pipelines")
	scraped := make(chan page, 1)
	go func() { scraped <- s.scrape("30") }()
	const waiting = `SELECT coalesce(max(pid), 0) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()`
	for ended := map[int]bool{0: true}; len(ended) < 3; {
		var pid int
		if err := s.admin.QueryRow(t.Context(), waiting).Scan(&pid); err != nil {
			t.Fatal(err)
		}
		if !ended[pid] {
			ended[pid] = true
			s.exec(fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid))
		}
	}
	s.wantPage(<-scraped, s.healthy.without("pipelines", "jobs"))
	if !strings.Contains(s.log.String(), "57P01") {
		t.Errorf("the log does not say why:\n%s", s.log)
	}
	release()
	s.wantPage(s.scrape(""), s.healthy)
}

// ownServer returns a migrated server that a test has to itself.
func ownServer(t *testing.T) *local.Postgres {
	t.Helper()
	pg := localtest.OwnPostgres(t)
	if _, err := postgres.Migrate(t.Context(), pg.URL); err != nil {
		t.Fatal(err)
	}
	return pg
}

// TestReplica: a replica that has fallen behind has today's clock, and would call everything
// fresh that it has not heard of. It is refused until the name that the exporter knows stands
// for the primary again, or the replica is promoted.
func TestReplica(t *testing.T) {
	t.Parallel()
	ctx, primary := t.Context(), ownServer(t)
	s := newSite(t, primary.URL, "")
	replica, err := primary.Standby(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer replica.Stop()
	behind, err := postgres.Connect(ctx, postgres.Options{URL: replica.URL, Standby: true})
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	if _, err := behind.Exec(ctx, `SELECT pg_wal_replay_pause()`); err != nil {
		t.Fatal(err)
	}
	failOver := func(s *site) func() {
		s.database.Cut()
		s.database.MoveTo(t, replica.URL)
		s.database.Restore()
		return func() { s.database.MoveTo(t, primary.URL) } // leaves connections to the replica open
	}
	s.suffer(fault{inject: failOver, failed: ofRecord, says: "the database is in recovery"})

	// What the replica was told of and has not taken in yet.
	s.exec(`UPDATE data_ingestion_jobs SET result = 'ERROR' WHERE job_type = 'aggregation' AND state = 'FINISHED'`)
	now := s.scrape("")
	const failed = `tidemark_stale_scopes{why_stale="last_aggregation_failed"}`
	if now[failed] != "4" {
		t.Fatalf("%s scopes failed, want 4", now[failed])
	}
	var written string
	if err := s.admin.QueryRow(ctx, `SELECT pg_current_wal_flush_lsn()::text`).Scan(&written); err != nil {
		t.Fatal(err)
	}
	for received := false; !received; {
		if err := behind.QueryRow(ctx, `SELECT pg_last_wal_receive_lsn() >= $1::pg_lsn`, written).Scan(&received); err != nil {
			t.Fatal(err)
		}
	}
	failOver(s)
	s.wantPage(s.scrape(""), now.without(ofRecord...))
	if _, err := behind.Exec(ctx, `SELECT pg_promote()`); err != nil {
		t.Fatal(err)
	}
	s.wantPage(s.scrape(""), now)
}

// TestWrongPassword covers also that the log does not show it.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	pg := ownServer(t)
	s := newSite(t, pg.URL, "")
	s.exec(`CREATE ROLE guarded LOGIN PASSWORD 'right'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO guarded;
		DO $$ BEGIN
			EXECUTE format('COPY (VALUES (%L), (%L)) TO %L', 'local all guarded scram-sha-256', 'local all all trust', current_setting('hba_file'));
		END $$;
		SELECT pg_reload_conf()`)
	pool := localtest.Connect(t, strings.Replace(pg.URL, "user=tidemark", "user=guarded&password=hunter2", 1))
	for pool.Ping(t.Context()) == nil { // until the server has read its rules again
		pool.Reset()
	}
	s.serve(pool)
	s.suffer(fault{inject: change(`SELECT 1`, `ALTER ROLE guarded PASSWORD 'hunter2'`), failed: ofRecord, says: "28P01"})
	if strings.Contains(s.log.String(), "hunter2") {
		t.Errorf("the log shows the password:\n%s", s.log)
	}
}

// TestPostgresShutsDown: a server that waits for its last sessions to end takes no new ones.
func TestPostgresShutsDown(t *testing.T) {
	t.Parallel()
	pg := ownServer(t)
	s := newSite(t, pg.URL, "")
	var postmaster int
	if err := s.admin.QueryRow(t.Context(), `SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int`).Scan(&postmaster); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(postmaster, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for newcomer := localtest.Connect(t, pg.URL); newcomer.Ping(t.Context()) == nil; {
		newcomer.Reset()
	}
	s.wantPage(s.scrape(""), s.healthy) // its session is one of those that are waited for
	s.serve(localtest.Connect(t, s.database.URL))
	s.suffer(fault{
		inject: func(s *site) func() {
			return func() {
				if err := pg.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		},
		failed: ofRecord, says: "57P03",
	})
}
