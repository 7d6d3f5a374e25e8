package doctor

import (
	"time"

	"tidemark/shared/signal"
)

// Part is what one question to a server brought.
type Part[T any] struct {
	// Asked is false where it was not asked for, or its server is out of reach.
	Asked bool
	// Err is why there is no Value.
	Err   error
	Value T
}

// Facts are what [Read] found.
type Facts struct {
	Database   Part[Database]
	Schema     Part[Schema]
	Triggers   Part[[]string]
	Sessions   Part[Sessions]
	Record     Part[Record]
	Redis      Part[Redis]
	Eviction   Part[string]
	Queues     Part[Queues]
	Signals    Part[Signals]
	Prometheus Part[Prometheus]
}

// Database is what PostgreSQL says of itself.
type Database struct {
	Version       string
	VersionNumber int
	// InRecovery means a replica, ReadOnly that new transactions cannot write.
	InRecovery, ReadOnly bool
	// Connections are in use, of MaxConnections, of which Reserved are for superusers.
	Connections, MaxConnections, Reserved int
	Fsync, FullPageWrites                 bool
	// SynchronousCommit is false where a commit that was confirmed may be lost.
	SynchronousCommit bool
	// XIDAge is how many transactions old the oldest unfrozen row may be.
	XIDAge int64
	// Replicas receive from it, and the slowest has this much yet to replay.
	Replicas  int
	ReplayLag time.Duration
	// Skew is by how much its clock is ahead of this machine's, as exactly as Exact.
	Skew, Exact time.Duration
}

// Schema is how the live schema compares with what this release needs.
type Schema struct {
	Live, Needed int64
	// Indexes says what is wrong with dedup indexes.
	Indexes []string
	// Invalid are indexes left by an interrupted build.
	Invalid []string
	// Announcing are the triggers that are missing of those that tell subscribers of changes.
	Announcing []string
}

// Sessions are those of the record's database.
type Sessions struct {
	// IdleInTransaction have been silent inside a transaction for more than a minute.
	IdleInTransaction int
	// Blocked have waited for a lock for more than 30 s.
	Blocked int
	// Oldest is how long the oldest transaction has been open.
	Oldest time.Duration
	// Workers, Schedulers and Exporters count the sessions of each component.
	Workers, Schedulers, Exporters int
	// Leaders are the schedulers that lead: one, or none for a moment.
	Leaders int
}

// Record is what the record says of itself.
type Record struct {
	// Expired are running jobs whose lease has been over for half a minute.
	Expired int
	// Postponed are waiting jobs that may not start for an hour yet.
	Postponed int
	// Scopeless are active jobs without a whole scope: nobody can claim them.
	Scopeless int
	// OpenPipelines count as running, with no job that is active; ClosedPipelines as done, with one that is.
	OpenPipelines, ClosedPipelines int
	// Unclaimed is how long the oldest job has waited that nothing but the want of a worker keeps from running.
	Unclaimed time.Duration
	// Marks are changes that no aggregation has seen, Lines those that count report modules.
	Marks, Lines int
}

// Redis is what Redis says of itself.
type Redis struct {
	Version string
	// Role is master or slave.
	Role    string
	Cluster bool
	// AppendOnly and Snapshots are its ways to keep data over a restart. Snapshots is nil where
	// it does not let us ask.
	AppendOnly bool
	Snapshots  *bool
	// WriteError means that it could not write its last snapshot or append-only file.
	WriteError bool
	// Memory is in use, of Limit; in bytes. Limit is 0 where neither a limit nor the machine's memory is known.
	Memory, Limit      int64
	Clients, MaxClient int64
	// Skew is by how much its clock is ahead of this machine's, as exactly as Exact.
	Skew, Exact time.Duration
}

// Queues are what Redis holds of our queues at a moment of its own clock.
type Queues struct {
	At     time.Time
	Queues []signal.Queue
}

// Signals is what the record and Redis say together.
type Signals struct {
	// Checked are jobs that could be claimed and have waited for longer than a relay takes.
	Checked int
	// Missing are those of them without a signal that a worker would get.
	Missing []int64
}

// Prometheus is what Prometheus knows of Tidemark.
type Prometheus struct {
	// Collectors is tidemark_collector_success of each collector of each exporter.
	Collectors []Sample
	// Builds are the processes it scrapes, by version.
	Builds []Sample
	// Down are targets that have been Tidemark's and do not answer.
	Down []Sample
	// Rules ask for Tidemark's metrics; Sick are those of them that cannot be evaluated.
	Rules int
	Sick  []string
	// Alertmanagers it sends alerts to.
	Alertmanagers int
}

// Sample is a value with its labels.
type Sample struct {
	Labels map[string]string
	Value  float64
}
