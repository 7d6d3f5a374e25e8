package console

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"tidemark/shared/postgres"
	"tidemark/shared/signal"
)

// fleetTimeout bounds what the page asks of Redis, and what of the record.
const fleetTimeout = 4 * time.Second

// fleetData is what the fleet's page shows.
type fleetData struct {
	// Away says why nothing is known of workers and queues, "" where Redis answers.
	Away    string
	Workers []signal.Worker
	Queues  []fleetQueue
	// Processes are those that have sessions with the record, by version; nil where it cannot be read.
	Processes []postgres.Process
	// Versions are theirs.
	Versions []string
	// Monitor is the address of asynqmon from the root, "" where the viewer may not see it.
	Monitor string
}

// fleetQueue is a queue with since when its oldest task waits, nil where none does.
type fleetQueue struct {
	signal.Queue
	Oldest *time.Time
}

// fleet answers GET /fleet. Of Redis and the record it shows what answers.
func (c *Console) fleet(r *http.Request, who viewer) (view, error) {
	var d fleetData
	d.readVersions(c, r)
	at := time.Now()
	switch {
	case c.opts.Redis == nil:
		d.Away = say("fleet.notgiven")
	default:
		var err error
		if at, err = d.readQueues(r.Context(), c.opts.Redis); err != nil {
			c.opts.Logger.Warn("Redis does not answer", "path", r.URL.Path, "actor", who.Name, "err", err)
			d.Away, at = say("fleet.silent"), time.Now()
		}
	}
	if who.MayViewAll() {
		d.Monitor = c.opts.Monitor
	}
	return view{page: "fleet", title: say("fleet.title"), at: at, data: d}, nil
}

// readVersions fills in what the record knows: which processes run in which versions.
func (d *fleetData) readVersions(c *Console, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), fleetTimeout)
	defer cancel()
	var err error
	if d.Processes, err = postgres.Processes(ctx, c.opts.Pool); err != nil {
		c.opts.Logger.Warn("the versions of the fleet cannot be read", "path", r.URL.Path, "err", err)
	}
	for _, p := range d.Processes {
		d.Versions = append(d.Versions, p.Version)
	}
	slices.Sort(d.Versions)
	d.Versions = slices.Compact(d.Versions)
}

// readQueues fills in what Redis knows, and returns the moment by its clock.
func (d *fleetData) readQueues(ctx context.Context, rdb redis.UniversalClient) (at time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, fleetTimeout)
	defer cancel()
	if d.Workers, err = signal.ReadWorkers(ctx, rdb); err != nil {
		return at, err
	}
	at, queues, err := signal.ReadQueues(ctx, rdb)
	if err != nil {
		return at, err
	}
	for _, q := range queues {
		shown := fleetQueue{Queue: q}
		if !q.OldestPending.IsZero() {
			shown.Oldest = &q.OldestPending
		}
		d.Queues = append(d.Queues, shown)
	}
	return at, nil
}
