package periodic

import (
	"strings"
	"testing"
	"time"
)

func mustParse(t *testing.T, spec, zone string) Schedule {
	t.Helper()
	s, err := ParseSchedule(spec, zone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// TestClockChanges: Europe/Zurich goes from 02:00 to 03:00 on 30 March 2025, and from 03:00 back to
// 02:00 on 26 October; São Paulo had no midnight on 4 November 2018; Lord Howe shifts by half an hour.
func TestClockChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ spec, zone, after, want string }{
		"a time that is skipped, at the shift": {"30 2 * * *", "Europe/Zurich", "2025-03-29T12:00:00Z",
			"2025-03-30T03:00:00+02:00 2025-03-31T02:30:00+02:00"},
		"several that are skipped, once": {"*/10 2 * * *", "Europe/Zurich", "2025-03-29T12:00:00Z",
			"2025-03-30T03:00:00+02:00 2025-03-31T02:00:00+02:00"},
		"skipped and at the shift, once": {"30 2,3 * * *", "Europe/Zurich", "2025-03-29T12:00:00Z",
			"2025-03-30T03:00:00+02:00 2025-03-30T03:30:00+02:00"},
		"at the shift": {"0 3 * * *", "Europe/Zurich", "2025-03-29T12:00:00Z",
			"2025-03-30T03:00:00+02:00 2025-03-31T03:00:00+02:00"},
		"a time that comes twice, the first": {"30 2 * * *", "Europe/Zurich", "2025-10-25T12:00:00Z",
			"2025-10-26T02:30:00+02:00 2025-10-27T02:30:00+01:00"},
		"also when asked between the two": {"30 2 * * *", "Europe/Zurich", "2025-10-26T00:45:00Z",
			"2025-10-27T02:30:00+01:00 2025-10-28T02:30:00+01:00"},
		"every hour that passes, forward": {"15 * * * *", "Europe/Zurich", "2025-03-30T00:00:00Z",
			"2025-03-30T01:15:00+01:00 2025-03-30T03:15:00+02:00 2025-03-30T04:15:00+02:00"},
		"every hour that passes, back": {"15 * * * *", "Europe/Zurich", "2025-10-26T00:00:00Z",
			"2025-10-26T02:15:00+02:00 2025-10-26T02:15:00+01:00 2025-10-26T03:15:00+01:00"},
		"a midnight that is skipped": {"0 0 4 * *", "America/Sao_Paulo", "2018-11-01T00:00:00Z",
			"2018-11-04T01:00:00-02:00 2018-12-04T00:00:00-02:00"},
		"half an hour": {"15 2 * * *", "Australia/Lord_Howe", "2025-10-04T00:00:00Z",
			"2025-10-05T02:30:00+11:00 2025-10-06T02:15:00+11:00"},
		"a zone that never changes": {"@weekly", "Asia/Kathmandu", "2025-03-26T00:00:00Z",
			"2025-03-30T00:00:00+05:45 2025-04-06T00:00:00+05:45"},
		"the 29th of February": {"0 0 29 2 *", "UTC", "2025-01-01T00:00:00Z", "2028-02-29T00:00:00Z 2032-02-29T00:00:00Z"},
	} {
		s, due, got := mustParse(t, c.spec, c.zone), at(t, c.after), []string{}
		for range strings.Fields(c.want) {
			due = s.Next(due)
			got = append(got, due.Format(time.RFC3339))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s of %s\n got %s\nwant %s", name, c.spec, c.zone, got, c.want)
		}
	}
}

// TestNextAgreesWithWatchingTheClock looks at every minute of days around changes.
func TestNextAgreesWithWatchingTheClock(t *testing.T) {
	t.Parallel()
	for zone, days := range map[string][]string{
		"Europe/Zurich": {"2025-03-29T00:00:00Z", "2025-10-25T00:00:00Z"}, "Australia/Lord_Howe": {"2025-04-04T06:00:00Z", "2025-10-03T06:00:00Z"},
		"America/Sao_Paulo": {"2018-02-16T12:00:00Z", "2018-11-03T00:00:00Z"}, "Africa/Casablanca": {"2025-02-22T00:00:00Z", "2025-04-05T00:00:00Z"},
	} {
		for _, spec := range []string{"30 2 * * *", "15,45 1-3 * * *", "0 0 * * *", "59 23 * * sun", "*/20 */2 * * *", "7 * * * *", "@hourly", "0 2,3 4-10 3,10,11 *"} {
			s := mustParse(t, spec, zone)
			for _, from := range days {
				start := at(t, from)
				next := s.Next(start.Add(-time.Minute))
				for minute := start; minute.Before(start.AddDate(0, 0, 3)); minute = minute.Add(time.Minute) {
					due := s.watch(minute)
					if due != minute.Equal(next) {
						t.Fatalf("%s of %s: at %s the clock says %t, Next said %s", spec, zone, minute.In(s.zone), due, next)
					}
					if due {
						next = s.Next(minute)
					}
				}
			}
		}
	}
}

// watch says whether a minute is due, by the rules of the package comment and a look at the clock.
func (s Schedule) watch(minute time.Time) bool {
	reads := func(t time.Time) time.Time { return t.UTC().Add(offset(t.In(s.zone))) }
	matches := func(reading time.Time) bool { return s.clock.Next(reading.Add(-time.Second)).Equal(reading) }
	now, before := reads(minute), reads(minute.Add(-time.Minute))
	if s.hourly() {
		return matches(now)
	}
	// The clock was put back by half an hour or an hour, if at all, at most an hour ago.
	for _, ago := range []time.Duration{30 * time.Minute, time.Hour} {
		if reads(minute.Add(-ago)).Equal(now) {
			return false
		}
	}
	for reading := before.Add(time.Minute); !reading.After(now); reading = reading.Add(time.Minute) {
		if matches(reading) {
			return true
		}
	}
	return false
}

func TestSchedulesThatCannotBeReadAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"", "UTC", "crontab"}, {"* * * *", "UTC", "crontab"}, {"61 * * * *", "UTC", "crontab"}, {"0 0 30 2 *", "UTC", "no such day"},
		{"@every 1h", "UTC", "interval"}, {"TZ=Europe/Zurich 0 0 * * *", "UTC", "crontab"}, {"TZ=x", "UTC", "crontab"},
		{"0 0 * * *", "Europe/Nowhere", "IANA"}, {"0 0 * * *", "Local", "IANA"},
	} {
		if _, err := ParseSchedule(c[0], c[1]); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%q of %q: %v", c[0], c[1], err)
		}
	}
}

// A schedule that the record keeps is read back.
func TestScheduleOf(t *testing.T) {
	t.Parallel()
	s := mustParse(t, "15 2 * * 1-5", "Europe/Zurich")
	back, err := scheduleOf(s.String())
	if err != nil || back.String() != s.String() {
		t.Errorf("%s, %v", back, err)
	}
	if _, err := scheduleOf("nonsense"); err == nil {
		t.Error("read nonsense")
	}
}
