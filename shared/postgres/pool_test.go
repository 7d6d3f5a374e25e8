package postgres_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
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

// TestStandbyIsRefused: by name where it is the only server, silently where the primary is among those given.
func TestStandbyIsRefused(t *testing.T) {
	t.Parallel()
	primary := localtest.OwnPostgres(t)
	standby, err := primary.Standby(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(standby.Stop)
	for _, asked := range []string{standby.URL, standby.URL + "&target_session_attrs=standby"} {
		if err := localtest.Connect(t, asked).Ping(t.Context()); !errors.Is(err, postgres.ErrStandby) || !postgres.Unavailable(err) {
			t.Errorf("%s: %v", asked, err)
		}
	}
	at := func(url string) string {
		return strings.TrimPrefix(strings.Split(url, "&")[0], "postgres:///postgres?host=")
	}
	both := "host=" + at(standby.URL) + "," + at(primary.URL) + " user=tidemark dbname=postgres"
	var recovers bool
	if err := localtest.Connect(t, both).QueryRow(t.Context(), `SELECT pg_is_in_recovery()`).Scan(&recovers); err != nil || recovers {
		t.Errorf("of both: in recovery %t, %v", recovers, err)
	}
	looking, err := postgres.Connect(t.Context(), postgres.Options{URL: standby.URL, Standby: true})
	if err != nil {
		t.Fatal(err)
	}
	defer looking.Close()
	if err := looking.Ping(t.Context()); err != nil {
		t.Error("who may look at a standby: ", err)
	}
}
