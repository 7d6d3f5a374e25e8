package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

// Backlog is what waits for a worker: jobs that nothing but the want of one keeps from being run.
// A job that is held, postponed or behind a running one of its scope is not among them.
type Backlog struct {
	Jobs int
	// Oldest is when the oldest of them was requested; zero where there is none, or none says.
	Oldest time.Time
	// At is the moment of the look. Both are the database's.
	At time.Time
}

// BacklogLimit says from when on a queue is not healthy: the fleet is too small, stands still, or is
// not there.
type BacklogLimit struct {
	// Jobs is how many may wait.
	Jobs int
	// Age is how long one may wait.
	Age time.Duration
}

// DefaultBacklogLimit suits a fleet that is idle most of the time: there are some thousand
// scopes in the largest installation known, each of which waits once at most.
var DefaultBacklogLimit = BacklogLimit{Jobs: 10_000, Age: 15 * time.Minute}

// Exceeded returns in words what is too much, "" where nothing is.
func (l BacklogLimit) Exceeded(b Backlog) string {
	var words []string
	if b.Jobs > l.Jobs {
		words = append(words, fmt.Sprintf("%d jobs wait for a worker, more than %d", b.Jobs, l.Jobs))
	}
	if age := b.At.Sub(b.Oldest); !b.Oldest.IsZero() && age > l.Age {
		words = append(words, fmt.Sprintf("one waits for %s, longer than %s", age.Round(time.Second), l.Age))
	}
	return strings.Join(words, "; ")
}

// backlogTemplate counts what claimableTemplate lists.
const backlogTemplate = `
SELECT count(*), min(j.requested_at), now()
  FROM data_ingestion_jobs j
 WHERE ` + claimable

// Backlog counts the jobs of a type that wait for a worker.
func (l *Ledger) Backlog(ctx context.Context, db postgres.Querier, t job.Type) (b Backlog, err error) {
	if _, err := job.ConfigOf(t); err != nil {
		return b, err
	}
	var oldest *time.Time
	if err := db.QueryRow(ctx, l.sql[t].backlog, pgx.NamedArgs{"max_hold": l.maxHold}).Scan(&b.Jobs, &oldest, &b.At); err != nil {
		return b, fmt.Errorf("count waiting %s jobs: %w", t, err)
	}
	if oldest != nil {
		b.Oldest = *oldest
	}
	return b, nil
}
