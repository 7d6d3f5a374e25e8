package console

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"

	"tidemark/shared/access"
)

// maxForm bounds the form in bytes: a token and an address.
const maxForm = 32 << 10

// signInData is what the form shows.
type signInData struct {
	// Next is where to go afterwards, from the root.
	Next string
	// Refused says why the last try failed, "" where there was none.
	Refused string
	// Anonymous says that reading needs no token.
	Anonymous bool
}

// signIn answers GET and POST /sign-in.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		c.signInPage(w, r, http.StatusOK, localPath(r.URL.Query().Get("next")), "")
		return
	}
	if c.crossOrigin.Check(r) != nil {
		c.fail(w, r, viewer{}, &refusal{http.StatusForbidden, say("foreign.title"), say("foreign.text")})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	next := localPath(r.PostFormValue("next"))
	_, err := c.opts.Authenticator.SignIn(r.Context(), strings.TrimSpace(r.PostFormValue("token")))
	bad := (*access.BadCredentialsError)(nil)
	switch {
	case errors.As(err, &bad):
		c.opts.Logger.Info("credentials refused", "path", r.URL.Path, "reason", bad.Reason)
		c.signInPage(w, r, http.StatusUnauthorized, next, bad.Reason)
	case err != nil:
		c.opts.Logger.Warn("nobody can tell whose token this is", "path", r.URL.Path, "err", err)
		c.signInPage(w, r, http.StatusServiceUnavailable, next, access.ErrUnavailable.Error())
	default:
		http.SetCookie(w, access.NewSession(strings.TrimSpace(r.PostFormValue("token")), secure(r)))
		leadTo(w, r, next)
	}
}

// signOut answers POST /sign-out.
func (c *Console) signOut(w http.ResponseWriter, r *http.Request) {
	if c.crossOrigin.Check(r) != nil {
		c.fail(w, r, viewer{}, &refusal{http.StatusForbidden, say("foreign.title"), say("foreign.text")})
		return
	}
	http.SetCookie(w, access.EndSession(secure(r)))
	leadTo(w, r, "sign-in")
}

func (c *Console) signInPage(w http.ResponseWriter, r *http.Request, status int, next, refused string) {
	c.render(w, r, viewer{}, view{page: "signin", status: status, title: say("signin.title"), data: signInData{next, refused, c.opts.Anonymous}})
}

// localPath keeps an address below the root and drops any other: a link to the form must not
// lead to another site.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || u.Opaque != "" || strings.ContainsAny(next, "\\\r\n") || strings.HasPrefix(next, "/") ||
		u.Path != "" && (path.Clean(u.Path) != u.Path || strings.HasPrefix(u.Path, "..") || strings.HasPrefix(u.Path, "sign-")) {
		return ""
	}
	return next
}

// secure reports whether the browser came by TLS, to here or to a proxy in front. Who claims it
// wrongly gets a cookie that its browser does not send.
func secure(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") || strings.HasPrefix(r.Header.Get("Origin"), "https://")
}
