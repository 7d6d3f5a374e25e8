package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
)

// DefaultMaxHold bounds how long an aggregation waits for the recalculations of
// its module and year.
const DefaultMaxHold = 10 * time.Minute

// Ledger works the protocol. It holds no connection: every method is given the
// transaction or pool to work on, so a request can share the caller's transaction.
// It is safe for concurrent use.
type Ledger struct {
	sql     map[job.Type]statements
	maxHold time.Duration
}

// New returns a ledger that holds an aggregation back for at most maxHold.
func New(maxHold time.Duration) *Ledger {
	l := &Ledger{sql: make(map[job.Type]statements), maxHold: maxHold}
	for _, c := range job.Configs() {
		l.sql[c.JobType] = statementsOf(c)
	}
	return l
}

// statements are the texts that differ by job type, rendered from its DedupConfig, with those
// on which the protocol hangs. They are data, not code, so that the tests can break one on
// purpose and see that it is noticed.
type statements struct {
	door, create, widen, join             string // door.go, request.go
	look, next                            string // claim.go
	begin, renew                          string // lease.go
	finish, demote, promote, waitingScope string // finish.go
	otherWaiting                          string // giveback.go
	claimable, backlog                    string // relay.go, backlog.go
}

// statementsOf renders the statements of one configuration.
func statementsOf(c job.DedupConfig) statements {
	r := newRenderer(c)
	return statements{
		door: doorShared, create: r.Replace(createTemplate), widen: r.Replace(widenTemplate), join: r.Replace(joinTemplate),
		look: r.Replace(lookTemplate), next: r.Replace(nextTemplate),
		begin: beginRun, renew: renewStatement,
		finish: finishStatement, demote: r.Replace(demoteTemplate), promote: r.Replace(promoteTemplate), waitingScope: r.Replace(waitingScopeTemplate),
		otherWaiting: r.Replace(otherWaitingTemplate),
		claimable:    r.Replace(claimableTemplate), backlog: r.Replace(backlogTemplate),
	}
}

// newRenderer maps the placeholders of the templates to the SQL of one configuration.
func newRenderer(c job.DedupConfig) *strings.Replacer {
	each := func(format, separator string) string {
		var parts []string
		for _, col := range c.ScopeColumns {
			parts = append(parts, strings.ReplaceAll(format, "?", string(col)))
		}
		return strings.Join(parts, separator)
	}
	// The original's "current" rows are per combination of all three columns.
	var combination []string
	for _, col := range job.Columns() {
		if slices.Contains(c.ScopeColumns, col) {
			combination = append(combination, fmt.Sprintf("%[1]s = @%[1]s", col))
		} else {
			combination = append(combination, fmt.Sprintf("%s IS NULL", col))
		}
	}
	return strings.NewReplacer(
		"{type}", string(c.JobType),
		"{columns}", each("?", ", "),
		"{w.columns}", each("w.?", ", "),
		"{j.columns}", each("j.?", ", "),
		"{wanted}", fmt.Sprintf("unnest(%s, @filter::text[]) AS w (%s, filter)", each("@?::integer[]", ", "), each("?", ", ")),
		"{match}", each("j.? = w.?", " AND "),
		"{j.scope}", each("j.? = @?", " AND "),
		"{r.scope}", each("r.? = @?", " AND "),
		"{r.same}", each("r.? = j.?", " AND "),
		"{j.complete}", each("j.? IS NOT NULL", " AND "),
		"{j.predicate}", c.Predicate(),
		"{combination}", strings.Join(combination, " AND "),
		"{conflict}", fmt.Sprintf("%s WHERE %s", c.ConflictTarget(), c.Predicate()),
		"{held}", heldBy(c),
	)
}

// heldBy is the SQL condition under which a waiting job j must not be claimed yet:
// an aggregation while a recalculation of its module and year waits or runs, at
// most @max_hold after it was requested. A job that does not say when it was
// requested is not held, for nothing would ever end the hold.
func heldBy(c job.DedupConfig) string {
	if c.JobType != job.Aggregation {
		return "false"
	}
	return `(coalesce(j.requested_at > clock_timestamp() - @max_hold::interval, false) AND EXISTS (
            SELECT FROM data_ingestion_jobs up
             WHERE up.job_type = 'emission_recalc' AND up.state IN ('NOT_STARTED', 'QUEUED', 'RUNNING')
               AND up.module_type_id = j.module_type_id AND up.year = j.year))`
}

// statementsFor returns the statements of a scope's type, or why the scope cannot be worked on.
func (l *Ledger) statementsFor(s job.Scope) (statements, error) {
	if err := s.Check(); err != nil {
		return statements{}, err
	}
	return l.sql[s.Type], nil
}

// scopeArgs binds the scope columns of one scope.
func scopeArgs(s job.Scope) pgx.NamedArgs {
	args := pgx.NamedArgs{}
	for _, col := range job.Columns() {
		args[string(col)] = *s.Field(col)
	}
	return args
}
