package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migration/*.sql
var embedded embed.FS

// versionTable keeps which migrations ran. It has a name of its own because the
// original application may share the database.
const versionTable = "tidemark_schema_version"

// Migration is one step of the schema and whether this database has it.
type Migration struct {
	Version int64
	// Name is the file, for example 00003_active_indexes.sql.
	Name string
	// AppliedAt is zero while the migration is pending.
	AppliedAt time.Time
}

// Changes are what one run of [Migrate] did; both are empty when there was nothing to do.
type Changes struct {
	// Applied are the migrations that ran.
	Applied []Migration
	// BuiltIndexes are the dedup indexes that were made or replaced.
	BuiltIndexes []string
}

// Migrate brings the schema up to what this binary needs. Several may be started
// at once: one works, the others wait. Rows that would break the dedup indexes are
// reported as a [*ConflictError] before anything is changed.
func Migrate(ctx context.Context, url string) (Changes, error) {
	var done Changes
	m, err := open(url)
	if err != nil {
		return done, err
	}
	defer m.db.Close()
	if err := checkConflicts(ctx, m.db); err != nil {
		return done, err
	}
	results, err := m.goose.Up(ctx)
	if err != nil {
		return done, fmt.Errorf("migrate: %w", err)
	}
	for _, r := range results {
		done.Applied = append(done.Applied, Migration{Version: r.Source.Version, Name: path.Base(r.Source.Path), AppliedAt: time.Now()})
	}
	err = m.locked(ctx, func(conn *sql.Conn) (err error) {
		done.BuiltIndexes, err = buildIndexes(ctx, conn)
		return err
	})
	return done, err
}

// Migrations returns every step with whether the database has it.
func Migrations(ctx context.Context, url string) ([]Migration, error) {
	m, err := open(url)
	if err != nil {
		return nil, err
	}
	defer m.db.Close()
	status, err := m.goose.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("migration status: %w", err)
	}
	steps := make([]Migration, 0, len(status))
	for _, s := range status {
		steps = append(steps, Migration{Version: s.Source.Version, Name: path.Base(s.Source.Path), AppliedAt: s.AppliedAt})
	}
	return steps, nil
}

// migrator is a database with the runner and the lock that keeps two of them apart.
type migrator struct {
	db     *sql.DB
	goose  *goose.Provider
	locker lock.SessionLocker
}

func open(url string) (*migrator, error) {
	cfg, err := poolConfig(Options{URL: url, AppName: "tidemark migrate"})
	if err != nil {
		return nil, err
	}
	conn := cfg.ConnConfig
	// A migration waits for locks and builds indexes: it is not to be ended for being slow.
	delete(conn.RuntimeParams, "idle_in_transaction_session_timeout")
	conn.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	files, err := fs.Sub(embedded, "migration")
	if err != nil {
		return nil, err
	}
	// The lock is tried again and again, not waited for: a session that waits inside the server
	// holds a snapshot, and CREATE INDEX CONCURRENTLY in the other would wait for it for ever.
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, err
	}
	store, err := database.NewStore(database.DialectPostgres, versionTable)
	if err != nil {
		return nil, err
	}
	m := &migrator{db: stdlib.OpenDB(*conn), locker: locker}
	m.goose, err = goose.NewProvider("", m.db, files, goose.WithStore(store), goose.WithSessionLocker(locker))
	if err != nil {
		return nil, errors.Join(err, m.db.Close())
	}
	return m, nil
}

// locked runs fn on a connection that holds the migration lock.
func (m *migrator) locked(ctx context.Context, fn func(*sql.Conn) error) error {
	conn, err := m.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := m.locker.SessionLock(ctx, conn); err != nil {
		return err
	}
	return errors.Join(fn(conn), m.locker.SessionUnlock(context.WithoutCancel(ctx), conn))
}
