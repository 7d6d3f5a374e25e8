package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// told is an alert as a receiver of Alertmanager gets it.
type told struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// notification is one message of Alertmanager: one page, one ticket.
type notification struct {
	at time.Time
	// receiver is the last part of the address that it came to.
	receiver string
	Status   string `json:"status"`
	Alerts   []told `json:"alerts"`
}

// firing counts the alerts of the message that are not over.
func (n notification) firing() (count int) {
	for _, a := range n.Alerts {
		if a.Status == "firing" {
			count++
		}
	}
	return count
}

// receiver is who gets paged.
type receiver struct {
	address string
	mu      sync.Mutex
	got     []notification
}

func startReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.address = strings.TrimPrefix(server.URL, "http://")
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	n := notification{at: time.Now(), receiver: strings.TrimPrefix(request.URL.Path, "/")}
	if err := json.NewDecoder(request.Body).Decode(&n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, n)
}

// since returns what came after a moment, the watchdog's messages left out.
func (r *receiver) since(start time.Time) []notification {
	r.mu.Lock()
	defer r.mu.Unlock()
	var later []notification
	for _, n := range r.got {
		if n.at.After(start) && n.receiver != "deadman" {
			later = append(later, n)
		}
	}
	return later
}

// heard says whether the dead man's switch heard anything after a moment.
func (r *receiver) heard(start time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.got {
		if n.at.After(start) && n.receiver == "deadman" {
			return true
		}
	}
	return false
}

// find returns the first message after a moment that says of an alert with these labels that
// it has this status.
func (r *receiver) find(start time.Time, status string, labels map[string]string) (notification, told, bool) {
	for _, n := range r.since(start) {
		for _, a := range n.Alerts {
			if a.Status == status && maps.Equal(a.Labels, labels) {
				return n, a, true
			}
		}
	}
	return notification{}, told{}, false
}

// news lists the alerts that were told of first after a moment, or told to be over, as
// "STATUS ALERT YEAR".
func (r *receiver) news(start time.Time) map[string]bool {
	said := map[string]bool{}
	for _, n := range r.since(start) {
		for _, a := range n.Alerts {
			said[strings.TrimSpace(a.Status+" "+a.Labels["alertname"]+" "+a.Labels["year"])] = true
		}
	}
	return said
}
