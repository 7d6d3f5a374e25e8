package monitor

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/hibiken/asynqmon"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
	"tidemark/shared/signal"
)

// formatPayload says which scope a task is about, "emission_recalc of professional_travel/plane 2025".
// The job that it was sent for is the last number of its id. What is none of ours is shown as it is.
func formatPayload(taskType string, payload []byte) string {
	t, err := job.ParseType(taskType)
	if err != nil {
		return asynqmon.DefaultPayloadFormatter.FormatPayload(taskType, payload)
	}
	c, err := job.ConfigOf(t)
	if err != nil {
		return asynqmon.DefaultPayloadFormatter.FormatPayload(taskType, payload)
	}
	s, err := c.ParsePayload(payload)
	if err != nil {
		return fmt.Sprintf("no scope of %s (%v): %s", t, err, asynqmon.DefaultPayloadFormatter.FormatPayload(taskType, payload))
	}
	return fmt.Sprintf("%s of %s %d", t, sliceOf(s), s.Year)
}

// sliceOf names the module, and the data entry type where the scope has one.
func sliceOf(s job.Scope) string {
	name := fmt.Sprintf("module %d", s.ModuleType)
	if m, ok := catalog.ModuleByID(s.ModuleType); ok {
		name = m.Name
	}
	if s.DataEntryType == 0 {
		return name
	}
	if t, ok := catalog.DataEntryTypeByID(s.DataEntryType); ok {
		return name + "/" + t.Name
	}
	return fmt.Sprintf("%s/type %d", name, s.DataEntryType)
}

// formatResult says what a task was made into. asynqmon shows beside it why a task failed, which for
// a failed job is its number and its message.
func formatResult(taskType string, result []byte) string {
	var a signal.Answer
	if json.Unmarshal(result, &a) != nil || a.Pipeline == uuid.Nil {
		return asynqmon.DefaultResultFormatter.FormatResult(taskType, result)
	}
	text := "made into a request: pipeline " + a.Pipeline.String()
	if a.Incident.Error != "" {
		text += ", to run again what failed with: " + a.Incident.Error
	}
	return text
}
