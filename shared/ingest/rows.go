package ingest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
)

// parser reads the cells of a row, or says what is wrong with them.
type parser[T any] func(cells []string) (T, []catalog.FieldError)

// format checks the header of a file and returns the parser of its rows. It is asked
// anew in each pass, so a parser may remember the rows before.
type format[T any] func(r *reader) (parser[T], error)

// rows are the good rows of one pass.
type rows[T any] struct {
	*reader
	parse parser[T]
	// cells are those of the current row.
	cells []string
	// onBad hears of every bad row.
	onBad func([]RowError)
	// strict refuses a broken row that spans lines.
	strict bool
}

func openRows[T any](ctx context.Context, f *file, before int64, format format[T]) (*rows[T], error) {
	s, err := f.rewind(ctx, before)
	if err != nil {
		return nil, err
	}
	r, err := newReader(s)
	if err != nil {
		return nil, err
	}
	parse, err := format(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	return &rows[T]{reader: r, parse: parse, onBad: func([]RowError) {}}, nil
}

// next returns the next good row, io.EOF at the end.
func (r *rows[T]) next() (row T, err error) {
	for {
		r.cells, err = r.reader.next()
		var broken *brokenRow
		switch {
		case errors.As(err, &broken) && r.strict && broken.until != broken.Line:
			return row, fmt.Errorf("%w; this row cannot be skipped: nobody knows how many rows its quote has swallowed up to line %d", broken, broken.until)
		case errors.As(err, &broken):
			r.onBad([]RowError{broken.RowError})
			continue
		case err != nil:
			return row, err
		}
		row, wrong := r.parse(r.cells)
		if len(wrong) == 0 {
			return row, nil
		}
		var located []RowError
		for _, w := range wrong {
			located = append(located, r.locate(w, r.cells))
		}
		r.onBad(located)
	}
}

// verdict is what the first pass finds.
type verdict struct {
	sum       [sha256.Size]byte
	good, bad int
	problems  findings
}

// judge is the first pass. It hands every good row to visit and returns a
// [BadRowsError] for bad ones, or where there is no good one at all.
func judge[T any](ctx context.Context, f *file, format format[T], skipBad bool, nextStep string, visit func(*rows[T], T)) (verdict, error) {
	r, err := openRows(ctx, f, 0, format)
	if err != nil {
		return verdict{}, err
	}
	var v verdict
	r.strict = skipBad
	r.onBad = func(found []RowError) {
		v.bad++
		for _, e := range found {
			v.problems.add(e)
		}
	}
	for {
		row, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return verdict{}, err
		}
		v.good++
		visit(r, row)
	}
	v.sum = r.source.sum()
	switch {
	case v.good+v.bad == 0:
		return verdict{}, fmt.Errorf("%s: there is no row below the header; nothing was written", f.path)
	case v.bad > 0 && (!skipBad || v.good == 0):
		if v.good == 0 {
			nextStep = "correct them: no row is left to be loaded"
		}
		return verdict{}, &BadRowsError{File: f.path, Rows: v.problems.rows, Omitted: v.problems.total - len(v.problems.rows),
			BadRows: v.bad, TotalRows: v.good + v.bad, NextStep: nextStep}
	}
	return v, nil
}

// copyRows is the second pass: it streams the good rows into a table. What the first
// pass has judged is not judged again; that it is the same file is checked at the end.
func copyRows[T any](ctx context.Context, tx pgx.Tx, f *file, format format[T], v verdict, table string, columns []string, encode func(T) ([]any, error)) error {
	r, err := openRows(ctx, f, f.size, format)
	if err != nil {
		return err
	}
	copied, err := tx.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		row, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return encode(row)
	}))
	if err != nil {
		return fmt.Errorf("copy into %s: %w", table, err)
	}
	if r.source.sum() != v.sum || copied != int64(v.good) {
		return f.changed()
	}
	return nil
}
