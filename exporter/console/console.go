package console

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"tidemark/exporter/gate"
	"tidemark/shared/access"
	"tidemark/shared/explain"
	"tidemark/shared/ledger"
	"tidemark/shared/web"
)

// Options say what the console reads and who may see it.
type Options struct {
	// Pool reaches the record. Required. A page takes a connection while it reads.
	Pool *pgxpool.Pool
	// Redis reaches the queues; nil where none is given, which the fleet's page then says.
	Redis redis.UniversalClient
	// Authenticator finds out who calls. Nil knows nobody.
	Authenticator *access.Authenticator
	// Anonymous lets callers without credentials see everything.
	Anonymous bool
	// Limits are what pages judge by. Required.
	Limits explain.Limits
	// Logger receives failures. Required.
	Logger *slog.Logger
	// Version and TelemetryPath stand in the footer.
	Version, TelemetryPath string
	// Monitor is where asynqmon is, relative to the console's root; "" where it is not.
	Monitor string
}

// Console answers browsers. Make it with [New].
type Console struct {
	opts        Options
	ledger      *ledger.Ledger
	gate        *gate.Gate
	crossOrigin *http.CrossOriginProtection
	assets      assets
	pages       pages
}

// New returns the console. It opens nothing.
func New(o Options) *Console {
	if o.Authenticator == nil {
		// Without a file and a provider there is nothing that could go wrong.
		o.Authenticator, _ = access.New(access.Options{Logger: o.Logger})
	}
	// A console does not claim, so it does not matter how long this ledger would hold one back.
	c := &Console{opts: o, ledger: ledger.New(ledger.DefaultMaxHold), crossOrigin: http.NewCrossOriginProtection(), assets: loadAssets(),
		gate: gate.New(gate.Options{Authenticator: o.Authenticator, Anonymous: o.Anonymous, Logger: o.Logger})}
	c.pages = parsePages(c.assets.version)
	return c
}

// queryTimeout bounds what a page may ask of the database.
const queryTimeout = 10 * time.Second

// Route is one address of the console, for all methods: those that it does not serve are refused.
type Route struct {
	Pattern string
	Handler http.Handler
}

// Routes lists every address.
func (c *Console) Routes() []Route {
	route := func(pattern string, h http.Handler, methods ...string) Route {
		return Route{pattern, web.Only(web.Compressed(h), methods...)}
	}
	return []Route{
		route("/{$}", c.page(c.overview), http.MethodGet),
		route("/scopes/{module}/{year}", c.page(c.scope), http.MethodGet),
		route("/pipelines", c.page(c.pipelines), http.MethodGet),
		route("/pipelines/{id}", c.page(c.pipeline), http.MethodGet),
		route("/fleet", c.page(c.fleet), http.MethodGet),
		route("/sign-in", http.HandlerFunc(c.signIn), http.MethodGet, http.MethodPost),
		route("/sign-out", http.HandlerFunc(c.signOut), http.MethodPost),
		route("/assets/{version}/{name}", http.HandlerFunc(c.assets.serve), http.MethodGet),
	}
}

// Nothing answers a browser at an address where there is nothing, and reports whether it did: a program
// is told by somebody else.
func (c *Console) Nothing(w http.ResponseWriter, r *http.Request) bool {
	if !wantsPage(r) {
		return false
	}
	web.Compressed(c.page(func(*http.Request, viewer) (view, error) {
		return view{}, &refusal{http.StatusNotFound, say("nothing.title"), say("nothing.text", "path", r.URL.Path)}
	})).ServeHTTP(w, r)
	return true
}
