// Package local runs throw-away servers.
//
// `tidemark demo` and the tests work on real servers that nobody has to set up:
// the installed binaries are started as children of this process, and go away with
// their parent, also when that is killed: the kernel sends them their stop signal.
// Databases listen on Unix sockets in a directory that only their user may enter, so
// there is no port to collide on and no password to leak. Prometheus and Alertmanager
// know no such sockets: each gets a free port of this machine.
//
// PostgreSQL refuses to run as root; started by root, the servers run as the user
// postgres, or nobody where there is none. Durability is switched off: what these
// servers hold dies with them. Where redis-server is not installed, an in-process
// substitute takes its place.
package local
