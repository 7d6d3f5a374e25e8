package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/shared/ledger"
)

func ofRecord(f Facts) Part[Record] { return f.Record }

const seeScheduler = "start a scheduler (`tidemark scheduler`), or see its log"

var recordChecks = []Check{
	check("record.expired_leases", ofRecord, func(r Record) Verdict {
		if r.Expired > 0 {
			return fail(seeScheduler, "%s running without a worker: the lease has been over for more than 30 s and nobody gave it back", are(r.Expired, "job"))
		}
		return ok("every running job has a living worker")
	}),
	check("record.unclaimed", ofRecord, func(r Record) Verdict {
		const remedy = "start workers (`tidemark worker`); see whether they are busy, and whether a queue is paused: `tidemark queues`"
		switch {
		case r.Unclaimed > ledger.DefaultBacklogLimit.Age:
			return fail(remedy, "a job that could run has waited for %s", r.Unclaimed.Round(time.Second))
		case r.Unclaimed > 5*time.Minute:
			return warn(remedy, "a job that could run has waited for %s", r.Unclaimed.Round(time.Second))
		default:
			return ok("no job that could run waits for long")
		}
	}),
	check("record.postponed", ofRecord, func(r Record) Verdict {
		if r.Postponed > 0 {
			return warn("see which: `tidemark jobs --active`; `tidemark explain` says how to have it start now", "%s postponed for more than an hour", are(r.Postponed, "waiting job"))
		}
		return ok("no job is postponed for long")
	}),
	check("record.scopeless", ofRecord, func(r Record) Verdict {
		if r.Scopeless > 0 {
			return warn("another program wrote it: find it (`tidemark jobs --active`) and have that program end it", "%s active without a whole scope: nobody can claim it", are(r.Scopeless, "job"))
		}
		return ok("every active job has a scope")
	}),
	check("record.open_pipelines", ofRecord, func(r Record) Verdict {
		if r.OpenPipelines > 0 {
			return warn("another program left it so; its jobs are done, its status can be corrected by hand", "%s counted as running, and no job of it waits or runs", are(r.OpenPipelines, "pipeline"))
		}
		return ok("every running pipeline has an active job")
	}),
	check("record.closed_pipelines", ofRecord, func(r Record) Verdict {
		if r.ClosedPipelines > 0 {
			return warn("another program left it so; its status is settled when the job ends", "%s counted as done, and a job of it waits or runs", are(r.ClosedPipelines, "pipeline"))
		}
		return ok("no pipeline that is done has an active job")
	}),
	check("record.marks", ofRecord, func(r Record) Verdict {
		if r.Marks >= 20_000 {
			return warn("have the drifted scopes computed: `tidemark recalc --why drifted`", "%d changes or more that no aggregation has seen", r.Marks)
		}
		return ok("%s that no aggregation has seen", countOf(r.Marks, "change"))
	}),
	check("record.declared_lines", ofRecord, func(r Record) Verdict {
		if r.Lines >= 100_000 {
			return warn(seeScheduler, "%d lines or more count the report modules: nobody folds them", r.Lines)
		}
		return ok("the count of report modules is folded")
	}),
}

var fleetChecks = []Check{
	check("fleet.workers", ofSessions, func(s Sessions) Verdict {
		if s.Workers == 0 {
			return fail("start workers: `tidemark worker`", "no worker is connected to the database")
		}
		return ok("workers are connected to the database")
	}),
	check("fleet.schedulers", ofSessions, func(s Sessions) Verdict {
		if s.Schedulers == 0 {
			return fail("start a scheduler: `tidemark scheduler`", "no scheduler is connected to the database: signals that get lost stay lost, so do jobs of lost workers")
		}
		return ok("a scheduler is connected to the database")
	}),
	check("fleet.leader", ofSessions, func(s Sessions) Verdict {
		if s.Schedulers > 0 && s.Leaders == 0 {
			return warn("ask again in some seconds; if it stays so, see the schedulers' logs", "schedulers are connected, and none of them leads")
		}
		return ok("a scheduler leads, where there is one")
	}),
	check("fleet.exporters", ofSessions, func(s Sessions) Verdict {
		if s.Exporters == 0 {
			return warn("start an exporter: `tidemark exporter`", "no exporter is connected to the database: nobody learns that something is stale")
		}
		return ok("an exporter is connected to the database")
	}),
	check("fleet.signals", func(f Facts) Part[Signals] { return f.Signals }, func(s Signals) Verdict {
		if n := len(s.Missing); n > 0 {
			return fail(seeScheduler, "%d of %d waiting jobs have no signal in Redis, and the relay has not sent it again: job %s", n, s.Checked, some(s.Missing))
		}
		return ok("every job that waits has its signal in Redis")
	}),
	{"clock.redis_database", func(f Facts) Verdict {
		if !f.Database.Asked || !f.Redis.Asked || f.Database.Err != nil || f.Redis.Err != nil {
			return Verdict{Level: Skipped, Text: "one of them is out of reach"}
		}
		return skew("Redis's clock", "PostgreSQL's", f.Redis.Value.Skew-f.Database.Value.Skew, f.Redis.Value.Exact+f.Database.Value.Exact)
	}},
}

func sorted(words []string) string {
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// some lists the first few.
func some[T any](all []T) string {
	const most = 5
	var words []string
	for _, v := range all[:min(len(all), most)] {
		words = append(words, fmt.Sprint(v))
	}
	if len(all) > most {
		words = append(words, "...")
	}
	return strings.Join(words, ", ")
}
