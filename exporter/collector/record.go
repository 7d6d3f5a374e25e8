package collector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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

// record is PostgreSQL. Its collectors run one after the other, on one snapshot.
type record struct {
	pool  *pgxpool.Pool
	parts []collector
	// script is what they asked at the scrape before, nil if one of them failed.
	script script
}

func (r *record) collectors() []string {
	names := make([]string, len(r.parts))
	for i, c := range r.parts {
		names[i] = c.name()
	}
	return names
}

// collect implements [source]; one at a time. All that is asked goes out at once, if it is known
// and all of it is answered in half of the time, each statement in a quarter. Otherwise the
// collectors run one by one, so that the failure of one is its own. Where that takes more than
// the quarter, the next scrape does not try first in vain what cannot be had so fast.
func (r *record) collect(ctx context.Context) []outcome {
	if known := r.script; known != nil {
		r.script = nil
		if outcomes, err := r.replay(ctx, known); err == nil {
			r.script = known
			return outcomes
		}
	}
	start := time.Now()
	outcomes, asked := r.oneByOne(ctx)
	failed := func(o outcome) bool { return o.err != nil }
	if left, ok := timeLeft(ctx); (!ok || left > 3*time.Since(start)) && !slices.ContainsFunc(outcomes, failed) {
		r.script = asked
	}
	return outcomes
}

// oneByOne gives each collector savepoint, time and failure of its own, and notes what they ask.
func (r *record) oneByOne(ctx context.Context) (outcomes []outcome, asked script) {
	start := time.Now()
	outcomes = make([]outcome, len(r.parts))
	tx, at, err := r.openSnapshot(ctx)
	if err != nil {
		for i, name := range r.collectors() {
			outcomes[i] = outcome{collector: name, took: time.Since(start), err: err}
		}
		return outcomes, nil
	}
	// Nothing was written; a connection that broke is thrown away by this too.
	defer func() { _ = tx.Rollback(ctx) }()
	for i, c := range r.parts {
		start := time.Now()
		gauges, err := run(ctx, tx, c, &asked)
		outcomes[i] = outcome{collector: c.name(), took: time.Since(start), err: err, at: at, gauges: gauges}
	}
	return outcomes, asked
}

// openingQuery fixes the snapshot of the transaction, tells its time, and whether the database is
// still the primary: behind a pooler a connection may come to another server than the one that was
// asked when it was made.
const openingQuery = `SELECT now(), pg_is_in_recovery()`

func readOpening(row pgx.Row) (at time.Time, err error) {
	var recovers bool
	if err = row.Scan(&at, &recovers); err == nil && recovers {
		err = postgres.ErrStandby
	}
	return at, err
}

// openSnapshot begins the transaction that every collector of a scrape reads in.
func (r *record) openSnapshot(ctx context.Context) (tx pgx.Tx, at time.Time, err error) {
	tx, err = r.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, at, fmt.Errorf("connect to the record: %w", err)
	}
	at, err = readOpening(tx.QueryRow(ctx, openingQuery))
	if errors.Is(err, postgres.ErrStandby) {
		// A name or an address that moves to the primary is followed by new connections only.
		_ = tx.Conn().Close(ctx)
	}
	if err != nil {
		_ = tx.Rollback(ctx)
		return nil, at, fmt.Errorf("open a snapshot of the record: %w", err)
	}
	return tx, at, nil
}

// run lets one collector read. When it misses a table or a column, it is told apart whether the
// schema is one that this binary can work on.
func run(ctx context.Context, tx pgx.Tx, c collector, asked *script) (gauges []prometheus.Metric, err error) {
	err = bounded(ctx, tx, func(q postgres.Querier) error {
		return c.update(ctx, scribe{q, asked}, func(m prometheus.Metric) { gauges = append(gauges, m) })
	})
	// Class 42: what a statement names is not there, or not allowed.
	if strings.HasPrefix(postgres.Code(err), "42") {
		var wrong *postgres.SchemaError
		check := func(q postgres.Querier) error { return postgres.CheckSchema(ctx, q) }
		if errors.As(bounded(ctx, tx, check), &wrong) {
			err = fmt.Errorf("%w: %w", err, wrong)
		}
	}
	return gauges, err
}

const timeoutQuery = `SELECT set_config('statement_timeout', $1, true)`

// statementTimeout is half of the time that is left, in the server's unit; 0 is no limit.
func statementTimeout(ctx context.Context) string {
	half, _ := halfTheTime(ctx)
	return strconv.FormatInt(half.Milliseconds(), 10)
}

// bounded gives fn a savepoint and half of the time that is left. The database itself ends what
// takes longer: an expired context would close the connection, and the collectors that come
// after it would have none.
func bounded(ctx context.Context, tx pgx.Tx, fn func(postgres.Querier) error) error {
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = savepoint.Rollback(ctx) }()
	if _, err := savepoint.Exec(ctx, timeoutQuery, statementTimeout(ctx)); err != nil {
		return err
	}
	return guarded(func() error { return fn(savepoint) })
}
