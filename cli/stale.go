package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/shared/catalog"
	"tidemark/shared/freshness"
	"tidemark/shared/job"
)

const (
	flagWhy      = "why"
	flagExitCode = "exit-code"
	// whyDrifted is no bucket: it stands beside them, since the numbers of such a scope are young.
	whyDrifted = "drifted"
)

func staleCommand() *cli.Command {
	return &cli.Command{
		Name:  "stale",
		Usage: "list the scopes whose latest aggregation is missing, pending, failed or too old, or that drifted from their data",
		Flags: []cli.Flag{databaseFlag(), formatFlag(formatTable, formatWide, formatJSON, formatJSONL, formatCSV), olderThanFlag(),
			modulesFlag(), yearsFlag(), whyFlag(), watchFlag(),
			&cli.BoolFlag{Name: flagExitCode, Usage: "exit with 1 when a scope is listed"}},
		Action: stale,
	}
}

// selection narrows scopes. What is empty does not.
type selection struct {
	modules, years []int
	whys           []string
}

func (s selection) has(l listedScope) bool {
	return (len(s.modules) == 0 || slices.Contains(s.modules, l.ModuleType)) && (len(s.years) == 0 || slices.Contains(s.years, l.Year)) &&
		(len(s.whys) == 0 || l.Why != nil && slices.Contains(s.whys, string(*l.Why)) || l.Drift == freshness.Drifted && slices.Contains(s.whys, whyDrifted))
}

func (s selection) narrows() bool { return len(s.modules)+len(s.years)+len(s.whys) > 0 }

// selectionOf reads --module, --year and --why.
func selectionOf(c *cli.Context) (s selection, err error) {
	modules, err := modulesOf(c)
	if err != nil {
		return s, err
	}
	for _, m := range modules {
		s.modules = append(s.modules, m.ID)
	}
	if s.years, err = yearsOf(c); err != nil {
		return s, err
	}
	s.whys, err = whysOf(c)
	return s, err
}

// listedScope is a scope that is stale or has drifted. Its JSON is a contract: fields are
// added, never changed. The plain json format has [freshness.StaleScope] instead.
type listedScope struct {
	ModuleType int    `json:"module_type_id"`
	Module     string `json:"module"`
	Year       int    `json:"year"`
	// Why is nil (null) where the scope has only drifted.
	Why           *freshness.Why  `json:"why_stale"`
	LastSuccessAt *time.Time      `json:"last_success_at"`
	LastResult    *job.Result     `json:"last_result"`
	Drift         freshness.Drift `json:"drift"`
	DriftedSince  *time.Time      `json:"drifted_since"`
	PendingSince  *time.Time      `json:"pending_since"`
	LatestJobID   *int64          `json:"last_aggregation_job_id"`
	LatestState   *job.State      `json:"last_aggregation_state"`
}

// listScopes keeps of a snapshot what is stale or has drifted.
func listScopes(s freshness.Snapshot, olderThan time.Duration) []listedScope {
	listed := []listedScope{}
	for _, scope := range s.Scopes {
		why := freshness.Classify(scope.Latest, s.At.Add(-olderThan))
		if why == freshness.Fresh && scope.Drift != freshness.Drifted {
			continue
		}
		l := listedScope{ModuleType: scope.ModuleType, Module: catalog.ModuleName(scope.ModuleType), Year: scope.Year, LastSuccessAt: scope.LastSuccessAt,
			LastResult: scope.LastResult, Drift: scope.Drift, DriftedSince: scope.DriftedSince, PendingSince: scope.PendingSince()}
		if why != freshness.Fresh {
			l.Why = &why
		}
		if scope.Latest != nil {
			l.LatestJobID, l.LatestState = &scope.Latest.ID, scope.Latest.State
		}
		listed = append(listed, l)
	}
	return listed
}

func stale(c *cli.Context) error {
	format, err := formatOf(c)
	if err != nil {
		return err
	}
	olderThan, err := olderThanOf(c)
	if err != nil {
		return err
	}
	selected, err := selectionOf(c)
	if err != nil {
		return err
	}
	if format == formatJSON && slices.Contains(selected.whys, whyDrifted) {
		return refuse("--%s %s: the JSON is that of the API and has the four buckets only; choose -o %s", flagWhy, whyDrifted, formatJSONL)
	}
	pool, err := connect(c)
	if err != nil {
		return err
	}
	defer pool.Close()
	listed := 0
	err = watch(c, func(w io.Writer) error {
		snapshot, err := freshness.TakeSnapshot(c.Context, pool)
		if err != nil {
			return err
		}
		found := slices.DeleteFunc(listScopes(snapshot, olderThan), func(l listedScope) bool { return !selected.has(l) })
		listed = len(found)
		return printStale(w, format, snapshot, olderThan, selected.narrows(), found)
	})
	if err == nil && listed > 0 && c.Bool(flagExitCode) {
		return quietError{errors.New("scopes are stale or have drifted"), exitFailed}
	}
	return err
}

func printStale(w io.Writer, format string, snapshot freshness.Snapshot, olderThan time.Duration, narrowed bool, found []listedScope) error {
	switch format {
	case formatJSON:
		return writeJSON(w, slices.DeleteFunc(freshness.Stale(snapshot, olderThan), func(s freshness.StaleScope) bool {
			return !slices.ContainsFunc(found, func(l listedScope) bool { return l.ModuleType == s.ModuleType && l.Year == s.Year })
		}))
	case formatJSONL:
		return writeJSONL(w, found)
	case formatCSV:
		return writeCSV(w, staleColumns, staleRows(found))
	default:
		return staleTable(w, format == formatWide, narrowed, len(snapshot.Scopes), found)
	}
}

var staleColumns = []string{"module_type_id", "module", "year", "why_stale", "last_success_at", "last_result", "drift", "drifted_since",
	"pending_since", "last_aggregation_job_id", "last_aggregation_state"}

// staleRows are the columns of csv, empty where there is nothing to say.
func staleRows(found []listedScope) [][]string {
	var rows [][]string
	for _, l := range found {
		rows = append(rows, []string{fmt.Sprint(l.ModuleType), l.Module, fmt.Sprint(l.Year), orEmpty(l.Why), rfc3339(l.LastSuccessAt), orEmpty(l.LastResult),
			string(l.Drift), rfc3339(l.DriftedSince), rfc3339(l.PendingSince), orEmpty(l.LatestJobID), orEmpty(l.LatestState)})
	}
	return rows
}

func staleTable(w io.Writer, wide, narrowed bool, scopes int, found []listedScope) error {
	if len(found) == 0 {
		text := fmt.Sprintf("all %d scopes are fresh", scopes)
		if narrowed {
			text = "no such scopes"
		}
		_, err := fmt.Fprintln(w, text)
		return err
	}
	header := []string{"MODULE", "YEAR", "WHY STALE", "LAST SUCCESS", "DRIFTED SINCE", "PENDING SINCE", "JOB"}
	if wide {
		header = append(header, "STATE", "LAST RESULT", "EXPLAIN")
	}
	t := newTable(w, header...)
	stale, drifted := 0, 0
	for _, l := range found {
		if l.Why != nil {
			stale++
		}
		if l.Drift == freshness.Drifted {
			drifted++
		}
		cells := []string{l.Module, fmt.Sprint(l.Year), cmp.Or(orEmpty(l.Why), "-"), timeOr(l.LastSuccessAt, "never"),
			timeOr(l.DriftedSince, string(cmp.Or(l.Drift, "-"))), timeOr(l.PendingSince, "-"), cmp.Or(orEmpty(l.LatestJobID), "-")}
		if wide {
			cells = append(cells, cmp.Or(orEmpty(l.LatestState), "-"), cmp.Or(orEmpty(l.LastResult), "-"), fmt.Sprintf("tidemark explain %s %d", l.Module, l.Year))
		}
		t.row(cells...)
	}
	if err := t.flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d of %d scopes are stale, %d have drifted from their data\n", stale, scopes, drifted)
	return err
}

// orEmpty prints what a pointer points to.
func orEmpty[T any](v *T) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(*v)
}

// rfc3339 prints a time for programs.
func rfc3339(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
