package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tidemark/shared/access"
	"tidemark/shared/job"
	"tidemark/shared/local/localtest"
)

// abort aborts as the operator, for this reason.
func (b *bundle) abort(pipeline, reason string, headers ...string) answer {
	b.t.Helper()
	return b.ask("operator", http.MethodPost, pipelinesPath+"/"+pipeline+"/abort", `{"reason":"`+reason+`"}`,
		append([]string{"Content-Type", "application/json"}, headers...)...)
}

// scheduled requests planes of a year, and returns the pipeline.
func (b *bundle) scheduled() string {
	b.t.Helper()
	return into[scheduledAnswer](b.post("/2/20?year=2025")).PipelineID.String()
}

func TestAbort(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	b := setupOn(t, localtest.Pool(t), func(o *Options) { o.Registry = registry })
	b.declare(2025, 2)
	first, second := b.scheduled(), b.scheduled()
	shared := into[abortAnswer](b.abort(first, "wrong file", headerRequestID, "req-1"))
	if shared.Outcome != "aborted" || shared.Status != "FAILED" || shared.Actor != "operator" || shared.By != "operator" || shared.Reason != "wrong file" ||
		len(shared.EndedIDs) != 0 || len(shared.Jobs) != 1 || shared.Jobs[0].Outcome != "shared" {
		t.Errorf("%+v", shared)
	}
	if p := into[pipelineAnswer](b.get(pipelinesPath + "/" + first)); !p.Progress.Done || !p.Progress.HasError || len(p.Jobs) != 1 {
		t.Errorf("%+v", p)
	}
	ended := into[abortAnswer](b.abort(second, "both", headerRequestID, "req-2"))
	if len(ended.EndedIDs) != 1 || ended.EndedIDs[0] != 1 || *ended.Jobs[0].Type != string(job.EmissionRecalc) || *ended.Jobs[0].DataEntryType != 20 {
		t.Errorf("%+v", ended)
	}
	if message := value[string](b, `SELECT status_message FROM data_ingestion_jobs`); message != "aborted by operator: both" {
		t.Errorf("message %q", message)
	}
	// Again: the first answer. A pipeline that is done: nothing.
	if again := into[abortAnswer](b.abort(second, "me too")); again.Outcome != "aborted_before" || again.Reason != "both" || len(again.EndedIDs) != 1 {
		t.Errorf("%+v", again)
	}
	done := b.scheduled()
	if _, err := b.pool.Exec(t.Context(), `UPDATE data_ingestion_jobs SET state = 'FINISHED', result = 'SUCCESS'; UPDATE pipelines SET status = 'SUCCESS' WHERE aborted_at IS NULL`); err != nil {
		t.Fatal(err)
	}
	b.abort(done, "late").is(`{"pipeline_id":"` + done + `","outcome":"finished","status":"SUCCESS","aborted_at":null,"actor":"","reason":"","jobs":[],"aborted_job_ids":[],"aborted_by":""}`)
	if got := value[string](b, `SELECT string_agg(concat_ws(' ', actor, via, reason, request_id, job_id, outcome), E'\n' ORDER BY id) FROM pipeline_aborts`); got !=
		"operator http wrong file req-1 1 shared\noperator http both req-2 1 ended" {
		t.Errorf("recorded %q", got)
	}
	if log := b.log.text(); !strings.Contains(log, "msg=abort") || !strings.Contains(log, "outcome=aborted_before") {
		t.Errorf("logged %s", log)
	}
	want := `
# HELP tidemark_api_aborted_jobs_total Jobs of pipelines that were aborted through the API, by whether they ended or were left to others who want them.
# TYPE tidemark_api_aborted_jobs_total counter
tidemark_api_aborted_jobs_total{outcome="ended"} 1
tidemark_api_aborted_jobs_total{outcome="foreign"} 0
tidemark_api_aborted_jobs_total{outcome="shared"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "tidemark_api_aborted_jobs_total"); err != nil {
		t.Error(err)
	}
}

// An aggregation that was held by what was aborted is signalled.
func TestAbortWakesWorkers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare(2025, 2)
	p := b.scheduled()
	if _, err := b.pool.Exec(t.Context(), `INSERT INTO data_ingestion_jobs (entity_type, target_type, ingestion_method, provider, is_current, job_type, module_type_id, year, state)
		VALUES ('MODULE_PER_YEAR', 'DATA_ENTRIES', 'computed', 'DEFAULT', false, 'aggregation', 2, 2025, 'NOT_STARTED')`); err != nil {
		t.Fatal(err)
	}
	b.abort(p, "wrong file")
	if sent := b.signals.sent; len(sent) != 2 || sent[1].Scope != job.AggregationOf(2, 2025) {
		t.Errorf("signalled %+v", sent)
	}
}

func TestAbortIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare(2025, 2)
	p := b.scheduled()
	path := pipelinesPath + "/" + p + "/abort"
	const why, asJSON = `{"reason":"x"}`, "application/json"
	for _, c := range []struct {
		token, path, body, kind string
		status                  int
		detail                  string
	}{
		{"", path, why, asJSON, http.StatusUnauthorized, ""},
		{"viewer", path, why, asJSON, http.StatusForbidden, "backoffice.data_management.sync"},
		{"traveller", path, why, asJSON, http.StatusForbidden, "backoffice.data_management.sync"},
		{"operator", pipelinesPath + "/1/abort", why, asJSON, http.StatusUnprocessableEntity, "it must be a uuid"},
		{"operator", pipelinesPath + "/" + pipelineNo(9).String() + "/abort", why, asJSON, http.StatusNotFound, "No jobs found for pipeline_id"},
		{"operator", path, "", "", http.StatusUnprocessableEntity, "the reason is missing"},
		{"operator", path, `{"reason":" "}`, asJSON, http.StatusUnprocessableEntity, "the reason is missing"},
		{"operator", path, `{"why":"x"}`, asJSON, http.StatusUnprocessableEntity, "the body must be a JSON object"},
		{"operator", path, why, "text/plain", http.StatusUnsupportedMediaType, "application/json"},
	} {
		b.ask(c.token, http.MethodPost, c.path, c.body, "Content-Type", c.kind).problem(c.status, c.detail)
	}
	b.abort(p, "x", "Sec-Fetch-Site", "cross-site").problem(http.StatusForbidden, "another site")
	if n := value[int](b, `SELECT count(*) FROM pipelines WHERE status = 'RUNNING'`); n != 1 {
		t.Error("a refusal changed something")
	}
}

func TestAbortIsLimited(t *testing.T) {
	t.Parallel()
	limiter, err := access.NewLimiter(RequestEvery, 1)
	if err != nil {
		t.Fatal(err)
	}
	b := setup(t, func(o *Options) { o.Limiter = limiter })
	b.abort(pipelineNo(9).String(), "x").problem(http.StatusNotFound, "")
	if got := b.abort(pipelineNo(9).String(), "x"); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("%d", got.status)
	}
}

// Requesters that have not committed keep an abort out; it says so, and when to try again.
func TestAbortOfWhatIsLocked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare(2025, 2)
	p := b.scheduled()
	tx, err := b.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), `SELECT FROM pipelines FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	got := b.abort(p, "x")
	got.problem(http.StatusServiceUnavailable, "nothing was aborted, try again")
	if got.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
	}
}
