package web

import (
	"fmt"
	"net/http"

	"github.com/klauspost/compress/gzhttp"
)

// gzipped compresses for callers that take gzip. Its options are constants.
var gzipped = func() func(http.Handler) http.HandlerFunc {
	wrap, err := gzhttp.NewWrapper(gzhttp.EnableZstd(false))
	if err != nil {
		panic(fmt.Sprintf("web: compression: %v", err))
	}
	return wrap
}()

// Compressed compresses answers of a kilobyte or more for those who take gzip. It is for pages and
// lists, not for streams: each would keep a compressor for as long as it lasts.
func Compressed(next http.Handler) http.Handler { return gzipped(next) }
