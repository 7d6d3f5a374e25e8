package verdict

import (
	"fmt"
	"time"
)

// History is everything that was noted during a run.
type History struct {
	// Attempts are what requesters tried, by their own account.
	Attempts []Attempt `json:"attempts"`
	// Requests are those that the database has committed.
	Requests []Request `json:"requests"`
	// Moves are the committed changes of jobs, in the order in which they were made.
	Moves []Move `json:"moves"`
	// Writes are the committed statements that wrote results.
	Writes  []Write  `json:"writes"`
	Scrapes []Scrape `json:"scrapes"`
	Faults  []Fault  `json:"faults"`
	Final   Final    `json:"final"`
}

// Scope is what a job covers. Type is 0 for an aggregation.
type Scope struct {
	Module int `json:"module"`
	Type   int `json:"type,omitempty"`
	Year   int `json:"year"`
}

func (s Scope) String() string {
	if s.Type == 0 {
		return fmt.Sprintf("aggregation %d:%d", s.Module, s.Year)
	}
	return fmt.Sprintf("recalculation %d:%d:%d", s.Module, s.Type, s.Year)
}

// aggregation is the scope that the results of this one flow into.
func (s Scope) aggregation() Scope { return Scope{Module: s.Module, Year: s.Year} }

// Answer is what a requester knows of its attempt.
type Answer string

const (
	// Accepted: it was told so.
	Accepted Answer = "accepted"
	// Refused: it was told so, or rolled back itself.
	Refused Answer = "refused"
	// Unknown: it was told nothing, or the connection broke while it asked.
	Unknown Answer = "unknown"
	// Enqueued: Redis took its task. That is a wish: only what the record has is accepted.
	Enqueued Answer = "enqueued"
)

// Attempt is one try to request something.
type Attempt struct {
	// Nonce marks the attempt, also in the record.
	Nonce string `json:"nonce"`
	// Via is the way in: library, http, cli or task.
	Via    string    `json:"via"`
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	Scopes []Scope   `json:"scopes"`
	// Filter narrows the recalculations to report modules; nil is all.
	Filter []int `json:"filter,omitempty"`
	// Changes says that the same transaction changed entries.
	Changes bool   `json:"changes,omitempty"`
	Answer  Answer `json:"answer"`
	// Jobs are the ids it was told, one a scope, and XID its transaction where it knows it.
	Jobs  []int64 `json:"jobs,omitempty"`
	XID   uint64  `json:"xid,omitempty"`
	Error string  `json:"error,omitempty"`
}

// Request is one scope of a committed request.
type Request struct {
	Nonce string `json:"nonce"`
	XID   uint64 `json:"xid"`
	// At is when it committed.
	At      time.Time `json:"at"`
	Scope   Scope     `json:"scope"`
	JobID   int64     `json:"job_id"`
	Created bool      `json:"created"`
}

// The states of a job; a move from "" is its creation, one to "" its deletion.
const (
	waiting  = "NOT_STARTED"
	queued   = "QUEUED"
	running  = "RUNNING"
	finished = "FINISHED"
	failed   = "ERROR"
)

func waits(state string) bool { return state == waiting || state == queued }

// Move is a committed change of a job.
type Move struct {
	Seq int64  `json:"seq"`
	XID uint64 `json:"xid"`
	// At is when it committed.
	At time.Time `json:"at"`
	// Snapshot is what its statement saw, as PostgreSQL spells it.
	Snapshot string `json:"snapshot"`
	// Writer is the name of the session.
	Writer    string `json:"writer"`
	JobID     int64  `json:"job_id"`
	Scope     Scope  `json:"scope"`
	From      string `json:"from"`
	To        string `json:"to"`
	FromToken string `json:"from_token,omitempty"`
	ToToken   string `json:"to_token,omitempty"`
	Result    string `json:"result,omitempty"`
	// SupersededBy is the job that takes over; 0 for none.
	SupersededBy int64 `json:"superseded_by,omitempty"`
	// Filter are the report modules that the job is narrowed to; nil is all.
	Filter  []int  `json:"filter"`
	Message string `json:"message,omitempty"`
}

// Write is a committed statement that wrote emissions (a recalculation's scope) or statistics
// (an aggregation's).
type Write struct {
	XID    uint64    `json:"xid"`
	At     time.Time `json:"at"`
	Writer string    `json:"writer"`
	Scope  Scope     `json:"scope"`
	Rows   int       `json:"rows"`
	// Doubled are those of them whose entry has another emission.
	Doubled int `json:"doubled,omitempty"`
}

// Fault is something that was done to the deployment.
type Fault struct {
	Name string `json:"name"`
	// Point is the step at which the worker was that it was meant for.
	Point string `json:"point"`
	// Kills is how many processes it ended without warning.
	Kills int `json:"kills,omitempty"`
	// Exporter says that it was the exporter's.
	Exporter bool      `json:"exporter,omitempty"`
	Struck   time.Time `json:"struck"`
	Ended    time.Time `json:"ended"`
	// EmptiesRedis says that tasks were lost by it.
	EmptiesRedis bool   `json:"empties_redis,omitempty"`
	Error        string `json:"error,omitempty"`
}

// Final is the data as they are in the end.
type Final struct {
	Entries []Entry        `json:"entries"`
	Modules []ReportModule `json:"modules"`
	// Tasks are the ids that Redis still holds.
	Tasks []string `json:"tasks"`
}

// Entry is a data entry with its emissions.
type Entry struct {
	ID           int64   `json:"id"`
	ReportModule int     `json:"report_module"`
	Scope        Scope   `json:"scope"`
	Kg           float64 `json:"kg"`
	// Emissions are the kg of its rows: one, of its own kg, if all is well.
	Emissions []float64 `json:"emissions"`
}

// ReportModule is what the aggregations made of the entries of a report's module.
type ReportModule struct {
	ID      int     `json:"id"`
	Scope   Scope   `json:"scope"`
	Total   float64 `json:"total"`
	Entries int     `json:"entries"`
}

// Scrape is one answer of the exporter.
type Scrape struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	// Patience is how long the scraper was ready to wait.
	Patience time.Duration `json:"patience"`
	// Error is why there was no answer.
	Error string `json:"error,omitempty"`
	// Success and At are by collector; At is the moment its gauges claim to describe.
	Success map[string]bool      `json:"success,omitempty"`
	At      map[string]time.Time `json:"at,omitempty"`
	// Scopes is nil where the gauge is absent.
	Scopes *int `json:"scopes,omitempty"`
	// Buckets are tidemark_stale_scopes, Stale the reasons by scope, Drifted the scopes that have.
	Buckets map[string]int `json:"buckets,omitempty"`
	Stale   []StaleSeries  `json:"stale,omitempty"`
	Drifted []Scope        `json:"drifted,omitempty"`
	Jobs    []JobsGauge    `json:"jobs,omitempty"`
}

// StaleSeries is a scope that the exporter calls stale.
type StaleSeries struct {
	Scope Scope  `json:"scope"`
	Why   string `json:"why"`
}

// JobsGauge is a count of jobs.
type JobsGauge struct {
	Type  string `json:"type"`
	State string `json:"state"`
	Count int    `json:"count"`
}
