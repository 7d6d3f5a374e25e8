package emission

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
)

// aggregatePage is how many report modules, and later reports, are read, added up
// and written in one go.
const aggregatePage = 500

// Aggregate rolls one module and year up inside tx: the stats of all its report
// modules, then those of their reports. Progress counts report modules. Emissions
// that fit nowhere make the result a warning that names them.
func Aggregate(ctx context.Context, tx pgx.Tx, scope job.Scope, progress job.Progress) (job.Outcome, error) {
	outcome, err := aggregate(ctx, tx, scope, progress, aggregatePage)
	if err != nil {
		return job.Outcome{}, fmt.Errorf("aggregate %s: %w", scope, err)
	}
	return outcome, nil
}

func aggregate(ctx context.Context, tx pgx.Tx, scope job.Scope, progress job.Progress, pageSize int) (job.Outcome, error) {
	if scope.Type != job.Aggregation {
		return job.Outcome{}, fmt.Errorf("job type %q is no aggregation", scope.Type)
	}
	module, ok := catalog.ModuleByID(scope.ModuleType)
	if !ok {
		return job.Outcome{}, fmt.Errorf("module type %d is unknown", scope.ModuleType)
	}
	now, err := databaseNow(ctx, tx)
	if err != nil {
		return job.Outcome{}, err
	}
	a := aggregation{tx: tx, module: module, year: scope.Year, now: now, pageSize: pageSize}
	// All modules first: the locks on the reports, for which aggregations of other modules wait,
	// are then held only for the short second half.
	if err := a.refreshModules(ctx, progress); err != nil {
		return job.Outcome{}, err
	}
	if err := a.refreshReports(ctx); err != nil {
		return job.Outcome{}, err
	}
	return a.outcome()
}

// aggregation is one run.
type aggregation struct {
	tx       pgx.Tx
	module   catalog.Module
	year     int
	now      time.Time
	pageSize int

	modules, reports int
	// out are the sums that fit nowhere, by type and reason; at most maxDetails of them.
	out []leftOut
	// outOmitted counts the sums beyond that.
	outOmitted int
}

func (a *aggregation) refreshModules(ctx context.Context, progress job.Progress) error {
	total, err := countModules(ctx, a.tx, a.module.ID, a.year)
	if err != nil {
		return err
	}
	for last := 0; ; {
		page, err := nextModules(ctx, a.tx, a.module.ID, a.year, last, a.pageSize)
		if err != nil || len(page) == 0 {
			return err
		}
		sums, err := sumEmissions(ctx, a.tx, page)
		if err != nil {
			return err
		}
		documents := make([]string, len(page))
		for i, m := range page {
			s, out := moduleStats(a.module, sums[m.ID], m.Entries, a.now)
			a.leave(out)
			b, err := json.Marshal(s)
			if err != nil {
				return fmt.Errorf("carbon_report_modules %d: its emissions add up to no finite number: %w", m.ID, err)
			}
			documents[i] = string(b)
		}
		if err := storeModules(ctx, a.tx, page, documents, a.now); err != nil {
			return err
		}
		a.modules += len(page)
		last = page[len(page)-1].ID
		progress(a.modules, max(total, a.modules))
	}
}

func (a *aggregation) refreshReports(ctx context.Context) error {
	for last := 0; ; {
		ids, err := lockReports(ctx, a.tx, a.module.ID, a.year, last, a.pageSize)
		if err != nil || len(ids) == 0 {
			return err
		}
		refreshed, err := addUpReports(ctx, a.tx, ids, a.now)
		if err != nil {
			return err
		}
		if err := storeReports(ctx, a.tx, refreshed, a.now); err != nil {
			return err
		}
		a.reports += len(ids)
		last = ids[len(ids)-1]
	}
}

// leave collects what fits nowhere over all report modules.
func (a *aggregation) leave(out []leftOut) {
	for _, o := range out {
		i := slices.IndexFunc(a.out, func(known leftOut) bool { return known.EmissionType == o.EmissionType && known.Reason == o.Reason })
		switch {
		case i >= 0:
			a.out[i].Kg += o.Kg
		case len(a.out) < maxDetails:
			a.out = append(a.out, o)
		default:
			a.outOmitted++
		}
	}
}

func (a *aggregation) outcome() (job.Outcome, error) {
	type detail struct {
		EmissionType int    `json:"emission_type_id"`
		Reason       string `json:"reason"`
		// Kg is a text where the sum is no number that JSON knows.
		Kg string `json:"kg_co2eq"`
	}
	details := []detail{}
	var words []string
	for _, o := range a.out {
		kg := fmt.Sprintf("%.6g", o.Kg)
		details = append(details, detail{o.EmissionType, o.Reason, kg})
		words = append(words, fmt.Sprintf("emission type %d (%s kg) %s", o.EmissionType, kg, o.Reason))
	}
	b, err := json.Marshal(struct {
		Modules int      `json:"modules_refreshed"`
		Reports int      `json:"reports_refreshed"`
		LeftOut []detail `json:"left_out"`
		Omitted int      `json:"left_out_omitted"`
	}{a.modules, a.reports, details, a.outOmitted})
	if err != nil {
		return job.Outcome{}, err
	}
	out := job.Outcome{Result: job.Success, Detail: b,
		Message: fmt.Sprintf("aggregated %s of %s", counted(a.modules, "report module", "report modules"), counted(a.reports, "report", "reports"))}
	if len(words) > 0 {
		out.Result = job.Warning
		out.Message += "; not in every sum: " + firstFew(words)
	}
	return out, nil
}

// firstFew joins some words for a message that fits on a line or two.
func firstFew(words []string) string {
	const most = 3
	if len(words) > most {
		return fmt.Sprintf("%s, and %d more", strings.Join(words[:most], ", "), len(words)-most)
	}
	return strings.Join(words, ", ")
}
