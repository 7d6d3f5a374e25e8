package ingest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tidemark/shared/catalog"
)

// airportHeader is the header of the file, in this order.
var airportHeader = []string{"iata_code", "name", "municipality", "country", "latitude", "longitude"}

// airport is a good row.
type airport struct {
	code, name, municipality string
	// Of the country either the code is set or the name, if anything.
	countryCode, countryName string
	latitude, longitude      float64
}

// maxText is the width of the columns in characters.
const maxText = 255

var (
	iataCode    = regexp.MustCompile(`^[A-Z0-9]{3}$`)
	countryCode = regexp.MustCompile(`^[A-Z]{2}$`)
)

func airportFormat(r *reader) (parser[airport], error) {
	if !slices.Equal(r.header, airportHeader) {
		return nil, fmt.Errorf("header: the columns are %q; they must be %s", r.header, strings.Join(airportHeader, ","))
	}
	lines := map[string]int{}
	return func(cells []string) (airport, []catalog.FieldError) {
		a, wrong := parseAirport(cells)
		if len(wrong) > 0 {
			return a, wrong
		}
		if first, ok := lines[a.code]; ok {
			return a, []catalog.FieldError{{Column: "iata_code", Reason: fmt.Sprintf("line %d has %s already", first, a.code)}}
		}
		lines[strings.Clone(a.code)] = r.last
		return a, nil
	}, nil
}

func parseAirport(cells []string) (a airport, wrong []catalog.FieldError) {
	if len(cells) != len(airportHeader) {
		return a, []catalog.FieldError{{Reason: fmt.Sprintf("the row has %d cells, the header has %d", len(cells), len(airportHeader))}}
	}
	cell := func(column string) string { return strings.TrimSpace(cells[slices.Index(airportHeader, column)]) }
	check := func(column, reason string) {
		if reason != "" {
			wrong = append(wrong, catalog.FieldError{Column: column, Reason: reason})
		}
	}
	if a.code = cell("iata_code"); !iataCode.MatchString(a.code) {
		check("iata_code", fmt.Sprintf("%q is not an IATA code; write three capitals like GVA", a.code))
	}
	if a.name = cell("name"); a.name == "" {
		check("name", "it is empty")
	}
	a.municipality = cell("municipality")
	if country := cell("country"); countryCode.MatchString(country) {
		a.countryCode = country
	} else {
		a.countryName = country
	}
	for _, column := range []string{"name", "municipality", "country"} {
		check(column, checkText(cell(column)))
	}
	var reason string
	a.latitude, reason = degrees(cell("latitude"), 90)
	check("latitude", reason)
	a.longitude, reason = degrees(cell("longitude"), 180)
	check("longitude", reason)
	return a, wrong
}

// checkText refuses what PostgreSQL would, in the middle of a COPY.
func checkText(text string) string {
	switch {
	case !utf8.ValidString(text):
		return fmt.Sprintf("%q is not UTF-8 text; save the file with that encoding", text)
	case strings.ContainsRune(text, 0):
		return fmt.Sprintf("%q contains a NUL character", text)
	case utf8.RuneCountInString(text) > maxText:
		return fmt.Sprintf("it has %d characters, %d are possible", utf8.RuneCountInString(text), maxText)
	}
	return ""
}

func degrees(text string, limit float64) (v float64, reason string) {
	v, err := strconv.ParseFloat(text, 64)
	// Asked this way round, NaN is refused too.
	if err != nil || !(v >= -limit && v <= limit) {
		return 0, fmt.Sprintf("%q is not a number from %v to %v", text, -limit, limit)
	}
	return v, ""
}
