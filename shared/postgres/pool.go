package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options say how to reach the database.
type Options struct {
	// URL is a PostgreSQL connection string or URL.
	URL string
	// AppName is what pg_stat_activity shows as application_name.
	AppName string
	// MaxConns bounds the pool; 0 means 4.
	MaxConns int
	// ConnectTimeout bounds one attempt to connect; 0 means 5 s.
	ConnectTimeout time.Duration
	// Standby accepts a server in recovery, which is refused otherwise with [ErrStandby]: for who asks
	// about the server, not about the record.
	Standby bool
	// Proven lets every connection be tried before it is handed out, at the cost of a round trip,
	// not only one that was idle for a second: for those to whom a connection that died is more than
	// an error to be tried again.
	Proven bool
}

const (
	defaultMaxConns       = 4
	defaultConnectTimeout = 5 * time.Second
	// idleInTransaction ends a session whose client has gone silent in the middle of a
	// transaction (a stopped process, a cut cable): its locks would block the scope until TCP
	// gives up, which can take hours. Our own code never thinks for that long between statements.
	idleInTransaction = time.Minute
)

// Connect returns a pool that dials lazily: a database that is away is not an
// error here but at the first query, so that a component can start and say so.
func Connect(ctx context.Context, o Options) (*pgxpool.Pool, error) {
	cfg, err := poolConfig(o)
	if err != nil {
		return nil, err
	}
	cfg.AfterConnect = noticeLostClients
	return pgxpool.NewWithConfig(ctx, cfg)
}

// watchClient makes the server look, while it works, whether the client is still there. It
// would otherwise go on with the statement of a killed process to its end, row locks
// included. Servers before PostgreSQL 14 do not have the setting.
const watchClient = `
SELECT set_config('client_connection_check_interval', '2s', false)
  FROM pg_settings WHERE name = 'client_connection_check_interval'`

// noticeLostClients is tried, not required: some systems cannot watch a socket.
func noticeLostClients(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, watchClient); err != nil && Code(err) == "" {
		return err
	}
	return nil
}

// poolConfig validates the options. pgx leaves passwords out of its parse errors.
func poolConfig(o Options) (*pgxpool.Config, error) {
	if o.URL == "" {
		return nil, errors.New("no database given: set TIDEMARK_DATABASE_URL, for example postgres://tidemark@localhost/tidemark")
	}
	cfg, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("TIDEMARK_DATABASE_URL: %w", err)
	}
	cfg.MaxConns = defaultMaxConns
	if o.MaxConns > 0 {
		cfg.MaxConns = int32(o.MaxConns)
	}
	cfg.ConnConfig.ConnectTimeout = defaultConnectTimeout
	if o.ConnectTimeout > 0 {
		cfg.ConnConfig.ConnectTimeout = o.ConnectTimeout
	}
	if o.Proven {
		cfg.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return true }
		cfg.PingTimeout = cfg.ConnConfig.ConnectTimeout
	}
	if !o.Standby {
		cfg.ConnConfig.ValidateConnect = primary(cfg.ConnConfig.ValidateConnect)
	}
	params := cfg.ConnConfig.RuntimeParams
	if o.AppName != "" {
		params["application_name"] = o.AppName
	}
	params["idle_in_transaction_session_timeout"] = fmt.Sprint(idleInTransaction.Milliseconds())
	// Times are written by the database and read as instants; a session time zone would only
	// show in text output, where it misleads.
	params["timezone"] = "UTC"
	return cfg, nil
}
