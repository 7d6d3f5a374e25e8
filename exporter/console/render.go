package console

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strings"
	"time"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

//go:embed templates/*.html
var templateFiles embed.FS

// pages are the templates, by name of the page.
type pages struct {
	byName  map[string]*template.Template
	version string
}

// pageNames are those of the files, without what all pages share.
var pageNames = []string{"overview", "scope", "pipelines", "pipeline", "fleet", "signin", "problem"}

func parsePages(version string) pages {
	shared := template.Must(template.New("frame").Funcs(functions).ParseFS(templateFiles, "templates/frame.html", "templates/parts.html"))
	p := pages{byName: map[string]*template.Template{}, version: version}
	for _, name := range pageNames {
		page := template.Must(shared.Clone())
		p.byName[name] = template.Must(page.ParseFS(templateFiles, "templates/"+name+".html"))
	}
	return p
}

// functions are those of the templates.
var functions = template.FuncMap{
	"say": say, "count": count, "when": when, "exact": exact, "brief": brief, "lasted": lasted,
	"rfc":     func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
	"ref":     func(t time.Time) *time.Time { return &t },
	"seen":    func(s *scopeView, at time.Time) scopeAt { return scopeAt{s, at} },
	"chunks":  chunks,
	"scripts": func() []string { return scripts },
	"jobName": jobName, "kind": kindName,
	"outcome": func(j ledger.Job) map[string]any {
		result := ""
		if j.Result != nil {
			result = *j.Result
		}
		return map[string]any{"State": j.State, "Result": result}
	},
}

// chunks splits a command where it may go on in the next line: before an option.
func chunks(command string) []string {
	parts := strings.Split(command, " --")
	for i := range parts[1:] {
		parts[i+1] = "--" + parts[i+1]
	}
	return parts
}

// jobName is what a job does, in words.
func jobName(j ledger.Job) string {
	if j.Type == string(job.EmissionRecalc) && j.DataEntryType != nil {
		return say("job.emission_recalc.of", "type", catalog.DataEntryTypeName(*j.DataEntryType))
	}
	return kindName(j.Type)
}

// kindName is a type of job in words; one that is not Tidemark's keeps its name.
func kindName(jobType string) string {
	if _, ok := words["job."+jobType]; ok {
		return say("job." + jobType)
	}
	return jobType
}

// view is what a page shows.
type view struct {
	// page names the template.
	page   string
	status int
	title  string
	// at is the moment that the page is true of; zero where it shows nothing of the record.
	at   time.Time
	data any
}

// frame is what every page has around its data.
type frame struct {
	// Root leads from the page to the console's root: "./", "../" or "../../".
	Root, Assets, Page, Title, Version, Metrics string
	At                                          time.Time
	// Here is the page's address below the root, for the way back from signing in.
	Here   string
	Viewer viewer
	// Live says that scripts are to follow the record.
	Live  bool
	Words map[string]string
	Data  any
}

// policy is the Content-Security-Policy of every page. Forms go to the own site.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// render answers with a page. It is whole before anything is sent.
func (c *Console) render(w http.ResponseWriter, r *http.Request, who viewer, v view) {
	root := rootOf(r)
	f := frame{
		Root: root, Assets: root + "assets/" + c.pages.version + "/", Page: v.page, Title: v.title, Version: c.opts.Version, Metrics: strings.TrimPrefix(c.opts.TelemetryPath, "/"),
		At: v.at, Here: hereOf(r), Viewer: who, Live: who.sees && v.page != "problem" && v.page != "signin", Words: clientWords, Data: v.data,
	}
	var body bytes.Buffer
	if err := c.pages.byName[v.page].ExecuteTemplate(&body, "frame", f); err != nil {
		c.opts.Logger.Error("a page could not be rendered", "page", v.page, "err", err)
		http.Error(w, say("problem.broken"), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	// With no-referrer a browser would send the sign-in form with the origin "null", which is refused
	// where it does not send Sec-Fetch-Site: on plain HTTP.
	h.Set("Referrer-Policy", "same-origin")
	w.WriteHeader(v.status)
	// An error here means that the caller is gone.
	_, _ = body.WriteTo(w)
}

// rootOf leads from an address to the root, whatever stands before it.
func rootOf(r *http.Request) string {
	depth := strings.Count(r.URL.Path, "/") - 1
	if depth <= 0 {
		return "./"
	}
	return strings.Repeat("../", depth)
}

// hereOf is an address as seen from the root.
func hereOf(r *http.Request) string {
	here := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	if r.URL.RawQuery != "" {
		here += "?" + r.URL.RawQuery
	}
	return here
}

// leadTo answers with another address of the console, relative to the root: the path that a
// proxy adds is not known here.
func leadTo(w http.ResponseWriter, r *http.Request, here string) {
	w.Header().Set("Location", rootOf(r)+here)
	w.WriteHeader(http.StatusSeeOther)
}

// wantsPage reports whether a browser asks, which wants to show something.
func wantsPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }
