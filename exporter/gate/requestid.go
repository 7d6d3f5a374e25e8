package gate

import (
	"net/http"
	"regexp"

	"github.com/google/uuid"
)

// HeaderRequestID carries the id of a request, from the caller and back.
const HeaderRequestID = "X-Request-ID"

var requestIDSyntax = regexp.MustCompile(`^[A-Za-z0-9._:/+=@-]{1,128}$`)

// Tag gives the answer the id of its request, and returns it: the one that the caller or a proxy
// has given, if it can stand in a log and a header as it is, else a new one.
func Tag(w http.ResponseWriter, r *http.Request) string {
	id := r.Header.Get(HeaderRequestID)
	if !requestIDSyntax.MatchString(id) {
		id = uuid.NewString()
	}
	w.Header().Set(HeaderRequestID, id)
	return id
}
