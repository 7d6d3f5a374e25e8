package freshness

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"tidemark/shared/job"
)

// findings is what one look at the database found, in no order.
type findings struct {
	// at is the time of the look, in UTC.
	at           time.Time
	declared     []scopeKey
	aggregations []aggregationRow
	changes      map[scopeKey][]change
}

type scopeKey struct{ module, year int32 }

// aggregationRow is an aggregation that may count.
type aggregationRow struct {
	scope  scopeKey
	id     int64
	state  *job.State
	result *job.Result
	// Zero is NULL.
	requested, started, ended time.Time
	// read is the snapshot with which it began to read, in PostgreSQL's spelling; "" where
	// the row does not say.
	read string
}

// change is a mark: a transaction changed what a scope is aggregated from.
type change struct {
	xid uint64
	at  time.Time
}

// readFindings takes the rows of snapshotQuery or originalQuery. There are ten thousand and more
// of them to a scrape, on machines that have other work: it scans into the driver's own types, since
// pointers cost it reflection, and allocates nothing for a row but its place.
func readFindings(rows pgx.Rows) (*findings, error) {
	defer rows.Close()
	f := &findings{changes: map[scopeKey][]change{}}
	states, results := words[job.State]{}, words[job.Result]{}
	var (
		module, year, id       pgtype.Int4
		at, requested, started pgtype.Timestamptz
		read                   pgtype.Text
		xid                    pgtype.Uint64
	)
	into := []any{&module, &year, &at, &id, nil, nil, &requested, &started, &read, &xid}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		if at.InfinityModifier != pgtype.Finite || requested.InfinityModifier != pgtype.Finite || started.InfinityModifier != pgtype.Finite {
			return nil, errors.New("a time is infinite")
		}
		scope := scopeKey{module.Int32, year.Int32}
		switch {
		case id.Valid:
			// An enum is its label, in whichever format it comes.
			raw := rows.RawValues()
			f.aggregations = append(roomy(f.aggregations), aggregationRow{scope: scope, id: int64(id.Int32),
				state: states.of(raw[4]), result: results.of(raw[5]), requested: requested.Time.UTC(), started: started.Time.UTC(), ended: at.Time.UTC(), read: read.String})
		case xid.Valid:
			f.changes[scope] = append(f.changes[scope], change{xid.Uint64, at.Time.UTC()})
		case module.Valid:
			f.declared = append(roomy(f.declared), scope)
		default:
			f.at = at.Time.UTC()
		}
	}
	return f, rows.Err()
}

// roomy makes room for as much again where a slice is full. Append would add a quarter each
// time, and leave four times the result for the garbage collector.
func roomy[T any](s []T) []T {
	if len(s) < cap(s) {
		return s
	}
	return slices.Grow(s, max(len(s), 1024))
}

// words holds each word of an enum once.
type words[W ~string] map[string]*W

// of returns the word with this label, nil for NULL.
func (w words[W]) of(label []byte) *W {
	if label == nil {
		return nil
	}
	word, ok := w[string(label)]
	if !ok {
		word = new(W(label))
		w[string(label)] = word
	}
	return word
}

// scopes brings together what was found of each declared scope. What is not declared is
// nobody's number.
func (f *findings) scopes() ([]Scope, error) {
	slices.SortFunc(f.declared, func(a, b scopeKey) int {
		return cmp.Or(cmp.Compare(a.module, b.module), cmp.Compare(a.year, b.year))
	})
	places := make(map[scopeKey]int, len(f.declared))
	for i, key := range f.declared {
		places[key] = i
	}
	counting := make([]aggregationsOf, len(f.declared))
	for i := range f.aggregations {
		if place, ok := places[f.aggregations[i].scope]; ok {
			counting[place].add(&f.aggregations[i])
		}
	}
	scopes := make([]Scope, len(f.declared))
	for i, key := range f.declared {
		var err error
		if scopes[i], err = counting[i].scope(key, f.changes[key]); err != nil {
			return nil, err
		}
	}
	return scopes, nil
}

// aggregationsOf are those of a scope that count: the newest of all, the newest that finished, the
// newest that wrote its data. Often they are one, and any may be missing.
type aggregationsOf struct{ newest, ended, wrote *aggregationRow }

func (a *aggregationsOf) add(row *aggregationRow) {
	newer := func(than *aggregationRow) bool { return than == nil || row.id > than.id }
	finished := row.state != nil && *row.state == job.Finished
	failed := row.result != nil && *row.result == job.Error
	if newer(a.newest) {
		a.newest = row
	}
	if finished && newer(a.ended) {
		a.ended = row
	}
	if finished && !failed && !row.ended.IsZero() && newer(a.wrote) {
		a.wrote = row
	}
}

// scope says what the aggregations and marks of a scope amount to.
func (a *aggregationsOf) scope(key scopeKey, changes []change) (s Scope, err error) {
	s.ModuleType, s.Year = int(key.module), int(key.year)
	if a.newest != nil {
		s.Latest = a.newest.aggregation()
	}
	if a.ended != nil {
		s.LastResult = a.ended.result
	}
	if a.wrote != nil {
		s.LastSuccessAt = moment(&a.wrote.ended)
		s.Drift, s.DriftedSince, err = drift(a.wrote.read, a.wrote.ended, changes)
	}
	return s, err
}

func (r *aggregationRow) aggregation() *Aggregation {
	return &Aggregation{ID: r.id, State: r.state, Result: r.result,
		RequestedAt: moment(&r.requested), StartedAt: moment(&r.started), FinishedAt: moment(&r.ended)}
}

// moment is a time in UTC, out of the zone of this machine, which means
// nothing to the reader; nil for NULL.
func moment(t *time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return t
}
