package collector

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"tidemark/shared/postgres"
)

// collector reads one family of gauges from the record.
type collector interface {
	// name is the value of the label collector.
	name() string
	// update reads through q and sends gauges. What it sent before an error is dropped.
	update(ctx context.Context, q postgres.Querier, send func(prometheus.Metric)) error
}

// collectors lists every collector, in the order in which they run.
func collectors(o Options) []collector {
	return []collector{
		staleCollector{olderThan: o.OlderThan},
		pipelinesCollector{},
		jobsCollector{},
	}
}

var (
	collectorSuccess = prometheus.NewDesc("tidemark_collector_success",
		"Whether the collector read the record at this scrape (1) or not (0); its gauges are absent when not.",
		[]string{"collector"}, nil)
	collectorDuration = prometheus.NewDesc("tidemark_collector_duration_seconds",
		"How long the collector took at this scrape.", []string{"collector"}, nil)
	snapshotTimestamp = prometheus.NewDesc("tidemark_snapshot_timestamp_seconds",
		"Moment that the collector's gauges describe, by the clock of the database.", []string{"collector"}, nil)
)

// frame runs the collectors and keeps the failure of one from the others.
type frame struct {
	pool       *pgxpool.Pool
	log        *slog.Logger
	collectors []collector
}

// collect runs every collector once, on one snapshot, within the deadline of ctx.
// It always returns success and duration of each.
func (f *frame) collect(ctx context.Context) []prometheus.Metric {
	start := time.Now()
	tx, at, err := f.openSnapshot(ctx)
	if err != nil {
		f.log.Warn("scrape cannot read the record", "err", err)
		return f.failed(time.Since(start))
	}
	// Nothing was written; a connection that broke is thrown away by this too.
	defer func() { _ = tx.Rollback(ctx) }()
	var all []prometheus.Metric
	for _, c := range f.collectors {
		start := time.Now()
		metrics, err := run(ctx, tx, c)
		success := 1.0
		if err != nil {
			f.log.Warn("collector failed", "collector", c.name(), "err", err)
			success = 0
		} else {
			all = append(all, metrics...)
			all = append(all, gauge(snapshotTimestamp, unixSeconds(at), c.name()))
		}
		all = append(all,
			gauge(collectorSuccess, success, c.name()),
			gauge(collectorDuration, time.Since(start).Seconds(), c.name()))
	}
	return all
}

// openSnapshot begins the transaction that every collector of a scrape reads in.
// Its first statement fixes the snapshot and tells its time.
func (f *frame) openSnapshot(ctx context.Context) (tx pgx.Tx, at time.Time, err error) {
	tx, err = f.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, at, err
	}
	if err = tx.QueryRow(ctx, `SELECT now()`).Scan(&at); err != nil {
		_ = tx.Rollback(ctx)
		return nil, at, err
	}
	return tx, at, nil
}

// run gives one collector a savepoint and half of the time that is left. The
// database itself ends what takes longer: an expired context would close the
// connection, and the collectors that come after it would have none.
func run(ctx context.Context, tx pgx.Tx, c collector) (metrics []prometheus.Metric, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = savepoint.Rollback(ctx) }()
	if deadline, ok := ctx.Deadline(); ok {
		half := max(time.Until(deadline)/2, time.Millisecond)
		_, err := savepoint.Exec(ctx, `SELECT set_config('statement_timeout', $1, true)`, strconv.FormatInt(half.Milliseconds(), 10))
		if err != nil {
			return nil, err
		}
	}
	err = c.update(ctx, savepoint, func(m prometheus.Metric) { metrics = append(metrics, m) })
	return metrics, err
}

// allFailed is what a scrape answers that could not even wait for a collection.
func (f *frame) allFailed(took time.Duration) []prometheus.Metric {
	f.log.Warn("scrape gave up waiting for the collection of another one", "after", took)
	return f.failed(took)
}

// failed is the answer when no collector could run.
func (f *frame) failed(took time.Duration) []prometheus.Metric {
	var all []prometheus.Metric
	for _, c := range f.collectors {
		all = append(all, gauge(collectorSuccess, 0, c.name()), gauge(collectorDuration, took.Seconds(), c.name()))
	}
	return all
}

// gauge makes a sample; a label that is not UTF-8 panics, which costs the collector its scrape.
func gauge(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

// unixSeconds is a time as Prometheus has it, to the microsecond that the database keeps.
func unixSeconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
