package ingest

import (
	"fmt"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
)

// Options say what to load.
type Options struct {
	// Path names the file. It must be a regular one: it is read twice.
	Path string
	// DataEntryType and Year say what the rows are about; [Airports] needs neither.
	DataEntryType catalog.DataEntryType
	Year          int
	// CreateUnits makes [Entries] create the units that the file names and nobody knows.
	CreateUnits bool
	// Replace makes [Entries] delete what earlier loads brought in for the type and
	// year, for all units. What people typed in stays.
	Replace bool
	// SkipBadRows makes [Entries] load the good rows of a file that has bad ones as
	// well. Factors and airports know no such thing: what is left out there changes the
	// results of rows that look complete.
	SkipBadRows bool
	// Progress receives how far the load is, over both passes; nil for nobody. A
	// transaction that has to start over begins at half again.
	Progress func(bytesRead, totalBytes int64)
	// By is who loads.
	By ledger.Origin
	// Ledger records the load and takes the requests.
	Ledger *ledger.Ledger
}

// Database is a pool or a connection.
type Database interface {
	postgres.Beginner
	postgres.Querier
}

// attempts bounds how often a transaction starts over after a deadlock.
const attempts = 5

// checkScope refuses a type that nothing computes, or a year that is none.
func (o Options) checkScope() error {
	if err := o.DataEntryType.CheckCalculated(); err != nil {
		return err
	}
	if o.Year < 1000 || o.Year > 9999 {
		return fmt.Errorf("year %d: it has not four digits; write it like 2025", o.Year)
	}
	return nil
}

// scope is the recalculation that a load of entries or factors makes necessary.
func (o Options) scope() job.Scope {
	return job.RecalcOf(o.DataEntryType.ModuleID, o.DataEntryType.ID, o.Year)
}
