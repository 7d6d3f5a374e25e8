package freshness

import (
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"tidemark/shared/job"
)

// findings is what one look at the database found: the columns of snapshotQuery or originalQuery.
type findings struct {
	// at is the time of the look.
	at           time.Time
	declared     declaredLines
	aggregations aggregationRows
	changes      changeMarks
}

// declaredLines count report modules, more or fewer; there may be several lines of a scope.
type declaredLines struct {
	module, year, reportModules pgtype.FlatArray[int32]
}

// aggregationRows are the aggregations that may count. The driver's own types spare each row
// reflection and what it would allocate.
type aggregationRows struct {
	module, year, id          pgtype.FlatArray[int32]
	state, result             pgtype.FlatArray[pgtype.DriverBytes]
	requested, started, ended pgtype.FlatArray[pgtype.Timestamptz]
	// read is the snapshot with which it began to read, in PostgreSQL's spelling; nil where
	// the row does not say.
	read pgtype.FlatArray[pgtype.DriverBytes]
}

// changeMarks say that a transaction changed what a scope is aggregated from.
type changeMarks struct {
	module, year pgtype.FlatArray[int32]
	xid          pgtype.FlatArray[uint64]
	at           pgtype.FlatArray[pgtype.Timestamptz]
}

// scopeKey orders scopes by module type, then year, whatever their signs.
type scopeKey uint64

func keyOf(module, year int32) scopeKey {
	const sign = 1 << 31
	return scopeKey(uint32(module)^sign)<<32 | scopeKey(uint32(year)^sign)
}

func (k scopeKey) module() int32 { return int32(uint32(k>>32) ^ 1<<31) }
func (k scopeKey) year() int32   { return int32(uint32(k) ^ 1<<31) }

// readFindings takes the one row of either query, and what it amounts to, since the bytes are the
// driver's.
func readFindings(rows pgx.Rows) (at time.Time, scopes []Scope, err error) {
	defer rows.Close()
	if !rows.Next() {
		return at, nil, rows.Err()
	}
	var f findings
	d, a, c := &f.declared, &f.aggregations, &f.changes
	err = rows.Scan(&f.at, &d.module, &d.year, &d.reportModules,
		&a.module, &a.year, &a.id, &a.state, &a.result, &a.requested, &a.started, &a.ended, &a.read,
		&c.module, &c.year, &c.xid, &c.at)
	if err != nil {
		return at, nil, err
	}
	for _, times := range [][]pgtype.Timestamptz{a.requested, a.started, a.ended, c.at} {
		if slices.ContainsFunc(times, func(t pgtype.Timestamptz) bool { return t.InfinityModifier != pgtype.Finite }) {
			return at, nil, errors.New("a time is infinite")
		}
	}
	scopes, err = f.scopes()
	return f.at.UTC(), scopes, err
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
	keys := f.declared.keys()
	places := make(map[scopeKey]int, len(keys))
	for i, key := range keys {
		places[key] = i
	}
	counting := make([]aggregationsOf, len(keys))
	a := &f.aggregations
	for i := range a.id {
		if place, ok := places[keyOf(a.module[i], a.year[i])]; ok {
			counting[place].add(a, i)
		}
	}
	changes := f.changes.byScope()
	words := vocabulary{words[job.State]{}, words[job.Result]{}}
	scopes := make([]Scope, len(keys))
	for i, key := range keys {
		var err error
		if scopes[i], err = counting[i].scope(a, words, key, changes[key]); err != nil {
			return nil, err
		}
	}
	return scopes, nil
}

// keys are the scopes that have report modules, in order.
func (d *declaredLines) keys() []scopeKey {
	sums := make(map[scopeKey]int, len(d.module))
	for i, n := range d.reportModules {
		sums[keyOf(d.module[i], d.year[i])] += int(n)
	}
	keys := make([]scopeKey, 0, len(sums))
	for key, sum := range sums {
		if sum > 0 {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// change is a mark on a scope.
type change struct {
	xid uint64
	at  time.Time
}

func (c *changeMarks) byScope() map[scopeKey][]change {
	marks := map[scopeKey][]change{}
	for i, xid := range c.xid {
		key := keyOf(c.module[i], c.year[i])
		marks[key] = append(marks[key], change{xid, c.at[i].Time.UTC()})
	}
	return marks
}

// aggregationsOf are those of a scope that count, by their place among all rows plus one: the newest of
// all, the newest that finished, the newest that wrote its data. Often they are one, and
// any may be missing.
type aggregationsOf struct{ newest, ended, wrote int }

func (of *aggregationsOf) add(rows *aggregationRows, i int) {
	newer := func(than int) bool { return than == 0 || rows.id[i] > rows.id[than-1] }
	finished := string(rows.state[i]) == string(job.Finished)
	failed := string(rows.result[i]) == string(job.Error)
	if newer(of.newest) {
		of.newest = i + 1
	}
	if finished && newer(of.ended) {
		of.ended = i + 1
	}
	if finished && !failed && rows.ended[i].Valid && newer(of.wrote) {
		of.wrote = i + 1
	}
}

// vocabulary holds the words of a look.
type vocabulary struct {
	states  words[job.State]
	results words[job.Result]
}

// scope says what the aggregations and marks of a scope amount to.
func (of *aggregationsOf) scope(rows *aggregationRows, words vocabulary, key scopeKey, changes []change) (s Scope, err error) {
	s.ModuleType, s.Year = int(key.module()), int(key.year())
	if i := of.newest - 1; i >= 0 {
		s.Latest = &Aggregation{ID: int64(rows.id[i]), State: words.states.of(rows.state[i]), Result: words.results.of(rows.result[i]),
			RequestedAt: moment(rows.requested[i]), StartedAt: moment(rows.started[i]), FinishedAt: moment(rows.ended[i])}
	}
	if i := of.ended - 1; i >= 0 {
		s.LastResult = words.results.of(rows.result[i])
	}
	if i := of.wrote - 1; i >= 0 {
		s.LastSuccessAt = moment(rows.ended[i])
		s.Drift, s.DriftedSince, err = drift(rows.read[i], *s.LastSuccessAt, changes)
	}
	return s, err
}

// moment is a time in UTC, out of the zone of this machine, which means
// nothing to the reader; nil for NULL.
func moment(t pgtype.Timestamptz) *time.Time {
	if !t.Valid {
		return nil
	}
	utc := t.Time.UTC()
	return &utc
}
