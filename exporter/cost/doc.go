// Package cost measures what freshness costs at the size of a large deployment.
//
// `make cost` makes a database of the original application with 5,000 scopes, 1,000,000 report
// modules and 3,000,000 jobs, 40 % of them aggregations, on a server of its own with ordinary,
// durable settings, migrates it, and reports
//
//	Migrate    how long `tidemark migrate up` takes, and how long it makes writers wait
//	Query      a look at freshness beside the original's three queries
//	Growth     the same look with a tenth of the report modules and jobs
//	Writers    statements of the original's writers with and without the triggers that keep freshness
//	Scrape     scrapes of the exporter's process while a fleet works at full load, its memory, and
//	           beside it what one would take instead: prometheus-postgres-exporter with a query
//
// What is compared is measured in turns, in one run, and reported as a ratio: absolute times are
// those of the machine and of what else it does. Nothing here is bounded by a time.
//
// The package has no code but its benchmarks. They take several minutes and gigabytes, so `make
// bench` leaves them out.
package cost
