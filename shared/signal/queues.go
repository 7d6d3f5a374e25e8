package signal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"tidemark/shared/job"
)

// Queue is what Redis holds of one of our queues.
type Queue struct {
	Name string
	// Tasks counts by asynq's name of the state; every one of [TaskStates] is a key.
	Tasks map[string]int
	// OldestPending is since when the oldest pending task waits whose age is known, by the
	// clock of whoever sent it. Zero when there is none.
	OldestPending time.Time
	// Undated counts the pending tasks that will be delivered before that one. asynq forgets
	// since when a task waits that a stopping worker hands back or an operator runs again: it
	// may wait for longer than OldestPending says. At most maxUndated are counted.
	Undated int
	// Paused means that no worker is given tasks, until an operator resumes the queue.
	Paused bool
	// Workers counts the asynq servers that take tasks from the queue now: those that gave a
	// sign of life within asynq's ten seconds or so, and are not stopping.
	Workers int
}

// TaskStates lists asynq's states of a task, for output that must show zeros too.
func TaskStates() []string {
	return []string{"pending", "active", "scheduled", "retry", "archived", "completed", "aggregating"}
}

// queuePrefix begins every key of a queue in asynq's Redis.
func queuePrefix(queue string) string { return "asynq:{" + queue + "}:" }

// taskKey is where asynq keeps a task.
func taskKey(queue, id string) string { return queuePrefix(queue) + "t:" + id }

const (
	// maxUndated bounds how many pending tasks are looked at for one with an age.
	maxUndated = 1000
	// serverTrace is how long, in seconds, a server that gave no sign of life is still looked
	// for. asynq does not remove killed ones from its list; and a server dates its own entry, so
	// that it must be generous to clocks that differ.
	serverTrace = 3600
)

// queuesScript reads everything at one moment.
//
// KEYS[1]   -> asynq:servers
// KEYS[2..] -> for each queue its pending, active, scheduled, retry, archived, completed, groups, paused
// ARGV[1]   -> maxUndated
// ARGV[2]   -> serverTrace
// ARGV[3..] -> for each queue asynq:{<queue>}:
//
// Returns {seconds, microseconds, {server, ...}, {queue, ...}}: Redis's time, what the living
// servers wrote about themselves, and for each queue the counts in the order of TaskStates,
// then whether it is paused, undated, and pending_since, a string or nil.
const queuesScript = `
local time = redis.call("TIME")
local servers = {}
for _, key in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], time[1] - ARGV[2], "+inf")) do
	local server = redis.call("GET", key)
	-- The key of a server that gives no sign of life expires.
	if server then table.insert(servers, server) end
end
local queues = {}
for n = 3, #ARGV do
	local first, prefix = 2 + (n - 3) * 8, ARGV[n]
	local queue = {redis.call("LLEN", KEYS[first]), redis.call("LLEN", KEYS[first + 1])}
	for i = 2, 5 do table.insert(queue, redis.call("ZCARD", KEYS[first + i])) end
	local aggregating = 0
	for _, group in ipairs(redis.call("SMEMBERS", KEYS[first + 6])) do
		aggregating = aggregating + redis.call("ZCARD", prefix .. "g:" .. group)
	end
	table.insert(queue, aggregating)
	table.insert(queue, redis.call("EXISTS", KEYS[first + 7]))
	-- The list is delivered from its end.
	local undated, since = 0, false
	while undated < tonumber(ARGV[1]) do
		local id = redis.call("LINDEX", KEYS[first], -1 - undated)
		since = id and redis.call("HGET", prefix .. "t:" .. id, "pending_since")
		if since or not id then break end
		undated = undated + 1
	end
	table.insert(queue, undated)
	table.insert(queue, since)
	table.insert(queues, queue)
end
return {tonumber(time[1]), tonumber(time[2]), servers, queues}`

// ReadQueues returns what Redis holds of the queues of [job.Configs], in that order, and the
// moment by Redis's clock. Redis may know nothing of a queue, as after a flush; then all its
// numbers are zero.
//
// It asks once, within the deadline of ctx: who watches will ask again anyhow. The answer is
// whole or an error. A replica is refused, since what it holds may be old; so is a Redis that
// loads its data, or holds anything but asynq's types in asynq's places. Redis Cluster cannot
// run the script, as the queues lie on different nodes there.
func ReadQueues(ctx context.Context, rdb redis.UniversalClient) (at time.Time, queues []Queue, err error) {
	configs := job.Configs()
	keys, args := []string{"asynq:servers"}, []any{maxUndated, serverTrace}
	for _, c := range configs {
		prefix := queuePrefix(c.Queue())
		for _, place := range []string{"pending", "active", "scheduled", "retry", "archived", "completed", "groups", "paused"} {
			keys = append(keys, prefix+place)
		}
		args = append(args, prefix)
	}
	// A pipeline, because single commands are tried again for half a minute (see retry).
	pipe := rdb.Pipeline()
	// It waits for nothing, but a replica refuses it. ROLE would tell as well; few users may run that.
	pipe.Do(ctx, "WAIT", 0, 0)
	answer := pipe.Eval(ctx, queuesScript, keys, args...)
	if _, err := pipe.Exec(ctx); err != nil {
		return at, nil, fmt.Errorf("read the queues in Redis: %w", err)
	}
	at, servers, rows, err := parseAnswer(answer.Val(), len(configs))
	if err != nil {
		return at, nil, fmt.Errorf("read the queues in Redis: %w", err)
	}
	for i, c := range configs {
		q, err := parseQueue(rows[i])
		if err != nil {
			return at, nil, fmt.Errorf("read queue %s in Redis: %w", c.Queue(), err)
		}
		q.Name = c.Queue()
		for _, s := range servers {
			if s.active && slices.Contains(s.queues, q.Name) {
				q.Workers++
			}
		}
		queues = append(queues, q)
	}
	return at, queues, nil
}

// errAnswer is what becomes of an answer that the script cannot have given.
var errAnswer = errors.New("the answer is not of the form that was asked for: is something between this process and Redis?")

// parseAnswer takes the script's answer apart.
func parseAnswer(answer any, wantQueues int) (at time.Time, servers []server, rows [][]any, err error) {
	parts, _ := answer.([]any)
	if len(parts) != 4 {
		return at, nil, nil, errAnswer
	}
	seconds, ok1 := parts[0].(int64)
	micros, ok2 := parts[1].(int64)
	infos, ok3 := parts[2].([]any)
	found, ok4 := parts[3].([]any)
	if !ok1 || !ok2 || !ok3 || !ok4 || len(found) != wantQueues {
		return at, nil, nil, errAnswer
	}
	for _, info := range infos {
		text, ok := info.(string)
		if !ok {
			return at, nil, nil, errAnswer
		}
		s, err := parseServer([]byte(text))
		if err != nil {
			return at, nil, nil, err
		}
		servers = append(servers, s)
	}
	for _, f := range found {
		row, _ := f.([]any)
		rows = append(rows, row)
	}
	return time.Unix(seconds, micros*1000).UTC(), servers, rows, nil
}

// parseQueue reads the script's row of one queue.
func parseQueue(row []any) (Queue, error) {
	states := TaskStates()
	if len(row) != len(states)+3 {
		return Queue{}, errAnswer
	}
	var numbers []int
	for _, v := range row[:len(states)+2] {
		n, ok := v.(int64)
		if !ok {
			return Queue{}, errAnswer
		}
		numbers = append(numbers, int(n))
	}
	q := Queue{Tasks: map[string]int{}, Paused: numbers[len(states)] != 0, Undated: numbers[len(states)+1]}
	for i, state := range states {
		q.Tasks[state] = numbers[i]
	}
	if since, ok := row[len(row)-1].(string); ok {
		nanos, err := strconv.ParseInt(since, 10, 64)
		if err != nil {
			return Queue{}, fmt.Errorf("pending_since of a task is not a time: %w", err)
		}
		q.OldestPending = time.Unix(0, nanos).UTC()
	}
	return q, nil
}
