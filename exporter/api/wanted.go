package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
)

const (
	// maxBody bounds the body of a request in bytes, maxReason the reason in it in characters.
	maxBody   = 4 << 10
	maxReason = 500

	minYear = 1900
	maxYear = 2200
)

const (
	headerIdempotencyKey = "Idempotency-Key"
	headerReplayed       = "Idempotency-Replayed"
)

// wanted is a request as it came in.
type wanted struct {
	// kind is what is to be done: emissions computed anew, or rolled up.
	kind   job.Type
	module catalog.Module
	// dataEntryType is nil for all of the module that can be computed; an aggregation has none.
	dataEntryType *catalog.DataEntryType
	year          int
	onlyStale     bool
	reason        string
	// pipeline is uuid.Nil without an idempotency key.
	pipeline uuid.UUID
}

// wantedBy reads a request of a kind.
func wantedBy(w http.ResponseWriter, r *http.Request, c caller, kind job.Type) (want wanted, err error) {
	want.kind = kind
	query, err := parametersOf(r)
	if err != nil {
		return want, err
	}
	if want.module, err = catalog.ParseModule(r.PathValue("module")); err != nil {
		return want, invalid(err.Error())
	}
	if text := r.PathValue("data_entry_type"); text != "" {
		t, err := catalog.ParseDataEntryType(text, want.module.DataEntryTypes)
		if err == nil {
			err = t.CheckCalculated()
		}
		if err != nil {
			return want, invalid(err.Error())
		}
		want.dataEntryType = &t
	}
	if err := query.require("?year=2025", "year"); err != nil {
		return want, err
	}
	if want.year, err = query.integerIn("year", minYear, maxYear, 0); err != nil {
		return want, err
	}
	// As in the original: who names a type means it, who names a module means what is stale.
	if kind == job.EmissionRecalc {
		if want.onlyStale, err = query.truth("only_stale", want.dataEntryType == nil); err != nil {
			return want, err
		}
	}
	if want.pipeline, err = idempotentPipeline(c.Name, r.Header.Values(headerIdempotencyKey)); err != nil {
		return want, err
	}
	want.reason, err = reasonOf(w, r)
	return want, err
}

var idempotencyKeySyntax = regexp.MustCompile(`^[ -~]{1,255}$`)

// idempotencySpace keeps pipeline ids made of keys apart from other ids of that kind.
var idempotencySpace = uuid.MustParse("5b0f7f6e-2b1c-4b53-9a5e-7c1d0d3f8a11")

// idempotentPipeline makes the pipeline id of a key: the same for the same caller and key.
func idempotentPipeline(name string, keys []string) (uuid.UUID, error) {
	switch {
	case len(keys) == 0:
		return uuid.Nil, nil
	case len(keys) > 1 || !idempotencyKeySyntax.MatchString(keys[0]):
		return uuid.Nil, invalid(headerIdempotencyKey + ": it must be there once, with 1 to 255 printable ASCII characters, for example a uuid")
	}
	return uuid.NewSHA1(idempotencySpace, []byte(name+"\x00"+keys[0])), nil
}

// reasonOf reads the body: nothing, or a JSON object with a reason.
func reasonOf(w http.ResponseWriter, r *http.Request) (string, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return "", &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes: it holds a reason and nothing else", maxBody)}
	}
	if err != nil {
		return "", &refusal{http.StatusBadRequest, "the body did not arrive"}
	}
	if len(body) == 0 {
		return "", nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return "", &refusal{http.StatusUnsupportedMediaType, `the body must be of the Content-Type application/json, for example {"reason": "factors corrected"}; or leave it out`}
	}
	return parseReason(body)
}

func parseReason(body []byte) (string, error) {
	var given struct {
		Reason string `json:"reason"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&given); err != nil {
		return "", invalid(`the body must be a JSON object such as {"reason": "factors corrected"}`)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return "", invalid("the body must be one JSON object, with nothing behind it")
	}
	if utf8.RuneCountInString(given.Reason) > maxReason {
		return "", invalid(fmt.Sprintf("the reason must have at most %d characters", maxReason))
	}
	return given.Reason, nil
}
