package ledger

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

// Claim is the right to work on a job, good until its lease runs out.
type Claim struct {
	JobID  int64
	Scope  job.Scope
	Filter job.Filter
	// Token is unique to this claim. Every write for the job is guarded by it, so a worker
	// that lost the job, without knowing it yet, cannot touch it any more.
	Token string
	// Lease is how long the claim is good after each renewal.
	Lease time.Duration
	// Attempt is 1 for the first run of the job.
	Attempt int
	// Waited is how long the job had been requested when this run began; 0 where it does not say.
	Waited time.Duration
	// SignalSeq is that of the job's signal, for who has to send it once more.
	SignalSeq int
	// readSnapshot is what the run's transaction saw when it began; nil before [Ledger.Begin].
	readSnapshot *string
}

// Sight is what a look at a scope found.
type Sight string

const (
	// Claimed: a job was waiting, and is ours now.
	Claimed Sight = "claimed"
	// Nothing waits in the scope.
	Nothing Sight = "nothing"
	// Busy: a job waits, behind one that runs. Whoever runs that signals it when it is done ([Ledger.Next]).
	Busy Sight = "busy"
	// Held: an aggregation waits for recalculations of its module and year. The last of them signals it.
	Held Sight = "held"
	// Postponed: the job is not due yet (run_after).
	Postponed Sight = "postponed"
	// Contended: requesters held the scope's door for longer than a claim may wait. Look again.
	Contended Sight = "contended"
)

// tokenPrefix marks the claims of Tidemark's own workers in locked_by.
const tokenPrefix = "tidemark-"

// NewToken returns a claim token: host and process, for people, and 64 random bits, for the
// fence. It fits into application_name (63 bytes), by which a lost worker's session is found.
func NewToken() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	return fmt.Sprintf("%s%s-%d-%s", tokenPrefix, host[:min(len(host), 24)], os.Getpid(), hex.EncodeToString(b[:]))
}

// lookTemplate reads the waiting job of a scope and everything that could forbid its claim.
// It runs after the door was taken, in a statement of its own, so that it sees what the
// requesters it waited for have committed. The row lock is against other programs.
const lookTemplate = `
SELECT j.id,
       coalesce(j.run_after > clock_timestamp(), false) AS postponed,
       EXISTS (SELECT FROM data_ingestion_jobs r
                WHERE r.job_type = '{type}' AND r.state = 'RUNNING' AND {r.scope}) AS busy,
       {held} AS held
  FROM data_ingestion_jobs j
 WHERE j.job_type = '{type}' AND j.state IN ('NOT_STARTED', 'QUEUED') AND {j.scope}
   FOR UPDATE OF j`

// waitingJob is a row of lookTemplate.
type waitingJob struct {
	ID                    int64
	Postponed, Busy, Held bool
}

// sight decides whether a waiting job may be claimed.
func (w waitingJob) sight() Sight {
	switch {
	case w.Busy:
		return Busy
	case w.Postponed:
		return Postponed
	case w.Held:
		return Held
	default:
		return Claimed
	}
}

// claimStatement starts the run: its time is after the commit of everybody who joined.
const claimStatement = `
UPDATE data_ingestion_jobs
   SET state = 'RUNNING', locked_by = @token, locked_at = clock_timestamp(), started_at = clock_timestamp(),
       lease_expires_at = clock_timestamp() + @lease::interval, attempts = attempts + 1, result = NULL,
       status_message = 'started', progress_done = NULL, progress_total = NULL
 WHERE id = @id AND state IN ('NOT_STARTED', 'QUEUED')
RETURNING carbon_report_module_ids, attempts, signal_seq, coalesce(started_at - requested_at, '0')`

const uniqueViolation = "23505"

// Claim takes the waiting job of a scope, if there is one and nothing forbids it.
// The claim is nil unless the sight is [Claimed].
func (l *Ledger) Claim(ctx context.Context, db postgres.Beginner, s job.Scope, lease time.Duration) (*Claim, Sight, error) {
	st, err := l.statementsFor(s)
	if err != nil {
		return nil, "", err
	}
	c := &Claim{Scope: s, Token: NewToken(), Lease: lease}
	sight := Nothing
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if err := enter(ctx, tx, s); err != nil {
			return err
		}
		args := scopeArgs(s)
		args["max_hold"] = l.maxHold
		rows, err := tx.Query(ctx, st.look, args)
		if err != nil {
			return err
		}
		w, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[waitingJob])
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if sight = w.sight(); sight != Claimed {
			return nil
		}
		c.JobID = w.ID
		return tx.QueryRow(ctx, claimStatement, pgx.StrictNamedArgs{"id": w.ID, "token": c.Token, "lease": lease}).Scan(&c.Filter, &c.Attempt, &c.SignalSeq, &c.Waited)
	})
	switch {
	case postgres.LockTimeout(err):
		return nil, Contended, nil
	case postgres.Code(err) == uniqueViolation:
		// Another program started a job of the scope between our look and our claim.
		return nil, Busy, nil
	case err != nil:
		return nil, "", fmt.Errorf("claim %s: %w", s, err)
	case sight != Claimed:
		return nil, sight, nil
	}
	return c, Claimed, nil
}

// nextTemplate takes no lock: whoever requests after it sends a signal that finds the scope free.
const nextTemplate = `
SELECT j.id, j.signal_seq
  FROM data_ingestion_jobs j
 WHERE ` + claimable + ` AND {j.scope}`

// Next returns a ticket for the job of the scope that could be claimed now, if there is one. Who
// has run a job of the scope signals it: its own signal may have been delivered during
// the run, and found the scope busy.
func (l *Ledger) Next(ctx context.Context, db postgres.Querier, s job.Scope) ([]Ticket, error) {
	st, err := l.statementsFor(s)
	if err != nil {
		return nil, err
	}
	args := scopeArgs(s)
	args["max_hold"] = l.maxHold
	rows, err := db.Query(ctx, st.next, args)
	if err != nil {
		return nil, fmt.Errorf("look for the next job of %s: %w", s, err)
	}
	next, err := collectTickets(rows, s)
	if err != nil {
		return nil, fmt.Errorf("look for the next job of %s: %w", s, err)
	}
	return next, nil
}
