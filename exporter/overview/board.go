package overview

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"tidemark/shared/freshness"
)

// board is what is known after a look, with the number of the look at which each part of it last
// changed: so that whoever knows an earlier one can be told the difference. It is never changed.
type board struct {
	at time.Time
	// epoch is of this process: numbers of another one mean nothing.
	epoch string
	// seq counts the looks that found a change.
	seq uint64
	// kept is whether anybody knows what drifted, since keptSeq.
	kept    bool
	keptSeq uint64
	// scopes are in the order of [Overview].Scopes.
	scopes []entry
	// gone are the scopes that are declared no more, and since which look.
	gone map[key]uint64
	// since is the first number from which gone is complete.
	since uint64
}

// entry is a scope.
type entry struct {
	key
	state string
	drift freshness.Drift
	// seq is the look at which it came to be as it is.
	seq uint64
	// json is the [Scope].
	json []byte
}

// maxGone bounds the scopes that are remembered after they have gone. Who last looked before they
// were forgotten gets everything anew.
const maxGone = 1000

// after returns the board that follows b with an overview; b itself where nothing has changed.
func (b *board) after(o Overview) (*board, error) {
	next := &board{at: o.At, epoch: b.epoch, seq: b.seq + 1, kept: o.Drifted != nil, keptSeq: b.keptSeq, gone: maps.Clone(b.gone), since: b.since}
	changed := next.kept != b.kept || b.seq == 0
	if changed {
		next.keptSeq = next.seq
	}
	before := make(map[key]entry, len(b.scopes))
	for _, e := range b.scopes {
		before[e.key] = e
	}
	for _, s := range o.Scopes {
		text, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("scope %d of %d: %w", s.ModuleType, s.Year, err)
		}
		e := entry{key: key{s.ModuleType, s.Year}, state: s.State, drift: s.Drift, seq: next.seq, json: text}
		if old, ok := before[e.key]; ok && bytes.Equal(old.json, text) {
			e = old
		} else {
			changed = true
		}
		delete(before, e.key)
		delete(next.gone, e.key)
		next.scopes = append(next.scopes, e)
	}
	for k := range before {
		changed = true
		next.gone[k] = next.seq
	}
	if len(next.gone) > maxGone {
		next.gone, next.since = map[key]uint64{}, next.seq
	}
	if !changed {
		return b, nil
	}
	return next, nil
}

// epochOf stands for this process and for what one may see of the board: with either the
// numbers mean something else.
func (b *board) epochOf(sees func(moduleType int) bool) string {
	sum := sha256.New()
	sum.Write([]byte(b.epoch))
	last := -1
	for _, e := range b.scopes {
		if e.moduleType != last && sees(e.moduleType) {
			fmt.Fprintf(sum, " %d", e.moduleType)
		}
		last = e.moduleType
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// message is the data of an event.
type message struct {
	At      time.Time         `json:"at"`
	Counts  map[string]int    `json:"counts"`
	Drifted *int              `json:"drifted"`
	Scopes  []json.RawMessage `json:"scopes"`
	Gone    [][2]int          `json:"gone"`
	Full    bool              `json:"full"`
}

// full is everything that one may see.
func (b *board) full(sees func(moduleType int) bool) message {
	m, _ := b.changes(0, sees)
	m.Gone, m.Full = [][2]int{}, true
	return m
}

// changes is what has changed after a look, false where one sees nothing of it.
func (b *board) changes(after uint64, sees func(moduleType int) bool) (message, bool) {
	t := newTally(b.kept)
	m := message{At: b.at, Counts: t.counts, Drifted: t.drifted, Scopes: []json.RawMessage{}, Gone: [][2]int{}}
	for _, e := range b.scopes {
		if !sees(e.moduleType) {
			continue
		}
		t.add(e.state, e.drift)
		if e.seq > after {
			m.Scopes = append(m.Scopes, e.json)
		}
	}
	for k, seq := range b.gone {
		if seq > after && sees(k.moduleType) {
			m.Gone = append(m.Gone, [2]int{k.moduleType, k.year})
		}
	}
	slices.SortFunc(m.Gone, func(x, y [2]int) int { return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1])) })
	return m, b.keptSeq > after || len(m.Scopes) > 0 || len(m.Gone) > 0
}
