package doctor_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"tidemark/shared/doctor"
	"tidemark/shared/signal"
)

func part[T any](v T) doctor.Part[T] { return doctor.Part[T]{Asked: true, Value: v} }

// healthy are the facts of an installation that is in order.
func healthy() doctor.Facts {
	build := func(instance string) doctor.Sample {
		return doctor.Sample{Labels: map[string]string{"job": "tidemark", "instance": instance, "version": "1.0"}, Value: 1}
	}
	var queues []signal.Queue
	for _, name := range []string{"aggregation", "emission_recalc"} {
		queues = append(queues, signal.Queue{Name: name, Tasks: map[string]int{}, Workers: 2})
	}
	return doctor.Facts{
		Database: part(doctor.Database{Version: "15.4", VersionNumber: 150004, Connections: 20, MaxConnections: 100, Reserved: 3, Fsync: true, FullPageWrites: true,
			SynchronousCommit: true, XIDAge: 90_000_000, Replicas: 1, ReplayLag: time.Second, Skew: 10 * time.Millisecond, Exact: time.Millisecond}),
		Schema:   part(doctor.Schema{Live: 9, Needed: 9}),
		Triggers: part([]string(nil)),
		Sessions: part(doctor.Sessions{Oldest: time.Minute, Workers: 8, Schedulers: 2, Exporters: 1, Leaders: 1}),
		Record:   part(doctor.Record{Unclaimed: time.Second, Marks: 7, Lines: 12}),
		Redis: part(doctor.Redis{Version: "7.0.15", Role: "master", AppendOnly: true, Snapshots: new(false), Memory: 10 << 20, Limit: 1 << 30,
			Clients: 12, MaxClient: 10_000, Skew: -10 * time.Millisecond, Exact: time.Millisecond}),
		Eviction: part("noeviction"),
		Queues:   part(doctor.Queues{At: noon, Queues: queues}),
		Signals:  part(doctor.Signals{Checked: 3}),
		Prometheus: part(doctor.Prometheus{Collectors: []doctor.Sample{build("e")}, Builds: []doctor.Sample{build("e"), build("w"), build("s")},
			Rules: 20, Alertmanagers: 1}),
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fault is a way in which an installation is not in order, and how the check says so.
type fault struct {
	change func(*doctor.Facts)
	level  doctor.Level
}

var errAway = errors.New("connection refused")

// faults has at least one for every check. Each makes that check alone speak up.
func faults() map[string][]fault {
	queue := func(change func(*signal.Queue)) func(*doctor.Facts) {
		return func(f *doctor.Facts) { change(&f.Queues.Value.Queues[1]) }
	}
	database := func(change func(*doctor.Database)) func(*doctor.Facts) {
		return func(f *doctor.Facts) { change(&f.Database.Value) }
	}
	sessions := func(change func(*doctor.Sessions)) func(*doctor.Facts) {
		return func(f *doctor.Facts) { change(&f.Sessions.Value) }
	}
	record := func(change func(*doctor.Record)) func(*doctor.Facts) {
		return func(f *doctor.Facts) { change(&f.Record.Value) }
	}
	redis := func(change func(*doctor.Redis)) func(*doctor.Facts) {
		return func(f *doctor.Facts) { change(&f.Redis.Value) }
	}
	prometheus := func(change func(*doctor.Prometheus)) func(*doctor.Facts) {
		return func(f *doctor.Facts) { change(&f.Prometheus.Value) }
	}
	return map[string][]fault{
		"database.version": {{database(func(d *doctor.Database) { d.VersionNumber = 130012 }), doctor.Failure}},
		"database.primary": {{database(func(d *doctor.Database) { d.InRecovery = true }), doctor.Failure},
			{database(func(d *doctor.Database) { d.ReadOnly = true }), doctor.Failure}},
		"database.durability": {{database(func(d *doctor.Database) { d.Fsync = false }), doctor.Warning},
			{database(func(d *doctor.Database) { d.SynchronousCommit = false }), doctor.Warning}},
		"database.connections": {{database(func(d *doctor.Database) { d.Connections = 80 }), doctor.Warning},
			{database(func(d *doctor.Database) { d.Connections = 97 }), doctor.Failure}},
		"database.wraparound": {{database(func(d *doctor.Database) { d.XIDAge = 600_000_000 }), doctor.Warning},
			{database(func(d *doctor.Database) { d.XIDAge = 1_600_000_000 }), doctor.Failure}},
		"database.replicas": {{database(func(d *doctor.Database) { d.ReplayLag = time.Hour }), doctor.Warning}},
		// Both other clocks are wrong then.
		"clock.database": {{func(f *doctor.Facts) {
			f.Database.Value.Skew, f.Redis.Value.Skew = 3*time.Second, 1500*time.Millisecond
		}, doctor.Warning}},
		"clock.redis": {{func(f *doctor.Facts) {
			f.Redis.Value.Skew, f.Database.Value.Skew = -3*time.Second, -1500*time.Millisecond
		}, doctor.Warning}},
		"clock.redis_database": {{func(f *doctor.Facts) {
			f.Redis.Value.Skew, f.Database.Value.Skew = 1500*time.Millisecond, -1500*time.Millisecond
		}, doctor.Warning}},
		"schema.version":               {{func(f *doctor.Facts) { f.Schema.Value.Live = 8 }, doctor.Failure}, {func(f *doctor.Facts) { f.Schema.Value.Live = 10 }, doctor.Warning}},
		"schema.dedup_indexes":         {{func(f *doctor.Facts) { f.Schema.Value.Indexes = []string{"index uq_aggregation_active is missing"} }, doctor.Failure}},
		"schema.invalid_indexes":       {{func(f *doctor.Facts) { f.Schema.Value.Invalid = []string{"uq_aggregation_active_new"} }, doctor.Warning}},
		"schema.announcing":            {{func(f *doctor.Facts) { f.Schema.Value.Announcing = []string{"tidemark_announce_settled"} }, doctor.Warning}},
		"schema.kept_triggers":         {{func(f *doctor.Facts) { f.Triggers.Value = []string{"tidemark_entries_inserted"} }, doctor.Failure}, {func(f *doctor.Facts) { f.Triggers.Err = errAway }, doctor.Unknown}},
		"database.idle_in_transaction": {{sessions(func(s *doctor.Sessions) { s.IdleInTransaction = 1 }), doctor.Warning}},
		"database.blocked":             {{sessions(func(s *doctor.Sessions) { s.Blocked = 2 }), doctor.Warning}},
		"database.long_transaction":    {{sessions(func(s *doctor.Sessions) { s.Oldest = 5 * time.Hour }), doctor.Warning}},
		"fleet.workers":                {{sessions(func(s *doctor.Sessions) { s.Workers = 0 }), doctor.Failure}},
		"fleet.schedulers":             {{sessions(func(s *doctor.Sessions) { s.Schedulers, s.Leaders = 0, 0 }), doctor.Failure}},
		"fleet.leader":                 {{sessions(func(s *doctor.Sessions) { s.Leaders = 0 }), doctor.Warning}},
		"fleet.exporters":              {{sessions(func(s *doctor.Sessions) { s.Exporters = 0 }), doctor.Warning}},
		"fleet.signals":                {{func(f *doctor.Facts) { f.Signals.Value.Missing = []int64{4, 5} }, doctor.Failure}, {func(f *doctor.Facts) { f.Signals.Err = errAway }, doctor.Unknown}},
		"record.expired_leases":        {{record(func(r *doctor.Record) { r.Expired = 1 }), doctor.Failure}},
		"record.unclaimed": {{record(func(r *doctor.Record) { r.Unclaimed = 6 * time.Minute }), doctor.Warning},
			{record(func(r *doctor.Record) { r.Unclaimed = time.Hour }), doctor.Failure}},
		"record.postponed":         {{record(func(r *doctor.Record) { r.Postponed = 1 }), doctor.Warning}},
		"record.scopeless":         {{record(func(r *doctor.Record) { r.Scopeless = 1 }), doctor.Warning}},
		"record.open_pipelines":    {{record(func(r *doctor.Record) { r.OpenPipelines = 2 }), doctor.Warning}},
		"record.closed_pipelines":  {{record(func(r *doctor.Record) { r.ClosedPipelines = 2 }), doctor.Warning}},
		"record.marks":             {{record(func(r *doctor.Record) { r.Marks = 20_000 }), doctor.Warning}},
		"record.declared_lines":    {{record(func(r *doctor.Record) { r.Lines = 100_000 }), doctor.Warning}},
		"redis.version":            {{redis(func(r *doctor.Redis) { r.Version = "3.2.1" }), doctor.Failure}},
		"redis.primary":            {{redis(func(r *doctor.Redis) { r.Role = "slave" }), doctor.Failure}},
		"redis.cluster":            {{redis(func(r *doctor.Redis) { r.Cluster = true }), doctor.Failure}},
		"redis.persistence":        {{redis(func(r *doctor.Redis) { r.AppendOnly = false }), doctor.Warning}},
		"redis.writes":             {{redis(func(r *doctor.Redis) { r.WriteError = true }), doctor.Failure}},
		"redis.memory":             {{redis(func(r *doctor.Redis) { r.Memory = 900 << 20 }), doctor.Warning}, {redis(func(r *doctor.Redis) { r.Memory = 1020 << 20 }), doctor.Failure}},
		"redis.eviction":           {{func(f *doctor.Facts) { f.Eviction.Value = "allkeys-lru" }, doctor.Warning}, {func(f *doctor.Facts) { f.Eviction.Err = errAway }, doctor.Unknown}},
		"redis.clients":            {{redis(func(r *doctor.Redis) { r.Clients = 9_000 }), doctor.Warning}},
		"queues.workers":           {{queue(func(q *signal.Queue) { q.Workers = 0 }), doctor.Failure}},
		"queues.paused":            {{queue(func(q *signal.Queue) { q.Paused = true }), doctor.Warning}},
		"queues.age":               {{queue(func(q *signal.Queue) { q.OldestPending = noon.Add(-time.Hour) }), doctor.Warning}},
		"queues.length":            {{queue(func(q *signal.Queue) { q.Tasks["pending"] = 20_000 }), doctor.Warning}},
		"queues.archived":          {{queue(func(q *signal.Queue) { q.Tasks["archived"] = 9_000 }), doctor.Warning}},
		"queues.foreign":           {{queue(func(q *signal.Queue) { q.Tasks["retry"] = 1 }), doctor.Warning}},
		"prometheus.reachable":     {{func(f *doctor.Facts) { f.Prometheus.Err = errAway }, doctor.Failure}},
		"prometheus.exporters":     {{prometheus(func(p *doctor.Prometheus) { p.Collectors = nil }), doctor.Failure}},
		"prometheus.targets":       {{prometheus(func(p *doctor.Prometheus) { p.Down = p.Builds[:1] }), doctor.Failure}},
		"prometheus.collectors":    {{prometheus(func(p *doctor.Prometheus) { p.Collectors[0].Value = 0 }), doctor.Failure}},
		"prometheus.fleet":         {{prometheus(func(p *doctor.Prometheus) { p.Builds = p.Builds[:1] }), doctor.Warning}},
		"prometheus.versions":      {{prometheus(func(p *doctor.Prometheus) { p.Builds[2].Labels["version"] = "0.9" }), doctor.Warning}},
		"prometheus.rules":         {{prometheus(func(p *doctor.Prometheus) { p.Rules = 0 }), doctor.Failure}, {prometheus(func(p *doctor.Prometheus) { p.Sick = []string{"TidemarkStale"} }), doctor.Failure}},
		"prometheus.alertmanagers": {{prometheus(func(p *doctor.Prometheus) { p.Alertmanagers = 0 }), doctor.Warning}},
		"database.reachable":       {{func(f *doctor.Facts) { f.Database.Err = errAway }, doctor.Failure}},
		"redis.reachable":          {{func(f *doctor.Facts) { f.Redis.Err = errAway }, doctor.Failure}},
	}
}

func TestHealthyInstallationPassesEveryCheck(t *testing.T) {
	t.Parallel()
	results := doctor.Examine(healthy())
	for _, r := range results {
		if r.Level != doctor.OK || r.Text == "" {
			t.Errorf("%s: %s %q", r.ID, r.Level, r.Text)
		}
	}
	if code := doctor.ExitCode(results); code != 0 || len(results) < 20 {
		t.Errorf("exit code %d after %d checks", code, len(results))
	}
}

// TestEveryCheckHasAFault: each check fails where it should, alone, and says what to do.
func TestEveryCheckHasAFault(t *testing.T) {
	t.Parallel()
	all := faults()
	for _, c := range doctor.Checks() {
		if len(all[c.ID]) == 0 {
			t.Errorf("%s: nothing here makes it fail", c.ID)
		}
	}
	for id, some := range all {
		for _, fault := range some {
			f := healthy()
			fault.change(&f)
			results := doctor.Examine(f)
			i := slices.IndexFunc(results, func(r doctor.Result) bool { return r.ID == id })
			if i < 0 {
				t.Errorf("%s: there is no such check", id)
				continue
			}
			if r := results[i]; r.Level != fault.level || r.Remedy == "" || r.Text == "" {
				t.Errorf("%s: got %s %q (%q), want %s and a remedy", id, r.Level, r.Text, r.Remedy, fault.level)
			}
			for _, r := range results {
				// Of a server that is away nothing else is known, which is not taken for good.
				away := f.Database.Err != nil || f.Redis.Err != nil || f.Prometheus.Err != nil
				if r.ID != id && r.Level != doctor.OK && !away {
					t.Errorf("%s: %s says %s %q too", id, r.ID, r.Level, r.Text)
				}
			}
			want := map[doctor.Level]int{doctor.Warning: 1, doctor.Unknown: 1, doctor.Failure: 2}[fault.level]
			if code := doctor.ExitCode(results); code != want {
				t.Errorf("%s: exit code %d, want %d", id, code, want)
			}
		}
	}
}

// TestWhatIsNotKnownIsNotGood: without facts no check but those that were not asked for passes.
func TestWhatIsNotKnownIsNotGood(t *testing.T) {
	t.Parallel()
	for _, r := range doctor.Examine(doctor.Facts{Database: doctor.Part[doctor.Database]{Asked: true, Err: errAway}}) {
		if r.Level == doctor.OK {
			t.Errorf("%s: %s", r.ID, r.Text)
		}
	}
}
