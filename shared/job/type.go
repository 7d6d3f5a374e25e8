package job

import "fmt"

// Type is the job_type of a row in data_ingestion_jobs.
type Type string

// The job types Tidemark computes. Each has a [DedupConfig].
const (
	// Aggregation rolls the emissions of a module and year up into report statistics.
	Aggregation Type = "aggregation"
	// EmissionRecalc turns the entries of a data entry type and year into emissions.
	EmissionRecalc Type = "emission_recalc"
)

// The job types of loads: root jobs that are finished when they are recorded,
// in the transaction of the data they describe. They are never claimed.
const (
	CSVIngest       Type = "csv_ingest"
	FactorIngest    Type = "factor_ingest"
	ReferenceIngest Type = "reference_ingest"
)

// State is the lifecycle of a job, by its label in ingestion_state_enum.
type State string

// NotStarted and Queued both mean waiting; the original never writes Queued,
// Tidemark treats the two alike. Finished is the only terminal state.
const (
	NotStarted State = "NOT_STARTED"
	Queued     State = "QUEUED"
	Running    State = "RUNNING"
	Finished   State = "FINISHED"
)

// Waiting reports whether a job in this state is still to be claimed.
func (s State) Waiting() bool { return s == NotStarted || s == Queued }

// States lists every state in lifecycle order, for output that must show zeros too.
func States() []State { return []State{NotStarted, Queued, Running, Finished} }

// Result is the outcome of a finished job, by its label in ingestion_result_enum.
type Result string

const (
	// Success means everything in the scope was computed.
	Success Result = "SUCCESS"
	// Warning means the result stands, yet something in the scope could not be computed.
	Warning Result = "WARNING"
	// Error means nothing was written: the job's data was rolled back.
	Error Result = "ERROR"
)

// ParseType returns the deduplicated job type with this name.
func ParseType(name string) (Type, error) {
	for _, c := range Configs() {
		if string(c.JobType) == name {
			return c.JobType, nil
		}
	}
	return "", fmt.Errorf("job type %q: not one Tidemark runs (it runs %q and %q)", name, Aggregation, EmissionRecalc)
}
