package ledger

import "strings"

// Enter takes a scope's door alone.
var Enter = enter

// Sabotage returns a ledger whose protocol is broken on purpose, for the test of the tests.
func Sabotage(l *Ledger, how string) *Ledger {
	for t, st := range l.sql {
		broken := st
		replace := func(text *string, from, to string) {
			if !strings.Contains(*text, from) {
				panic("sabotage " + how + ": the statement no longer contains " + from)
			}
			*text = strings.ReplaceAll(*text, from, to)
		}
		switch how {
		case "none":
		case "join the running job":
			// The original's dedup: whatever is active absorbs the request.
			replace(&broken.create, " ORDER BY", " WHERE NOT EXISTS (SELECT FROM data_ingestion_jobs a WHERE a.job_type = '"+string(t)+
				"' AND a.state = 'RUNNING' AND a.module_type_id = w.module_type_id AND a.year = w.year)\n ORDER BY")
			replace(&broken.join, "j.state IN ('NOT_STARTED', 'QUEUED')", "j.state IN ('NOT_STARTED', 'QUEUED', 'RUNNING')")
		case "plain DO NOTHING":
			// A joiner that holds no lock.
			broken.door = "SELECT @space::integer, @doors::integer[]"
			replace(&broken.join, "FOR SHARE OF j", "")
		case "no doors":
			broken.door = "SELECT @space::integer, @doors::integer[]"
		case "blind worker", "finish without the token":
			// A worker that does not notice the loss of its job, as one that was stopped does not: its
			// renewals renew nothing, and the reaper cannot end its session. The fence is all that is left.
			broken.begin = "SELECT @token::text, pg_current_snapshot()::text"
			broken.renew = "UPDATE data_ingestion_jobs SET progress_done = NULL WHERE id = @id AND coalesce(@token::text, @lease::interval::text, @done::bigint::text, @total::bigint::text, @message::text) IS NOT NULL"
			if how == "blind worker" {
				break
			}
			replace(&broken.finish, "locked_by = @token AND state = 'RUNNING'", "@token::text IS NOT NULL")
		default:
			panic("unknown sabotage " + how)
		}
		l.sql[t] = broken
	}
	return l
}
