// Package console lets operators see in a browser what is wrong, find out why, repair it.
//
//	GET  /                        the map: every scope, and a list of what is wrong, worst first
//	GET  /scopes/{module}/{year}  why a scope is as it is, its jobs, and the button
//	GET  /pipelines               what set jobs off, filtered and in pages
//	GET  /pipelines/{id}          one with its jobs
//	GET  /fleet                   workers and queues
//	GET  /sign-in, POST /sign-in  a token for a session
//	POST /sign-out                the end of the session
//	GET  /assets/{version}/{name} styles, scripts and icons
//
// Pages are rendered here, so that they read without scripts. What they say comes from the
// packages that the API asks too: overview, shared/explain, shared/ledger. Scripts add what a page
// cannot: they keep it true, show details of a badge, and send requests to the API.
//
// # One store
//
// A page in a browser holds the state of all scopes in one place (assets/store.js), read once from
// /v1/sync/overview and kept up to date by its stream. Every badge on every page comes from there. When
// the stream is cut, or says that the record cannot be read, the page says since when nothing is
// known, and marks what it shows as old.
//
// # What a browser may do
//
// Nothing is loaded from another host, and no script or style stands in a page
// (Content-Security-Policy). Links are relative, so that they hold under a route prefix and
// behind a proxy that adds one. Assets have the hash of their content in their path, so that a
// browser keeps them until they change. All words are in words.go.
package console
