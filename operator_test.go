package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"tidemark/exporter"
	"tidemark/shared/access"
	"tidemark/shared/signal"
)

// TestSameRequestByThreeWaysAtOnce: the command line, the API and an asynq client ask for the
// same scope at one instant. Each of the three is accepted and covered; together they make no
// more than a run under way and one behind it.
func TestSameRequestByThreeWaysAtOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	c := newCrash(ctx, t)
	c.run("migrate", "up")
	c.load(10)
	c.worker()
	c.scheduler()
	c.awaitQuiet()
	c.exec(`CREATE TABLE began AS SELECT clock_timestamp() AS at`)

	rdb, err := signal.Connect(c.redis)
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	e, token := c.exporter(rdb)
	client := asynq.NewClientFromRedisClient(rdb)

	const rounds = 3
	for range rounds {
		var instant sync.WaitGroup
		instant.Go(func() {
			if out, err := c.command("recalc", "--module=2", "--type=plane", "--year=2025").CombinedOutput(); err != nil {
				t.Errorf("command line: %v: %s", err, out)
			}
		})
		instant.Go(func() {
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/sync/recalculate-emissions/professional_travel/plane?year=2025", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			e.Handler().ServeHTTP(w, r)
			if w.Code != http.StatusAccepted {
				t.Errorf("API: %d %s", w.Code, w.Body)
			}
		})
		instant.Go(func() {
			task := asynq.NewTask("emission_recalc", []byte(`{"module_type_id":2,"data_entry_type_id":20,"year":2025}`))
			if _, err := client.EnqueueContext(ctx, task, asynq.Queue("emission_recalc")); err != nil {
				t.Error(err)
			}
		})
		instant.Wait()
	}
	c.awaitQuiet()
	var accepted, covered, done, repeated int
	if err := c.pool.QueryRow(ctx, `
SELECT count(*), count(*) FILTER (WHERE j.result = 'SUCCESS' AND j.started_at > q.requested_at),
       count(*) FILTER (WHERE p.status = 'SUCCESS'), count(*) FILTER (WHERE j.attempts <> 1)
  FROM job_requests q JOIN data_ingestion_jobs j ON j.id = q.job_id LEFT JOIN pipelines p ON p.id = q.pipeline_id
 WHERE q.requested_at > (SELECT at FROM began) AND q.job_type = 'emission_recalc'`).Scan(&accepted, &covered, &done, &repeated); err != nil {
		t.Fatal(err)
	}
	if accepted != 3*rounds || covered != accepted || done != accepted || repeated != 0 {
		t.Errorf("of %d requests %d were accepted, %d covered by a run that began after them, %d pipelines are done; %d ran more than once",
			3*rounds, accepted, covered, done, repeated)
	}
}

// exporter returns one in this process, with a token of who may request. rdb may be nil.
func (c *crash) exporter(rdb redis.UniversalClient) (e *exporter.Exporter, token string) {
	c.t.Helper()
	said, err := c.command("token", "create", "--name=ops", "--permission="+string(access.SyncAll), "--file="+c.file("tokens")).Output()
	if err != nil {
		c.t.Fatal(err)
	}
	known, err := access.New(access.Options{TokensFile: c.file("tokens")})
	if err != nil {
		c.t.Fatal(err)
	}
	e, err = exporter.New(exporter.Options{Authenticator: known, Pool: c.pool, Redis: rdb, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		c.t.Fatal(err)
	}
	return e, strings.TrimSpace(string(said))
}
