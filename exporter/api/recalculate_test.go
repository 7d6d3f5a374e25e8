package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"tidemark/shared/access"
	"tidemark/shared/job"
)

const recalculatePath = "/v1/sync/recalculate-emissions"

// post requests as the operator.
func (b *bundle) post(target string, headers ...string) answer {
	b.t.Helper()
	return b.ask("operator", http.MethodPost, recalculatePath+target, "", headers...)
}

// audit reads who asked for what.
func (b *bundle) audit() string {
	b.t.Helper()
	return value[string](b, `SELECT coalesce(string_agg(concat_ws(' ', actor, via, coalesce(reason, '-'), request_id, job_id, created), E'\n' ORDER BY id), '') FROM job_requests`)
}

func TestRecalculateType(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare(2025, 2)
	first := b.ask("operator", http.MethodPost, recalculatePath+"/professional_travel/plane?year=2025", `{"reason":"factors \"corrected\""}`,
		"Content-Type", "application/json; charset=utf-8", headerRequestID, "req-1")
	created := into[scheduledAnswer](first)
	first.is(fmt.Sprintf(`{"job_id":1,"state":0,"message":"Emission recalculation scheduled","progress":null,"pipeline_id":"%s",
		"jobs":[{"job_id":1,"job_type":"emission_recalc","module_type_id":2,"data_entry_type_id":20,"year":2025,"outcome":"created"}]}`, created.PipelineID))
	if first.status != http.StatusAccepted || first.header.Get(headerReplayed) != "" {
		t.Errorf("%d, replayed %q", first.status, first.header.Get(headerReplayed))
	}
	// O-11: where one waits already the request joins it.
	second := b.post("/2/20?year=2025&only_stale=false", headerRequestID, "req-2")
	joined := into[scheduledAnswer](second)
	if joined.JobID != 1 || joined.Jobs[0].Outcome != "joined" || joined.PipelineID == created.PipelineID {
		t.Errorf("%+v", joined)
	}
	if got, want := b.audit(), "operator http factors \"corrected\" req-1 1 t\noperator http - req-2 1 f"; got != want {
		t.Errorf("recorded %q, want %q", got, want)
	}
	if len(b.signals.sent) != 2 || b.signals.sent[0].Scope != job.RecalcOf(2, 20, 2025) || b.signals.sent[0].JobID != 1 {
		t.Errorf("signalled %+v", b.signals.sent)
	}
	if log := b.log.text(); !strings.Contains(log, "msg=requested") || !strings.Contains(log, "request_id=req-2") || !strings.Contains(log, "actor=operator") {
		t.Errorf("logged %s", log)
	}
	for _, id := range []uuid.UUID{created.PipelineID, joined.PipelineID} {
		if p := into[pipelineAnswer](b.get(pipelinesPath + "/" + id.String())); len(p.Jobs) != 1 || p.Progress.Done {
			t.Errorf("pipeline %s: %+v", id, p)
		}
	}
}

func TestRecalculateModule(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare(2025, 4)
	// Nothing is known to be stale: no factors were ever loaded.
	for _, query := range []string{"", "&only_stale=true"} {
		b.post("/4?year=2025"+query).problem(http.StatusBadRequest, "No data entry types require recalculation for this module")
	}
	b.factors(4, "NULL", 2025, 10)
	b.recalculation(4, 11, 2025, 11, "FINISHED", "SUCCESS")
	stale := into[scheduledAnswer](b.post("/equipment?year=2025"))
	if stale.Message != "Module emission recalculation scheduled for 2 data entry types" || len(stale.Jobs) != 2 ||
		*stale.Jobs[0].DataEntryType != 10 || *stale.Jobs[1].DataEntryType != 12 || stale.JobID != stale.Jobs[0].JobID {
		t.Errorf("%+v", stale)
	}
	all := into[scheduledAnswer](b.post("/equipment?year=2025&only_stale=false"))
	if len(all.Jobs) != 3 || all.Jobs[0].Outcome != "joined" || all.Jobs[1].Outcome != "created" {
		t.Errorf("%+v", all)
	}
	// One type, if it needs it.
	b.factors(3, 31, 2025, 10)
	b.recalculation(3, 31, 2025, 11, "FINISHED", "SUCCESS")
	b.declare(2025, 3)
	b.post("/3/31?year=2025&only_stale=true").problem(http.StatusBadRequest, "No data entry types require")
	if got := into[scheduledAnswer](b.post("/3/31?year=2025")); len(got.Jobs) != 1 {
		t.Errorf("%+v", got)
	}
}

// TestAggregate: the roll-up alone, also of a module of which Tidemark computes no emissions.
func TestAggregate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare(2025, 5)
	const target = "/v1/sync/aggregate/5?year=2025"
	first := b.ask("operator", http.MethodPost, target, `{"reason":"statistics repaired"}`, "Content-Type", "application/json", headerIdempotencyKey, "once", headerRequestID, "req-1")
	created := into[scheduledAnswer](first)
	first.is(fmt.Sprintf(`{"job_id":1,"state":0,"message":"Aggregation scheduled","progress":null,"pipeline_id":"%s",
		"jobs":[{"job_id":1,"job_type":"aggregation","module_type_id":5,"data_entry_type_id":null,"year":2025,"outcome":"created"}]}`, created.PipelineID))
	again := b.ask("operator", http.MethodPost, target, "", headerIdempotencyKey, "once")
	if again.header.Get(headerReplayed) != "true" || into[scheduledAnswer](again).PipelineID != created.PipelineID {
		t.Errorf("repeated: %v %+v", again.header, into[scheduledAnswer](again))
	}
	if joined := into[scheduledAnswer](b.ask("operator", http.MethodPost, target, "", headerRequestID, "req-2")); joined.JobID != 1 || joined.Jobs[0].Outcome != "joined" {
		t.Errorf("%+v", joined)
	}
	if got, want := b.audit(), "operator http statistics repaired req-1 1 t\noperator http - req-2 1 f"; got != want {
		t.Errorf("recorded %q, want %q", got, want)
	}
	if len(b.signals.sent) != 2 || b.signals.sent[0].Scope != job.AggregationOf(5, 2025) {
		t.Errorf("signalled %+v", b.signals.sent)
	}
	b.declare(2025, 2)
	b.ask("operator", http.MethodPost, recalculatePath+"/2/20?year=2025", "", headerIdempotencyKey, "once").problem(http.StatusUnprocessableEntity, "was used for another request")
	b.ask("operator", http.MethodPost, "/v1/sync/aggregate/5?year=2020", "").problem(http.StatusConflict, "no report of 2020")
	b.ask("operator", http.MethodPost, "/v1/sync/aggregate/nothing?year=2025", "").wantStatus(http.StatusUnprocessableEntity)
	b.ask("viewer", http.MethodPost, target, "").problem(http.StatusForbidden, "backoffice.data_management.sync")
}

func TestRecalculateRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Limiter = generous(t) })
	b.declare(2024, 2)
	b.declare(2025, 2)
	for target, c := range map[string]struct {
		status int
		detail string
	}{
		"/travel?year=2025":                {422, "choose one of headcount (1), professional_travel (2)"},
		"/99?year=2025":                    {422, "there is none; choose one of"},
		"/2/car?year=2025":                 {422, "choose one of plane (20), train (21)"},
		"/2/10?year=2025":                  {422, "choose one of plane (20), train (21)"}, // the original does not look whose type it is
		"/2/train?year=2025":               {422, "Tidemark has no calculation for it; it has one for plane (20)"},
		"/5?year=2025":                     {422, "Tidemark computes none of its data entry types"},
		"/2/20":                            {422, "year is missing"},
		"/2":                               {422, "year is missing"},
		"/2/20?year=":                      {422, "must be an integer"},
		"/2/20?year=1899":                  {422, "from 1900 to 2200"},
		"/2/20?year=2026":                  {409, "no report of 2026 has the module professional_travel; there are reports for the years [2024 2025]"},
		"/8?year=2025":                     {409, "no report of 2025 has the module process_emissions"},
		"/2/20?year=2025&only_stale=maybe": {422, "true or false"},
	} {
		b.post(target).problem(c.status, c.detail)
	}
	body := func(contentType, text string) answer {
		t.Helper()
		return b.ask("operator", http.MethodPost, recalculatePath+"/2/20?year=2025", text, "Content-Type", contentType)
	}
	body("text/plain", "why").problem(http.StatusUnsupportedMediaType, "application/json")
	body("", `{}`).problem(http.StatusUnsupportedMediaType, "application/json")
	body("application/json", `{"reason":"`+strings.Repeat("x", maxBody)+`"}`).problem(http.StatusRequestEntityTooLarge, "4096 bytes")
	body("application/json", `{"reason":"`+strings.Repeat("é", maxReason+1)+`"}`).problem(http.StatusUnprocessableEntity, "at most 500 characters")
	for _, text := range []string{`{"reason":1}`, `{"why":"x"}`, `[]`, `{"reason":"a"`, `{} {}`, `"x"`} {
		body("application/json", text).problem(http.StatusUnprocessableEntity, "JSON object")
	}
	for _, key := range []string{"", "é", "a\tb", strings.Repeat("k", 256)} {
		b.post("/2/20?year=2025", headerIdempotencyKey, key).problem(http.StatusUnprocessableEntity, "1 to 255 printable ASCII")
	}
	b.post("/2/20?year=2025", headerIdempotencyKey, "a", headerIdempotencyKey, "b").problem(http.StatusUnprocessableEntity, "once")
	for _, account := range []string{"viewer", "traveller", "nobody"} {
		b.ask(account, http.MethodPost, recalculatePath+"/2/20?year=2025", "").problem(http.StatusForbidden, "backoffice.data_management.sync")
	}
	if n := value[int](b, `SELECT count(*) FROM data_ingestion_jobs`); n != 0 || b.audit() != "" || len(b.signals.sent) != 0 {
		t.Errorf("a refusal left %d jobs, %q, %v", n, b.audit(), b.signals.sent)
	}
	for _, text := range []string{`{}`, `{"reason":"` + strings.Repeat("é", maxReason) + `"}`} {
		body("application/json", text).wantStatus(http.StatusAccepted)
	}
}

func TestRepeatedRequestIsOne(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Limiter = generous(t) })
	b.declare(2025, 2, 4)
	b.factors(4, 10, 2025, 10)
	first := b.post("/4?year=2025", headerIdempotencyKey, "key 1", headerRequestID, "req-1")
	again := b.post("/equipment?year=2025", headerIdempotencyKey, "key 1", headerRequestID, "req-2")
	if first.status != http.StatusAccepted || again.status != http.StatusAccepted || again.body != first.body || first.header.Get(headerReplayed) != "" || again.header.Get(headerReplayed) != "true" {
		t.Errorf("first %d %s\nagain %d %s, replayed %q", first.status, first.body, again.status, again.body, again.header.Get(headerReplayed))
	}
	// Also when the run is over and nothing is stale any more.
	b.exec(`UPDATE data_ingestion_jobs SET state = 'FINISHED', result = 'SUCCESS', started_at = now() WHERE id = $1`, into[scheduledAnswer](first).JobID)
	b.post("/4?year=2025").problem(http.StatusBadRequest, "No data entry types")
	if late := b.post("/4?year=2025", headerIdempotencyKey, "key 1"); late.body != first.body {
		t.Errorf("late %d %s", late.status, late.body)
	}
	if got := b.audit(); strings.Count(got, "\n") != 0 || !strings.Contains(got, "req-1") || len(b.signals.sent) != 1 {
		t.Errorf("recorded %q, signalled %v", got, b.signals.sent)
	}
	// The key is for one request.
	for _, target := range []string{"/4?year=2025&only_stale=false", "/2/20?year=2025", "/4/11?year=2025", "/4?year=2024"} {
		b.post(target, headerIdempotencyKey, "key 1").problem(http.StatusUnprocessableEntity, "was used for another request")
	}
	// Another key and another caller's key are other requests.
	for _, other := range []answer{
		b.post("/4/10?year=2025", headerIdempotencyKey, "key 2"),
		b.ask("operator2", http.MethodPost, recalculatePath+"/4/10?year=2025", "", headerIdempotencyKey, "key 1"),
	} {
		if other.header.Get(headerReplayed) != "" || into[scheduledAnswer](other).PipelineID == into[scheduledAnswer](first).PipelineID {
			t.Errorf("%d %s", other.status, other.body)
		}
	}
}

// TestRepeatedRequestsAtOnce: one is carried out, the others get its answer.
func TestRepeatedRequestsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Limiter = generous(t) })
	b.declare(2025, 4)
	answers := make([]answer, 12)
	var asking sync.WaitGroup
	for i := range answers {
		asking.Go(func() { answers[i] = b.post("/4?year=2025&only_stale=false", headerIdempotencyKey, "k") })
	}
	asking.Wait()
	fresh := 0
	for _, a := range answers {
		if a.status != http.StatusAccepted || a.body != answers[0].body {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a.header.Get(headerReplayed) == "" {
			fresh++
		}
	}
	if fresh != 1 || value[int](b, `SELECT count(*) FROM job_requests`) != 3 {
		t.Errorf("%d were carried out:\n%s", fresh, b.audit())
	}
}

// generous is a limiter that no test reaches.
func generous(t *testing.T) *access.Limiter {
	t.Helper()
	l, err := access.NewLimiter(time.Millisecond, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestRequestsAreLimitedPerCaller(t *testing.T) {
	t.Parallel()
	limiter, err := access.NewLimiter(time.Hour, 2)
	if err != nil {
		t.Fatal(err)
	}
	b := setup(t, func(o *Options) { o.Limiter = limiter })
	b.declare(2025, 2)
	b.post("/2/20?year=2025").wantStatus(http.StatusAccepted)
	b.post("/2/car?year=2025").wantStatus(http.StatusUnprocessableEntity) // refused ones count too
	limited := b.post("/2/20?year=2025")
	limited.problem(http.StatusTooManyRequests, "requests too often")
	if after := limited.header.Get("Retry-After"); after != "3600" {
		t.Errorf("Retry-After %q", after)
	}
	// Who has no permission does not use up anybody's.
	b.ask("viewer", http.MethodPost, recalculatePath+"/2/20?year=2025", "").wantStatus(http.StatusForbidden)
}

// TestWorkersThatCannotBeWoken: the request is recorded, the relay sends the signal.
func TestWorkersThatCannotBeWoken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare(2025, 2)
	b.signals.err = errors.New("redis: connection refused")
	b.post("/2/20?year=2025").wantStatus(http.StatusAccepted)
	if log := b.log.text(); !strings.Contains(log, "could not be woken") {
		t.Errorf("logged %s", log)
	}
	without := setupOn(t, b.pool, func(o *Options) { o.Signals = nil })
	without.post("/2/20?year=2025").wantStatus(http.StatusAccepted)
}
