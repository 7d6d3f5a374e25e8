package periodic

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the zones, where the system has none

	"github.com/robfig/cron/v3"
)

// Schedule says when an entry is due.
type Schedule struct {
	spec string
	zone *time.Location
	// clock finds the next matching reading of a clock that is never put forward or back.
	clock *cron.SpecSchedule
}

// everyHour is how the library marks a field that is *.
const everyHour = 1 << 63

var errSpec = errors.New(`write minute, hour, day of month, month and day of week as in a crontab, for example "15 2 * * *", or @hourly, @daily, @weekly, @monthly, @yearly`)

// ParseSchedule reads five fields of a crontab, for clock time of an IANA zone such as Europe/Zurich.
func ParseSchedule(spec, zone string) (Schedule, error) {
	// Elsewhere a zone may stand in front, and the library would take it.
	if strings.ContainsAny(spec, "=\n") {
		return Schedule{}, fmt.Errorf("%q: %w", spec, errSpec)
	}
	parsed, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor).Parse(spec)
	if err != nil {
		return Schedule{}, fmt.Errorf("%q: %w: %w", spec, err, errSpec)
	}
	clock, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return Schedule{}, fmt.Errorf("%q: an interval has no times: %w", spec, errSpec)
	}
	clock.Location = time.UTC
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return Schedule{}, fmt.Errorf("time zone %q: there is none; write one of the IANA's, for example Europe/Zurich or UTC", zone)
	}
	if clock.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Schedule{}, fmt.Errorf("%q: there is no such day: %w", spec, errSpec)
	}
	return Schedule{spec: spec, zone: location, clock: clock}, nil
}

// String is the schedule with its zone; two that read alike are the same.
func (s Schedule) String() string { return s.spec + " " + s.zone.String() }

// scheduleOf reads what String wrote.
func scheduleOf(text string) (Schedule, error) {
	at := strings.LastIndexByte(text, ' ')
	if at < 0 {
		return Schedule{}, fmt.Errorf("%q: no schedule with a zone", text)
	}
	return ParseSchedule(text[:at], text[at+1:])
}

// Next returns the first due time after a moment, in the schedule's zone; zero where there is
// none within five years.
//
// It goes from one stretch of time to the next in which the zone's offset is the same: there the
// readings of the clock and the moments are in one order.
func (s Schedule) Next(after time.Time) time.Time {
	within := after.In(s.zone)
	for {
		start, end := within.ZoneBounds()
		shift := offset(within)
		for reading := after.UTC().Add(shift); ; {
			if reading = s.clock.Next(reading); reading.IsZero() {
				return time.Time{}
			}
			due := reading.Add(-shift)
			if !end.IsZero() && !due.Before(end) {
				break
			}
			if s.hourly() || start.IsZero() || !due.Add(shift-offset(start.Add(-1))).Before(start) {
				return due.In(s.zone)
			}
			// The clock showed it before it was put back as well.
		}
		if !s.hourly() && s.skipped(end.UTC().Add(shift), end.UTC().Add(offset(end))) {
			return end
		}
		within, after = end, end.Add(-1)
	}
}

// hourly reports whether every hour that passes counts, whatever the clock calls it.
func (s Schedule) hourly() bool { return s.clock.Hour&everyHour != 0 }

// skipped reports whether the clock jumps over a matching reading.
func (s Schedule) skipped(from, to time.Time) bool {
	return from.Before(to) && s.clock.Next(from.Add(-1)).Before(to)
}

// offset is by how much a zone's clock is ahead of UTC.
func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}
