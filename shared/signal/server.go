package signal

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// server is what an asynq server writes about itself every few seconds.
type server struct {
	host string
	pid  int
	// concurrency is how many tasks it works on at once at most, busy how many it does.
	concurrency, busy int
	// queues are those it takes tasks from.
	queues []string
	// active is false while it stops: it works on what it has and takes nothing new.
	active bool
	// started is by its own clock; zero where it does not say.
	started time.Time
}

// The fields of asynq's message ServerInfo, of an entry of its map of queues, and of a timestamp.
const (
	serverHost        protowire.Number = 1
	serverPID         protowire.Number = 2
	serverConcurrency protowire.Number = 4
	serverQueues      protowire.Number = 5
	serverStatus      protowire.Number = 7
	serverStarted     protowire.Number = 8
	serverBusy        protowire.Number = 9
	entryKey          protowire.Number = 1
	timestampSeconds  protowire.Number = 1
)

// parseServer reads the message. asynq keeps its generated code to itself, and its Inspector,
// which would read it, knows no deadline, passes over what it cannot read, and writes.
func parseServer(message []byte) (s server, err error) {
	err = eachField(message, func(field protowire.Number, text []byte) error {
		switch field {
		case serverHost:
			s.host = string(text)
		case serverStatus:
			s.active = string(text) == "active"
		case serverStarted:
			return eachField(text, nil, func(field protowire.Number, seconds uint64) {
				if field == timestampSeconds {
					s.started = time.Unix(int64(seconds), 0).UTC()
				}
			})
		case serverQueues:
			return eachText(text, func(field protowire.Number, name []byte) error {
				if field == entryKey {
					s.queues = append(s.queues, string(name))
				}
				return nil
			})
		}
		return nil
	}, func(field protowire.Number, n uint64) {
		switch field {
		case serverPID:
			s.pid = int(int32(n))
		case serverConcurrency:
			s.concurrency = int(int32(n))
		case serverBusy:
			s.busy = int(int32(n))
		}
	})
	if err != nil {
		return s, fmt.Errorf("what an asynq server wrote about itself cannot be read: %w", err)
	}
	return s, nil
}

// eachText calls fn with every field that holds text or a message, and passes over the others.
func eachText(message []byte, fn func(protowire.Number, []byte) error) error {
	return eachField(message, fn, nil)
}

// eachField calls onText with every field that holds text or a message, onNumber with every one
// that holds a whole number, and passes over the others. Either may be nil.
func eachField(message []byte, onText func(protowire.Number, []byte) error, onNumber func(protowire.Number, uint64)) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		switch {
		case kind == protowire.BytesType && onText != nil:
			var text []byte
			if text, n = protowire.ConsumeBytes(message); n < 0 {
				return protowire.ParseError(n)
			}
			if err := onText(field, text); err != nil {
				return err
			}
		case kind == protowire.VarintType && onNumber != nil:
			var number uint64
			if number, n = protowire.ConsumeVarint(message); n < 0 {
				return protowire.ParseError(n)
			}
			onNumber(field, number)
		default:
			if n = protowire.ConsumeFieldValue(field, kind, message); n < 0 {
				return protowire.ParseError(n)
			}
		}
		message = message[n:]
	}
	return nil
}
