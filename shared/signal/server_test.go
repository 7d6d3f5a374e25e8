package signal

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// FuzzParseServer: whoever can write to Redis can write a server.
func FuzzParseServer(f *testing.F) {
	entry := protowire.AppendString(protowire.AppendTag(nil, entryKey, protowire.BytesType), "aggregation")
	entry = protowire.AppendVarint(protowire.AppendTag(entry, 2, protowire.VarintType), 3)
	server := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "host")
	server = protowire.AppendBytes(protowire.AppendTag(server, serverQueues, protowire.BytesType), entry)
	server = protowire.AppendString(protowire.AppendTag(server, serverStatus, protowire.BytesType), "active")
	if s, err := parseServer(server); err != nil || !s.active || !slices.Equal(s.queues, []string{"aggregation"}) {
		f.Fatalf("%+v, %v", s, err)
	}
	f.Add(server)
	f.Add(server[:len(server)-3])
	f.Add([]byte(`{"queues":{"aggregation":1}}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		s, err := parseServer(message)
		if err == nil && len(s.queues) > len(message) {
			t.Errorf("%d queues out of %d bytes", len(s.queues), len(message))
		}
	})
}
