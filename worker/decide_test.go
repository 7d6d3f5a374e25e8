package worker

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/signal"
)

// Every kind of delivery; see the comment of decide for what each stands for.
func TestDecide(t *testing.T) {
	t.Parallel()
	ours, foreign := signal.Delivery{JobID: 5}, signal.Delivery{}
	never := signal.Incident{}
	reported := signal.Incident{Error: "job 5 failed: boom", At: time.Unix(1000, 0)}
	again := signal.Incident{Error: "job 6 failed: boom", At: time.Unix(2000, 0)}
	answered := func(i signal.Incident) *signal.Answer { return &signal.Answer{Pipeline: uuid.New(), Incident: i} }
	own := func(state job.State, result job.Result) *ledger.Job {
		j := &ledger.Job{ID: 5, State: string(state)}
		if result != "" {
			r := string(result)
			j.Result = &r
		}
		return j
	}
	superseded := own(job.Finished, job.Error)
	superseded.SupersededBy = &superseded.ID
	aborted := own(job.Finished, job.Error)
	aborted.Aborted = true

	for name, tc := range map[string]struct {
		d        signal.Delivery
		incident signal.Incident
		answer   *signal.Answer
		own      *ledger.Job
		want     action
	}{
		"our signal, job waits":                        {ours, never, nil, own(job.NotStarted, ""), look},
		"our signal, job is queued by another program": {ours, never, nil, own(job.Queued, ""), look},
		"our signal, job runs":                         {ours, never, nil, own(job.Running, ""), look},
		"our signal, job not in the record":            {ours, never, nil, nil, look},
		"redelivered, job succeeded":                   {ours, never, nil, own(job.Finished, job.Success), look},
		"redelivered, job ended with a warning":        {ours, never, nil, own(job.Finished, job.Warning), look},
		"our signal, job failed in another's hands":    {ours, never, nil, own(job.Finished, job.Error), report},
		"our signal, job was superseded":               {ours, never, nil, superseded, look},
		"our signal, job was aborted":                  {ours, never, nil, aborted, ignore},

		"run again, job failed":             {ours, reported, nil, own(job.Finished, job.Error), request},
		"run again, job was aborted":        {ours, reported, nil, aborted, request},
		"run again, job succeeded":          {ours, reported, nil, own(job.Finished, job.Success), ignore},
		"run again, job waits":              {ours, reported, nil, own(job.NotStarted, ""), look},
		"run again, job was superseded":     {ours, reported, nil, superseded, look},
		"run again, job not in the record":  {ours, reported, nil, nil, request},
		"run again and handed back, waits":  {ours, reported, answered(reported), own(job.NotStarted, ""), look},
		"run again and handed back, failed": {ours, reported, answered(reported), own(job.Finished, job.Error), report},
		"run again and handed back, done":   {ours, reported, answered(reported), own(job.Finished, job.Success), look},
		"run a second time":                 {ours, again, answered(reported), own(job.Finished, job.Error), request},

		"foreign":                            {foreign, never, nil, nil, request},
		"foreign, failed before it was read": {foreign, reported, nil, nil, request},
		"foreign, handed back, waits":        {foreign, never, answered(never), own(job.NotStarted, ""), look},
		"foreign, handed back, done":         {foreign, never, answered(never), own(job.Finished, job.Success), look},
		"foreign, handed back, failed":       {foreign, never, answered(never), own(job.Finished, job.Error), report},
		"foreign, run again":                 {foreign, reported, answered(never), own(job.Finished, job.Error), request},
		"foreign, tried again by asynq":      {foreign, signal.Incident{Error: "asynq: task lease expired"}, answered(never), own(job.Finished, job.Error), report},
		"foreign, run again, not in record":  {foreign, reported, answered(never), nil, request},
	} {
		if got := decide(tc.d, tc.incident, tc.answer, tc.own); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// A Redis that two databases share by mistake names jobs that are something else here.
func TestScopeMatches(t *testing.T) {
	t.Parallel()
	n := func(v int) *int { return &v }
	for name, tc := range map[string]struct {
		j    ledger.Job
		s    job.Scope
		want bool
	}{
		"recalculation": {ledger.Job{Type: "emission_recalc", ModuleType: n(2), DataEntryType: n(20), Year: n(2025)}, job.RecalcOf(2, 20, 2025), true},
		"aggregation":   {ledger.Job{Type: "aggregation", ModuleType: n(2), Year: n(2025)}, job.AggregationOf(2, 2025), true},
		"other type":    {ledger.Job{Type: "aggregation", ModuleType: n(2), DataEntryType: n(20), Year: n(2025)}, job.RecalcOf(2, 20, 2025), false},
		"other year":    {ledger.Job{Type: "aggregation", ModuleType: n(2), Year: n(2024)}, job.AggregationOf(2, 2025), false},
		"no year":       {ledger.Job{Type: "aggregation", ModuleType: n(2)}, job.AggregationOf(2, 2025), false},
	} {
		if got := scopeMatches(tc.j, tc.s); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestEndOf(t *testing.T) {
	t.Parallel()
	boom, canceled := errors.New("boom"), errors.New("context canceled")
	lostErr := fmt.Errorf("finish job 5: %w", ledger.ErrLost)
	sqlState := func(code string) error { return fmt.Errorf("calculate: %w", &pgconn.PgError{Code: code}) }
	for name, tc := range map[string]struct {
		err, cause error
		want       end
	}{
		"committed":                                {nil, nil, ended},
		"committed as the time ran out":            {nil, errTimeLimit, ended},
		"committed as the drain was over":          {nil, errShutdown, ended},
		"committed after a renewal failed":         {nil, ledger.ErrLost, ended},
		"failed":                                   {boom, nil, broke},
		"the fence held":                           {lostErr, nil, lost},
		"the fence held at shutdown":               {lostErr, errShutdown, lost},
		"the lease was lost":                       {canceled, ledger.ErrLost, lost},
		"the lease was lost with the connection":   {io.ErrUnexpectedEOF, ledger.ErrLost, lost},
		"time limit":                               {canceled, errTimeLimit, broke},
		"time limit, its statement was cut":        {io.ErrUnexpectedEOF, errTimeLimit, broke},
		"shutdown":                                 {canceled, errShutdown, interrupted},
		"shutdown while the database is away":      {io.ErrUnexpectedEOF, errShutdown, interrupted},
		"the connection went away":                 {io.ErrUnexpectedEOF, nil, cutOff},
		"the calculation met the end of a file":    {fmt.Errorf("x: %w", failure{io.ErrUnexpectedEOF}), nil, broke},
		"the calculation failed at shutdown":       {failure{canceled}, errShutdown, interrupted},
		"the server was told to end the session":   {sqlState("57P01"), nil, dismissed},
		"the connection was dead to begin with":    {unbegun{io.ErrUnexpectedEOF}, nil, dismissed},
		"the run could not begin":                  {unbegun{boom}, nil, broke},
		"the server crashed":                       {sqlState("57P02"), nil, cutOff},
		"the server ended an idle transaction":     {sqlState("25P03"), nil, cutOff},
		"deadlock, three times":                    {sqlState("40P01"), nil, broke},
		"a constraint":                             {sqlState("23505"), nil, broke},
		"a statement was cancelled by an operator": {sqlState("57014"), nil, broke},
	} {
		if got := endOf(tc.err, tc.cause); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}
