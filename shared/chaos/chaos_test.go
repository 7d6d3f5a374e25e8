package chaos

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidemark/shared/chaos/verdict"
	"tidemark/shared/local/localtest"
)

func TestMain(m *testing.M) { localtest.VerifyNoLeaks(m) }

const (
	envDuration = "CHAOS_DURATION"
	envSeed     = "CHAOS_SEED"
	envHistory  = "CHAOS_HISTORY"
	// aMinute is what every run of all tests has.
	aMinute = time.Minute
)

// TestChaos runs the deployment under faults, and judges.
func TestChaos(t *testing.T) {
	t.Parallel()
	duration, seed := settings(t)
	dir := os.Getenv(envHistory)
	if dir == "" {
		var err error
		dir, err = os.MkdirTemp("", "tidemark-chaos-")
		must(t, err)
		t.Cleanup(func() {
			if !t.Failed() {
				_ = os.RemoveAll(dir)
			}
		})
	}
	h, err := verdict.Read(dir)
	if err != nil {
		fmt.Printf("chaos for %s: %s=%d, histories in %s\n", duration, envSeed, seed, dir)
		h = run(t, dir, duration, seed)
		must(t, h.Write(dir))
	}
	report, err := verdict.Judge(h)
	must(t, err)
	var names []string
	for _, f := range faults() {
		names = append(names, f.name)
	}
	fmt.Printf("\n%s\n", report.Text(names, points))
	for _, f := range h.Faults {
		if f.Error != "" {
			t.Errorf("fault %s: %s", f.Name, f.Error)
		}
	}
	if n := len(report.Violations); n > 0 {
		t.Errorf("%d violations; %s=%d, histories in %s. The first: %s", n, envSeed, seed, dir, report.Violations[0])
		for _, v := range report.Violations[:min(n, 20)] {
			t.Log(v)
		}
	}
	if report.Requests == 0 || report.Runs == 0 || report.Scrapes == 0 || report.Faults == 0 {
		t.Error("nothing was tried")
	}
	if empty := report.Empty(names, points); len(empty) > 0 && len(h.Faults) > len(names)*len(points) {
		t.Errorf("never tried: %s", strings.Join(empty, ", "))
	}
}

func settings(t testing.TB) (duration time.Duration, seed uint64) {
	t.Helper()
	duration, seed = aMinute, rand.Uint64N(1_000_000)
	var err error
	if text := os.Getenv(envDuration); text != "" {
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v; for example 10m", envDuration, err)
		}
	}
	if text := os.Getenv(envSeed); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v; a number", envSeed, err)
		}
	}
	return duration, seed
}

// run lets everything go on for a time, mends it, waits until what was accepted is worked off,
// and returns what was noted.
func run(t *testing.T, dir string, duration time.Duration, seed uint64) *verdict.History {
	ctx := context.Background()
	w := newWorld(ctx, t, dir)
	return w.observe(ctx, t, duration, quietPatience, seed, func(ctx context.Context) { w.torment(ctx, t, newPack(seed)) })
}

// observe lets requesters and scraper go on for a time, beside something that happens to the
// world, and returns what was noted after all was worked off, or patience was at its end.
func (w *world) observe(ctx context.Context, t *testing.T, duration, patience time.Duration, seed uint64, something func(context.Context)) *verdict.History {
	t.Helper()
	requesting, stopRequesters := context.WithTimeout(ctx, duration)
	defer stopRequesters()
	scraping, stopScraper := context.WithCancel(ctx)
	defer stopScraper()
	scraped := make(chan struct{})
	go func() { defer close(scraped); w.scrape(scraping) }()
	// Who requests what is decided by the seed as well, but not when.
	requested := w.request(requesting, t, rand.New(rand.NewPCG(seed, 1)))
	something(requesting)
	must(t, w.lastSignals(ctx, func() { stopRequesters(); requested() }))
	w.workOff(ctx, t, patience)
	stopScraper()
	<-scraped
	for _, p := range w.members() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		w.searchLog(t, p)
	}
	h := &verdict.History{Attempts: w.journal.attempts, Scrapes: w.scrapes, Faults: w.faults}
	must(t, readHistory(ctx, w.pool, h))
	h.Final.Tasks = w.tasks(ctx, t)
	return h
}

// searchLog looks for what no fault may cause.
func (w *world) searchLog(t testing.TB, p *process) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, p.name+".log"))
	must(t, err)
	for line := range bytes.Lines(text) {
		for _, sign := range []string{"panic: ", "fatal error: ", "calculation panicked"} {
			if bytes.Contains(line, []byte(sign)) {
				t.Errorf("%s: %s", p.name, line)
			}
		}
	}
}
