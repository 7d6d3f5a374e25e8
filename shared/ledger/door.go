package ledger

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
)

// The doors are advisory locks that whoever requests a scope passes in shared mode
// and whoever moves its waiting job (claim, release, reap) in exclusive mode, each
// until the end of the transaction. The row locks alone would be enough to keep
// the promise, but not to keep it in time: PostgreSQL lets a new share lock pass
// an exclusive one that waits, so a scope with a steady stream of joiners would
// never be claimed. Advisory locks queue in order.
//
// There are doorCount of them, not one a scope, so that a wide fan-out cannot
// exhaust the server's lock table. Two scopes behind one door only wait a little.
const (
	doorSpace = 0x74696465 // "tide"; keeps clear of the original's 1236 to 1239
	doorCount = 1024
)

func door(s job.Scope) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.String()))
	return int32(h.Sum32() % doorCount)
}

// doorShared waits behind whoever is moving a waiting job of one of the scopes.
// unnest keeps the order of the array, which is sorted.
const doorShared = `SELECT pg_advisory_xact_lock_shared(@space::integer, d) FROM unnest(@doors::integer[]) AS d`

// doorTimeout bounds how long a claim queues behind requesters that have not committed.
// While it queues, new requesters of the scope queue behind it.
const doorTimeout = time.Second

// doorSilence is how long a session that has the door alone may say nothing: a worker that is
// stopped or cut off between its statements would keep requesters out until the server ends
// its session, which for other transactions takes a minute. The lease does not help: the job is not
// claimed yet.
const doorSilence = 5 * time.Second

// doorExclusive keeps requesters of the scope out until the transaction ends. The limits are
// for this transaction only: a claim is a worker's, and a worker has other scopes to look at.
const (
	limitWaits = `
SELECT set_config('lock_timeout', @timeout, true), set_config('idle_in_transaction_session_timeout', @silence, true)`
	doorExclusive = `SELECT pg_advisory_xact_lock(@space::integer, @door::integer)`
)

// waits are the arguments of limitWaits, in the server's unit.
var waits = pgx.StrictNamedArgs{"timeout": fmt.Sprintf("%dms", doorTimeout.Milliseconds()), "silence": fmt.Sprintf("%dms", doorSilence.Milliseconds())}

// enter takes the scope's door in exclusive mode.
func enter(ctx context.Context, tx pgx.Tx, s job.Scope) error {
	batch := &pgx.Batch{}
	batch.Queue(limitWaits, waits)
	batch.Queue(doorExclusive, pgx.StrictNamedArgs{"space": doorSpace, "door": door(s)})
	return tx.SendBatch(ctx, batch).Close()
}
