package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"tidemark/alerts"
	"tidemark/shared/local"
	"tidemark/shared/local/localtest"
)

// TestAlerting breaks an installation in the ways that Tidemark is there to notice, one after
// the other: real processes, PostgreSQL, Redis, Prometheus and Alertmanager, with the shipped
// rules and routes in a hurry (see [hasten]). Each alert reaches its receiver with the labels
// and the command of its scope; `tidemark recalc --wait` repairs the scope, and the receiver
// hears that it is over.
func TestAlerting(t *testing.T) {
	t.Parallel()
	m := monitor(t)
	t.Run("a scope of each kind", m.scopes)
	t.Run("the exporter is killed", m.killExporter)
	t.Run("PostgreSQL is away", m.stopPostgres)
	m.checkRules()
}

// fault is something that goes wrong with one scope.
type fault struct {
	// what happened, for people.
	what  string
	alert string
	// year of the scope; its module is equipment.
	year     int
	receiver string
	// labels are those of the alert beside the scope's.
	labels map[string]string
	// occur makes it so, and returns what is to be done before it can be repaired.
	occur func() (undo func())
}

// scopes lets scopes fail, hang, drift, grow old and be missing. While one is broken the alerts of
// those before may still be on their way to their end, which the last lines wait for.
func (m *monitoring) scopes(t *testing.T) {
	const page, ticket = "page-data", "ticket-data"
	faults := []fault{
		{"an aggregation failed", "TidemarkAggregationFailed", 2025, page, map[string]string{"severity": "page", "why_stale": "last_aggregation_failed"}, m.fail},
		{"an aggregation hangs", "TidemarkAggregationStuck", 2024, page, map[string]string{"severity": "page", "why_stale": "pending_aggregation_stuck"}, m.hang},
		{"an entry was changed past Tidemark", "TidemarkScopeDrifted", 2023, page, map[string]string{"severity": "page"}, m.drift},
		{"an aggregation grew old", "TidemarkAggregationTooOld", 2022, ticket, map[string]string{"severity": "ticket", "why_stale": "last_aggregation_too_old"}, m.growOld},
		{"a year was opened, and never aggregated", "TidemarkNeverAggregated", 2026, ticket, map[string]string{"severity": "ticket", "why_stale": "no_aggregation_ever"}, m.openYear},
	}
	repaired := make([]time.Time, len(faults))
	for i, f := range faults {
		start := time.Now()
		undo := f.occur()
		n, a := m.await(t, start, "firing", m.labelsOf(f))
		if n.receiver != f.receiver {
			t.Errorf("%s: %s was told, want %s", f.what, n.receiver, f.receiver)
		}
		command := fmt.Sprintf("--module equipment --year %d", f.year)
		if f.alert == "TidemarkAggregationStuck" {
			command = fmt.Sprintf("`tidemark jobs --active --year %d`", f.year)
		}
		if !strings.Contains(a.Annotations["description"], command) {
			t.Errorf("%s: the description does not say %q: %s", f.what, command, a.Annotations["description"])
		}
		undo()
		m.run("recalc", "--module=equipment", "--year="+strconv.Itoa(f.year), "--wait")
		repaired[i] = time.Now()
		t.Logf("%-40s %.1f s from the fault to %s", f.what, n.at.Sub(start).Seconds(), n.receiver)
	}
	for i, f := range faults {
		n, _ := m.await(t, repaired[i], "resolved", m.labelsOf(f))
		t.Logf("%-40s %.1f s from the repair to its end", f.what, n.at.Sub(repaired[i]).Seconds())
	}
	m.awaitSilence(t)
}

func (m *monitoring) labelsOf(f fault) map[string]string {
	labels := map[string]string{"alertname": f.alert, "concern": "freshness", "team": "data", "job": "tidemark",
		"module_type": "equipment", "module_type_id": "4", "year": strconv.Itoa(f.year)}
	maps.Copy(labels, f.labels)
	return labels
}

// killExporter: while a scope is broken nobody can know any more. That is one page, and no
// word that the scope is repaired.
func (m *monitoring) killExporter(t *testing.T) {
	failed := m.labelsOf(fault{alert: "TidemarkAggregationFailed", year: 2025, labels: map[string]string{"severity": "page", "why_stale": "last_aggregation_failed"}})
	down := map[string]string{"alertname": "TidemarkExporterDown", "concern": "exporter", "severity": "page", "team": "platform", "job": "tidemark"}
	start := time.Now()
	undo := m.fail()
	m.await(t, start, "firing", failed)
	killed := time.Now()
	m.kill(m.exporter, syscall.SIGKILL)
	n, _ := m.await(t, killed, "firing", down)
	t.Logf("%.1f s from the kill to %s", n.at.Sub(killed).Seconds(), n.receiver)
	// Prometheus has given the scope up, and Alertmanager keeps that to itself.
	m.until(t, "Prometheus to forget the failed scope", func() bool { return m.firing()["TidemarkAggregationFailed"] == 0 })
	told := m.told.news(killed)
	delete(told, "firing TidemarkAggregationFailed 2025") // said again
	delete(told, "firing TidemarkNeverAggregated 2025")   // of the module that makes it fail
	if !maps.Equal(told, map[string]bool{"firing TidemarkExporterDown": true}) {
		t.Errorf("told when the exporter was killed: %v", slices.Sorted(maps.Keys(told)))
	}
	back := time.Now()
	m.startExporter()
	n, _ = m.await(t, back, "resolved", down)
	t.Logf("%.1f s from its start to the end", n.at.Sub(back).Seconds())
	undo()
	m.run("recalc", "--module=equipment", "--year=2025", "--wait")
	m.await(t, back, "resolved", failed)
	m.awaitSilence(t)
}

// stopPostgres: three collectors fail, both loops of the scheduler and every worker have
// trouble, and that is one page.
func (m *monitoring) stopPostgres(t *testing.T) {
	stopped := time.Now()
	m.pg.Halt()
	blind := map[string]string{"alertname": "TidemarkCannotKnow", "collector": "stale", "concern": "exporter", "severity": "page", "team": "platform", "job": "tidemark"}
	n, _ := m.await(t, stopped, "firing", blind)
	t.Logf("%.1f s from the stop to %s, of %d alerts", n.at.Sub(stopped).Seconds(), n.receiver, len(n.Alerts))
	m.until(t, "the scheduler's alert", func() bool { return m.firing()["TidemarkSchedulerIdle"] > 0 })
	m.until(t, "Alertmanager to keep it back", func() bool {
		for _, a := range m.atAlertmanager() {
			if a.Labels["alertname"] == "TidemarkSchedulerIdle" {
				return a.State.State == "suppressed"
			}
		}
		return false
	})
	told := m.told.news(stopped)
	maps.DeleteFunc(told, func(news string, _ bool) bool { return strings.HasPrefix(news, "resolved ") }) // what was before
	if !maps.Equal(told, map[string]bool{"firing TidemarkCannotKnow": true}) {
		t.Errorf("told when PostgreSQL stopped: %v", slices.Sorted(maps.Keys(told)))
	}
	back := time.Now()
	if err := m.pg.Restart(m.ctx); err != nil {
		t.Fatal(err)
	}
	n, _ = m.await(t, back, "resolved", blind)
	t.Logf("%.1f s from its start to the end", n.at.Sub(back).Seconds())
	m.awaitSilence(t)
}

// monitoring is a deployment that is watched.
type monitoring struct {
	*crash
	pg           *local.Postgres
	told         *receiver
	prometheus   string
	alertmanager string
	at           alerts.Addresses
	exporter     int
}

// monitor starts everything, loads some years of devices and waits until all is well.
func monitor(t *testing.T) *monitoring {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	pg := localtest.OwnPostgres(t)
	m := &monitoring{crash: newCrashOn(ctx, t, pg.URL, localtest.OwnRedis(t).URL), pg: pg, told: startReceiver(t)}
	// An address of the loopback network that nobody else has: the ports are free on it, also
	// for an exporter that is started again.
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250))
	m.at = alerts.Addresses{Exporter: host + ":9877", Worker: host + ":9878", Scheduler: host + ":9879"}
	m.run("migrate", "up")
	m.startExporter()
	m.start("worker", "--web.listen-address="+m.at.Worker)
	m.start("scheduler", "--web.listen-address="+m.at.Scheduler, "--relay-interval=200ms", "--reap-interval=200ms")
	for _, year := range []string{"2022", "2023", "2024", "2025"} {
		m.run("load", "factors", "--type=it", "--year="+year, m.file("factors_it.csv"))
		m.run("load", "entries", "--type=it", "--year="+year, "--create-units", m.file("entries_it_2025.csv"))
	}
	m.awaitQuiet()
	m.alertmanager = localtest.Alertmanager(t, hasten(alerts.Alertmanager(m.told.address), 500*time.Millisecond)).URL
	m.at.Alertmanager = strings.TrimPrefix(m.alertmanager, "http://")
	files := alerts.Prometheus(m.at, 250*time.Millisecond)
	for path, text := range files {
		files[path] = hasten(text, 4*time.Second)
	}
	m.prometheus = localtest.Prometheus(t, files).URL
	m.awaitSilence(t)
	return m
}

func (m *monitoring) startExporter() {
	m.exporter = m.start("exporter", "--web.listen-address="+m.at.Exporter).pid
}

// hurry is how many times faster than shipped the tests let time pass.
const hurry = 150

var (
	durations  = regexp.MustCompile(`\b[0-9]+[smhd]\b`)
	thresholds = regexp.MustCompile(`\b([0-9]+) \* (60|3600)\b`)
)

// hasten makes rules or a configuration fit for tests: a duration, also a threshold that is
// written as N * 60 or N * 3600, becomes 1/150 of what it is, but at least 250 ms and at most
// this. So 5 minutes are 2 s, which is less than the 4 s that 10 minutes and all beyond may
// become: what must come after what stays as it is. Nothing else is changed.
func hasten(text string, most time.Duration) string {
	shrink := func(d time.Duration) time.Duration {
		if d == 0 {
			return 0
		}
		return min(max(d/hurry, 250*time.Millisecond), most).Truncate(time.Millisecond)
	}
	text = durations.ReplaceAllStringFunc(text, func(d string) string {
		long, err := model.ParseDuration(d)
		if err != nil {
			return d
		}
		return model.Duration(shrink(time.Duration(long))).String()
	})
	return thresholds.ReplaceAllStringFunc(text, func(product string) string {
		m := thresholds.FindStringSubmatch(product)
		n, _ := strconv.Atoi(m[1])
		unit, _ := strconv.Atoi(m[2])
		return fmt.Sprint(shrink(time.Duration(n*unit) * time.Second).Seconds())
	})
}

// patience bounds every wait.
const patience = time.Minute

func (m *monitoring) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s; firing: %v; told so far: %v", patience, what, m.firing(), slices.Sorted(maps.Keys(m.told.news(time.Time{}))))
		}
	}
}

// await waits until the receiver is told of an alert with exactly these labels.
func (m *monitoring) await(t *testing.T, start time.Time, status string, labels map[string]string) (n notification, a told) {
	t.Helper()
	m.until(t, fmt.Sprintf("%s %v", status, labels), func() (found bool) {
		n, a, found = m.told.find(start, status, labels)
		return found
	})
	return n, a
}

// awaitSilence waits until nothing is wrong any more, and only the watchdog speaks.
func (m *monitoring) awaitSilence(t *testing.T) {
	t.Helper()
	start := time.Now()
	m.until(t, "silence", func() bool { return maps.Equal(m.firing(), map[string]int{"TidemarkWatchdog": 1}) })
	m.until(t, "silence at Alertmanager", func() bool { return len(m.atAlertmanager()) == 1 })
	m.until(t, "the watchdog", func() bool { return m.told.heard(start) })
}

// firing counts the alerts at Prometheus by name, also those that wait for their time.
func (m *monitoring) firing() map[string]int {
	var answer struct {
		Data struct{ Alerts []told }
	}
	m.get(m.prometheus+"/api/v1/alerts", &answer)
	counts := map[string]int{}
	for _, a := range answer.Data.Alerts {
		counts[a.Labels["alertname"]]++
	}
	return counts
}

// held is an alert as Alertmanager holds it.
type held struct {
	Labels map[string]string `json:"labels"`
	State  struct {
		State string `json:"state"`
	} `json:"status"`
}

func (m *monitoring) atAlertmanager() (all []held) {
	m.get(m.alertmanager+"/api/v2/alerts", &all)
	return all
}

// checkRules: no rule, of those that are loaded, has trouble.
func (m *monitoring) checkRules() {
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	m.get(m.prometheus+"/api/v1/rules", &answer)
	rules := 0
	for _, g := range answer.Data.Groups {
		for _, r := range g.Rules {
			rules++
			if r.Health != "ok" {
				m.t.Errorf("rule %s: %s: %s", r.Name, r.Health, r.LastError)
			}
		}
	}
	if rules == 0 {
		m.t.Error("Prometheus has no rules")
	}
}

func (m *monitoring) get(url string, into any) {
	request, err := http.NewRequestWithContext(m.ctx, http.MethodGet, url, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		m.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", url, err, text)
	}
}
