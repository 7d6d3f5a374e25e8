// Package api answers what programs ask about freshness.
//
//	GET /v1/sync/health/stale-stats   the stale scopes, to the contract of the original
//	GET /v1/sync/active-pipelines     the pipelines under way, likewise
//
// The routes name scopes and pipelines, so they are closed unless [Options.Anonymous]
// opens them to everybody who can reach the port.
package api
