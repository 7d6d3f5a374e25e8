package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// table writes aligned columns.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, header ...string) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.row(header...)
	return t
}

func (t table) row(cells ...string) { fmt.Fprintln(t.w, strings.Join(cells, "\t")) }

func (t table) flush() error { return t.w.Flush() }

// timeOr prints a time to the second, in UTC, or a word for its absence.
func timeOr(t *time.Time, absent string) string {
	if t == nil || t.IsZero() {
		return absent
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
