package api

import (
	"context"
	"net/http"
	"time"

	"tidemark/shared/signal"
	"tidemark/shared/web"
)

// fleetAnswer is the fleet as Redis knows it.
type fleetAnswer struct {
	// At is the moment of the queues, by the clock of Redis.
	At      time.Time       `json:"at"`
	Workers []signal.Worker `json:"workers"`
	Queues  []queueAnswer   `json:"queues"`
}

// queueAnswer is a queue, in the form of `tidemark queues -o json`.
type queueAnswer struct {
	Name          string         `json:"queue"`
	Paused        bool           `json:"paused"`
	Workers       int            `json:"workers"`
	Tasks         map[string]int `json:"tasks"`
	OldestPending *time.Time     `json:"oldest_pending_at"`
}

// fleetTimeout bounds what is asked of Redis.
const fleetTimeout = 5 * time.Second

// fleet answers GET /v1/sync/fleet.
func (a *API) fleet(w http.ResponseWriter, r *http.Request, c caller) error {
	if a.opts.Redis == nil {
		return &refusal{http.StatusServiceUnavailable, "nobody knows the fleet here: the exporter was given no Redis; start it with --redis-url"}
	}
	ctx, cancel := context.WithTimeout(r.Context(), fleetTimeout)
	defer cancel()
	workers, err := signal.ReadWorkers(ctx, a.opts.Redis)
	if err != nil {
		return a.silent(r, c, err)
	}
	at, queues, err := signal.ReadQueues(ctx, a.opts.Redis)
	if err != nil {
		return a.silent(r, c, err)
	}
	answer := fleetAnswer{At: at, Workers: workers, Queues: []queueAnswer{}}
	for _, q := range queues {
		listed := queueAnswer{Name: q.Name, Paused: q.Paused, Workers: q.Workers, Tasks: q.Tasks}
		if !q.OldestPending.IsZero() {
			listed.OldestPending = &q.OldestPending
		}
		answer.Queues = append(answer.Queues, listed)
	}
	web.JSON(w, http.StatusOK, answer)
	return nil
}

// silent refuses what Redis did not answer. The client's words go to the log.
func (a *API) silent(r *http.Request, c caller, err error) error {
	a.opts.Logger.Warn("Redis does not answer", "path", r.URL.Path, "request_id", c.requestID, "actor", c.Name, "err", err)
	return &refusal{http.StatusServiceUnavailable, "Redis does not tell of the fleet: try again later; `tidemark doctor` says what is wrong with it. What was requested is recorded and waits"}
}
