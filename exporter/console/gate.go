package console

import (
	"context"
	"errors"
	"net/http"

	"tidemark/shared/access"
	"tidemark/shared/catalog"
	"tidemark/shared/postgres"
)

// viewer is who looks at a page.
type viewer struct {
	access.Principal
	// known is false for who gave no credentials.
	known bool
	// sees says that there is something to see.
	sees bool
}

// Known and Sees are for the templates.
func (v viewer) Known() bool { return v.known }
func (v viewer) Sees() bool  { return v.sees }

// refusal is an error with a page that says what is the matter and what to do.
type refusal struct {
	status      int
	title, text string
}

func (e *refusal) Error() string { return e.text }

// viewerOf finds out who asks. Where reading is open nobody has to say.
func (c *Console) viewerOf(r *http.Request) (viewer, error) {
	p, err := c.gate.Identify(r, true)
	if err != nil {
		return viewer{}, err
	}
	return viewer{Principal: p, known: p.Name != access.Anonymous().Name, sees: p.MayViewSome()}, nil
}

// page lets through who may see something, and turns errors into pages.
func (c *Console) page(show func(*http.Request, viewer) (view, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := c.viewerOf(r)
		if err != nil {
			c.unidentified(w, r, err)
			return
		}
		if !who.sees {
			c.fail(w, r, who, &refusal{http.StatusForbidden, say("denied.title"), say("denied.nothing", "name", who.Name)})
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
		defer cancel()
		v, err := show(r.WithContext(ctx), who)
		if err != nil {
			c.fail(w, r, who, err)
			return
		}
		v.status = http.StatusOK
		c.render(w, r, who, v)
	})
}

// unidentified answers who did not say who it is, or could not prove it, with the form.
func (c *Console) unidentified(w http.ResponseWriter, r *http.Request, err error) {
	bad := (*access.BadCredentialsError)(nil)
	switch {
	case errors.Is(err, access.ErrNoCredentials):
		c.signInPage(w, r, http.StatusUnauthorized, hereOf(r), "")
	case errors.As(err, &bad):
		// A session that is over would stand in the way of the next one.
		http.SetCookie(w, access.EndSession(secure(r)))
		c.signInPage(w, r, http.StatusUnauthorized, hereOf(r), bad.Reason)
	default:
		c.opts.Logger.Warn("nobody can tell who calls", "path", r.URL.Path, "err", err)
		c.fail(w, r, viewer{}, &refusal{http.StatusServiceUnavailable, say("unavailable.title"), say("unavailable.text")})
	}
}

// problemData is what the page of a problem shows.
type problemData struct {
	Status     int
	Text       string
	Steps      []string
	Commands   []string
	TriesAgain bool
}

// fail answers with a page about an error. The driver's words go to the log.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, who viewer, err error) {
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		data := problemData{Status: refused.status, Text: refused.text}
		if refused.status == http.StatusForbidden {
			data.Steps = []string{say("denied.step.ask"), say("denied.step.other")}
		}
		data.TriesAgain = refused.status == http.StatusServiceUnavailable
		c.render(w, r, who, view{page: "problem", status: refused.status, title: refused.title, data: data})
		return
	}
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody is there to be answered
	}
	c.opts.Logger.Warn("a page cannot be shown", "path", r.URL.Path, "actor", who.Name, "err", err)
	data := problemData{Status: http.StatusServiceUnavailable, Text: say("away.text"), TriesAgain: true,
		Steps: []string{say("away.step.ready"), say("away.step.doctor")}, Commands: []string{"", "tidemark doctor"}}
	if postgres.LacksObject(err) {
		data.Text, data.TriesAgain = say("unmigrated.text"), false
		data.Steps, data.Commands = []string{say("unmigrated.step")}, []string{"tidemark migrate up"}
	}
	c.render(w, r, who, view{page: "problem", status: http.StatusServiceUnavailable, title: say("away.title"), data: data})
}

// mayView is the refusal of a module that somebody may not see, nil where it may be seen.
func mayView(who viewer, m catalog.Module) error {
	if who.MayView(m.ID) {
		return nil
	}
	return &refusal{http.StatusForbidden, say("denied.title"), say("denied.module", "name", who.Name, "module", m.Name, "permission", string(access.ModuleView(m.Name)))}
}
