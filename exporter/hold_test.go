package exporter_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"tidemark/exporter"
	"tidemark/exporter/exportertest"
)

// TestMaxHold: what a waiting aggregation waits for depends on how long the fleet holds it, and
// every answer says it by the setting of the exporter.
func TestMaxHold(t *testing.T) {
	t.Parallel()
	pool := exportertest.Record(t)
	if _, err := pool.Exec(t.Context(), `UPDATE data_ingestion_jobs SET requested_at = now() - interval '20 minutes' WHERE id = 13`); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		hold time.Duration
		held bool
	}{{25 * time.Minute, true}, {10 * time.Minute, false}, {0, false}} {
		e, err := exporter.New(exporter.Options{Pool: pool, MaxHold: c.hold, AnonymousAPI: true, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		for path, says := range map[string]string{
			"/v1/sync/scopes/4/2025": "is held while recalculations of the module and year wait or run, for 25 min at most",
			"/scopes/equipment/2025": "is held while recalculations of the module and year wait or run, for 25 min at most",
			"/v1/sync/overview":      `"waits_for":"the recalculations of its module and year"`,
		} {
			answer, body := exportertest.Get(e.Handler(), path)
			if answer.StatusCode != 200 || strings.Contains(body, says) != c.held {
				t.Errorf("held for %s at most, %s: %s, want %q to be %v in it:\n%s", c.hold, path, answer.Status, says, c.held, body)
			}
		}
	}
}
