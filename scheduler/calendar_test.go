package scheduler

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tidemark/scheduler/periodic"
)

// entries are those of a file.
func (f *field) entries(text string) []periodic.Entry {
	f.t.Helper()
	path := filepath.Join(f.t.TempDir(), "periodic.yml")
	f.must(os.WriteFile(path, []byte(text), 0o600))
	entries, err := periodic.ReadFile(path)
	f.must(err)
	return entries
}

func (f *field) calendar() *calendar {
	return &calendar{opts: f.opts, db: f.pool, signals: f.sender, metrics: f.metrics}
}

const hourly = "entries: [{name: hourly, schedule: '@hourly', request: recalculation, module: 2, type: plane, year: 2025}]"

// declare makes a report of 2025 with travel.
func (f *field) declare() {
	f.t.Helper()
	f.exec(`INSERT INTO units (id, provider, institutional_code, name, level, is_active) VALUES (1, 'DEFAULT', 'u', 'u', 4, true)`)
	f.exec(`INSERT INTO carbon_reports (id, year, unit_id, overall_status) VALUES (1, 2025, 1, 0)`)
	f.exec(`INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (2, 0, 1)`)
}

func TestCalendarRequestsAndSignals(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.declare()
	f.opts.Periodic = f.entries(hourly)
	f.metrics = newMetrics(prometheus.NewRegistry(), f.opts.Periodic...)
	c := f.calendar()
	f.must(c.tick(f.ctx))
	f.wantTasks("at first sight", "emission_recalc")
	f.exec(`UPDATE periodic_entries SET handled_until = handled_until - interval '3 hours'`)
	f.must(c.tick(f.ctx))
	f.must(c.tick(f.ctx))
	f.wantTasks("due", "emission_recalc", "emission_recalc:2:20:2025:1", "pending")
	f.wantCount(1, f.metrics.entryRequests.WithLabelValues("hourly"))
	f.wantCount(2, f.metrics.entryMissed.WithLabelValues("hourly"))
	last, next := testutil.ToFloat64(f.metrics.entryLast), testutil.ToFloat64(f.metrics.entryNext)
	if last == 0 || next <= last {
		t.Errorf("last %v, next %v", last, next)
	}
	f.metrics.forget()
	if n := testutil.CollectAndCount(f.metrics.entryNext); n != 0 {
		t.Error("a scheduler that does not lead says when an entry is due")
	}
}

// Schedulers that come and go, some of them at once, serve a due time once.
func TestSchedulersServeADueTimeOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.declare()
	f.opts.Periodic = f.entries(hourly)
	f.must(f.calendar().tick(f.ctx))
	f.exec(`UPDATE periodic_entries SET handled_until = handled_until - interval '1 hour'`)
	var stops []func()
	for range 3 {
		stops = append(stops, f.run(nil))
	}
	f.await("the entry is requested", f.signalled("emission_recalc", "emission_recalc:2:20:2025:1"))
	for _, stop := range stops {
		stop()
	}
	f.must(f.calendar().tick(f.ctx))
	var requests int
	f.must(f.pool.QueryRow(f.ctx, `SELECT count(*) FROM job_requests`).Scan(&requests))
	if requests != 1 {
		t.Errorf("%d requests", requests)
	}
}
