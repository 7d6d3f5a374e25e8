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
)

func TestNewNamesTheField(t *testing.T) {
	t.Parallel()
	pool := away(t)
	for field, o := range map[string]exporter.Options{
		"Pool":          {},
		"OlderThan":     {Pool: pool, OlderThan: time.Second},
		"ListenAddress": {Pool: pool, ListenAddress: "9310"},
	} {
		if _, err := exporter.New(o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
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
		Pool: away(t), ListenAddress: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
		OnListen: func(a net.Addr) { bound <- a },
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
	second, err := exporter.New(exporter.Options{Pool: away(t), ListenAddress: address})
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
