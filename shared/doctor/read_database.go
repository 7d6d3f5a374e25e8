package doctor

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
)

// databaseQuery reads settings where a user may see them; numbers that only some roles may see are of all that they do see.
const databaseQuery = `
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::integer AS version_number,
       pg_is_in_recovery() AS in_recovery, current_setting('default_transaction_read_only')::boolean AS read_only,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::integer AS connections,
       current_setting('max_connections')::integer AS max_connections,
       current_setting('superuser_reserved_connections')::integer AS reserved,
       current_setting('fsync')::boolean AS fsync, current_setting('full_page_writes')::boolean AS full_page_writes,
       current_setting('synchronous_commit') <> 'off' AS synchronous_commit,
       (SELECT max(age(datfrozenxid)) FROM pg_database)::bigint AS xid_age,
       (SELECT count(*) FROM pg_stat_replication)::integer AS replicas,
       coalesce((SELECT max(replay_lag) FROM pg_stat_replication), '0') AS replay_lag`

func readDatabase(ctx context.Context, db *pgxpool.Pool) (d Database, err error) {
	// A connection is made first, so that making it does not count for the clock.
	err = db.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		err := conn.QueryRow(ctx, databaseQuery).Scan(&d.Version, &d.VersionNumber, &d.InRecovery, &d.ReadOnly, &d.Connections, &d.MaxConnections, &d.Reserved,
			&d.Fsync, &d.FullPageWrites, &d.SynchronousCommit, &d.XIDAge, &d.Replicas, &d.ReplayLag)
		if err != nil {
			return err
		}
		d.Skew, d.Exact, err = clockOf(func() (at time.Time, err error) {
			return at, conn.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&at)
		})
		return err
	})
	return d, err
}

// sessionsQuery looks at the sessions of this database but our own. While a worker's run is
// in its transaction, its session bears the name of the claim.
const sessionsQuery = `
SELECT count(*) FILTER (WHERE state LIKE 'idle in transaction%' AND state_change < now() - interval '1 minute')::integer AS idle_in_transaction,
       count(*) FILTER (WHERE wait_event_type = 'Lock' AND state_change < now() - interval '30 seconds')::integer AS blocked,
       coalesce(max(now() - xact_start) FILTER (WHERE backend_type = 'client backend'), '0') AS oldest,
       count(*) FILTER (WHERE application_name LIKE 'tidemark worker%' OR application_name LIKE 'tidemark-%')::integer AS workers,
       count(*) FILTER (WHERE application_name LIKE 'tidemark scheduler%')::integer AS schedulers,
       count(*) FILTER (WHERE application_name LIKE 'tidemark exporter%')::integer AS exporters,
       -- Schedulers agree by a lock on a session of its own; see scheduler/election.go.
       count(*) FILTER (WHERE application_name = 'tidemark scheduler election'
                          AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted))::integer AS leaders
  FROM pg_stat_activity a
 WHERE datname = current_database() AND pid <> pg_backend_pid()`

func readSessions(ctx context.Context, db postgres.Querier) (s Sessions, err error) {
	return one[Sessions](ctx, db, sessionsQuery, nil)
}

// one reads the one row of a query.
func one[T any](ctx context.Context, db postgres.Querier, query string, args pgx.StrictNamedArgs) (v T, err error) {
	rows, err := db.Query(ctx, query, args)
	if err != nil {
		return v, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
}

// invalidIndexes are those of the tables that a statement without a schema finds.
const invalidIndexes = `
SELECT indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE NOT indisvalid AND pg_table_is_visible(indrelid) AND c.relkind = 'i' ORDER BY 1`

// announcing are the triggers of 00006_api.sql.
var announcing = []string{"tidemark_announce_created", "tidemark_announce_changed", "tidemark_announce_joined", "tidemark_announce_settled"}

const missingAnnouncing = `
SELECT name FROM unnest(@names::text[]) AS name
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = name AND tgenabled IN ('O', 'A') AND pg_table_is_visible(tgrelid))
 ORDER BY name`

func readSchema(ctx context.Context, db postgres.Querier) (s Schema, err error) {
	if s.Live, s.Needed, err = postgres.SchemaVersion(ctx, db); err != nil || s.Live == 0 {
		return s, err
	}
	for _, c := range job.Configs() {
		var wrong *postgres.SchemaError
		switch err := postgres.CheckIndex(ctx, db, c); {
		case errors.As(err, &wrong):
			s.Indexes = append(s.Indexes, wrong.Reason)
		case err != nil:
			return s, err
		}
	}
	if s.Invalid, err = texts(ctx, db, invalidIndexes, nil); err != nil {
		return s, err
	}
	s.Announcing, err = texts(ctx, db, missingAnnouncing, pgx.StrictNamedArgs{"names": announcing})
	return s, err
}

func texts(ctx context.Context, db postgres.Querier, query string, args pgx.StrictNamedArgs) ([]string, error) {
	rows, err := db.Query(ctx, query, args)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func readTriggers(ctx context.Context, db postgres.Querier) ([]string, error) {
	return freshness.MissingTriggers(ctx, db)
}

// recordQuery reads what is active, by its index, and no more of what piles up than is needed to judge it.
const recordQuery = `
WITH active AS MATERIALIZED (
    SELECT * FROM data_ingestion_jobs WHERE state IN ('NOT_STARTED', 'QUEUED', 'RUNNING') -- reads ix_data_ingestion_jobs_active
), member AS MATERIALIZED (
    SELECT DISTINCT m.pipeline_id FROM active a JOIN pipeline_jobs m ON m.job_id = a.id
     WHERE m.job_id = ANY (ARRAY(SELECT id FROM active))
)
SELECT (SELECT count(*) FROM active
         WHERE state = 'RUNNING' AND job_type IN ('aggregation', 'emission_recalc')
           AND (lease_expires_at < now() - interval '30 seconds'
                OR lease_expires_at IS NULL AND coalesce(locked_at < now() - @foreign::interval, true)))::integer AS expired,
       (SELECT count(*) FROM active WHERE state <> 'RUNNING' AND run_after > now() + interval '1 hour')::integer AS postponed,
       (SELECT count(*) FROM active
         WHERE job_type = 'aggregation' AND (module_type_id IS NULL OR year IS NULL)
            OR job_type = 'emission_recalc' AND (module_type_id IS NULL OR data_entry_type_id IS NULL OR year IS NULL))::integer AS scopeless,
       (SELECT count(*) FROM pipelines p
         WHERE status = 'RUNNING' AND updated_at < now() - interval '1 minute' AND id NOT IN (SELECT pipeline_id FROM member))::integer AS open_pipelines,
       (SELECT count(*) FROM pipelines p
         WHERE id IN (SELECT pipeline_id FROM member) AND status IN ('SUCCESS', 'PARTIAL', 'FAILED'))::integer AS closed_pipelines,
       interval '0' AS unclaimed,
       (SELECT count(*) FROM (SELECT FROM scope_changes LIMIT 20000) AS marks)::integer AS marks,
       (SELECT count(*) FROM (SELECT FROM declared_scopes LIMIT 100000) AS lines)::integer AS lines`

// claimableSince is how long a job waits when the relay, and then the relay's second try, are overdue.
const claimableSince = 20 * time.Second

// claimableLimit bounds how many waiting jobs are looked at of each type.
const claimableLimit = 1000

func readRecord(ctx context.Context, db *pgxpool.Pool, record *ledger.Ledger) (Record, error) {
	r, err := one[Record](ctx, db, recordQuery, pgx.StrictNamedArgs{"foreign": ledger.ForeignLease})
	if err != nil {
		return r, err
	}
	for _, c := range job.Configs() {
		b, err := record.Backlog(ctx, db, c.JobType)
		if err != nil {
			return r, err
		}
		if !b.Oldest.IsZero() {
			r.Unclaimed = max(r.Unclaimed, b.At.Sub(b.Oldest))
		}
	}
	return r, nil
}
