package emission

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"tidemark/shared/catalog"
)

// isoOffset is ISO-8601 with an offset in digits, as the original writes it.
const isoOffset = "2006-01-02T15:04:05.999999-07:00"

// validated is the carbon_report_modules.status of a module that a person has signed off.
const validated = 2

// reportModule is one module of a report, of whatever type.
type reportModule struct {
	ID         int
	ReportID   int
	ModuleType int
	Status     int
	// Stats is NULL until the module is aggregated for the first time.
	Stats []byte
}

// reportSums are the sums of a report, as stored in carbon_reports.stats.
type reportSums struct {
	stats
	// ITTotalKg is the part of the total that information technology causes, in kg CO2-eq.
	ITTotalKg float64 `json:"it_total_kg"`
	// HighestModule is the module_type_id of the validated module with the largest total; null without one.
	HighestModule *int `json:"highest_category_module_id"`
}

// itTypes are the emission types of information technology: equipment, purchases,
// facilities, clouds, AI. None lies below another one.
var itTypes = []int{80200, 90300, 100300, 110100, 110200}

// reportStats adds up the modules of one report.
func reportStats(modules []reportModule, now time.Time) (reportSums, error) {
	r := reportSums{stats: stats{
		ByEmissionType:    map[string]float64{},
		ByAdditionalValue: map[string]float64{},
		ComputedAt:        now.UTC().Format(isoOffset),
	}}
	highest := 0.0
	for _, m := range modules {
		s, err := m.read()
		if err != nil {
			return reportSums{}, err
		}
		r.Scope1 += s.Scope1
		r.Scope2 += s.Scope2
		r.Scope3 += s.Scope3
		r.Total += s.Total
		r.EntryCount += s.EntryCount
		addAll(r.ByEmissionType, s.ByEmissionType)
		addAll(r.ByAdditionalValue, s.ByAdditionalValue)
		if m.Status == validated && s.Total > highest {
			highest, r.HighestModule = s.Total, &m.ModuleType
		}
	}
	for _, id := range itTypes {
		node, _ := catalog.EmissionTypeByID(id)
		r.ITTotalKg += valueOf(r.ByEmissionType, node)
	}
	if math.IsInf(r.Total, 0) {
		return reportSums{}, fmt.Errorf("carbon_reports %d: the modules add up to no finite number", modules[0].ReportID)
	}
	return r, nil
}

// read decodes a module's stats; NULL and null count as empty.
func (m reportModule) read() (stats, error) {
	var s stats
	if len(m.Stats) == 0 {
		return s, nil
	}
	err := json.Unmarshal(m.Stats, &s)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		// In the words of the document, not of the type that reads it.
		err = fmt.Errorf("%s is of type %s", cmp.Or(wrong.Field, "the document"), wrong.Value)
	}
	if err != nil {
		return stats{}, fmt.Errorf("carbon_report_modules %d: its stats cannot be added up (%w); aggregate module type %d of that year", m.ID, err, m.ModuleType)
	}
	return s, nil
}

// valueOf returns the value of a type, or what is below it where only that is known:
// stats written by the original lack a type whose leaves cancel each other out.
func valueOf(by map[string]float64, node catalog.EmissionType) float64 {
	if v, ok := by[strconv.Itoa(node.ID)]; ok {
		return v
	}
	below := 0.0
	for _, id := range node.Children() {
		child, _ := catalog.EmissionTypeByID(id)
		below += valueOf(by, child)
	}
	return below
}

// addTo adds a value to a type; nothing to add leaves no trace.
func addTo(by map[string]float64, id int, v float64) {
	if v != 0 {
		by[strconv.Itoa(id)] += v
	}
}

func addAll(to, from map[string]float64) {
	for id, v := range from {
		to[id] += v
	}
}

// reportStatus is a report's progress in words, "validated/total", with its
// overall_status: 0 none validated, 1 some, 2 all.
func reportStatus(modules []reportModule) (progress string, overall int) {
	n := 0
	for _, m := range modules {
		if m.Status == validated {
			n++
		}
	}
	switch n {
	case 0:
	case len(modules):
		overall = 2
	default:
		overall = 1
	}
	return fmt.Sprintf("%d/%d", n, len(modules)), overall
}
