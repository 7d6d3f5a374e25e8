package access

import (
	"net/http"
	"regexp"
	"strings"
)

// maxToken bounds a token in bytes. A JWT with the groups of a busy person has some 4 KiB.
const maxToken = 8 << 10

// bearerSyntax is that of RFC 6750 and 9110: a scheme in any case, spaces, one token.
var bearerSyntax = regexp.MustCompile(`^(?i:bearer) +([A-Za-z0-9._~+/-]+=*)$`)

// bearerToken takes the one token out of the headers of a request. Credentials of the
// scheme Basic are for whoever guards the port in front of the API: for us they are none.
func bearerToken(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) > 1 {
		// Which of them a proxy has looked at is anybody's guess.
		return "", &BadCredentialsError{"the header Authorization is there more than once: send it once"}
	}
	if len(values) == 0 {
		return "", ErrNoCredentials
	}
	scheme, _, _ := strings.Cut(values[0], " ")
	if strings.EqualFold(scheme, "basic") {
		return "", ErrNoCredentials
	}
	if len(values[0]) > maxToken {
		return "", &BadCredentialsError{"the header Authorization is too long for any token that is accepted here"}
	}
	m := bearerSyntax.FindStringSubmatch(values[0])
	if m == nil {
		return "", &BadCredentialsError{"the header Authorization is not of the form Bearer TOKEN"}
	}
	return m[1], nil
}
