package job_test

import (
	"bytes"
	"strings"
	"testing"

	"tidemark/shared/job"
)

func TestPayloadIsTheScopeInColumnOrder(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		config job.DedupConfig
		scope  job.Scope
		want   string
	}{
		{job.AggregationDedup, job.AggregationOf(7, 2025), `{"module_type_id":7,"year":2025}`},
		{job.EmissionRecalcDedup, job.RecalcOf(2, 20, 2025), `{"module_type_id":2,"data_entry_type_id":20,"year":2025}`},
	} {
		if got := string(tc.config.Payload(tc.scope)); got != tc.want {
			t.Errorf("payload of %s is %s, want %s", tc.scope, got, tc.want)
		}
	}
}

// Foreign clients write tasks too: any JSON spelling of the scope is the same scope.
func TestParsePayloadTakesAnySpelling(t *testing.T) {
	t.Parallel()
	want := job.RecalcOf(2, 20, 2025)
	for _, spelling := range []string{
		`{"module_type_id":2,"data_entry_type_id":20,"year":2025}`,
		`{"year":2025,"data_entry_type_id":20,"module_type_id":2}`,
		" {\n \"year\" : 2025 , \"module_type_id\" : 2, \"data_entry_type_id\": 20 }\n",
	} {
		got, err := job.EmissionRecalcDedup.ParsePayload([]byte(spelling))
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", spelling, got, err)
		}
	}
}

func TestParsePayloadRefusalsNameTheField(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ payload, want string }{
		"empty":           {``, "not a JSON object"},
		"null":            {`null`, "module_type_id must be set"},
		"an array":        {`[2, 2025]`, "not a JSON object"},
		"missing field":   {`{"module_type_id":2}`, "year must be set"},
		"null field":      {`{"module_type_id":2,"year":null}`, "year = 0 is out of range"},
		"unknown field":   {`{"module_type_id":2,"year":2025,"month":3}`, `unknown field "month"`},
		"other type's":    {`{"module_type_id":2,"data_entry_type_id":20,"year":2025}`, `unknown field "data_entry_type_id"`},
		"zero":            {`{"module_type_id":0,"year":2025}`, "module_type_id = 0 is out of range"},
		"negative":        {`{"module_type_id":2,"year":-1}`, "year = -1 is out of range"},
		"five bytes":      {`{"module_type_id":2147483648,"year":2025}`, "module_type_id = 2147483648 is out of range"},
		"a string":        {`{"module_type_id":"2","year":2025}`, "not a JSON object of integers"},
		"a fraction":      {`{"module_type_id":2.5,"year":2025}`, "not a JSON object of integers"},
		"two values":      {`{"module_type_id":2,"year":2025}{}`, "after top-level value"},
		"a stray bracket": {`{"module_type_id":2,"year":2025}}`, "after top-level value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := job.AggregationDedup.ParsePayload([]byte(tc.payload))
			if err == nil {
				t.Fatalf("accepted as %s", s)
			}
			if !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "payload of aggregation task") ||
				!strings.Contains(err.Error(), `expected for example {"module_type_id":2,"year":2025}`) {
				t.Errorf("%v does not say %q", err, tc.want)
			}
		})
	}
}

// Equal scopes have equal bytes, and the reverse: asynq compares bytes, the record columns.
func FuzzPayloadIsCanonical(f *testing.F) {
	f.Add(7, 0, 2025, 7, 0, 2025)
	f.Add(2, 20, 2025, 22, 0, 2025)
	f.Add(1, 1, 1, 1<<31, -1, 1<<31-1)
	f.Fuzz(func(t *testing.T, m1, d1, y1, m2, d2, y2 int) {
		for _, c := range job.Configs() {
			a := job.Scope{Type: c.JobType, ModuleType: m1, DataEntryType: d1, Year: y1}
			b := job.Scope{Type: c.JobType, ModuleType: m2, DataEntryType: d2, Year: y2}
			if c.Check(a) != nil || c.Check(b) != nil {
				continue
			}
			if bytes.Equal(c.Payload(a), c.Payload(b)) != (a == b) {
				t.Errorf("%s and %s: payloads %s and %s", a, b, c.Payload(a), c.Payload(b))
			}
			if (c.TaskID(a, 1, 0) == c.TaskID(b, 1, 0)) != (a == b) {
				t.Errorf("%s and %s share a task id", a, b)
			}
			if back, err := c.ParsePayload(c.Payload(a)); err != nil || back != a {
				t.Errorf("%s comes back as %s, %v", a, back, err)
			}
		}
	})
}

// Whatever is accepted is a scope that the record takes as well.
func FuzzParsePayloadAcceptsOnlyScopes(f *testing.F) {
	f.Add([]byte(`{"module_type_id":7,"year":2025}`))
	f.Add([]byte(`{"module_type_id":7,"module_type_id":8,"year":2025}`))
	f.Add([]byte(`{"Module_Type_ID":7,"year":1e3}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, c := range job.Configs() {
			s, err := c.ParsePayload(payload)
			if err != nil {
				continue
			}
			if err := c.Check(s); err != nil {
				t.Errorf("%s is accepted as a scope that is none: %v", payload, err)
			}
			if again, err := c.ParsePayload(c.Payload(s)); err != nil || again != s {
				t.Errorf("%s comes back as %s, %v", s, again, err)
			}
		}
	})
}
