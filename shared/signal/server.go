package signal

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// server is what an asynq server writes about itself every few seconds.
type server struct {
	// queues are those it takes tasks from.
	queues []string
	// active is false while it stops: it works on what it has and takes nothing new.
	active bool
}

// The fields of asynq's message ServerInfo, and of an entry of its map of queues.
const (
	serverQueues protowire.Number = 5
	serverStatus protowire.Number = 7
	entryKey     protowire.Number = 1
)

// parseServer reads the message. asynq keeps its generated code to itself, and its Inspector,
// which would read it, knows no deadline, passes over what it cannot read, and writes.
func parseServer(message []byte) (s server, err error) {
	err = eachText(message, func(field protowire.Number, text []byte) error {
		switch field {
		case serverStatus:
			s.active = string(text) == "active"
		case serverQueues:
			return eachText(text, func(field protowire.Number, name []byte) error {
				if field == entryKey {
					s.queues = append(s.queues, string(name))
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("what an asynq server wrote about itself cannot be read: %w", err)
	}
	return s, nil
}

// eachText calls fn with every field that holds text or a message, and passes over the others.
func eachText(message []byte, fn func(protowire.Number, []byte) error) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(field, kind, message); n < 0 {
				return protowire.ParseError(n)
			}
			message = message[n:]
			continue
		}
		text, n := protowire.ConsumeBytes(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if err := fn(field, text); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}
