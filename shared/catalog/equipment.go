package catalog

import "fmt"

const weekHours = 168

// The three kinds of equipment differ in nothing but name and emission type.
var (
	scientificEquipment = equipment("scientific", 80100)
	itEquipment         = equipment("it", 80200)
	otherEquipment      = equipment("other", 80300)
)

// equipment describes one kind: power drawn in use and in standby over a year.
func equipment(category string, emissionType int) calculation {
	// One file often holds all three kinds; the column says which one a row is.
	categoryColumn := field{name: "equipment_category", oneOf: []string{category}, selector: true}
	always := func(Entry) (int, error) { return emissionType, nil }
	return calculation{
		entryFields: []field{
			{name: "equipment_id"},
			{name: "name", required: true},
			{name: "equipment_class", required: true},
			{name: "sub_class"},
			{name: "active_usage_hours_per_week", kind: number, required: true, min: bound(0), max: bound(weekHours)},
			{name: "standby_usage_hours_per_week", kind: number, required: true, min: bound(0), max: bound(weekHours)},
			{name: "note"},
			categoryColumn,
		},
		checkEntry: weekIsLongEnough,
		factorKeys: []field{
			{name: "equipment_class", required: true},
			{name: "sub_class"},
			categoryColumn,
		},
		factorValues: []field{
			{name: "active_power_w", kind: number, required: true, min: bound(0)},
			{name: "standby_power_w", kind: number, required: true, min: bound(0)},
			{name: "active_usage_hours_per_week", kind: number, min: bound(0), max: bound(weekHours)},
			{name: "standby_usage_hours_per_week", kind: number, min: bound(0), max: bound(weekHours)},
			{name: "ef_kg_co2eq_per_kwh", kind: number, required: true},
		},
		factorType: always,
		kind:       "equipment_class",
		subkind:    "sub_class",
		entryType:  always,
		formula:    yearOfPower,
	}
}

func weekIsLongEnough(e Entry) []FieldError {
	active, _ := e["active_usage_hours_per_week"].(float64)
	standby, _ := e["standby_usage_hours_per_week"].(float64)
	if active+standby > weekHours {
		return []FieldError{{Column: "standby_usage_hours_per_week",
			Reason: fmt.Sprintf("%s hours in addition to %s of active use are more than the %d of a week", decimal(standby), decimal(active), weekHours)}}
	}
	return nil
}

// yearOfPower gives the kWh of 52 weeks and their kg.
func yearOfPower(e Entry, _ measurement, f *Factor) (kwh, kg float64, err error) {
	var watts, hours [2]float64
	for i, mode := range []string{"active", "standby"} {
		if hours[i], err = e.needNumber(mode + "_usage_hours_per_week"); err != nil {
			return 0, 0, err
		}
		if watts[i], err = f.need(mode + "_power_w"); err != nil {
			return 0, 0, err
		}
	}
	ef, err := f.need("ef_kg_co2eq_per_kwh")
	kwh = (hours[0]*watts[0] + hours[1]*watts[1]) * 52 / 1000
	return kwh, kwh * ef, err
}
