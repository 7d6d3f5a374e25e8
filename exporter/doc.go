// Package exporter serves what the record says about freshness over HTTP.
//
// It reads PostgreSQL and nothing else, keeps nothing of it between requests and
// writes nothing, so any number of exporters can stand side by side.
//
//	GET /metrics                      gauges for Prometheus and OpenMetrics scrapers
//	GET /-/healthy                    200 while the process serves
//	GET /-/ready                      200 while the record can be worked on, else 503
//	GET /v1/sync/health/stale-stats   the stale scopes, to the contract of the original
//	GET /v1/sync/active-pipelines     the pipelines under way, likewise
//	GET /                             links
//
// [Options.TelemetryPath] moves the first of them, [Options.RoutePrefix] puts all of them
// below a path: with /api the API is where the original has it, /api/v1/sync/...
//
// # Who may read
//
// The metrics carry counts and are open, as scrapers expect. The two /v1 routes name
// scopes and pipelines; the exporter knows no accounts, so they are closed unless
// [Options.AnonymousAPI] opens them to everybody who can reach the port.
package exporter
