package collector

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"tidemark/shared/postgres"
)

// statement is what a collector asked, with its arguments.
type statement struct {
	sql  string
	args []any
}

// script is what all collectors asked at a scrape, in order. They ask the same at the next one, as
// long as the schema stays as it is; so all of it can be sent at once. On a machine whose
// processors are taken each round trip waits its turn, and they would be seventeen.
type script []statement

// scribe notes what is asked through it.
type scribe struct {
	postgres.Querier
	script *script
}

func (s scribe) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	*s.script = append(*s.script, statement{sql, args})
	return s.Querier.Query(ctx, sql, args...)
}

func (s scribe) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	*s.script = append(*s.script, statement{sql, args})
	return s.Querier.QueryRow(ctx, sql, args...)
}

// errUnrehearsed is why a collector gets no answer to what it did not ask the last time.
var errUnrehearsed = errors.New("another statement than at the scrape before")

// rehearsed answers what stands in its script from a batch that is under way.
type rehearsed struct {
	script  script
	results pgx.BatchResults
}

// next takes a statement off the script.
func (r *rehearsed) next(sql string, args []any) error {
	if len(r.script) == 0 || !reflect.DeepEqual(r.script[0], statement{sql, args}) {
		return errUnrehearsed
	}
	r.script = r.script[1:]
	return nil
}

func (r *rehearsed) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := r.next(sql, args); err != nil {
		return nil, err
	}
	return r.results.Query()
}

func (r *rehearsed) QueryRow(_ context.Context, sql string, args ...any) pgx.Row {
	if err := r.next(sql, args); err != nil {
		return failed{err}
	}
	return r.results.QueryRow()
}

// failed is the row that a statement does not have.
type failed struct{ err error }

func (f failed) Scan(...any) error { return f.err }

// replay runs all collectors in one round trip: the transaction, its snapshot and the statements of
// the script. Anything out of the ordinary is an error, which does not say whose it is; so is an
// answer that takes more than half of the time. The server ends a statement at half of that: when
// the half itself is over, the connection is closed, and those that come after need another.
func (r *record) replay(ctx context.Context, s script) (outcomes []outcome, err error) {
	if half, ok := halfTheTime(ctx); ok {
		within, cancel := context.WithTimeout(ctx, half)
		defer cancel()
		ctx = within
	}
	conn, err := r.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release() // closes one in a transaction
	batch := &pgx.Batch{}
	batch.Queue(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`)
	batch.Queue(timeoutQuery, statementTimeout(ctx))
	batch.Queue(openingQuery)
	for _, asked := range s {
		batch.Queue(asked.sql, asked.args...)
	}
	batch.Queue(`ROLLBACK`)

	results := conn.SendBatch(ctx, batch)
	defer func() { err = errors.Join(err, results.Close()) }()
	for range 2 { // BEGIN and the timeout
		if _, err := results.Exec(); err != nil {
			return nil, err
		}
	}
	at, err := readOpening(results.QueryRow())
	if err != nil {
		return nil, err
	}
	answers := &rehearsed{script: s, results: results}
	for _, c := range r.parts {
		start := time.Now()
		o := outcome{collector: c.name(), at: at}
		err := guarded(func() error {
			return c.update(ctx, answers, func(m prometheus.Metric) { o.gauges = append(o.gauges, m) })
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name(), err)
		}
		o.took = time.Since(start)
		outcomes = append(outcomes, o)
	}
	if len(answers.script) > 0 {
		return nil, errUnrehearsed
	}
	return outcomes, nil
}
