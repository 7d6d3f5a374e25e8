package chaos

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A conversation is read alike however it is cut into chunks.
func TestStepsAreRecognisedInTheStream(t *testing.T) {
	t.Parallel()
	const (
		claiming  = "\nUPDATE data_ingestion_jobs\n   SET state = 'RUNNING', locked_by = $1"
		finishing = "\nUPDATE data_ingestion_jobs\n   SET state = 'FINISHED', result = $1::ingestion_result_enum"
		deleting  = "DELETE FROM data_entry_emissions WHERE data_entry_id = ANY ($1)"
	)
	var stream []byte
	for _, m := range []pgproto3.FrontendMessage{
		&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "tidemark"}},
		&pgproto3.Query{String: "begin"},
		&pgproto3.Parse{Name: "a", Query: claiming}, &pgproto3.Sync{},
		&pgproto3.Bind{PreparedStatement: "a", Parameters: [][]byte{[]byte("token")}}, &pgproto3.Execute{}, &pgproto3.Sync{},
		&pgproto3.Query{String: "commit"},
		&pgproto3.Query{String: "begin"},
		&pgproto3.Parse{Name: "b", Query: finishing}, &pgproto3.Parse{Name: "c", Query: deleting},
		&pgproto3.Bind{PreparedStatement: "c"}, &pgproto3.CopyData{Data: []byte("commit")}, &pgproto3.Bind{PreparedStatement: "b"},
		&pgproto3.Query{String: "commit"},
		&pgproto3.Query{String: "begin"}, &pgproto3.Bind{PreparedStatement: "b"}, &pgproto3.Query{String: "rollback"},
		&pgproto3.Query{String: "begin"}, &pgproto3.Query{String: "commit"},
	} {
		var err error
		if stream, err = m.Encode(stream); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int{1, 7, len(stream)} {
		f := &frontend{named: map[string]string{}}
		var steps []string
		for chunk := range slices.Chunk(stream, size) {
			steps = append(steps, f.read(chunk)...)
		}
		if want := []string{claim, compute, commit}; !slices.Equal(steps, want) {
			t.Errorf("in chunks of %d: %v, want %v", size, steps, want)
		}
	}
}

func TestAcknowledgementsAreRecognised(t *testing.T) {
	t.Parallel()
	keys := func(names ...string) []byte {
		text := "*9\r\n$7\r\nevalsha\r\n$40\r\n0123456789012345678901234567890123456789\r\n$1\r\n5\r\n"
		for _, n := range names {
			text += "$22\r\nasynq:{aggregation}:" + n + "\r\n"
		}
		return []byte(text)
	}
	for name, tc := range map[string]struct {
		sent []byte
		want bool
	}{
		"done":          {keys("active", "lease", "t:aggregation:4:2025:1"), true},
		"archived":      {keys("t:aggregation:4:2025:1", "active", "lease", "archived"), true},
		"tried again":   {keys("t:aggregation:4:2025:1", "active", "lease", "retry"), true},
		"taken":         {keys("pending", "paused", "active", "lease"), false},
		"handed back":   {keys("active", "lease", "pending", "t:aggregation:4:2025:1"), false},
		"lease renewed": {keys("lease"), false},
	} {
		if got := acknowledgement.Match(tc.sent); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
