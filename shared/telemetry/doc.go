// Package telemetry gives a process metrics of its own.
//
// [NewRegistry] makes the registry that a component registers its metrics with: no metric is
// a global, so several components, or one a hundred times over, can live in one process. It
// begins with what every process says of itself: its build, the Go runtime, its use of the
// system. [Handler] answers scrapes of it. A component whose business is not HTTP serves
// its [Pages] on the side ([Start]); the exporter puts the parts among its own routes.
//
// METRICS.md describes every metric; a test compares it with what the registries hold.
package telemetry
