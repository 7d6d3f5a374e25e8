package console

import (
	"fmt"
	"strings"
)

// words are all texts of the console. {name} stands for a value. Of a text that counts there are
// two: .one and .many. Scripts take theirs from the page ([clientWords]).
var words = map[string]string{
	"name":        "Tidemark",
	"brand.label": "Tidemark, to the map",
	"skip":        "Skip to the content",
	"nav.label":   "Console",
	"nav.map":     "Map", "nav.pipelines": "Pipelines", "nav.fleet": "Fleet",
	"who.title": "Signed in as {name}", "who.anonymous": "not signed in",
	"signout":   "Sign out",
	"footer.at": "As of", "footer.metrics": "Metrics", "footer.healthy": "Health", "footer.ready": "Readiness", "footer.api": "API",
	"copy": "Copy", "copied": "Copied",

	"state.fresh": "fresh", "state.no_aggregation_ever": "never aggregated", "state.pending_aggregation_stuck": "waits or runs",
	"state.last_aggregation_failed": "failed", "state.last_aggregation_too_old": "too old", "state.drifted": "drifted",
	"state.fresh.means":                     "fresh: the latest aggregation succeeded and is young enough",
	"state.no_aggregation_ever.means":       "no_aggregation_ever: the reports have it, nothing ever aggregated it",
	"state.pending_aggregation_stuck.means": "pending_aggregation_stuck: the latest aggregation waits or runs, however briefly",
	"state.last_aggregation_failed.means":   "last_aggregation_failed: the latest aggregation ended in ERROR",
	"state.last_aggregation_too_old.means":  "last_aggregation_too_old: the latest aggregation ended longer ago than the limit",
	"state.drifted.means":                   "drifted: its data changed after the latest successful aggregation began to read",
	"since":                                 "since {when}",

	"verdict.none":      "No scope is declared yet: no report has a module.",
	"verdict.fresh.one": "The one scope is fresh", "verdict.fresh.many": "All {n} scopes are fresh",
	"verdict.unstale.one": "The one scope is not stale", "verdict.unstale.many": "None of {n} scopes is stale",
	"verdict.stale.one": "{n} of {total} scopes is stale", "verdict.stale.many": "{n} of {total} scopes are stale",
	"verdict.drift.one": "; {n} has drifted", "verdict.drift.many": "; {n} have drifted",
	"verdict.drift.unknown": "; what has drifted is not known",
	"verdict.failures.one":  "; in {n} more something failed", "verdict.failures.many": "; in {n} more something failed",
	"underway": "{running} running, {waiting} waiting", "underway.none": "Nothing is under way",

	"map.title": "{n} stale", "map.title.quiet": "Map", "map.heading": "Map", "map.module": "Module",
	"map.limit":    "an aggregation is too old after {age}",
	"map.skip":     "Skip the map",
	"map.how":      "Newest year first, times in UTC. Arrow keys move in the map.",
	"map.empty":    "Load something, and its module and year appear here:",
	"legend.label": "How many scopes are in which state",
	"wrong.title":  "What is wrong", "wrong.none": "Nothing.", "wrong.more": "and {n} more, in the map",

	"time.none": "not recorded", "time.notyet": "not yet", "time.now": "just now", "time.ago": "{span} ago",
	"time.s": "{n} s", "time.min": "{n} min", "time.h": "{n} h", "time.d": "{n} d",

	"scope.success": "last success", "scope.nosuccess": "no success yet",
	"scope.why": "Why", "scope.todo": "What to do", "scope.nothing": "Nothing has to be done.",
	"scope.jobs": "Jobs", "scope.nojobs": "No job of it is on record.",
	"scope.none.title": "There is no such scope",
	"scope.none.text":  "No report has {name}: there is nothing that could be stale. The map has all there is.",

	"ask.title": "Recalculate", "ask.type": "Data entry type", "ask.which": "Which",
	"ask.alltypes.one": "the one that is computed", "ask.alltypes.many": "all {n} that are computed",
	"ask.all": "all of it", "ask.stale": "only what is older than its factors",
	"ask.reason": "Reason", "ask.reason.help": "Stands in the record with your name, for who looks at this in a year.",
	"ask.button":    "Recalculate",
	"ask.aggregate": "Aggregate", "ask.rollup": "none of it: only the aggregation",
	"ask.notypes":   "Tidemark computes no data entry type of this module; it aggregates what others have computed.",
	"ask.unknown":   "This release does not know the module, so nothing of it can be requested here.",
	"ask.denied":    "{name} may look, but not request: that needs the permission backoffice.data_management.sync.",
	"ask.anonymous": "Who is not signed in may look, but not request.",
	"ask.noscript":  "The button needs scripts. The commands beside do the same.",

	"answer.created": "created", "answer.joined": "joined: it waited already, and its run will cover this request too",
	"answer.job":      "Job {id}, {type}: {outcome}.",
	"answer.pipeline": "Follow pipeline {id}",
	"answer.sending":  "Sending the request…",
	"answer.failed":   "Not accepted: {detail}",
	"answer.lost":     "Nobody knows whether the request arrived: the exporter did not answer. Pressing again repeats this request, it does not make a second one.",

	"job.took": "took {span}", "job.started": "started", "job.requested": "requested", "job.pipeline": "pipeline",
	"job.job": "Job", "job.scope": "Scope", "job.state": "State", "job.progress": "Progress", "job.startedcol": "Started", "job.finishedcol": "Finished",
	"job.aggregation": "aggregation", "job.emission_recalc": "recalculation", "job.emission_recalc.of": "recalculation of {type}",
	"job.csv_ingest": "load of entries", "job.factor_ingest": "load of factors", "job.reference_ingest": "load of reference data",

	"details.label": "What is under way in {name}", "details.label.failed": "What failed in {name}",
	"details.pipeline": "Pipeline", "details.nopipeline": "none", "details.copy": "Copy the pipeline's id", "details.close": "Close",
	"details.started": "Started", "details.finished": "Finished",
	"details.waits": "waits for {what}", "details.quiet": "Nothing is under way here any more.",

	"pipelines.title": "Pipelines", "pipelines.pipeline": "Pipeline", "pipelines.what": "What", "pipelines.status": "Status", "pipelines.jobs": "Jobs",
	"pipelines.who": "Asked by", "pipelines.started": "Started", "pipelines.took": "Took",
	"pipelines.step": "step {n} of {of}, {label}", "pipelines.orphan": "a job alone", "pipelines.nobody": "not recorded",
	"pipelines.failed.one": "{n} failed", "pipelines.failed.many": "{n} failed",
	"pipelines.nofit": "No pipeline fits the filter.", "pipelines.none": "There is no pipeline yet: nothing was loaded or requested.",
	"filter.label": "Filter the pipelines", "filter.state": "Status", "filter.module": "Module", "filter.year": "Year", "filter.text": "Message contains",
	"filter.failed": "with failures", "filter.any": "any", "filter.button": "Filter", "filter.clear": "Clear",
	"filter.ignored": "The filter {name} was left out: there is no such value.",
	"pages.label":    "Pages", "pages.range": "{from}–{to} of {total}", "pages.newer": "Newer", "pages.older": "Older",

	"pipeline.title": "Pipeline {id}", "pipeline.heading": "Pipeline",
	"pipeline.done": "done", "pipeline.done.bad": "done, and not everything went well",
	"pipeline.asked":      "asked for by {name} ({via})",
	"pipeline.none.title": "There is no such pipeline",
	"pipeline.none.text":  "The record has no job of a pipeline {id}. Retention may have removed it; the list has what there is.",
	"abort.title":         "Abort", "abort.ask": "Abort this pipeline?",
	"abort.text":   "What nobody else wants ends at once, in ERROR, and nothing that it computed is kept. The scopes stay as stale as they are.",
	"abort.button": "Abort the pipeline", "abort.cancel": "Let it go on", "abort.noscript": "The button needs scripts.",
	"abort.done": "Aborted: {jobs}.", "abort.before": "It was aborted before, by {actor}.", "abort.late": "Nothing was left to abort.", "abort.job": "job {id} {outcome}",
	"abort.outcome.ended": "ends", "abort.outcome.shared": "goes on, for others want it too", "abort.outcome.foreign": "is left to the program that runs it",

	"fleet.title": "Fleet", "fleet.workers": "Workers", "fleet.host": "Host, process", "fleet.version": "Version", "fleet.busy": "Busy", "fleet.state": "State",
	"fleet.since": "Since", "fleet.takes": "Takes from", "fleet.running": "running", "fleet.stopping": "stopping: it takes nothing new",
	"fleet.several":  "{n} versions run side by side. That is fine while you deploy, not for longer:",
	"fleet.versions": "Versions", "fleet.process": "Process", "fleet.sessions": "Sessions with the record",
	"fleet.noversions": "The record does not say: PostgreSQL does not answer, or no process has a session.",
	"fleet.noworkers":  "No worker gives a sign of life: what is requested waits. Start one:",
	"fleet.queues":     "Queues", "fleet.queue": "Queue", "fleet.taken": "Workers", "fleet.pending": "Pending", "fleet.active": "Active", "fleet.archived": "Archived",
	"fleet.oldest": "Oldest pending", "fleet.paused": "paused", "fleet.open": "open", "fleet.by.one": "{n}", "fleet.by.many": "{n}",
	"fleet.monitor":  "Look into the queues with asynqmon",
	"fleet.notgiven": "This exporter was given no Redis (--redis-url), so it knows neither workers nor queues. What is requested is found by the scheduler all the same.",
	"fleet.silent":   "Redis does not answer, so nobody knows which workers run and what the queues hold. Nothing accepted is lost: the record has it, and the scheduler sends the signals again.",

	"signin.title": "Sign in", "signin.link": "Sign in", "signin.button": "Sign in", "signin.token": "Token",
	"signin.text":      "Enter the token that you were given. It stays in this browser until you sign out or close it.",
	"signin.refused":   "Not accepted: {reason}.",
	"signin.anonymous": "Look without signing in",
	"signin.help":      "Who has none asks whoever runs Tidemark; they make one on the command line:",

	"denied.title":      "You may not see this",
	"denied.nothing":    "{name} is known here, but has no permission to see anything.",
	"denied.module":     "{name} may not see the module {module}: that needs {permission}, or backoffice.data_management.view for everything.",
	"denied.pipeline":   "This pipeline touches modules that {name} may not see: that needs {permission}.",
	"denied.step.ask":   "Ask whoever runs Tidemark for the permission; it stands in the tokens file, or with the identity provider.",
	"denied.step.other": "If you have another token, sign out and use that one.",

	"away.title":        "The record cannot be read",
	"away.text":         "PostgreSQL does not answer, so nothing is known about any scope. This page shows nothing rather than something old. What was accepted is safe in the record.",
	"away.step.ready":   "See whether PostgreSQL runs and this exporter can reach it; the exporter's log has the error.",
	"away.step.doctor":  "If it runs, let Tidemark look for what is wrong:",
	"unmigrated.text":   "The database lacks what Tidemark adds to it, so this page has nothing to show.",
	"unmigrated.step":   "Bring the schema up to date; it keeps every row and column:",
	"unavailable.title": "Nobody can tell who you are",
	"unavailable.text":  "The identity provider cannot be asked whether your token is good. Nothing is shown until it answers.",
	"foreign.title":     "Another site sent this",
	"foreign.text":      "A browser sent this form from another site, so nothing was done. Open this page itself and try again.",
	"nothing.title":     "There is nothing here",
	"nothing.text":      "There is nothing at {path}.",
	"problem.again":     "Try again", "problem.map": "To the map",
	"problem.watching": "This page watches, and opens by itself as soon as there is something to show.",
	"problem.broken":   "this page could not be rendered; the exporter's log says why",

	"live.ok": "live", "live.connecting": "connecting",
	"live.lost":         "nothing known",
	"live.lost.title":   "Nothing is known since {when}.",
	"live.lost.text":    "The connection to the exporter is cut. What you see is old. Trying again.",
	"live.unread.text":  "The exporter cannot read the record: PostgreSQL does not answer it. What you see is old. Trying again.",
	"live.denied.title": "Your session is over.",
	"live.denied.text":  "What you see is as of {when}.",
	"said.back":         "Connected again.",
	"said.scope":        "{name}: {state}", "said.many": "{n} scopes have changed. {verdict}",
}

// clientPrefixes are those of the words that scripts say.
var clientPrefixes = []string{"state.", "since", "verdict.", "underway", "map.title", "wrong.more", "time.", "answer.", "job.", "details.", "live.", "said.", "copy", "copied", "abort.done", "abort.before", "abort.late", "abort.job", "abort.outcome."}

// clientWords are what a page hands to its scripts.
var clientWords = func() map[string]string {
	some := map[string]string{}
	for key, text := range words {
		for _, p := range clientPrefixes {
			if strings.HasPrefix(key, p) && !strings.HasSuffix(key, ".means") {
				some[key] = text
			}
		}
	}
	return some
}()

// say is a text with its values, in pairs of name and value. A key that is not there is a
// mistake that the tests find.
func say(key string, pairs ...any) string {
	text, ok := words[key]
	if !ok {
		return "?" + key
	}
	for name, value := range named(pairs) {
		text = strings.ReplaceAll(text, "{"+name+"}", fmt.Sprint(value))
	}
	return text
}

// count is the text of a number, which it has as {n}.
func count(key string, n int, pairs ...any) string {
	if n == 1 {
		return say(key+".one", append(pairs, "n", n)...)
	}
	return say(key+".many", append(pairs, "n", n)...)
}

func named(pairs []any) map[string]any {
	values := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return values
}
