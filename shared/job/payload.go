package job

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Payload is the one canonical encoding of a scope as a task payload: a JSON
// object of the scope columns, in column order, without blanks. Equal scopes
// of one type have equal bytes, and the reverse.
func (c DedupConfig) Payload(s Scope) []byte {
	var b strings.Builder
	b.WriteByte('{')
	for i, col := range c.ScopeColumns {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(string(col)) + ":" + strconv.Itoa(*s.Field(col)))
	}
	b.WriteByte('}')
	return []byte(b.String())
}

// ParsePayload reads the scope a task of this job type names. It takes any JSON
// spelling of the scope columns, since foreign clients write tasks too, and
// refuses anything else by name.
func (c DedupConfig) ParsePayload(payload []byte) (Scope, error) {
	fail := func(reason string) (Scope, error) {
		return Scope{}, fmt.Errorf("payload of %s task: %s; expected for example %s",
			c.JobType, reason, c.Payload(Scope{ModuleType: 2, DataEntryType: 20, Year: 2025}))
	}
	var fields map[Column]int
	if err := json.Unmarshal(payload, &fields); err != nil {
		return fail("not a JSON object of integers (" + err.Error() + ")")
	}
	s := Scope{Type: c.JobType}
	for col, v := range fields {
		if !c.has(col) {
			return fail("unknown field " + strconv.Quote(string(col)))
		}
		if v <= 0 || v > maxKey {
			return fail(fmt.Sprintf("%s = %d is out of range", col, v))
		}
		*s.Field(col) = v
	}
	if err := c.Check(s); err != nil {
		return fail(err.Error())
	}
	return s, nil
}

// maxKey is the largest scope key: the columns are four-byte integers.
const maxKey = 1<<31 - 1
