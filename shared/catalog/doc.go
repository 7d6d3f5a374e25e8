// Package catalog knows what Tidemark computes.
//
// It holds the module types with their data entry types ([Modules]), the tree of
// emission types ([EmissionTypeByID]), the columns of the CSV files
// ([DataEntryType.EntryParser], [DataEntryType.FactorParser]), the rule that finds
// an entry's factor and the formula that turns both into kg CO2-eq
// ([NewCalculator]).
//
// Everything is a pure function on values: no I/O, no clock, no state between
// calls. A type that Tidemark shall compute as well is one more [calculation] in a
// file of its own, named in the table of [Modules].
package catalog
