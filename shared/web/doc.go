// Package web holds what every HTTP face of Tidemark has in common.
//
// [Listen] takes the addresses, [Server.Serve] serves on them until it is told to stop:
// with TLS, client certificates and basic auth by the configuration file that all Prometheus
// exporters share, within limits that no component has to think of. An error is answered as
// application/problem+json ([Problem]): a status a program can act on, a sentence a person
// can. Every answer tells browsers to take it for nothing but what it is ([Secured]).
//
// # Streams
//
// An answer of type text/event-stream has no natural end, so three things differ for it:
//
//   - The context of its request ends as soon as the server begins to drain. A handler that
//     returns then does not hold the stop up; every other request goes on undisturbed.
//   - The server's write timeout must not cut it off: its handler sets a deadline of its own
//     before each write, with [net/http.ResponseController.SetWriteDeadline].
//   - The context also ends when the client leaves, as for any request.
//
// For this to work a wrapper of a [net/http.ResponseWriter] has an Unwrap method; the ones
// here and those of promhttp do.
package web
