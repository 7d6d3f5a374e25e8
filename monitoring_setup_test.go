package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"tidemark/alerts"
	"tidemark/shared/local"
	"tidemark/shared/local/localtest"
)

// monitoring is a deployment that is watched.
type monitoring struct {
	*crash
	pg           *local.Postgres
	told         *receiver
	prometheus   string
	alertmanager string
	at           alerts.Addresses
	exporter     int
}

// monitor starts everything, loads some years of devices and waits until all is well.
func monitor(t *testing.T) *monitoring {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	pg := localtest.OwnPostgres(t)
	m := &monitoring{crash: newCrashOn(ctx, t, pg.URL, localtest.OwnRedis(t).URL), pg: pg, told: startReceiver(t)}
	// An address of the loopback network that nobody else has: the ports are free on it, also
	// for an exporter that is started again.
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250))
	m.at = alerts.Addresses{Exporter: host + ":9877", Worker: host + ":9878", Scheduler: host + ":9879"}
	m.run("migrate", "up")
	m.startExporter()
	m.start("worker", "--web.listen-address="+m.at.Worker)
	m.start("scheduler", "--web.listen-address="+m.at.Scheduler, "--relay-interval=200ms", "--reap-interval=200ms")
	for _, year := range []string{"2022", "2023", "2024", "2025"} {
		m.run("load", "factors", "--type=it", "--year="+year, m.file("factors_it.csv"))
		m.run("load", "entries", "--type=it", "--year="+year, "--create-units", m.file("entries_it_2025.csv"))
	}
	m.awaitQuiet()
	m.alertmanager = localtest.Alertmanager(t, hasten(alerts.Alertmanager(m.told.address), 500*time.Millisecond)).URL
	m.at.Alertmanager = strings.TrimPrefix(m.alertmanager, "http://")
	files := alerts.Prometheus(m.at, 250*time.Millisecond)
	for path, text := range files {
		files[path] = hasten(text, 4*time.Second)
	}
	m.prometheus = localtest.Prometheus(t, files).URL
	m.awaitSilence(t)
	return m
}

func (m *monitoring) startExporter() {
	m.exporter = m.start("exporter", "--web.listen-address="+m.at.Exporter).pid
}

// hurry is how many times faster than shipped the tests let time pass.
const hurry = 150

var (
	durations  = regexp.MustCompile(`\b[0-9]+[smhd]\b`)
	thresholds = regexp.MustCompile(`\b([0-9]+) \* (60|3600)\b`)
)

// hasten makes rules or a configuration fit for tests: a duration, also a threshold that is
// written as N * 60 or N * 3600, becomes 1/150 of what it is, but at least 250 ms and at most
// this. So 5 minutes are 2 s, which is less than the 4 s that 10 minutes and all beyond may
// become: what must come after what stays as it is. Nothing else is changed.
func hasten(text string, most time.Duration) string {
	shrink := func(d time.Duration) time.Duration {
		if d == 0 {
			return 0
		}
		return min(max(d/hurry, 250*time.Millisecond), most).Truncate(time.Millisecond)
	}
	text = durations.ReplaceAllStringFunc(text, func(d string) string {
		long, err := model.ParseDuration(d)
		if err != nil {
			return d
		}
		return model.Duration(shrink(time.Duration(long))).String()
	})
	return thresholds.ReplaceAllStringFunc(text, func(product string) string {
		m := thresholds.FindStringSubmatch(product)
		n, _ := strconv.Atoi(m[1])
		unit, _ := strconv.Atoi(m[2])
		return fmt.Sprint(shrink(time.Duration(n*unit) * time.Second).Seconds())
	})
}
