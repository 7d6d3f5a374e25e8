package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/chaos/verdict"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/signal"
)

// library requests as a program does that changes the data itself.
type library struct {
	*world
	pool    *pgxpool.Pool
	ledger  *ledger.Ledger
	signals *signal.Sender
}

var errOnPurpose = errors.New("rolled back on purpose")

// attempt changes entries and requests their recalculation in one transaction, sometimes narrowed
// to their report modules, sometimes for two scopes, sometimes to roll back.
func (l library) attempt(ctx context.Context, rng *rand.Rand) {
	a, e := l.attemptAt("library", rng)
	a.Changes = true
	changed := []verdict.Entry{e}
	switch rng.IntN(4) {
	case 0:
		a.Filter = []int{e.ReportModule}
	case 1:
		if other := l.entries[rng.IntN(len(l.entries))]; other.Scope != e.Scope {
			changed, a.Scopes = append(changed, other), append(a.Scopes, other.Scope)
		}
	}
	slices.SortFunc(changed, func(a, b verdict.Entry) int { return int(a.ID - b.ID) })
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	tx, err := l.pool.Begin(ctx)
	if err != nil {
		l.journal.note(a, verdict.Refused, err)
		return
	}
	defer func() { _ = tx.Rollback(ctx) }()
	tickets, err := l.inTx(ctx, tx, &a, changed, rng)
	if err == nil && rng.IntN(10) == 0 {
		err = errOnPurpose
	}
	if err != nil {
		// No COMMIT was sent.
		l.journal.note(a, verdict.Refused, err)
		return
	}
	if err := tx.Commit(ctx); err != nil {
		l.journal.note(a, verdict.Unknown, err)
		return
	}
	l.journal.note(a, verdict.Accepted, l.signals.Send(ctx, tickets...))
}

const change = `
UPDATE data_entries SET data = jsonb_set(data::jsonb, '{__kg_co2eq_override__}', to_jsonb($2::float8))::json, updated_at = now() WHERE id = $1`

func (l library) inTx(ctx context.Context, tx pgx.Tx, a *verdict.Attempt, changed []verdict.Entry, rng *rand.Rand) ([]ledger.Ticket, error) {
	for _, e := range changed {
		if _, err := tx.Exec(ctx, change, e.ID, 1+rng.IntN(100_000)); err != nil {
			return nil, err
		}
	}
	p, _, err := l.ledger.OpenPipeline(ctx, tx, ledger.NewPipeline{Kind: job.EmissionRecalc})
	if err != nil {
		return nil, err
	}
	b := ledger.Batch{Pipeline: p, By: ledger.Origin{Actor: "chaos", Via: ledger.ViaHTTP, Reason: a.Nonce, RequestID: a.Nonce}}
	for _, s := range a.Scopes {
		r := ledger.Request{Scope: job.RecalcOf(s.Module, s.Type, s.Year)}
		for _, id := range a.Filter {
			r.Filter = append(r.Filter, int32(id))
		}
		b.Requests = append(b.Requests, r)
	}
	tickets, err := l.ledger.Request(ctx, tx, b)
	if err != nil {
		return nil, err
	}
	// The tickets are in the ledger's order.
	a.Scopes = nil
	for _, t := range tickets {
		a.Scopes = append(a.Scopes, verdict.Scope{Module: t.Scope.ModuleType, Type: t.Scope.DataEntryType, Year: t.Scope.Year})
		a.Jobs = append(a.Jobs, t.JobID)
	}
	if err := tx.QueryRow(ctx, `SELECT pg_current_xact_id()::text::bigint FROM pg_sleep($1)`, rng.Float64()*0.05).Scan(&a.XID); err != nil {
		return nil, err
	}
	return tickets, nil
}
