package doctor

import (
	"fmt"
	"strings"
	"time"
)

const migrate = "run `tidemark migrate up`"

func ofDatabase(f Facts) Part[Database] { return f.Database }

var databaseChecks = []Check{
	reach("database.reachable", "see that TIDEMARK_DATABASE_URL is right, that the server runs and that it lets this user in", ofDatabase,
		func(d Database) string { return "PostgreSQL " + d.Version + " answers" }),
	check("database.version", ofDatabase, func(d Database) Verdict {
		if d.VersionNumber < 140000 {
			return fail("upgrade the server", "PostgreSQL %s; 14 or newer is needed", d.Version)
		}
		return ok("PostgreSQL %s", d.Version)
	}),
	check("database.primary", ofDatabase, func(d Database) Verdict {
		const remedy = "point TIDEMARK_DATABASE_URL at the primary"
		switch {
		case d.InRecovery:
			return fail(remedy, "it is a replica: nothing can be requested, claimed or finished there")
		case d.ReadOnly:
			return fail(remedy+", or take default_transaction_read_only back", "new transactions cannot write")
		default:
			return ok("it is the primary, and takes writes")
		}
	}),
	check("database.durability", ofDatabase, func(d Database) Verdict {
		var off []string
		for name, on := range map[string]bool{"fsync": d.Fsync, "full_page_writes": d.FullPageWrites, "synchronous_commit": d.SynchronousCommit} {
			if !on {
				off = append(off, name)
			}
		}
		if len(off) > 0 {
			return warn("turn it on in postgresql.conf", "off: %s. A crash of the machine may lose what was accepted, or more", sorted(off))
		}
		return ok("a commit that was confirmed survives a crash")
	}),
	check("database.connections", ofDatabase, func(d Database) Verdict {
		usable := max(d.MaxConnections-d.Reserved, 1)
		percent := 100 * d.Connections / usable
		const remedy = "raise max_connections, lower --concurrency of the workers, or end what is not needed"
		switch {
		case percent >= 95:
			return fail(remedy, "%d of %d connections are in use", d.Connections, usable)
		case percent >= 80:
			return warn(remedy, "%d of %d connections are in use", d.Connections, usable)
		default:
			return ok("%d of %d connections are in use", d.Connections, usable)
		}
	}),
	check("database.wraparound", ofDatabase, func(d Database) Verdict {
		const remedy = "let autovacuum finish: end old transactions, replication slots and prepared transactions that hold it up, then VACUUM"
		switch million := d.XIDAge / 1_000_000; {
		case million >= 1_500:
			return fail(remedy, "the oldest row is %d million transactions old; at 2,000 million the server stops", million)
		case million >= 500:
			return warn(remedy, "the oldest row is %d million transactions old; autovacuum does not keep up", million)
		default:
			return ok("the oldest row is %d million transactions old", million)
		}
	}),
	check("database.replicas", ofDatabase, func(d Database) Verdict {
		switch {
		case d.ReplayLag > time.Minute:
			return warn("see what keeps the replica; fail over to it only once it has caught up", "a replica has %s yet to replay", d.ReplayLag.Round(time.Second))
		case d.Replicas == 0:
			return ok("no replica receives from it")
		default:
			return ok("%d replicas receive from it and keep up", d.Replicas)
		}
	}),
	check("clock.database", ofDatabase, func(d Database) Verdict {
		return skew("PostgreSQL's clock", "this machine's", d.Skew, d.Exact)
	}),
}

// tolerated is how far clocks may lie apart. Nothing in the record depends on it; ages that people
// compare, and what asynq dates, do.
const tolerated = 2 * time.Second

func skew(one, other string, by, exact time.Duration) Verdict {
	how := "ahead of"
	if by < 0 {
		how, by = "behind", -by
	}
	if by-exact > tolerated {
		return warn("set the clocks by NTP on both machines", "%s is %s %s %s", one, by.Round(time.Millisecond), how, other)
	}
	return ok("%s and %s agree", one, other)
}

var schemaChecks = []Check{
	check("schema.version", func(f Facts) Part[Schema] { return f.Schema }, func(s Schema) Verdict {
		switch {
		case s.Live < s.Needed:
			return fail(migrate, "the schema is at version %d, this release needs %d", s.Live, s.Needed)
		case s.Live > s.Needed:
			return warn("upgrade this program", "the schema is at version %d, this release knows %d: a newer one has been here", s.Live, s.Needed)
		default:
			return ok("the schema is at version %d, as this release needs", s.Live)
		}
	}),
	check("schema.dedup_indexes", func(f Facts) Part[Schema] { return f.Schema }, func(s Schema) Verdict {
		if len(s.Indexes) > 0 {
			return fail(migrate, "%s", strings.Join(s.Indexes, "; "))
		}
		return ok("each scope has at most one waiting and one running job")
	}),
	check("schema.invalid_indexes", func(f Facts) Part[Schema] { return f.Schema }, func(s Schema) Verdict {
		if len(s.Invalid) > 0 {
			return warn("drop it, then "+migrate, "left invalid by an interrupted build: %s", strings.Join(s.Invalid, ", "))
		}
		return ok("every index is valid")
	}),
	check("schema.announcing", func(f Facts) Part[Schema] { return f.Schema }, func(s Schema) Verdict {
		if len(s.Announcing) > 0 {
			return warn("ALTER TABLE ... ENABLE TRIGGER, or "+migrate+" where it is missing", "subscribers learn of changes late: missing or disabled: %s", strings.Join(s.Announcing, ", "))
		}
		return ok("subscribers learn of changes at once")
	}),
	check("schema.kept_triggers", func(f Facts) Part[[]string] { return f.Triggers }, func(missing []string) Verdict {
		if len(missing) > 0 {
			return fail("ALTER TABLE ... ENABLE TRIGGER where one is disabled; where it is missing, restore it from the release's migrations",
				"drift is not known and every scrape reads the whole history: missing or disabled: %s", strings.Join(missing, ", "))
		}
		return ok("which scopes there are, and what changed in them, is kept")
	}),
}

func ofSessions(f Facts) Part[Sessions] { return f.Sessions }

var sessionChecks = []Check{
	check("database.idle_in_transaction", ofSessions, func(s Sessions) Verdict {
		if s.IdleInTransaction > 0 {
			return warn("find it in pg_stat_activity (state 'idle in transaction') and end it: pg_terminate_backend(pid)",
				"%s silent inside a transaction for more than a minute: its locks may hold jobs up", are(s.IdleInTransaction, "session"))
		}
		return ok("no session is silent inside a transaction")
	}),
	check("database.blocked", ofSessions, func(s Sessions) Verdict {
		if s.Blocked > 0 {
			return warn("pg_blocking_pids(pid) says who holds the lock", "%s waiting for a lock for more than 30 s", are(s.Blocked, "session"))
		}
		return ok("no session waits for a lock")
	}),
	check("database.long_transaction", ofSessions, func(s Sessions) Verdict {
		if s.Oldest > time.Hour {
			return warn("find it in pg_stat_activity (xact_start)", "a transaction is open for %s: nothing that was deleted since can be cleaned up", s.Oldest.Round(time.Minute))
		}
		return ok("no transaction is open for longer than an hour")
	}),
}

// are is "1 session is" or "3 sessions are".
func are(n int, what string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s is", what)
	}
	return fmt.Sprintf("%d %ss are", n, what)
}
