package doctor

import (
	"strings"
	"time"

	"tidemark/shared/signal"
)

func ofRedis(f Facts) Part[Redis] { return f.Redis }

var redisChecks = []Check{
	reach("redis.reachable", "see that TIDEMARK_REDIS_URL is right, that the server runs and that it lets this user in", ofRedis,
		func(r Redis) string { return "Redis " + r.Version + " answers" }),
	check("redis.version", ofRedis, func(r Redis) Verdict {
		if major(r.Version) < 5 {
			return fail("upgrade the server", "Redis %s; asynq needs 5 or newer to be reliable", r.Version)
		}
		return ok("Redis %s", r.Version)
	}),
	check("redis.primary", ofRedis, func(r Redis) Verdict {
		if r.Role != "master" {
			return fail("point TIDEMARK_REDIS_URL at the primary, or at the Sentinels (redis-sentinel://)", "it is a replica: no signal can be sent")
		}
		return ok("it is the primary")
	}),
	check("redis.cluster", ofRedis, func(r Redis) Verdict {
		if r.Cluster {
			return fail("use a single server, or Sentinel", "it runs in cluster mode, where the queues cannot be read at one moment")
		}
		return ok("it is no cluster")
	}),
	check("redis.persistence", ofRedis, func(r Redis) Verdict {
		switch {
		case r.AppendOnly:
			return ok("it keeps an append-only file")
		case r.Snapshots == nil:
			return ok("it keeps no append-only file; whether it takes snapshots it does not tell")
		case *r.Snapshots:
			return ok("it takes snapshots")
		default:
			return warn("set appendonly yes", "it keeps nothing over a restart. Nothing accepted is lost by that, but every signal is, until the relay has sent it again")
		}
	}),
	check("redis.writes", ofRedis, func(r Redis) Verdict {
		if r.WriteError {
			return fail("see its log and the space on its disk", "it could not write its last snapshot or append-only file; by default it refuses signals from then on")
		}
		return ok("its last write to disk went well")
	}),
	check("redis.memory", ofRedis, func(r Redis) Verdict {
		if r.Limit == 0 {
			return ok("%d MiB in use, without a limit", r.Memory>>20)
		}
		const remedy = "raise maxmemory; see what fills it: `tidemark queues`"
		switch percent := 100 * r.Memory / r.Limit; {
		case percent >= 95:
			return fail(remedy, "%d of %d MiB are in use", r.Memory>>20, r.Limit>>20)
		case percent >= 80:
			return warn(remedy, "%d of %d MiB are in use", r.Memory>>20, r.Limit>>20)
		default:
			return ok("%d of %d MiB are in use", r.Memory>>20, r.Limit>>20)
		}
	}),
	check("redis.eviction", func(f Facts) Part[string] { return f.Eviction }, func(policy string) Verdict {
		if policy != signal.SafePolicy {
			return warn("CONFIG SET maxmemory-policy "+signal.SafePolicy+", and in redis.conf", "it throws signals away when its memory is full (%s)", policy)
		}
		return ok("it throws nothing away")
	}),
	check("redis.clients", ofRedis, func(r Redis) Verdict {
		if r.MaxClient > 0 && 100*r.Clients/r.MaxClient >= 80 {
			return warn("raise maxclients", "%d of %d clients are connected", r.Clients, r.MaxClient)
		}
		return ok("%d clients are connected", r.Clients)
	}),
	check("clock.redis", ofRedis, func(r Redis) Verdict { return skew("Redis's clock", "this machine's", r.Skew, r.Exact) }),
}

// major is the number in front of a version's first dot; 0 where there is none.
func major(version string) (n int) {
	head, _, _ := strings.Cut(version, ".")
	for _, c := range head {
		if c < '0' || c > '9' {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// archiveLimit is how many tasks asynq keeps in an archive; beyond it throws the oldest away.
const archiveLimit = 10_000

func ofQueues(f Facts) Part[Queues] { return f.Queues }

// each is a check that every queue must pass: bad returns what is wrong with one, "" for nothing.
func each(id string, verdict func(remedy, format string, args ...any) Verdict, remedy, good string, bad func(signal.Queue, time.Time) string) Check {
	return check(id, ofQueues, func(q Queues) Verdict {
		var words []string
		for _, queue := range q.Queues {
			if text := bad(queue, q.At); text != "" {
				words = append(words, queue.Name+" "+text)
			}
		}
		if len(words) > 0 {
			return verdict(remedy, "%s", strings.Join(words, "; "))
		}
		return ok("%s", good)
	})
}

var queueChecks = []Check{
	each("queues.workers", fail, "start workers: `tidemark worker`", "each queue has workers", func(q signal.Queue, _ time.Time) string {
		if q.Workers == 0 {
			return "has no worker that takes tasks"
		}
		return ""
	}),
	each("queues.paused", warn, "have it go on: `tidemark queues resume QUEUE`", "no queue is paused", func(q signal.Queue, _ time.Time) string {
		if q.Paused {
			return "is paused"
		}
		return ""
	}),
	each("queues.age", warn, "start more workers, or see what keeps those there are: `tidemark jobs --active`", "no task waits for long", func(q signal.Queue, at time.Time) string {
		if age := at.Sub(q.OldestPending); !q.OldestPending.IsZero() && age > 5*time.Minute {
			return "has a task that has waited for " + age.Round(time.Second).String()
		}
		return ""
	}),
	each("queues.length", warn, "start more workers: `tidemark worker`", "no queue is long", func(q signal.Queue, _ time.Time) string {
		if n := q.Tasks["pending"]; n >= archiveLimit {
			return countOf(n, "pending task")
		}
		return ""
	}),
	each("queues.archived", warn, "repair what fails (`tidemark jobs --failed`), then delete the archive in asynqmon", "no archive is nearly full", func(q signal.Queue, _ time.Time) string {
		if n := q.Tasks["archived"]; n >= archiveLimit*8/10 {
			return "has " + countOf(n, "archived task") + "; beyond 10000 asynq forgets the oldest"
		}
		return ""
	}),
	each("queues.foreign", warn, "see in asynqmon who put them there; Tidemark never does, and a failed calculation is not to be tried again by itself", "no task waits to be tried again", func(q signal.Queue, _ time.Time) string {
		if n := q.Tasks["retry"] + q.Tasks["scheduled"] + q.Tasks["aggregating"]; n > 0 {
			return "has " + countOf(n, "task") + " that another client scheduled or wants retried"
		}
		return ""
	}),
}
