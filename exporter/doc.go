// Package exporter serves what the record says about freshness over HTTP.
//
// It reads PostgreSQL and nothing else, keeps no state between requests and
// writes nothing, so any number of exporters can stand side by side.
//
//	GET /metrics                      gauges for Prometheus and OpenMetrics scrapers
//	GET /-/healthy                    200 while the process serves
//	GET /-/ready                      200 while the record can be worked on, else 503
//	GET /v1/sync/health/stale-stats   the stale scopes, to the contract of the original
//	GET /v1/sync/active-pipelines     the pipelines under way, likewise
//	GET /                             links
//
// # A scrape
//
// Every scrape reads the record anew, in one read-only transaction on one
// snapshot, so that all gauges of an answer belong to the same moment. Scrapes
// that arrive meanwhile share it: ten scrapers cost as much as one.
//
// Failures stay where they happen. Each collector works behind a savepoint, with
// at most half of the time that is left, so that a stuck one leaves the others
// theirs; an error, a timeout or a panic costs its own gauges only. Those are then
// absent, never zero, and tidemark_collector_success{collector} is 0: an alert on
// a gauge cannot tell "nothing is stale" from "nobody looked", an alert on that can.
// With PostgreSQL away every collector fails so, and the process stays up.
//
// # Who may read
//
// The metrics carry counts and are open, as scrapers expect. The two /v1 routes name
// scopes and pipelines; the exporter knows no accounts, so they are closed unless
// [Options.AnonymousAPI] opens them to everybody who can reach the port.
package exporter
