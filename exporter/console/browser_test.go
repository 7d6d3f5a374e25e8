package console_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"tidemark/exporter"
	"tidemark/exporter/exportertest"
)

// TestConsole plays scenarios in a real Chromium (browser/scenarios.mjs), each on a site of its own.
// With CONSOLE_SHOTS=DIR it leaves screenshots of all pages there.
func TestConsole(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	fixture := func(s *site) {
		exportertest.FillRecord(t, s.pool)
		// The fixture numbers its jobs itself; those of later have higher numbers.
		s.must(s.doors["sql"](`SELECT setval(pg_get_serial_sequence('data_ingestion_jobs', 'id'), 1000)`))
	}
	for _, c := range []struct {
		scenario string
		change   func(*exporter.Options)
		fill     func(*site)
	}{
		{"pages", nil, fixture},
		{"repair", nil, fixture},
		{"aggregate", nil, fixture},
		{"failure", nil, fixture},
		{"abort", nil, fixture},
		{"lost", nil, fixture},
		{"away", nil, fixture},
		{"signin", func(o *exporter.Options) { o.AnonymousAPI = false }, fixture},
		{"noscript", nil, fixture},
		{"prefix", func(o *exporter.Options) { o.RoutePrefix = "/api/tide" }, fixture},
		{"keyboard", nil, fixture},
		{"pointer", nil, fixture},
		{"weight", nil, fixture},
		{"many", nil, func(s *site) { s.many(t.Context()) }},
	} {
		t.Run(c.scenario, func(t *testing.T) {
			s := newSite(t)
			if c.change != nil {
				c.change(&s.opts)
			}
			c.fill(s)
			s.start()
			b.play(t, c.scenario, s)
		})
	}
}

// BenchmarkMap compares, on a map of 5,000 scopes, a browser's work for an update of three with that of showing all.
func BenchmarkMap(b *testing.B) {
	chromium := startBrowser(b)
	for b.Loop() {
		s := newSite(b)
		s.many(b.Context())
		s.start()
		for name, figure := range chromium.play(b, "smooth", s) {
			b.ReportMetric(figure, name)
		}
	}
}

// browser is a process of node that plays one scenario after the other in one Chromium.
type browser struct {
	orders  io.Writer
	answers *bufio.Scanner
}

const browserDir = "browser"

func startBrowser(t testing.TB) *browser {
	t.Helper()
	if _, err := os.Stat(filepath.Join(browserDir, "node_modules", "playwright-core")); err != nil {
		t.Fatalf("%v: the browser's packages are not installed: run `make browser`", err)
	}
	cmd := exec.Command("node", "scenarios.mjs")
	cmd.Dir = browserDir
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir()) // profiles, and what else a browser leaves
	cmd.Stderr = os.Stderr
	orders, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: run `make browser`", err)
	}
	t.Cleanup(func() {
		orders.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the browser's process: %v", err)
		}
	})
	answers := bufio.NewScanner(out)
	answers.Buffer(nil, 1<<20)
	return &browser{orders, answers}
}

// play waits for the end of a scenario and returns the figures that it took.
func (b *browser) play(t testing.TB, scenario string, s *site) map[string]float64 {
	t.Helper()
	order, err := json.Marshal(map[string]any{"scenario": scenario, "base": "http://" + s.address + s.opts.RoutePrefix + "/", "door": s.door(), "tokens": s.tokens})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.orders.Write(append(order, '\n')); err != nil {
		t.Fatal(err)
	}
	if !b.answers.Scan() {
		t.Fatalf("the browser's process has ended: %v", b.answers.Err())
	}
	var answer struct {
		Error   string
		Notes   []string
		Figures map[string]float64
	}
	if err := json.Unmarshal(b.answers.Bytes(), &answer); err != nil {
		t.Fatalf("%v: %s", err, b.answers.Bytes())
	}
	for _, note := range answer.Notes {
		t.Log(note)
	}
	if answer.Error != "" {
		t.Error(answer.Error)
	}
	return answer.Figures
}
