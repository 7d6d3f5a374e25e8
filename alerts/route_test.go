package alerts_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/alerts"
	"tidemark/shared/local/localtest"
)

// nobody listens at the port "discard".
const nobody = "127.0.0.1:9"

// TestRoutes: Alertmanager takes the example, and it brings every alert to its severity's
// receiver of its team.
func TestRoutes(t *testing.T) {
	t.Parallel()
	run(t, "amtool", "check-config", "alertmanager.yml")
	for _, r := range allAlerts(t) {
		t.Run(r.Alert, func(t *testing.T) {
			t.Parallel()
			want := r.Labels["severity"] + "-" + r.Labels["team"]
			if r.Alert == "TidemarkWatchdog" {
				want = "deadman"
			}
			args := []string{"config", "routes", "test", "--config.file=alertmanager.yml", "--verify.receivers=" + want, "alertname=" + r.Alert}
			for name, value := range r.Labels {
				args = append(args, name+"="+value)
			}
			run(t, "amtool", args...)
		})
	}
	run(t, "amtool", "config", "routes", "test", "--config.file=alertmanager.yml", "--verify.receivers=page-platform", "alertname=Unheard", "severity=of")
}

// TestInhibition: the cause is told, what follows from it is not, and what is of something
// else is.
func TestInhibition(t *testing.T) {
	t.Parallel()
	labels := map[string]map[string]string{}
	for _, r := range allAlerts(t) {
		labels[r.Alert] = r.Labels
	}
	for name, c := range map[string]struct {
		// firing are alerts as NAME or NAME with more labels behind it.
		firing string
		told   string
	}{
		"the exporter is down": {
			"ExporterDown CannotKnow,collector=stale SnapshotOld,collector=stale ScopesWithoutSeries AggregationFailed,year=2025,module_type_id=2 NeverAggregated,year=2025,module_type_id=3 NoWorkers,queue=aggregation PipelineDoesNotEnd,kind=aggregation FreshnessBudgetBurnsFast SchedulerIdle,loop=relay TokensFileNotInForce Watchdog",
			"ExporterDown SchedulerIdle,loop=relay TokensFileNotInForce Watchdog"},
		"PostgreSQL is down": {
			"CannotKnow,collector=stale CannotKnow,collector=jobs CannotKnow,collector=pipelines SchedulerIdle,loop=relay SchedulerIdle,loop=reaper LeasesNearEnd AggregationFailed,year=2025,module_type_id=2 PipelineDoesNotEnd,kind=aggregation",
			"CannotKnow,collector=stale CannotKnow,collector=jobs CannotKnow,collector=pipelines"},
		"Redis is down": {
			"CannotKnow,collector=queues SchedulerIdle,loop=relay NoWorkers,queue=aggregation AggregationFailed,year=2025,module_type_id=2",
			"CannotKnow,collector=queues AggregationFailed,year=2025,module_type_id=2"},
		"no worker": {
			"NoWorkers,queue=aggregation AggregationStuck,year=2025,module_type_id=2 ScopeDrifted,year=2025,module_type_id=3 PipelineDoesNotEnd,kind=aggregation QueueBacklog,queue=aggregation AggregationFailed,year=2024,module_type_id=2",
			"NoWorkers,queue=aggregation AggregationFailed,year=2024,module_type_id=2"},
		"one page for one scope": {
			"AggregationFailed,year=2025,module_type_id=2 ScopeDrifted,year=2025,module_type_id=2 ScopeDrifted,year=2024,module_type_id=2 AggregationTooOld,year=2024,module_type_id=2 AggregationTooOld,year=2023,module_type_id=2 FreshnessBudgetBurnsSlowly",
			"AggregationFailed,year=2025,module_type_id=2 ScopeDrifted,year=2024,module_type_id=2 AggregationTooOld,year=2023,module_type_id=2"},
		"an aggregation hangs": {
			"AggregationStuck,year=2025,module_type_id=2 PipelineDoesNotEnd,kind=csv_ingest RecalculationFailed",
			"AggregationStuck,year=2025,module_type_id=2 RecalculationFailed"},
		"no leader": {
			"NoLeader SchedulerIdle,loop=relay SchedulerIdle,loop=reaper FleetMemberDown", "NoLeader FleetMemberDown"},
		"the budget alone": {
			"FreshnessBudgetBurnsFast FreshnessBudgetBurnsSlowly AggregationTooOld,year=2023,module_type_id=2",
			"FreshnessBudgetBurnsFast AggregationTooOld,year=2023,module_type_id=2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			am := localtest.Alertmanager(t, alerts.Alertmanager(nobody))
			var firing []alert
			for spec := range strings.FieldsSeq(c.firing) {
				firing = append(firing, parseAlert(t, spec, labels))
			}
			post(t, am.URL, firing)
			awaitTold(t, am.URL, len(firing), slices.Sorted(strings.FieldsSeq(c.told)))
		})
	}
}

// TestABrokenYearIsOnePage: whatever is wrong with its modules.
func TestABrokenYearIsOnePage(t *testing.T) {
	t.Parallel()
	am := localtest.Alertmanager(t, alerts.Alertmanager(nobody))
	labels := map[string]map[string]string{}
	for _, r := range allAlerts(t) {
		labels[r.Alert] = r.Labels
	}
	var firing []alert
	for _, spec := range []string{"AggregationFailed,year=2025,module_type_id=1", "AggregationFailed,year=2025,module_type_id=2", "AggregationStuck,year=2025,module_type_id=3",
		"ScopeDrifted,year=2025,module_type_id=4", "AggregationFailed,year=2024,module_type_id=1"} {
		firing = append(firing, parseAlert(t, spec, labels))
	}
	post(t, am.URL, firing)
	var groups []struct {
		Labels map[string]string `json:"labels"`
		Alerts []json.RawMessage `json:"alerts"`
	}
	sizes := map[string]int{}
	for deadline := time.Now().Add(20 * time.Second); len(sizes) < 2 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		get(t, am.URL+"/api/v2/alerts/groups", &groups)
		for _, g := range groups {
			sizes[g.Labels["year"]] = len(g.Alerts)
		}
	}
	if want := map[string]int{"2025": 4, "2024": 1}; len(groups) != 2 || !maps.Equal(sizes, want) {
		t.Errorf("%d groups, alerts by year %v, want 2 and %v", len(groups), sizes, want)
	}
}

// alert is one as Alertmanager takes it.
type alert struct {
	Labels map[string]string `json:"labels"`
}

// parseAlert reads NAME,label=value,... and adds the labels that the alert's rule gives it.
func parseAlert(t *testing.T, spec string, rules map[string]map[string]string) alert {
	t.Helper()
	parts := strings.Split(spec, ",")
	fixed, ok := rules["Tidemark"+parts[0]]
	if !ok {
		t.Fatalf("there is no alert Tidemark%s", parts[0])
	}
	a := alert{maps.Clone(fixed)}
	a.Labels["alertname"], a.Labels["spec"] = "Tidemark"+parts[0], spec
	for _, p := range parts[1:] {
		name, value, _ := strings.Cut(p, "=")
		a.Labels[name] = value
	}
	return a
}

// awaitTold waits until Alertmanager knows all n alerts, and keeps from nobody just those that
// are wanted. What it knows of causes comes a moment after it knows of alerts.
func awaitTold(t *testing.T, url string, n int, want []string) {
	t.Helper()
	var active []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var all []struct {
			alert
			Status struct {
				State string `json:"state"`
			} `json:"status"`
		}
		get(t, url+"/api/v2/alerts", &all)
		active = nil
		for _, a := range all {
			if a.Status.State == "active" {
				active = append(active, a.Labels["spec"])
			}
		}
		slices.Sort(active)
		if len(all) == n && slices.Equal(active, want) {
			return
		}
	}
	t.Errorf("told:\n%s\nwant:\n%s", strings.Join(active, "\n"), strings.Join(want, "\n"))
}

func post(t *testing.T, url string, firing []alert) {
	t.Helper()
	body, err := json.Marshal(firing)
	if err != nil {
		t.Fatal(err)
	}
	request(t, http.MethodPost, url+"/api/v2/alerts", body)
}

func get(t *testing.T, url string, into any) {
	t.Helper()
	if err := json.Unmarshal(request(t, http.MethodGet, url, nil), into); err != nil {
		t.Fatal(err)
	}
}

func request(t *testing.T, method, url string, body []byte) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s, %v\n%s", method, url, answer.Status, err, text)
	}
	return text
}
