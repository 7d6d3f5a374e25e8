package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tidemark/shared/postgres"
	"tidemark/shared/signal"
	"tidemark/shared/web"
)

// fleetAnswer is the fleet: workers and queues as Redis knows them, versions as the record does.
type fleetAnswer struct {
	// At is the moment of the queues, by the clock of Redis.
	At      time.Time       `json:"at"`
	Workers []signal.Worker `json:"workers"`
	Queues  []queueAnswer   `json:"queues"`
	// Versions is null where the record cannot be read.
	Versions []postgres.Process `json:"versions"`
}

// queueAnswer is a queue, in the form of `tidemark queues -o json`.
type queueAnswer struct {
	Name          string         `json:"queue"`
	Paused        bool           `json:"paused"`
	Workers       int            `json:"workers"`
	Tasks         map[string]int `json:"tasks"`
	OldestPending *time.Time     `json:"oldest_pending_at"`
}

// fleetTimeout bounds what is asked of Redis, and what of the record.
const fleetTimeout = 4 * time.Second

// fleet answers GET /v1/sync/fleet.
func (a *API) fleet(w http.ResponseWriter, r *http.Request, c caller) error {
	var answer fleetAnswer
	var err error
	if answer.Versions, err = a.versions(r.Context()); err != nil {
		a.opts.Logger.Warn("the versions of the fleet cannot be read", "request_id", c.requestID, "err", err)
	}
	if a.opts.Redis == nil {
		return withoutRedis("nobody knows the workers and queues here: the exporter was given no Redis; start it with --redis-url", answer.Versions)
	}
	if err := answer.readQueues(r.Context(), a.opts.Redis); err != nil {
		a.opts.Logger.Warn("Redis does not answer", "path", r.URL.Path, "request_id", c.requestID, "actor", c.Name, "err", err)
		return withoutRedis("Redis does not tell of workers and queues: try again later; `tidemark doctor` says what is wrong with it", answer.Versions)
	}
	web.JSON(w, http.StatusOK, answer)
	return nil
}

func (a *API) versions(ctx context.Context) ([]postgres.Process, error) {
	ctx, cancel := context.WithTimeout(ctx, fleetTimeout)
	defer cancel()
	return postgres.Processes(ctx, a.opts.Pool)
}

// readQueues fills in what Redis knows.
func (f *fleetAnswer) readQueues(ctx context.Context, rdb redis.UniversalClient) (err error) {
	ctx, cancel := context.WithTimeout(ctx, fleetTimeout)
	defer cancel()
	if f.Workers, err = signal.ReadWorkers(ctx, rdb); err != nil {
		return err
	}
	at, queues, err := signal.ReadQueues(ctx, rdb)
	if err != nil {
		return err
	}
	f.At = at
	for _, q := range queues {
		listed := queueAnswer{Name: q.Name, Paused: q.Paused, Workers: q.Workers, Tasks: q.Tasks}
		if !q.OldestPending.IsZero() {
			listed.OldestPending = &q.OldestPending
		}
		f.Queues = append(f.Queues, listed)
	}
	return nil
}

// withoutRedis refuses with what the record knows of the fleet.
func withoutRedis(detail string, versions []postgres.Process) error {
	var known []string
	for _, v := range versions {
		known = append(known, fmt.Sprintf("%s %s (sessions: %d)", v.Name, v.Version, v.Sessions))
	}
	if known != nil {
		detail += ". At the record are: " + strings.Join(known, ", ")
	}
	return &refusal{http.StatusServiceUnavailable, detail}
}
