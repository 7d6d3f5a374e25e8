package ingest

import (
	"github.com/google/uuid"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// Report is what a load did.
type Report struct {
	// JobID is the root job, 0 where nothing was new and so nothing was written.
	JobID int64
	// Pipeline is what the load set off, [uuid.Nil] where JobID is 0.
	Pipeline uuid.UUID
	// Tickets are the recalculations that cover the new data. The caller signals them.
	Tickets []ledger.Ticket
	// Result is [job.Warning] where rows were skipped or cannot be computed yet.
	Result job.Result
	// Message is one sentence for the operator, also kept with the job.
	Message string

	// Rows are those of the file that are not blank.
	Rows int
	// Inserted, Updated and Unchanged count the rows by what became of them.
	Inserted, Updated, Unchanged int
	// Skipped counts the bad rows that were left out.
	Skipped int
	// Deleted counts the entries that were replaced.
	Deleted int
	// UnitsCreated counts the units that nobody knew.
	UnitsCreated int
	// Absent counts the factors of the type and year that the file does not have. They
	// stay usable.
	Absent int

	// SkippedRows say why rows were left out, at most 100.
	SkippedRows []RowError
	// Warnings name loaded rows that cannot be computed yet, at most 100 of WarningCount.
	Warnings     []RowError
	WarningCount int
}
