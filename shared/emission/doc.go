// Package emission computes what the record asks for.
//
// [Recalculate] turns the entries of one data entry type and year into rows of
// data_entry_emissions. [Aggregate] rolls the emissions of one module and year up
// into carbon_report_modules.stats, then the modules of each touched report into
// carbon_reports.stats. Formulas and types are those of shared/catalog.
//
// Both work inside a transaction of the caller (READ COMMITTED), who commits it
// together with the end of the job, and rolls everything back on an error. Neither
// holds more than one page of rows in memory, however large the slice is. Neither
// writes data_entries or carbon_report_modules.status: those belong to people.
//
// # Concurrency
//
// One job of a scope runs at a time; the record sees to that. What may happen
// beside it: entries may be edited (they are computed as they were when the run
// opened its cursor), and are kept from deletion until the transaction ends.
// Aggregations of different modules meet in carbon_reports only: they lock the
// reports in ascending order and read the modules' stats afterwards, so the later
// one sees what the earlier one committed.
//
// # Where the results differ from the original's
//
// Recalculation:
//   - An entry that cannot be computed is named with its reason and makes the result a warning. The original skips unknown airports, cabin classes and missing factors without a trace.
//   - Its old emissions are deleted. The original keeps those of an entry that raised an error, next to new ones of its neighbours.
//   - When no entry can be computed, the job fails and nothing is changed. The original calls that a success or a warning.
//   - The list of errors is bounded. The original stores every one of them in the job.
//   - An override counts without a factor as well. The original drops such an entry.
//   - The factor that was matched is in data_entry_emissions.primary_factor_id only. The original writes it back into data_entries.data, over what somebody may have edited meanwhile.
//   - Of several factors with one key the lowest id wins. The original takes the first that the table happens to return.
//   - The additional value of a flight is its km. The original multiplies it with the radiative forcing of the factor.
//   - An overridden flight reports its km where both airports are known, since they do not hang on the kg.
//
// Aggregation:
//   - The whole module and year is rolled up each time, so no report module keeps totals of entries that are gone. The original refreshes the report modules that still have entries.
//   - carbon_report_modules.status stays as it is. The original sets validated modules back to "in progress".
//   - Each emission type counts once. The original counts embodied energy (60300) twice.
//   - The value of a type is its own rows plus all rows below it. The original overwrites own values by the sum of the leaves: 60200, 10000 and 90900 lose theirs.
//   - Stored roll-up rows are not added up, and the types above are: rooms without a type give 60000 and 60100 their sum. The original shows the stored row at 60100 and nothing at 60000.
//   - A type whose rows cancel each other out is present with 0. The original leaves it out.
//   - it_total_kg counts IT equipment, IT purchases, IT facilities, clouds and AI, each once. The original counts all research facilities, animals up to three times.
//   - Emissions of types outside the module, or without any scope, are named in a warning. The original drops them, or their part of the total, without a trace.
//   - Stats of another module that cannot be added up are an error that names the row and the way out.
package emission
