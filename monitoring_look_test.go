package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"
)

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
