package postgres_test

import (
	"context"
	"net/url"
	"testing"

	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

// TestServerNoticesLostClients: the session watches its client, and is not left open by one
// that has gone silent inside a transaction.
func TestServerNoticesLostClients(t *testing.T) {
	t.Parallel()
	var check, idle, zone string
	err := localtest.Pool(t).QueryRow(context.Background(), `SELECT current_setting('client_connection_check_interval'),
		current_setting('idle_in_transaction_session_timeout'), current_setting('timezone')`).Scan(&check, &idle, &zone)
	if err != nil {
		t.Fatal(err)
	}
	if check != "2s" || idle != "1min" || zone != "UTC" {
		t.Errorf("check %s, idle in transaction %s, time zone %s", check, idle, zone)
	}
}

// A server that refuses a connection is away, whatever its reason is: no statement was the cause.
func TestRefusedConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(localtest.EmptyDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/nothing"
	pool := localtest.Connect(t, u.String())
	if err := pool.Ping(t.Context()); !postgres.Unavailable(err) || postgres.Code(err) == "" {
		t.Errorf("a database that is not there: %v", err)
	}
}
