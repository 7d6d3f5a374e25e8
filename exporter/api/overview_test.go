package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tidemark/exporter/exportertest"
	"tidemark/exporter/overview"
	"tidemark/shared/build"
	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

const (
	overviewPath = "/v1/sync/overview"
	scopesPath   = "/v1/sync/scopes"
	fleetPath    = "/v1/sync/fleet"
)

func setupRecord(t *testing.T, change ...func(*Options)) *bundle {
	t.Helper()
	b := setup(t, change...)
	exportertest.FillRecord(t, b.pool)
	return b
}

// stateOf is the state of each scope with its badge.
func stateOf(scopes []overview.Scope) string {
	var all []string
	for _, s := range scopes {
		text := fmt.Sprintf("%s %d %s", s.Module, s.Year, s.State)
		if s.Badge != nil {
			text += " " + string(s.Badge.Kind)
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

func TestOverview(t *testing.T) {
	t.Parallel()
	b := setupRecord(t)
	o := into[overview.Overview](b.get(overviewPath))
	if want := "headcount 2025 no_aggregation_ever; professional_travel 2024 fresh; professional_travel 2025 last_aggregation_failed failed; " +
		"buildings 2025 last_aggregation_too_old; equipment 2025 pending_aggregation_stuck running; purchases 2025 fresh"; stateOf(o.Scopes) != want {
		t.Errorf("got  %s\nwant %s", stateOf(o.Scopes), want)
	}
	mine := into[overview.Overview](b.ask("traveller", http.MethodGet, overviewPath, ""))
	if want := "professional_travel 2024 fresh; professional_travel 2025 last_aggregation_failed failed"; stateOf(mine.Scopes) != want ||
		mine.Counts["fresh"] != 1 || mine.Counts["last_aggregation_too_old"] != 0 {
		t.Errorf("one who sees travel gets %s, counts %v", stateOf(mine.Scopes), mine.Counts)
	}
}

// overviewEvent is the data of an event.
type overviewEvent struct {
	overview.Overview
	Gone [][2]int `json:"gone"`
	Full bool     `json:"full"`
}

func (w *watcher) nextOverview() (event, overviewEvent) {
	w.t.Helper()
	e, ok := <-w.events
	var o overviewEvent
	if err := json.Unmarshal([]byte(e.data), &o); !ok || err != nil || e.name != "overview" {
		w.t.Fatalf("%v %+v: %v", ok, e, err)
	}
	return e, o
}

func TestOverviewStream(t *testing.T) {
	t.Parallel()
	b := setupRecord(t)
	server := b.serve()
	all, mine := b.stream(server, "viewer", overviewPath+"/stream", ""), b.stream(server, "traveller", overviewPath+"/stream", "")
	if _, o := all.nextOverview(); !o.Full || len(o.Scopes) != 6 || o.Counts["fresh"] != 2 {
		t.Errorf("it begins with %+v", o)
	}
	if _, o := mine.nextOverview(); !o.Full || len(o.Scopes) != 2 || o.Counts["fresh"] != 1 {
		t.Errorf("for one who sees travel it begins with %+v", o)
	}
	b.exec(`UPDATE data_ingestion_jobs SET progress_done = 61, progress_total = 100, requested_at = now() WHERE id = 16`)
	first, o := all.nextOverview()
	if o.Full || len(o.Scopes) != 1 || o.Scopes[0].Badge.Text != "Step 2/3, recalculating, 61 %" {
		t.Errorf("the change is told as %+v", o)
	}
	all.close()
	b.exec(`UPDATE data_ingestion_jobs SET state = 'FINISHED', result = 'SUCCESS', finished_at = now() WHERE id = 11`)
	again := b.stream(server, "viewer", overviewPath+"/stream", first.id)
	if _, o := again.nextOverview(); o.Full || stateOf(o.Scopes) != "professional_travel 2025 fresh" {
		t.Errorf("resumed with %+v", o)
	}
	if _, o := mine.nextOverview(); o.Full || stateOf(o.Scopes) != "professional_travel 2025 fresh" || o.Counts["fresh"] != 2 {
		t.Errorf("one who sees travel is told %+v", o)
	}
}

// TestOverviewGoesOnAsAStream: who has read the overview is told what changed since, and nothing twice.
func TestOverviewGoesOnAsAStream(t *testing.T) {
	t.Parallel()
	b := setupRecord(t)
	server := b.serve()
	for _, followed := range []bool{false, true} {
		if followed { // by somebody else, so that looks are taken meanwhile
			b.stream(server, "viewer", overviewPath+"/stream", "").nextOverview()
		}
		for _, who := range []string{"viewer", "traveller"} {
			read := into[overviewAnswer](b.ask(who, http.MethodGet, overviewPath, ""))
			b.exec(`UPDATE data_ingestion_jobs SET finished_at = now() - interval '1 minute' WHERE id = 15`)
			follows := b.stream(server, who, overviewPath+"/stream?last_event_id="+read.EventID, "")
			if _, o := follows.nextOverview(); o.Full || stateOf(o.Scopes) != "professional_travel 2024 fresh" {
				t.Errorf("followed %v, %s goes on with %+v", followed, who, o)
			}
			follows.close()
		}
	}
}

func TestOverviewStreamWithoutARecord(t *testing.T) {
	t.Parallel()
	b := setupAway(t)
	got := b.get(overviewPath + "/stream")
	got.problem(http.StatusServiceUnavailable, "the record cannot be read")
}

func TestScope(t *testing.T) {
	t.Parallel()
	b := setupRecord(t)
	byName := b.get(scopesPath + "/equipment/2025")
	got := into[overview.Details](byName)
	if got.Scope.Badge == nil || got.Scope.Badge.Text != "Step 2/3, recalculating" || got.Explanation.Module != "equipment" || len(got.Explanation.Causes) == 0 ||
		len(got.Jobs) != 2 || got.Jobs[0].ID != 16 {
		t.Errorf("got %s", byName.body)
	}
	if byNumber := into[overview.Details](b.get(scopesPath + "/4/2025")); len(byNumber.Jobs) != 2 {
		t.Errorf("by its number it is %+v", byNumber)
	}
	b.ask("traveller", http.MethodGet, scopesPath+"/2/2025", "").wantStatus(http.StatusOK)
	b.ask("traveller", http.MethodGet, scopesPath+"/equipment/2025", "").problem(http.StatusForbidden, "may not see this module")
	for target, detail := range map[string]string{"/4/1999": "no report of 1999", "/4711/2025": "module type 4711", "/99999999999/2025": "99999999999"} {
		b.get(scopesPath+target).problem(http.StatusNotFound, detail)
	}
	b.get(scopesPath+"/nothing/2025").problem(http.StatusUnprocessableEntity, "choose one of")
	b.get(scopesPath+"/4/soon").problem(http.StatusUnprocessableEntity, "must be an integer")
}

func TestFleet(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	session, err := postgres.Connect(t.Context(), postgres.Options{URL: url, AppName: postgres.ProcessName("worker") + " of the test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	if err := session.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	versions := []postgres.Process{{Name: "worker", Version: build.Read().Version, Sessions: 1}}
	queues := exportertest.Queues(t)
	b := setupOn(t, localtest.Connect(t, url), func(o *Options) { o.Redis = queues })
	f := into[fleetAnswer](b.get(fleetPath))
	if len(f.Workers) != 1 || len(f.Queues) != 2 || f.Queues[0].Tasks["pending"] != 3 || f.Queues[0].OldestPending == nil || f.Queues[0].Workers != 1 ||
		!f.Queues[1].Paused || f.Queues[1].OldestPending != nil || f.At.IsZero() || !slices.Equal(f.Versions, versions) {
		t.Errorf("got %+v", f)
	}
	known := "At the record are: worker " + build.Read().Version + " (sessions: 1)"
	none := setupOn(t, b.pool).get(fleetPath)
	none.problem(http.StatusServiceUnavailable, "given no Redis")
	none.problem(http.StatusServiceUnavailable, known)
	silent := setupOn(t, b.pool, func(o *Options) { o.Redis = exportertest.Redis(t, "redis-socket://"+t.TempDir()+"/nothing") })
	silent.get(fleetPath).problem(http.StatusServiceUnavailable, known)
	if log := silent.log.text(); !strings.Contains(log, "Redis does not answer") {
		t.Errorf("the log says %s", log)
	}
	// Redis tells what it knows without the record.
	away := setupOn(t, exportertest.Away(t), func(o *Options) { o.Redis = queues })
	if f := into[fleetAnswer](away.get(fleetPath)); len(f.Workers) != 1 || f.Versions != nil {
		t.Errorf("without the record: %+v", f)
	}
}

// TestScopeJobs: of a scope with a history, the loads that led to a job, and those in force.
func TestScopeJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare(2025, 2)
	b.pipeline(p1, "csv_ingest", "SUCCESS")
	b.pipeline(p2, "csv_ingest", "SUCCESS")
	load := func(typ, rest string) int64 {
		return value[int64](b, `INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, target_type, job_type, module_type_id, data_entry_type_id, year, state, result, is_current, pipeline_id)
			VALUES ('MODULE_PER_YEAR', 'csv', 'DEFAULT', 'DATA_ENTRIES', '`+typ+`', `+rest+`) RETURNING id`)
	}
	computed := func(typ, rest string) int64 {
		return b.job("target_type, job_type, module_type_id, data_entry_type_id, year, state, result, pipeline_id", "'DATA_ENTRIES', '"+typ+"', "+rest)
	}
	var want []int64
	add := func(id int64) { want = append([]int64{id}, want...) }
	add(load("csv_ingest", "2, 20, 2025, 'FINISHED', 'SUCCESS', false, '"+p1.String()+"'"))
	add(load("csv_ingest", "2, 20, 2025, 'FINISHED', 'SUCCESS', false, '"+p2.String()+"'"))
	add(load("factor_ingest", "2, 20, 2025, 'FINISHED', 'SUCCESS', true, NULL"))
	load("csv_ingest", "2, 20, 2025, 'FINISHED', 'SUCCESS', false, NULL") // replaced, and led to nothing
	load("csv_ingest", "2, 20, 2024, 'FINISHED', 'SUCCESS', true, NULL")
	recalc := computed("emission_recalc", "2, 20, 2025, 'FINISHED', 'ERROR', '"+p1.String()+"'")
	add(recalc)
	b.exec(`INSERT INTO pipeline_joins (pipeline_id, job_id) VALUES ($1, $2)`, p2, recalc)
	computed("emission_recalc", "2, 20, 2024, 'FINISHED', 'ERROR', NULL")
	add(computed("emission_recalc", "2, 21, 2025, 'NOT_STARTED', NULL, NULL"))
	add(computed("aggregation", "2, NULL, 2025, 'FINISHED', 'ERROR', NULL"))
	var got []int64
	for _, j := range into[overview.Details](b.get(scopesPath + "/2/2025")).Jobs {
		got = append(got, j.ID)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("jobs %v, want %v", got, want)
	}
	for range overview.MaxJobs {
		computed("aggregation", "2, NULL, 2025, 'FINISHED', 'SUCCESS', NULL")
	}
	if n := len(into[overview.Details](b.get(scopesPath + "/2/2025")).Jobs); n != overview.MaxJobs {
		t.Errorf("%d jobs, want %d", n, overview.MaxJobs)
	}
}
