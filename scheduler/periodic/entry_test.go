package periodic

import (
	"testing"
	"time"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	e := Entry{Name: "nightly", Schedule: mustParse(t, "0 2 * * *", "UTC"), CatchUp: 6 * time.Hour}
	for name, c := range map[string]struct {
		schedule, handled, now string
		due, until             string
		missed                 int
	}{
		"not yet":                        {"0 2 * * * UTC", "2025-03-01T02:00:00Z", "2025-03-02T01:59:59Z", "", "2025-03-01T02:00:00Z", 0},
		"on time":                        {"0 2 * * * UTC", "2025-03-01T02:00:00Z", "2025-03-02T02:00:00Z", "2025-03-02T02:00:00Z", "2025-03-02T02:00:00Z", 0},
		"nobody led for some hours":      {"0 2 * * * UTC", "2025-03-01T02:00:00Z", "2025-03-02T08:00:00Z", "2025-03-02T02:00:00Z", "2025-03-02T02:00:00Z", 0},
		"too long ago":                   {"0 2 * * * UTC", "2025-03-01T02:00:00Z", "2025-03-02T08:00:01Z", "", "2025-03-02T02:00:00Z", 1},
		"nobody led for days":            {"0 2 * * * UTC", "2025-03-01T02:00:00Z", "2025-03-05T03:00:00Z", "2025-03-05T02:00:00Z", "2025-03-05T02:00:00Z", 3},
		"the schedule changed":           {"0 1 * * * UTC", "2025-03-01T01:00:00Z", "2025-03-01T12:00:00Z", "", "2025-03-01T12:00:00Z", 0},
		"it changed, and was behind":     {"0 1 * * * UTC", "2025-03-01T01:00:00Z", "2025-03-03T12:00:00Z", "", "2025-03-03T12:00:00Z", 2},
		"a former one is unreadable":     {"nonsense", "2025-03-01T01:00:00Z", "2025-03-03T12:00:00Z", "", "2025-03-03T12:00:00Z", 0},
		"the database's clock fell back": {"0 2 * * * UTC", "2025-03-02T02:00:00Z", "2025-03-01T00:00:00Z", "", "2025-03-02T02:00:00Z", 0},
	} {
		d := e.decide(State{Schedule: c.schedule, HandledUntil: at(t, c.handled)}, at(t, c.now))
		due := ""
		if !d.due.IsZero() {
			due = d.due.Format(time.RFC3339)
		}
		if due != c.due || d.missed != c.missed || d.until.UTC().Format(time.RFC3339) != c.until {
			t.Errorf("%s: due %q, missed %d, until %s", name, due, d.missed, d.until)
		}
	}
}

// A minutely entry that nobody looked after for a year costs a moment, and is caught up once.
func TestDecideAfterAYear(t *testing.T) {
	t.Parallel()
	e := Entry{Schedule: mustParse(t, "* * * * *", "Europe/Zurich"), CatchUp: time.Hour}
	now := at(t, "2025-06-01T12:00:30Z")
	d := e.decide(State{Schedule: e.Schedule.String(), HandledUntil: at(t, "2024-06-01T12:00:00Z")}, now)
	if !d.due.Equal(now.Truncate(time.Minute)) || d.missed < mostMissed {
		t.Errorf("due %s, missed %d", d.due, d.missed)
	}
}

func TestYearAt(t *testing.T) {
	t.Parallel()
	e := Entry{Schedule: mustParse(t, "30 0 1 1 *", "Asia/Tokyo")}
	if year := e.yearAt(e.Schedule.Next(at(t, "2025-06-01T00:00:00Z"))); year != 2026 {
		t.Errorf("half an hour into 2026 in Tokyo the current year is %d", year)
	}
	e.Year = 2024
	if year := e.yearAt(time.Now()); year != 2024 {
		t.Errorf("%d", year)
	}
}
