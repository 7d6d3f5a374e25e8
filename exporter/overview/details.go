package overview

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/explain"
	"tidemark/shared/ledger"
)

// Details is all that is known of one scope.
type Details struct {
	// At is the moment of Scope.
	At          time.Time           `json:"-"`
	Scope       Scope               `json:"scope"`
	Explanation explain.Explanation `json:"explanation"`
	// Jobs are the newest that bear on it, newest first, at most [MaxJobs].
	Jobs []ledger.Job `json:"jobs"`
}

// MaxJobs bounds the jobs of [Details].
const MaxJobs = 50

// ReadDetails reads one scope, its three parts one after the other. The error is [explain.ErrUndeclared]
// where no report declares it.
func ReadDetails(ctx context.Context, pool *pgxpool.Pool, limits explain.Limits, moduleType, year int) (d Details, err error) {
	o, err := ReadScope(ctx, pool, limits, moduleType, year)
	if err != nil {
		return d, err
	}
	var declared bool
	if d.Scope, declared = o.Scope(moduleType, year); !declared {
		return d, explain.ErrUndeclared
	}
	d.At = o.At
	facts, err := explain.Read(ctx, pool, moduleType, year, limits)
	if err != nil {
		return d, err
	}
	d.Explanation = explain.Explain(facts)
	// Nothing is claimed here, so it does not matter how long this ledger would hold a job back.
	d.Jobs, err = ledger.New(ledger.DefaultMaxHold).ScopeJobs(ctx, pool, moduleType, year, MaxJobs)
	return d, err
}
