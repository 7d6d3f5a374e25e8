package sample

import (
	"fmt"
	"math/rand/v2"
)

// generator makes the entries of one data entry type for a year.
type generator struct {
	dataEntryType string
	header        string
	rows          func(rng *rand.Rand, year int, airports []string) []string
}

// entries lists what the demo's units report.
var entries = []generator{
	{"plane", "unit_institutional_id,origin_iata,destination_iata,user_institutional_id,departure_date,number_of_trips,cabin_class,note", flights},
	{"energy_combustion", "unit_institutional_id,name,unit,quantity,note", fuels},
	{"scientific", deviceHeader, devices("centrifuge,", "freezer,ultra_low", "freezer,", "microscope,")},
	{"it", deviceHeader, devices("laptop,", "server,", "workstation,")},
	{"process_emissions", "unit_institutional_id,category,subcategory,quantity,note", gases},
}

// lostAirport is in no list: one flight in two hundred goes there.
const lostAirport = "XXA"

func flights(rng *rand.Rand, year int, airports []string) []string {
	var rows []string
	for range 1500 {
		home := []string{"GVA", "GVA", "ZRH", "BSL"}[rng.IntN(4)]
		to := airports[rng.IntN(len(airports))]
		if rng.IntN(200) == 0 {
			to = lostAirport
		}
		if to == home {
			continue
		}
		cabin := []string{"economy", "economy", "economy", "economy", "business"}[rng.IntN(5)]
		rows = append(rows, fmt.Sprintf("%s,%s,%s,P%04d,%d-%02d-%02d,%d,%s,", unit(rng), home, to, rng.IntN(900), year,
			1+rng.IntN(12), 1+rng.IntN(28), 1+rng.IntN(2), cabin))
	}
	return rows
}

func fuels(rng *rand.Rand, _ int, _ []string) []string {
	var rows []string
	for _, u := range units {
		rows = append(rows, fmt.Sprintf("%s,natural_gas,kWh,%d,boiler", u, 20000+rng.IntN(180000)))
		if rng.IntN(4) == 0 {
			rows = append(rows, fmt.Sprintf("%s,heating_oil,kWh,%d,emergency generator", u, 500+rng.IntN(4000)))
		}
	}
	return rows
}

const deviceHeader = "unit_institutional_id,equipment_id,name,equipment_class,sub_class,active_usage_hours_per_week,standby_usage_hours_per_week,note"

// devices makes a generator of devices of these classes, each "class,sub_class".
func devices(classes ...string) func(*rand.Rand, int, []string) []string {
	return func(rng *rand.Rand, _ int, _ []string) []string {
		var rows []string
		for n := range 240 {
			active := 5 + rng.IntN(60)
			rows = append(rows, fmt.Sprintf("%s,D%04d,device %d,%s,%d,%d,", unit(rng), n, n, classes[rng.IntN(len(classes))], active, rng.IntN(168-active)))
		}
		return rows
	}
}

func gases(rng *rand.Rand, _ int, _ []string) []string {
	var rows []string
	for range 60 {
		gas := []string{"ch4,", "co2,", "co2,", "n2o,", "refrigerants,R134a"}[rng.IntN(5)]
		rows = append(rows, fmt.Sprintf("%s,%s,%.2f,", unit(rng), gas, 0.1+rng.Float64()*20))
	}
	return rows
}

func unit(rng *rand.Rand) string { return units[rng.IntN(len(units))] }
