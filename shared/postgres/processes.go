package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/build"
)

// ProcessName is the [Options.AppName] of a long-running process, in the form that [Processes]
// reads. The version stands in front, for the server cuts a name off at 63 bytes.
func ProcessName(process string) string { return "tidemark " + process + "/" + build.Read().Version }

// Process is a kind of Tidemark's long-running processes in one version.
type Process struct {
	// Name is worker, scheduler or exporter.
	Name    string `json:"process"`
	Version string `json:"version"`
	// Sessions is how many sessions it has with the database now. One that works on a job bears
	// the name of its claim meanwhile, and is not counted.
	Sessions int `json:"sessions"`
}

const processesQuery = `
SELECT p.name[1] AS name, p.name[2] AS version, count(*) AS sessions
  FROM (SELECT regexp_match(application_name, '^tidemark ([a-z]+)/(\S+)') AS name
          FROM pg_stat_activity WHERE datname = current_database()) AS p
 WHERE p.name IS NOT NULL
 GROUP BY 1, 2
 ORDER BY 1, 2`

// Processes returns which processes, in which versions, have a session with the database, by name and
// version. A role sees the sessions of its own and of roles that it belongs to.
func Processes(ctx context.Context, q Querier) ([]Process, error) {
	rows, err := q.Query(ctx, processesQuery)
	if err != nil {
		return nil, fmt.Errorf("read which processes have a session: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Process])
	if err != nil {
		return nil, fmt.Errorf("read which processes have a session: %w", err)
	}
	return found, nil
}
