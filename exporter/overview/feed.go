package overview

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"tidemark/exporter/sse"
)

// eventIDSyntax is EPOCH-SEQ.
var eventIDSyntax = regexp.MustCompile(`^[0-9a-f]{16}-[0-9]{1,18}$`)

// feed is an [sse.Feed] of one client. Its events are named overview; their ids say what the
// client has, so that it is sent what has changed since when it comes again.
type feed struct {
	*Subscription
	sees func(moduleType int) bool
	// epoch and seq are what the client has; "" for nothing.
	epoch string
	seq   uint64
	// done is the board that it was last sent from, or that has nothing for it.
	done *board
}

// Feed returns what a client is to be sent that may see these modules, an [sse.Feed].
// lastEventID is of the last event that it got; what is no id of ours stands for none.
func (s *Subscription) Feed(lastEventID string, sees func(moduleType int) bool) sse.Feed {
	f := &feed{Subscription: s, sees: sees}
	if eventIDSyntax.MatchString(lastEventID) {
		epoch, seq, _ := strings.Cut(lastEventID, "-")
		f.epoch = epoch
		f.seq, _ = strconv.ParseUint(seq, 10, 64) // the syntax was checked
	}
	return f
}

// Next implements [sse.Feed].
func (f *feed) Next() (*sse.Event, bool) {
	b := f.board()
	if b == f.done {
		return nil, true
	}
	f.done = b
	epoch := b.epochOf(f.sees)
	known := f.epoch == epoch && f.seq >= b.since && f.seq <= b.seq
	after := f.seq
	f.epoch, f.seq = epoch, b.seq
	var m message
	if known {
		var news bool
		if m, news = b.changes(after, f.sees); !news {
			return nil, true
		}
	} else {
		m = b.full(f.sees)
	}
	data, _ := json.Marshal(m) // of words, numbers and JSON that was made before
	return &sse.Event{Name: "overview", ID: b.eventID(f.sees), Data: data}, true
}

// eventID is what a client has that was sent all it may see of the board.
func (b *board) eventID(sees func(moduleType int) bool) string {
	return b.epochOf(sees) + "-" + strconv.FormatUint(b.seq, 10)
}
