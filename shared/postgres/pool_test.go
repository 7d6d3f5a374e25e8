package postgres_test

import (
	"context"
	"testing"

	"tidemark/shared/local/localtest"
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
