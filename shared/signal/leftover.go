package signal

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/encoding/protowire"

	"tidemark/shared/job"
)

// Leftover is a task that asynq keeps and gives to no worker by itself: one in the archive, or
// one that counts as active although nobody has a lease on it (what a failover of Redis can leave).
type Leftover struct {
	Queue, TaskID string
	// JobID is the job the task was sent for; 0 for a task that is not ours.
	JobID int64
	// Pipeline is for whom the task was made into a request; uuid.Nil where it was not.
	Pipeline uuid.UUID
	// place is asynq's name of where it is, seen the message as it was when it was looked at.
	place, seen string
}

// Owned reports whether the record knows what the task stands for.
func (l Leftover) Owned() bool { return l.JobID != 0 || l.Pipeline != uuid.Nil }

const (
	inArchive = "archived"
	inActive  = "active"
)

// leftoversScript reads a page of what is left over in a queue.
//
// KEYS[1] -> asynq:{<queue>}:archived
// KEYS[2] -> asynq:{<queue>}:active
// KEYS[3] -> asynq:{<queue>}:lease
// ARGV[1] -> asynq:{<queue>}:t:
// ARGV[2] -> how many of the archive to pass over
// ARGV[3] -> how many tasks to look at, in either place
//
// Returns how many of the archive were looked at, then place, id, message and result of each.
var leftoversScript = redis.NewScript(`
local found = {}
local function add(place, id)
	local task = redis.call("HMGET", ARGV[1] .. id, "msg", "result")
	for _, v in ipairs({place, id, task[1] or "", task[2] or ""}) do table.insert(found, v) end
end
local archived = redis.call("ZRANGE", KEYS[1], ARGV[2], ARGV[2] + ARGV[3] - 1)
for _, id in ipairs(archived) do add("archived", id) end
for _, id in ipairs(redis.call("LRANGE", KEYS[2], 0, ARGV[3] - 1)) do
	if not redis.call("ZSCORE", KEYS[3], id) then add("active", id) end
end
table.insert(found, 1, #archived)
return found`)

// Leftovers returns what is left over in the queue of a job type: of the archive a page of limit
// tasks from offset, oldest first, and of the active ones those of the first limit. archived is how
// many the archive had there.
func (s *Sender) Leftovers(ctx context.Context, t job.Type, offset, limit int) (left []Leftover, archived int, err error) {
	c, err := job.ConfigOf(t)
	if err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	prefix := queuePrefix(c.Queue())
	answer, err := leftoversScript.Run(ctx, s.rdb, []string{prefix + inArchive, prefix + inActive, prefix + "lease"},
		taskKey(c.Queue(), ""), offset, limit).Slice()
	if err != nil {
		return nil, 0, fmt.Errorf("list what is left over in queue %s: %w", c.Queue(), err)
	}
	left, archived, err = parseLeftovers(c.Queue(), answer)
	if err != nil {
		return nil, 0, fmt.Errorf("list what is left over in queue %s: %w", c.Queue(), err)
	}
	return left, archived, nil
}

func parseLeftovers(queue string, answer []any) (left []Leftover, archived int, err error) {
	if len(answer) == 0 || len(answer)%4 != 1 {
		return nil, 0, errAnswer
	}
	n, ok := answer[0].(int64)
	if !ok {
		return nil, 0, errAnswer
	}
	for i := 1; i < len(answer); i += 4 {
		var text [4]string
		for k := range text {
			if text[k], ok = answer[i+k].(string); !ok {
				return nil, 0, errAnswer
			}
		}
		l := Leftover{Queue: queue, place: text[0], TaskID: text[1], seen: text[2]}
		l.JobID = jobOf([]byte(text[2]))
		var a Answer
		if json.Unmarshal([]byte(text[3]), &a) == nil {
			l.Pipeline = a.Pipeline
		}
		left = append(left, l)
	}
	return left, int(n), nil
}

// messageHeaders is the field of asynq's message of a task, a map; see parseServer.
const (
	messageHeaders protowire.Number = 15
	entryValue     protowire.Number = 2
)

// jobOf reads from asynq's message of a task which job it was sent for; 0 where that cannot be told.
func jobOf(message []byte) (id int64) {
	_ = eachText(message, func(field protowire.Number, entry []byte) error {
		if field != messageHeaders {
			return nil
		}
		var key, value string
		err := eachText(entry, func(field protowire.Number, text []byte) error {
			switch field {
			case entryKey:
				key = string(text)
			case entryValue:
				value = string(text)
			}
			return nil
		})
		if err == nil && key == jobHeader {
			id, _ = strconv.ParseInt(value, 10, 64)
		}
		return err
	})
	return id
}

// discardScript removes a task that is still where and what it was.
//
// KEYS[1] -> asynq:{<queue>}:t:<id>
// KEYS[2] -> asynq:{<queue>}:archived or :active
// KEYS[3] -> asynq:{<queue>}:lease
// ARGV[1] -> <id>
// ARGV[2] -> the message as it was seen
// ARGV[3] -> "archived" or "active"
//
// Returns 1 where it is gone, else 0.
var discardScript = redis.NewScript(`
if (redis.call("HGET", KEYS[1], "msg") or "") ~= ARGV[2] then return 0 end
local gone
if ARGV[3] == "archived" then
	gone = redis.call("ZREM", KEYS[2], ARGV[1])
elseif redis.call("ZSCORE", KEYS[3], ARGV[1]) then
	return 0
else
	gone = redis.call("LREM", KEYS[2], 0, ARGV[1])
end
if gone == 0 then return 0 end
redis.call("DEL", KEYS[1])
return 1`)

// Discard removes a leftover, and reports whether it did: one that somebody ran meanwhile stays.
func (s *Sender) Discard(ctx context.Context, l Leftover) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	prefix := queuePrefix(l.Queue)
	gone, err := discardScript.Run(ctx, s.rdb, []string{taskKey(l.Queue, l.TaskID), prefix + l.place, prefix + "lease"}, l.TaskID, l.seen, l.place).Int()
	if err != nil {
		return false, fmt.Errorf("discard task %s: %w", l.TaskID, err)
	}
	return gone == 1, nil
}
