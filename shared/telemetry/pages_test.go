package telemetry_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"tidemark/shared/local/localtest"
	"tidemark/shared/signal"
	"tidemark/shared/telemetry"
	"tidemark/shared/web"
)

func TestPages(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	why, err := "", error(nil)
	h := telemetry.Pages(telemetry.NewRegistry(), slog.New(slog.NewTextHandler(&log, nil)),
		func(context.Context) (string, error) { return why, err },
		func(context.Context) (string, error) { return "", nil })
	for target, want := range map[string]struct {
		status int
		says   string
	}{
		"/metrics":   {http.StatusOK, "tidemark_build_info"},
		"/-/healthy": {http.StatusOK, "healthy\n"},
		"/-/ready":   {http.StatusOK, "ready\n"},
		"/":          {http.StatusNotFound, "see /metrics"},
	} {
		answer := ask(h, http.MethodGet, target)
		if answer.Code != want.status || !strings.Contains(answer.Body.String(), want.says) || answer.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v %s", target, answer.Code, answer.Header(), answer.Body)
		}
		if answer := ask(h, http.MethodPost, target); answer.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", target, answer.Code)
		}
	}
	why, err = "the database is away", errors.New("dial secretuser@db")
	answer := ask(h, http.MethodGet, "/-/ready")
	if answer.Code != http.StatusServiceUnavailable || answer.Body.String() != "not ready: the database is away\n" {
		t.Errorf("not ready: %d %s", answer.Code, answer.Body)
	}
	if !strings.Contains(log.String(), "secretuser") {
		t.Errorf("the log lacks what the answer must not have: %s", &log)
	}
	if answer := ask(h, http.MethodGet, "/-/healthy"); answer.Code != http.StatusOK {
		t.Errorf("a restart would not bring the database back: %d", answer.Code)
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	rdb, err := signal.Connect(localtest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	away, err := signal.Connect("redis-socket://" + t.TempDir() + "/none.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close()
	for name, c := range map[string]struct {
		check telemetry.Check
		why   string
	}{
		"PostgreSQL":        {telemetry.Postgres(localtest.Pool(t)), ""},
		"schema too old":    {telemetry.Postgres(localtest.Connect(t, localtest.EmptyDatabase(t))), "tidemark migrate up"},
		"PostgreSQL is cut": {telemetry.Postgres(localtest.Connect(t, "postgres:///none?host="+t.TempDir())), "PostgreSQL does not answer"},
		"Redis":             {telemetry.Redis(rdb), ""},
		"Redis is away":     {telemetry.Redis(away), "Redis does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if name == "Redis is away" {
				cancel() // A client that is told to be patient would try for half a minute.
			}
			why, _ := c.check(ctx)
			if (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
				t.Errorf("says %q, want %q", why, c.why)
			}
		})
	}
}

// TestStart: pages are served beside the work until it ends, even when the work has been told
// to; without an address they are not, and an address that cannot be had is an error.
func TestStart(t *testing.T) {
	t.Parallel()
	pages := telemetry.Pages(telemetry.NewRegistry(), quiet)
	bound := make(chan net.Addr, 1)
	ctx, cancel := context.WithCancel(t.Context())
	stop, err := telemetry.Start(ctx, web.Options{Addresses: []string{"127.0.0.1:0"}, OnListen: func(a []net.Addr) { bound <- a[0] }}, quiet, pages)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	address := (<-bound).String()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + address + "/-/healthy")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if string(body) != "healthy\n" {
		t.Errorf("%s %s", answer.Status, body)
	}
	if _, err := telemetry.Start(t.Context(), web.Options{Addresses: []string{address}}, quiet, pages); err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("listening twice on %s: %v", address, err)
	}
	stop()
	if _, err := client.Get("http://" + address); err == nil {
		t.Error("still served after the stop")
	}

	var log strings.Builder
	stop, err = telemetry.Start(t.Context(), web.Options{Addresses: []string{""}}, slog.New(slog.NewTextHandler(&log, nil)), pages)
	if err != nil || !strings.Contains(log.String(), "not served") {
		t.Errorf("without an address: %v, said %q", err, &log)
	}
	stop()
}
