package exporter_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidemark/exporter"
	"tidemark/exporter/exportertest"
	"tidemark/shared/local/localtest"
	"tidemark/shared/web"
)

func TestNewNamesTheField(t *testing.T) {
	t.Parallel()
	pool := exportertest.Away(t)
	for says, o := range map[string]exporter.Options{
		"Pool":                         {},
		"OlderThan":                    {Pool: pool, OlderThan: time.Second},
		`"9310" is not host:port`:      {Pool: pool, Web: web.Options{Addresses: []string{"9310"}}},
		"--web.listen-address is":      {Pool: pool, Web: web.Options{Addresses: []string{""}}},
		"--web.config.file /nowhere":   {Pool: pool, Web: web.Options{ConfigFile: "/nowhere"}},
		`--web.route-prefix "/a//b"`:   {Pool: pool, RoutePrefix: "/a//b"},
		`--web.route-prefix "/a/../b"`: {Pool: pool, RoutePrefix: "/a/../b"},
		`--web.route-prefix "/{a}"`:    {Pool: pool, RoutePrefix: "{a}"},
		`--web.route-prefix "/a?b"`:    {Pool: pool, RoutePrefix: "/a?b"},
		"write /metrics":               {Pool: pool, TelemetryPath: "metrics"},
		`"/" is the console's`:         {Pool: pool, TelemetryPath: "/"},
		`"/fleet/metrics" is among`:    {Pool: pool, TelemetryPath: "/fleet/metrics"},
		`"/-/ready" is among`:          {Pool: pool, TelemetryPath: "/-/ready"},
		`"/v1/metrics" is among`:       {Pool: pool, TelemetryPath: "/v1/metrics"},
		`"/{metrics}" is not a path`:   {Pool: pool, TelemetryPath: "/{metrics}"},
	} {
		if _, err := exporter.New(o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v", says, err)
		}
	}
	if _, err := exporter.New(exporter.Options{Pool: pool}); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

func TestRunServesAndStops(t *testing.T) {
	t.Parallel()
	bound := make(chan net.Addr, 1)
	e, err := exporter.New(exporter.Options{
		Pool: exportertest.Away(t), Logger: slog.New(slog.DiscardHandler),
		Web: web.Options{Addresses: []string{"127.0.0.1:0"}, OnListen: func(a []net.Addr) { bound <- a[0] }},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	address := (<-bound).String()

	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	answer, err := client.Get("http://" + address + "/-/healthy")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || string(body) != "healthy\n" {
		t.Errorf("%s: %s", answer.Status, body)
	}

	// The address is taken now.
	second, err := exporter.New(exporter.Options{Pool: exportertest.Away(t), Logger: slog.New(slog.DiscardHandler), Web: web.Options{Addresses: []string{address}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(ctx); err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("listening twice on %s: %v", address, err)
	}

	stop()
	if err := <-ended; err != nil {
		t.Errorf("a clean stop returned %v", err)
	}
}

// TestRunLetsAnOpenScrapeEnd stops the exporter in the middle of a scrape.
func TestRunLetsAnOpenScrapeEnd(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	address := make(chan net.Addr, 1)
	e, err := exporter.New(exporter.Options{
		Pool: pool, Logger: slog.New(slog.DiscardHandler),
		Web: web.Options{Addresses: []string{"127.0.0.1:0"}, OnListen: func(a []net.Addr) { address <- a[0] }},
	})
	if err != nil {
		t.Fatal(err)
	}
	// The scrape waits for this lock until the exporter has been told to stop.
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	bound := (<-address).String()
	if _, err := tx.Exec(t.Context(), "LOCK TABLE data_ingestion_jobs"); err != nil {
		t.Fatal(err)
	}
	scraped := make(chan error, 1)
	go func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Get("http://" + bound + "/metrics")
		if err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
		scraped <- err
	}()
	for waiting := 0; waiting == 0; {
		if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-scraped; err != nil {
		t.Errorf("the open scrape was cut off: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("a clean stop returned %v", err)
	}
}
