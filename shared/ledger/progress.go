package ledger

import (
	"cmp"
	"slices"

	"tidemark/shared/job"
)

// StatusNotStarted means that nobody has worked for the pipeline yet. The original writes it;
// a pipeline of Tidemark is [StatusRunning] from the start.
const StatusNotStarted Status = "NOT_STARTED"

// Statuses lists every status of a pipeline, for messages and documents.
func Statuses() []Status {
	return []Status{StatusNotStarted, StatusRunning, StatusSuccess, StatusPartial, StatusFailed}
}

// Failed reports whether a job of the finished pipeline ended in [job.Error].
func (s Status) Failed() bool { return s == StatusPartial || s == StatusFailed }

// Progress is how far a pipeline is. The JSON fields are those of the original.
type Progress struct {
	// Phase is 1 while data is brought in, 2 while emissions are computed, then 3.
	Phase       int    `json:"phase"`
	PhasesTotal int    `json:"phases_total"`
	PhaseLabel  string `json:"phase_label"`
	// Done means that nothing waits or runs any more.
	Done bool `json:"done"`
	// HasError means that it is done, and not everything went well.
	HasError bool    `json:"has_error"`
	Status   Status  `json:"status"`
	Kind     *string `json:"kind"`
}

// phases are the labels of phases 1 to 3.
var phases = [...]string{"data", "emissions", "aggregation"}

// moduleRecalc is the original's job that recalculates a module as a whole.
const moduleRecalc job.Type = "module_emission_recalc"

// PhaseOf is the phase in which a job of this type works, from 1, and how many there are.
func PhaseOf(t job.Type) (phase, of int) {
	switch t {
	case job.EmissionRecalc, moduleRecalc:
		return 2, len(phases)
	case job.Aggregation:
		return 3, len(phases)
	default:
		return 1, len(phases)
	}
}

// Progress tells how far the pipeline is. Done and failed is what its status says, not its
// jobs: a root that has ended may be about to request more. For an orphan the job itself says it.
func (p PipelineMembers) Progress() Progress {
	status, phase := p.status(), p.phase()
	return Progress{
		Phase: phase, PhasesTotal: len(phases), PhaseLabel: phases[phase-1],
		Done: status.Done(), HasError: status.Failed(), Status: status, Kind: cmp.Or(p.Kind, p.Root().Type),
	}
}

// Root is the job that set the pipeline off: the first one of its kind, else the first one.
func (p PipelineMembers) Root() Member {
	for _, m := range p.Jobs {
		if p.Kind != nil && m.is(job.Type(*p.Kind)) {
			return m
		}
	}
	return p.Jobs[0]
}

// status is what the pipeline's row says. The original leaves that at NOT_STARTED until the
// end, so there the jobs tell whether it runs.
func (p PipelineMembers) status() Status {
	if p.Stored != "" && Status(p.Stored) != StatusNotStarted {
		return Status(p.Stored)
	}
	switch {
	case p.Stored == "" && p.Jobs[0].Failed():
		return StatusFailed
	case p.Stored == "" && p.Jobs[0].finished():
		return StatusSuccess
	case slices.ContainsFunc(p.Jobs, Member.began):
		return StatusRunning
	default:
		return StatusNotStarted
	}
}

func (p PipelineMembers) phase() int {
	root := p.Root()
	computes := root.is(job.EmissionRecalc) || root.is(job.Aggregation) || root.is(moduleRecalc)
	if !root.finished() && !computes {
		return 1
	}
	recalcs, ended := 0, 0
	for _, m := range p.Jobs {
		if !m.is(job.EmissionRecalc) && !m.is(moduleRecalc) {
			continue
		}
		recalcs++
		if m.finished() {
			ended++
		}
	}
	if p.ExpectedRecalc != nil {
		recalcs = max(recalcs, *p.ExpectedRecalc)
	}
	if ended < recalcs {
		return 2
	}
	return 3
}
