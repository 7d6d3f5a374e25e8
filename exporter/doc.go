// Package exporter serves what the record says about freshness over HTTP.
//
// It keeps nothing between requests, and the only thing it writes are the requests that a
// permitted caller makes, so any number of exporters can stand side by side.
//
//	GET /metrics      gauges for Prometheus and OpenMetrics scrapers (package collector)
//	GET /-/healthy    200 while the process serves
//	GET /-/ready      200 while the record can be worked on, else 503
//	/v1/...           the API (package api; what it shows of all scopes is package overview's, what it
//	                  streams packages stream's and overview's)
//	/asynqmon/        asynqmon, where there is a Redis (package monitor of shared/signal)
//	/                 the console (package console)
//
// [Options.TelemetryPath] moves the first of them, [Options.RoutePrefix] puts all of them
// below a path: with /api the API is where the original has it, /api/v1/sync/...
//
// # Who may
//
// The metrics carry counts and are open, as scrapers expect. Console and API name scopes and
// pipelines and take requests: they want a token ([Options.Authenticator]). [Options.AnonymousAPI] opens reading to everybody
// who can reach the port, requesting to nobody. asynqmon shows the queues to who may see
// everything, and takes orders from who may request: each goes into the log, with its caller.
package exporter
