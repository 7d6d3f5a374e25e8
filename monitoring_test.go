package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
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
			command = fmt.Sprintf("`tidemark explain equipment %d`", f.year)
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
	t.Logf("%.1f s from the stop to %s, of %d alerts", n.at.Sub(stopped).Seconds(), n.receiver, n.firing())
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
