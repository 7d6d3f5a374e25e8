package catalog

import (
	"encoding/json"
	"fmt"
)

// Keys of data_entries.data that mean the same for every data entry type.
const (
	// overrideKey holds kg CO2-eq that replace the formula; 0 is a result like any other.
	overrideKey = "__kg_co2eq_override__"
	// shareKey holds what a simulated entry shall emit, in percent of the year before.
	shareKey = "percentage_of_last_year"
	// factorKey holds a factors.id that a person has chosen.
	factorKey = "primary_factor_id"
)

// Entry is the content of data_entries.data: JSON values by key.
type Entry map[string]any

// ParseEntry reads data_entries.data, which must be a JSON object.
func ParseEntry(data []byte) (Entry, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("data is NULL instead of a JSON object")
	}
	var e Entry
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("data is not a JSON object of readable values: %w", err)
	}
	if e == nil {
		return nil, fmt.Errorf("data is null instead of a JSON object")
	}
	return e, nil
}

// text returns a text, "" where the key is missing or null.
func (e Entry) text(key string) (string, error) {
	switch v := e[key].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	default:
		return "", fmt.Errorf("%s %s is not a text", key, mustJSON(v))
	}
}

// number returns a number and whether the key is there and not null.
func (e Entry) number(key string) (float64, bool, error) {
	switch v := e[key].(type) {
	case nil:
		return 0, false, nil
	case float64:
		return v, true, nil
	default:
		return 0, false, fmt.Errorf("%s %s is not a number", key, mustJSON(v))
	}
}

// needNumber returns a number that the formula cannot do without.
func (e Entry) needNumber(key string) (float64, error) {
	v, ok, err := e.number(key)
	if err == nil && !ok {
		err = fmt.Errorf("%s is missing", key)
	}
	return v, err
}

// check holds the numbers that are there against the limits of their fields: the
// table is older than Tidemark's loader, and others write to it.
func (e Entry) check(fields []field) error {
	for _, f := range fields {
		if !f.numeric() {
			continue
		}
		v, ok, err := e.number(f.name)
		if err != nil {
			return err
		}
		if reason := f.checkNumber(v); ok && reason != "" {
			return fmt.Errorf("%s %s", f.name, reason)
		}
	}
	return nil
}

// override returns the kg CO2-eq that replace the formula, if there are any. The
// original also takes a number in quotes.
func (e Entry) override() (kg float64, given bool, err error) {
	switch v := e[overrideKey].(type) {
	case nil:
		return 0, false, nil
	case float64:
		return v, true, nil
	case string:
		if kg, ok := parseNumber(v); ok {
			return kg, true, nil
		}
	}
	return 0, false, fmt.Errorf("%s %s is not a number", overrideKey, mustJSON(e[overrideKey]))
}
