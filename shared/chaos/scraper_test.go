package chaos

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"tidemark/shared/chaos/verdict"
)

// scrapePatience is the scraper's timeout.
const scrapePatience = 4 * time.Second

// scrape reads the exporter's page again and again until ctx ends.
func (w *world) scrape(ctx context.Context) {
	for pause(ctx, 250*time.Millisecond) {
		s := verdict.Scrape{Start: time.Now(), Patience: scrapePatience}
		families, err := w.page(ctx)
		s.End = time.Now()
		if err != nil {
			s.Error = err.Error()
		} else {
			read(families, &s)
		}
		if ctx.Err() == nil {
			w.scrapes = append(w.scrapes, s)
		}
	}
}

func (w *world) page(ctx context.Context) (map[string]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(ctx, scrapePatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(scrapePatience.Seconds(), 'f', -1, 64))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(resp.Body)
}

// read takes from a page what the verdict compares.
func read(families map[string]*dto.MetricFamily, s *verdict.Scrape) {
	each := func(name string, see func(labels map[string]string, value float64)) {
		for _, m := range families[name].GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			see(labels, m.GetGauge().GetValue())
		}
	}
	scopeOf := func(labels map[string]string) verdict.Scope {
		module, _ := strconv.Atoi(labels["module_type_id"])
		year, _ := strconv.Atoi(labels["year"])
		return verdict.Scope{Module: module, Year: year}
	}
	s.Success, s.At, s.Buckets = map[string]bool{}, map[string]time.Time{}, map[string]int{}
	each("tidemark_collector_success", func(l map[string]string, v float64) { s.Success[l["collector"]] = v == 1 })
	each("tidemark_snapshot_timestamp_seconds", func(l map[string]string, v float64) {
		s.At[l["collector"]] = time.UnixMicro(int64(v * 1e6))
	})
	each("tidemark_scopes", func(_ map[string]string, v float64) { n := int(v); s.Scopes = &n })
	each("tidemark_stale_scopes", func(l map[string]string, v float64) { s.Buckets[l["why_stale"]] = int(v) })
	each("tidemark_scope_stale", func(l map[string]string, _ float64) {
		s.Stale = append(s.Stale, verdict.StaleSeries{Scope: scopeOf(l), Why: l["why_stale"]})
	})
	each("tidemark_scope_drifted", func(l map[string]string, _ float64) { s.Drifted = append(s.Drifted, scopeOf(l)) })
	each("tidemark_jobs", func(l map[string]string, v float64) {
		s.Jobs = append(s.Jobs, verdict.JobsGauge{Type: l["job_type"], State: l["state"], Count: int(v)})
	})
}
