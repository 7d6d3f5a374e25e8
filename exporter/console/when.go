package console

import (
	"fmt"
	"html/template"
	"time"
)

// exact is a time as it stands where there is room for all of it.
func exact(t *time.Time) string {
	if t == nil {
		return say("time.none")
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// brief is a time in a cell: of the same day the hour, else the day, else the year. It is a part of the
// exact time, which the cell's label has: what is seen can be said to a browser that listens.
func brief(t *time.Time, at time.Time) string {
	if t == nil {
		return ""
	}
	then, now := t.UTC(), at.UTC()
	switch {
	case then.Format(time.DateOnly) == now.Format(time.DateOnly):
		return then.Format("15:04")
	case then.Year() == now.Year():
		return then.Format("01-02")
	default:
		return then.Format("2006")
	}
}

// ago is how long before a moment a time was, in one unit.
func ago(t *time.Time, at time.Time) string {
	if t == nil {
		return say("time.none")
	}
	switch d := at.Sub(*t); {
	case d < 5*time.Second:
		return say("time.now")
	case d < time.Minute:
		return say("time.ago", "span", say("time.s", "n", int(d/time.Second)))
	case d < time.Hour:
		return say("time.ago", "span", say("time.min", "n", int(d/time.Minute)))
	case d < 48*time.Hour:
		return say("time.ago", "span", say("time.h", "n", int(d/time.Hour)))
	default:
		return say("time.ago", "span", say("time.d", "n", int(d/(24*time.Hour))))
	}
}

// span is a length of time for people, to the largest unit that divides it.
func span(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		word string
	}{{24 * time.Hour, "time.d"}, {time.Hour, "time.h"}, {time.Minute, "time.min"}, {time.Second, "time.s"}} {
		if d >= unit.size && d%unit.size == 0 {
			return say(unit.word, "n", int(d/unit.size))
		}
	}
	return d.Round(time.Second).String()
}

// lasted is how long something took, in its two largest units.
func lasted(from, to *time.Time) string {
	if from == nil || to == nil {
		return ""
	}
	d := max(to.Sub(*from), 0)
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	default:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
}

// when is a time as an element: how long ago, with the exact time in its title. Scripts keep it true.
func when(t *time.Time, at time.Time) template.HTML {
	if t == nil || t.IsZero() {
		return template.HTML(`<span class="none">` + template.HTMLEscapeString(say("time.none")) + `</span>`)
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`,
		t.UTC().Format(time.RFC3339Nano), exact(t), template.HTMLEscapeString(ago(t, at))))
}
