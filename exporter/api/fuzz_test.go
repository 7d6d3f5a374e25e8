package api

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// refusedWell checks that an error is one for the caller, short, and with this status.
func refusedWell(t *testing.T, err error, status int) {
	t.Helper()
	var refused *refusal
	if !errors.As(err, &refused) || refused.status != status || len(refused.detail) > 600 || !utf8.ValidString(refused.detail) {
		t.Errorf("refused with %v", err)
	}
}

func one(name, value string) parameters { return parameters{url.Values{name: {value}}} }

func FuzzModuleList(f *testing.F) {
	for _, s := range []string{"", "1,2,3", " 1 ,, 2", "1,abc", "-1", "9999999999999999999", ",", "1;2", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		modules, err := moduleList(list)
		if err != nil {
			refusedWell(t, err, http.StatusBadRequest)
			return
		}
		words := make([]string, len(modules))
		for i, m := range modules {
			words[i] = strconv.Itoa(m)
		}
		if again, err := moduleList(strings.Join(words, ",")); err != nil || !slices.Equal(again, modules) {
			t.Errorf("%q is %v, which reads as %v (%v)", list, modules, again, err)
		}
	})
}

func FuzzMinutes(f *testing.F) {
	for _, s := range []string{"", "60", "0", "-1", "9223372036854775807", "1.5", "1h", "+7"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := one("m", text).minutes("m", time.Hour)
		if err != nil {
			refusedWell(t, err, http.StatusUnprocessableEntity)
		} else if n, err := strconv.Atoi(text); d < time.Minute || err != nil || n < 1 {
			t.Errorf("%q is %s", text, d)
		}
	})
}

func FuzzYear(f *testing.F) {
	for _, s := range []string{"", "2025", "1900", "2201", "-5", "99999999999", "20 25"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		year, err := one("year", text).integerIn("year", minYear, maxYear, 0)
		if err != nil {
			refusedWell(t, err, http.StatusUnprocessableEntity)
		} else if year < minYear || year > maxYear {
			t.Errorf("%q is %d", text, year)
		}
	})
}

func FuzzPage(f *testing.F) {
	f.Add("50", "0", "running", "true", "text")
	f.Add("0", "-1", "", "", "%00")
	f.Add("201", "10001", "lost", "2", strings.Repeat("x", 300))
	f.Fuzz(func(t *testing.T, limit, offset, state, errors, q string) {
		query := url.Values{"limit": {limit}, "offset": {offset}, "state": {state}, "has_errors": {errors}, "q": {q}}
		filter, err := pipelineFilter(&http.Request{URL: &url.URL{RawQuery: query.Encode()}})
		if err != nil {
			refusedWell(t, err, http.StatusUnprocessableEntity)
		} else if filter.Limit < 1 || filter.Limit > maxLimit || filter.Offset < 0 || filter.Offset > maxOffset || filter.Status == "" ||
			len(filter.Text) > maxText || strings.ContainsRune(filter.Text, 0) || !utf8.ValidString(filter.Text) {
			t.Errorf("%+v", filter)
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{"", "a=1&b=2", "%zz", ";", "a=%00", "==&&"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if _, err := parametersOf(&http.Request{URL: &url.URL{RawQuery: raw}}); err != nil {
			refusedWell(t, err, http.StatusUnprocessableEntity)
		}
	})
}

func FuzzMoment(f *testing.F) {
	for _, s := range []string{"", "2025-03-01", "2025-03-01T12:00:00", "2025-03-01T12:00:00.123456Z", "2025-03-01T12:00:00+14:00", "0000-01-01", "9999-12-31T23:59:59-01:00", "2025-02-30"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := one("since", text).moment("since")
		if err != nil {
			refusedWell(t, err, http.StatusUnprocessableEntity)
			return
		}
		// It can be written again, so PostgreSQL and JSON can hold it.
		if written, err := at.UTC().MarshalJSON(); err != nil || at.UTC().Year() < 0 || at.UTC().Year() > 9999 {
			t.Errorf("%q is %s, %s (%v)", text, at, written, err)
		}
	})
}

func FuzzIdempotencyKey(f *testing.F) {
	f.Add("anna", "key", "bert", "key")
	f.Add("anna", "", "anna", "\x00")
	f.Add("a", "b c", "a b", "c")
	f.Fuzz(func(t *testing.T, name, key, otherName, otherKey string) {
		id, err := idempotentPipeline(name, []string{key})
		if err != nil {
			refusedWell(t, err, http.StatusUnprocessableEntity)
			return
		}
		if len(key) > 255 || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) || id == uuid.Nil {
			t.Errorf("%q is %s", key, id)
		}
		other, err := idempotentPipeline(otherName, []string{otherKey})
		same := name == otherName && key == otherKey
		// Names of callers are printable.
		if err == nil && !strings.Contains(name+otherName, "\x00") && (id == other) != same {
			t.Errorf("%q %q and %q %q: %s and %s", name, key, otherName, otherKey, id, other)
		}
	})
}

func FuzzLastEventID(f *testing.F) {
	for _, s := range []string{"", "0", strings.Repeat("a", 32), strings.Repeat("G", 32), "\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, given string) {
		id := lastEventID(http.Header{"Last-Event-Id": {given}})
		if id != "" && (id != given || len(id) != 32) {
			t.Errorf("%q is %q", given, id)
		}
	})
}

func FuzzReason(f *testing.F) {
	for _, s := range []string{`{"reason":"x"}`, `{}`, `null`, `{"reason":null}`, `{"reason":"\u0000\ud800"}`, `[`, `{"a":1}`, `{}{}`, "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		reason, err := parseReason(body)
		if err != nil {
			refusedWell(t, err, http.StatusUnprocessableEntity)
		} else if utf8.RuneCountInString(reason) > maxReason || !utf8.ValidString(reason) {
			t.Errorf("%q is %q", body, reason)
		}
	})
}

func FuzzPipelineID(f *testing.F) {
	for _, s := range []string{"", p1.String(), "{" + p1.String() + "}", strings.ToUpper(pipelineNo(0xab).String()), "urn:uuid:" + p1.String(), "1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := &http.Request{}
		r.SetPathValue("id", text)
		id, err := pipelineID(r)
		if err != nil {
			refusedWell(t, err, http.StatusUnprocessableEntity)
		} else if !strings.EqualFold(id.String(), text) {
			t.Errorf("%q is %s", text, id)
		}
	})
}
