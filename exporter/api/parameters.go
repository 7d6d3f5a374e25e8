package api

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// parameters are those of the query. A method returns the error that is to be answered; what
// it quotes of the caller's words is short.
type parameters struct{ url.Values }

func parametersOf(r *http.Request) (parameters, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return parameters{}, invalid(fmt.Sprintf("the query is malformed: %.80s", err))
	}
	return parameters{values}, nil
}

// require names what is missing, with an example.
func (p parameters) require(example string, names ...string) error {
	for _, name := range names {
		if !p.Has(name) {
			return invalid(name + " is missing: for example " + example)
		}
	}
	return nil
}

// integer returns nil where the parameter is not given. A number too large for any column is
// a number all the same: there is nothing with it.
func (p parameters) integer(name string) (*int, error) {
	if !p.Has(name) {
		return nil, nil
	}
	n, err := strconv.Atoi(p.Get(name))
	if err != nil {
		return nil, invalid(fmt.Sprintf("%s = %.80q: it must be an integer", name, p.Get(name)))
	}
	return &n, nil
}

// integerIn returns a default where the parameter is not given.
func (p parameters) integerIn(name string, low, high, otherwise int) (int, error) {
	n, err := p.integer(name)
	switch {
	case err != nil:
		return 0, err
	case n == nil:
		return otherwise, nil
	case *n < low || *n > high:
		return 0, invalid(fmt.Sprintf("%s = %d: it must be from %d to %d", name, *n, low, high))
	}
	return *n, nil
}

// boolean returns nil where the parameter is not given.
func (p parameters) boolean(name string) (*bool, error) {
	if !p.Has(name) {
		return nil, nil
	}
	b, err := strconv.ParseBool(p.Get(name))
	if err != nil {
		return nil, invalid(fmt.Sprintf("%s = %.80q: it must be true or false", name, p.Get(name)))
	}
	return &b, nil
}

// truth is a boolean with a default.
func (p parameters) truth(name string, otherwise bool) (bool, error) {
	b, err := p.boolean(name)
	if err != nil || b == nil {
		return otherwise, err
	}
	return *b, nil
}

// maxText bounds a parameter that is looked for in texts, in bytes.
const maxText = 200

// text returns "" where the parameter is not given.
func (p parameters) text(name string) (string, error) {
	s := p.Get(name)
	if len(s) > maxText || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return "", invalid(fmt.Sprintf("%s: it must be a text of at most %d bytes", name, maxText))
	}
	return s, nil
}

// moment returns nil where the parameter is not given. A time without a zone is UTC, as in the
// original; a day is its beginning.
func (p parameters) moment(name string) (*time.Time, error) {
	if !p.Has(name) {
		return nil, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
		// Beyond these years PostgreSQL and RFC 3339 disagree on how to write one.
		if t, err := time.Parse(layout, p.Get(name)); err == nil && t.Year() > 0 && t.Year() < 9999 {
			return &t, nil
		}
	}
	return nil, invalid(fmt.Sprintf("%s = %.80q: it must be a time such as 2025-03-01T12:00:00Z or 2025-03-01; a + in a query is written %%2B", name, p.Get(name)))
}

// minutes reads a whole number of minutes from 1, without an upper bound.
func (p parameters) minutes(name string, otherwise time.Duration) (time.Duration, error) {
	n, err := p.integer(name)
	switch {
	case err != nil:
		return 0, err
	case n == nil:
		return otherwise, nil
	case *n < 1:
		return 0, invalid(fmt.Sprintf("%s = %d: it must be 1 or more", name, *n))
	}
	// Beyond the longest duration, some 292 years, nothing can be too old.
	return time.Duration(min(int64(*n), int64(math.MaxInt64/time.Minute))) * time.Minute, nil
}

// moduleList reads "1, 2,3"; blank elements are skipped, as in the original.
func moduleList(list string) ([]int, error) {
	var modules []int
	for token := range strings.SplitSeq(list, ",") {
		if token = strings.TrimSpace(token); token == "" {
			continue
		}
		id, err := strconv.Atoi(token)
		if err != nil {
			return nil, &refusal{http.StatusBadRequest, fmt.Sprintf("modules must be a comma-separated list of integers: %.80q is none", token)}
		}
		modules = append(modules, id)
	}
	return modules, nil
}

// pipelineID reads the id of a path.
func pipelineID(r *http.Request) (uuid.UUID, error) {
	text := r.PathValue("id")
	id, err := uuid.Parse(text)
	if err != nil || len(text) != len(id.String()) {
		return uuid.Nil, invalid(fmt.Sprintf("pipeline %.80q: it must be a uuid such as 0b3e1c9e-6a0b-4b9c-9d3c-0f7f0a4b5a11", text))
	}
	return id, nil
}

// yearOf reads the year of a path.
func yearOf(r *http.Request) (int, error) {
	year, err := strconv.Atoi(r.PathValue("year"))
	if err != nil {
		return 0, invalid(fmt.Sprintf("year %.80q: it must be an integer", r.PathValue("year")))
	}
	return year, nil
}
