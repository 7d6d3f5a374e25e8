package signal

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// statesScript reads the states of many tasks of a queue at once.
//
// KEYS -> asynq:{<queue>}:t:<id> of each
//
// Returns the state of each, or "" where there is no such task.
var statesScript = redis.NewScript(`
local states = {}
for i, key in ipairs(KEYS) do states[i] = redis.call("HGET", key, "state") or "" end
return states`)

// Unqueued returns the tickets, all of one job type, whose signal does not wait for a worker. It is
// one command for all of them: most signals are where they belong, most of the time, and
// [Sender.Ensure] takes several for each.
func (s *Sender) Unqueued(ctx context.Context, t job.Type, tickets []ledger.Ticket) ([]ledger.Ticket, error) {
	if len(tickets) == 0 {
		return nil, nil
	}
	c, err := job.ConfigOf(t)
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(tickets))
	for i, ticket := range tickets {
		keys[i] = taskKey(c.Queue(), taskID(c, ticket))
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	states, err := statesScript.Run(ctx, s.rdb, keys).StringSlice()
	if err == nil && len(states) != len(tickets) {
		err = errAnswer
	}
	if err != nil {
		return nil, fmt.Errorf("look for the signals of %d %s jobs: %w", len(tickets), t, err)
	}
	var unqueued []ledger.Ticket
	for i, state := range states {
		if state != "pending" {
			unqueued = append(unqueued, tickets[i])
		}
	}
	return unqueued, nil
}
