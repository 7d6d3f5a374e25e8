package explain

import (
	"fmt"
	"strings"
	"time"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

func calculated(dataEntryType int) bool {
	t, ok := catalog.DataEntryTypeByID(dataEntryType)
	return ok && t.Calculated()
}

func jobName(j Job) string {
	if j.Type == job.EmissionRecalc {
		return "recalculation of " + catalog.DataEntryTypeName(j.DataEntryType)
	}
	return string(j.Type)
}

// loadName says what a load brought in.
func loadName(j Job) string {
	return rootName(j.Type) + " of " + catalog.DataEntryTypeName(j.DataEntryType)
}

func rootName(t job.Type) string {
	switch t {
	case job.CSVIngest:
		return "the load of entries"
	case job.FactorIngest:
		return "the load of factors"
	case job.ReferenceIngest:
		return "the load of reference data"
	case job.EmissionRecalc:
		return "a recalculation"
	default:
		return "the " + string(t)
	}
}

func via(way string) string {
	switch ledger.Via(way) {
	case ledger.ViaCLI:
		return "on the command line"
	case ledger.ViaHTTP:
		return "by the API"
	case ledger.ViaTask:
		return "by a task in the queue"
	default:
		return "via " + way
	}
}

func resultOf(j Job) string {
	if j.Result == "" {
		return "without a result"
	}
	return "in " + string(j.Result)
}

// compute is the remedy that computes the whole scope.
func (x *explainer) compute(text string) {
	m, known := catalog.ModuleByID(x.e.ModuleType)
	if !known {
		x.remedy(fmt.Sprintf("Nothing: this release does not know the module type %d.", x.e.ModuleType), "")
		return
	}
	for _, t := range m.DataEntryTypes {
		if t.Calculated() {
			x.remedy(text, x.command("recalc", ""))
			return
		}
	}
	x.remedy(text, x.command("aggregate", ""))
}

// command requests a computation of the scope, or of one of its data entry types.
func (x *explainer) command(name, dataEntryType string) string {
	c := fmt.Sprintf("tidemark %s --module %s --year %d", name, x.e.Module, x.e.Year)
	if dataEntryType != "" {
		c += " --type " + dataEntryType
	}
	return c + " --wait"
}

// watch shows what is under way.
func (x *explainer) watch() string {
	return fmt.Sprintf("tidemark jobs --active --module %s --year %d", x.e.Module, x.e.Year)
}

// clock is a time to the second.
func clock(t *time.Time) string {
	if t == nil {
		return "a time that is not recorded"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// span is a length of time in its two largest units.
func span(d time.Duration) string {
	d = max(d, 0)
	for _, unit := range []struct {
		size, next   time.Duration
		large, small string
	}{{24 * time.Hour, time.Hour, "d", "h"}, {time.Hour, time.Minute, "h", "min"}, {time.Minute, time.Second, "min", "s"}} {
		if d < unit.size {
			continue
		}
		text := fmt.Sprintf("%d %s", d/unit.size, unit.large)
		if rest := d % unit.size / unit.next; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, unit.small)
		}
		return text
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// sentence begins with a capital.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// stop ends a sentence, but for one that ends already.
func stop(s string) string {
	if strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}
