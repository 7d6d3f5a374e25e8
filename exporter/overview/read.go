package overview

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
	"tidemark/shared/explain"
	"tidemark/shared/freshness"
	"tidemark/shared/postgres"
)

// Read takes a look at every declared scope, all at one moment, and judges it by the limits.
func Read(ctx context.Context, db postgres.TxBeginner, limits explain.Limits) (Overview, error) {
	return read(ctx, db, limits, func(freshness.Scope) bool { return true })
}

// ReadScope is [Read] of one scope, which costs a fraction; the overview is empty where no report declares it.
func ReadScope(ctx context.Context, db postgres.TxBeginner, limits explain.Limits, moduleType, year int) (Overview, error) {
	return read(ctx, db, limits, func(s freshness.Scope) bool { return s.ModuleType == moduleType && s.Year == year })
}

func read(ctx context.Context, db postgres.TxBeginner, limits explain.Limits, wanted func(freshness.Scope) bool) (o Overview, err error) {
	err = postgres.InSnapshot(ctx, db, func(tx pgx.Tx) error {
		snapshot, err := freshness.TakeSnapshot(ctx, tx)
		if err != nil {
			return err
		}
		snapshot.Scopes = slices.DeleteFunc(snapshot.Scopes, func(s freshness.Scope) bool { return !wanted(s) })
		jobs, err := readJobs(ctx, tx, snapshot.Scopes)
		if err != nil {
			return err
		}
		o = overviewOf(snapshot, jobs, limits)
		return nil
	})
	if err != nil {
		return Overview{}, fmt.Errorf("read what is under way in each scope: %w", err)
	}
	return o, nil
}

// overviewOf brings together what is known of each scope.
func overviewOf(snapshot freshness.Snapshot, jobs map[key][]jobRow, limits explain.Limits) Overview {
	names := map[int]string{}
	for _, m := range catalog.Modules() {
		names[m.ID] = m.Name
	}
	cutoff := snapshot.At.Add(-limits.OlderThan)
	scopes := make([]Scope, len(snapshot.Scopes))
	for i, s := range snapshot.Scopes {
		name, known := names[s.ModuleType]
		if !known {
			name = strconv.Itoa(s.ModuleType)
		}
		state := Fresh
		if why := freshness.Classify(s.Latest, cutoff); why != freshness.Fresh {
			state = string(why)
		}
		scopes[i] = Scope{ModuleType: s.ModuleType, Module: name, Year: s.Year, State: state, Drift: s.Drift, Since: s.Since(), LastSuccessAt: s.LastSuccessAt,
			Badge: badgeOf(snapshot.At, limits.MaxHold, jobs[key{s.ModuleType, s.Year}])}
	}
	return newOverview(snapshot.At, snapshot.Kept, scopes)
}

// newOverview counts scopes. Without kept nobody knows which have drifted.
func newOverview(at time.Time, kept bool, scopes []Scope) Overview {
	t := newTally(kept)
	for _, s := range scopes {
		t.add(s.State, s.Drift)
	}
	return Overview{At: at, Counts: t.counts, Drifted: t.drifted, Scopes: scopes}
}

// tally counts scopes.
type tally struct {
	counts map[string]int
	// drifted is nil where nobody knows.
	drifted *int
}

func newTally(kept bool) tally {
	t := tally{counts: map[string]int{Fresh: 0}}
	for _, why := range freshness.Whys() {
		t.counts[string(why)] = 0
	}
	if kept {
		t.drifted = new(int)
	}
	return t
}

func (t tally) add(state string, drift freshness.Drift) {
	t.counts[state]++
	if t.drifted != nil && drift == freshness.Drifted {
		*t.drifted++
	}
}

// Visible is the overview of one who may see these modules only: nothing in it tells of others.
func (o Overview) Visible(sees func(moduleType int) bool) Overview {
	scopes := []Scope{}
	for _, s := range o.Scopes {
		if sees(s.ModuleType) {
			scopes = append(scopes, s)
		}
	}
	return newOverview(o.At, o.Drifted != nil, scopes)
}

// Scope returns that of a module and year, false where there is none.
func (o Overview) Scope(moduleType, year int) (Scope, bool) {
	for _, s := range o.Scopes {
		if s.ModuleType == moduleType && s.Year == year {
			return s, true
		}
	}
	return Scope{}, false
}
