package ledger

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/local/localtest"
)

// TestNoStepReadsTheHistory looks at the plans of the protocol's statements on a long history.
// A request, a claim or a finish must not get slower with every job that there ever was.
func TestNoStepReadsTheHistory(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), localtest.Pool(t)
	if _, err := pool.Exec(ctx, `
INSERT INTO pipelines (id, kind) SELECT gen_random_uuid(), 'csv_ingest' FROM generate_series(1, 3000);
INSERT INTO data_ingestion_jobs (entity_type, target_type, ingestion_method, provider, is_current, job_type, state, result, module_type_id, data_entry_type_id, year, pipeline_id)
SELECT 'MODULE_PER_YEAR', 'DATA_ENTRIES', 'computed', 'DEFAULT', false, CASE WHEN n % 2 = 0 THEN 'aggregation' ELSE 'emission_recalc' END, 'FINISHED', 'SUCCESS',
       1 + n % 8, CASE WHEN n % 2 = 1 THEN 20 END, 2020 + n / 8 % 6, p.id
  FROM (SELECT id FROM pipelines) p, generate_series(1, 10) n;
INSERT INTO pipeline_joins (pipeline_id, job_id) SELECT pipeline_id, id + 1 FROM data_ingestion_jobs WHERE id < 30000;
ANALYZE`); err != nil {
		t.Fatal(err)
	}
	l := New(DefaultMaxHold)
	pipelines := []uuid.UUID{uuid.New(), uuid.New()}
	for _, s := range []job.Scope{job.AggregationOf(2, 2025), job.RecalcOf(2, 20, 2025)} {
		st := l.sql[s.Type]
		scope := func(more pgx.NamedArgs) pgx.NamedArgs {
			args := scopeArgs(s)
			args["max_hold"] = DefaultMaxHold
			for k, v := range more {
				args[k] = v
			}
			return args
		}
		batch := requestArgs(Batch{Pipeline: pipelines[0]}, []Request{{Scope: s}})
		for name, c := range map[string]struct {
			sql  string
			args pgx.NamedArgs
		}{
			"look":             {st.look, scope(nil)},
			"next":             {st.next, scope(nil)},
			"create":           {st.create, batch},
			"widen":            {st.widen, batch},
			"join":             {st.join, batch},
			"demote":           {st.demote, scope(pgx.NamedArgs{"id": 1})},
			"promote":          {st.promote, scope(pgx.NamedArgs{"id": 1})},
			"waiting scope":    {st.waitingScope, scope(nil)},
			"other waiting":    {st.otherWaiting, scope(nil)},
			"claimable":        {st.claimable, scope(pgx.NamedArgs{"grace": DefaultMaxHold, "after": 0, "limit": 10})},
			"backlog":          {st.backlog, scope(nil)},
			"expired":          {listExpired, pgx.NamedArgs{"types": jobTypes(), "foreign": ForeignLease}},
			"lock":             {lockPipelines, pgx.NamedArgs{"job": 1}},
			"tally":            {tallyPipelines, pgx.NamedArgs{"pipelines": pipelines}},
			"follow":           {follow, pgx.NamedArgs{"from": 1, "to": 2}},
			"members":          {pipelineMembers, pgx.NamedArgs{"id": pipelines[0]}},
			"members of":       {keptTables + membersOf, pgx.NamedArgs{"pipelines": pipelines}},
			"remove jobs":      {strings.NewReplacer("{outdates}", outdates, "{unreferenced}", "").Replace(removeJobs), pgx.NamedArgs{"after": 0, "limit": 500, "age": time.Hour}},
			"remove pipelines": {strings.NewReplacer("{unreferenced}", "").Replace(removePipelines), pgx.NamedArgs{"pipelines": pipelines}},
			"wanted":           {jobsWantedBy, pgx.NamedArgs{"pipeline": pipelines[0]}},
			"news":             {listNews, pgx.NamedArgs{"jobs": []int64{1, 2}, "pipelines": pipelines}},
			"repetition":       {requestsOfPipeline, pgx.NamedArgs{"pipeline": pipelines[0]}},
		} {
			rows, _ := pool.Query(ctx, "EXPLAIN "+c.sql, pgx.QueryExecModeDescribeExec, c.args)
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			plan := strings.Join(lines, "\n")
			for _, table := range []string{"data_ingestion_jobs", "pipeline_joins", "pipelines"} {
				if strings.Contains(plan, "Seq Scan on "+table) {
					t.Errorf("%s of %s reads the whole of %s:\n%s", name, s, table, plan)
				}
			}
		}
	}
}
