package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"tidemark/alerts"
	"tidemark/shared/local"
)

// demoInterval is how often the demo's Prometheus scrapes: nobody wants to wait for it.
const demoInterval = time.Second

// monitor starts Prometheus and Alertmanager with the shipped rules and routes, and says where
// to look; nothing if that was not asked for.
func (d *demo) monitor(ctx context.Context, worker, scheduler net.Addr) (where string, err error) {
	if !d.withMonitoring {
		return "", nil
	}
	pager, err := d.startPager()
	if err != nil {
		return "", err
	}
	am, err := local.StartAlertmanager(ctx, alerts.Alertmanager(pager))
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Sprintf("\nthere is no monitoring: %v\n", err), nil
	}
	if err != nil {
		return "", err
	}
	d.stops = append(d.stops, am.Stop)
	p, err := local.StartPrometheus(ctx, alerts.Prometheus(alerts.Addresses{
		Exporter: d.listen, Worker: worker.String(), Scheduler: scheduler.String(),
		Alertmanager: strings.TrimPrefix(am.URL, "http://")}, demoInterval))
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Sprintf("\nthere is no monitoring: %v\n", err), nil
	}
	if err != nil {
		return "", err
	}
	d.stops = append(d.stops, p.Stop)
	return fmt.Sprintf(`
Prometheus is at %[1]s, Alertmanager at %[2]s
  %[1]s/alerts                what is wrong, and for how long it may be
  %[1]s/graph?g0.expr=tidemark_scope_stale
Pages and tickets are printed here; the first page comes within a minute, others as time goes by.
`, p.URL, am.URL), nil
}

// stop ends what the story started.
func (d *demo) stop() {
	for _, stop := range slices.Backward(d.stops) {
		stop()
	}
}

// startPager serves as every receiver of Alertmanager, and prints what it is told.
func (d *demo) startPager() (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: &pager{say: d.say}, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	d.stops = append(d.stops, func() {
		_ = server.Close()
		<-served
	})
	return l.Addr().String(), nil
}

// pager prints the notifications of Alertmanager.
type pager struct {
	mu  sync.Mutex
	say func(format string, args ...any)
}

func (p *pager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var n struct {
		Alerts []struct {
			Status              string
			Labels, Annotations map[string]string
		}
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 10<<20)).Decode(&n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	to := strings.TrimPrefix(r.URL.Path, "/")
	if to == "deadman" { // every minute, to say that all is well
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range n.Alerts {
		p.say("%s  %s  %-9s %s: %s", time.Now().Format(time.TimeOnly), to, a.Status, a.Labels["alertname"], a.Annotations["summary"])
	}
}
