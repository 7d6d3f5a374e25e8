package cost

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkScrape scrapes the exporter's process as Prometheus does, on a quiet database, then
// while fleets work at full load on it, of one worker slot to a processor and of more: by the clock, as
// Prometheus does, then too fast for the exporter to foresee it. What asking PostgreSQL and
// Redis nothing but whether they are there takes (/-/ready) is shown beside: on a machine whose
// processors are all taken, a scrape that asks them cannot be faster.
func BenchmarkScrape(b *testing.B) {
	d := data(b)
	e := startExporter(b, d.migrated)
	b.ReportMetric(0, "ns/op")
	b.Logf("on a quiet database         %s", e.scrape(b, 100, 100*time.Millisecond))
	b.Logf("/-/ready                    %s", e.ready().scrape(b, 100, 100*time.Millisecond))
	for _, concurrency := range []int{1, 4} {
		b.Run(fmt.Sprintf("%d jobs at once", 2*concurrency), func(b *testing.B) {
			f := startFleet(b, d.migrated, concurrency)
			time.Sleep(5 * time.Second)
			e.scrape(b, 4, time.Second) // a scraper is foreseen from its fourth time on
			before, start := f.work(b), time.Now()
			loaded := e.scrape(b, 200, time.Second)
			b.Logf("while the fleet works       %s   (%s)", loaded, f.work(b).since(before, time.Since(start)))
			b.Logf("irregularly                 %s", e.scrape(b, 200, 100*time.Millisecond))
			b.Logf("/-/ready                    %s", e.ready().scrape(b, 300, 100*time.Millisecond))
			b.Logf("from four sides at once     %s", e.scrapeByMany(b, 4, 100))
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(loaded.quantile(0.99))/1e6, "ms-p99")
			if concurrency > 1 {
				other := startPostgresExporter(b, d.migrated)
				b.Logf("prometheus-postgres-exporter %s", other.scrape(b, 30, 100*time.Millisecond))
			}
		})
	}
	now, most := memory(b, e.pid)
	b.Logf("memory of the exporter: %.1f MiB, at most %.1f MiB", now, most)
	b.ReportMetric(most, "MiB-at-most")
}

// ready is the exporter's readiness page instead of its metrics.
func (e *exporter) ready() *exporter {
	page := *e
	page.url = strings.TrimSuffix(e.url, "/metrics") + "/-/ready"
	return &page
}

// exporter is a process that is scraped.
type exporter struct {
	pid int
	url string
	// says is what a good answer contains.
	says   string
	client *http.Client
}

func startExporter(b *testing.B, database string) *exporter {
	b.Helper()
	d, err := deploy()
	must(b, err)
	address := freeAddress(b)
	pid := process(b, []string{"TIDEMARK_DATABASE_URL=" + database, "TIDEMARK_REDIS_URL=" + d.redis.URL},
		d.binary, "exporter", "--web.listen-address="+address)
	return awaitExporter(b, pid, address, `tidemark_collector_success{collector="stale"} 1`)
}

// startPostgresExporter starts Debian's exporter with nothing but the one query.
func startPostgresExporter(b *testing.B, database string) *exporter {
	b.Helper()
	binary, err := exec.LookPath("prometheus-postgres-exporter")
	if err != nil {
		b.Fatalf("%v: run `make cost`, which installs it", err)
	}
	address := freeAddress(b)
	pid := process(b, []string{"DATA_SOURCE_NAME=" + strings.Replace(database, "postgres://", "postgresql://", 1) + "&sslmode=disable"},
		binary, "--web.listen-address="+address, "--extend.query-path=testdata/queries.yaml",
		"--disable-default-metrics", "--disable-settings-metrics", "--no-collector.database", "--no-collector.bgwriter")
	return awaitExporter(b, pid, address, `stale_scopes_scopes{`)
}

func awaitExporter(b *testing.B, pid int, address, says string) *exporter {
	b.Helper()
	e := &exporter{pid: pid, url: "http://" + address + "/metrics", says: says, client: &http.Client{Transport: &http.Transport{}}}
	b.Cleanup(e.client.CloseIdleConnections)
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		answer, err := e.client.Get(e.url) // uncompressed by the client
		if err == nil {
			text, failed := io.ReadAll(answer.Body)
			must(b, failed)
			must(b, answer.Body.Close())
			if strings.Contains(string(text), says) {
				b.Logf("a page has %d series", strings.Count(string(text), "\n")-strings.Count(string(text), "\n#"))
				return e
			}
			err = fmt.Errorf("%s\n%s", answer.Status, text)
		}
		if time.Since(start) > 20*time.Second {
			b.Fatal(err)
		}
	}
}

// freeAddress returns an address that nobody listens on.
func freeAddress(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	defer l.Close()
	return l.Addr().String()
}

// scrapes are how long scrapes took.
type scrapes struct{ durations }

func (s scrapes) String() string {
	return fmt.Sprintf("p50 %s, p99 %s, max %s of %d", millis(s.quantile(0.5)), millis(s.quantile(0.99)), millis(s.quantile(1)), len(s.durations))
}

// scrape scrapes so many times, a scrape every interval or as soon as the one before has ended.
func (e *exporter) scrape(b *testing.B, times int, interval time.Duration) scrapes {
	b.Helper()
	var took durations
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for range times {
		<-tick.C
		one, err := timed(e.once)
		must(b, err)
		took = append(took, one)
	}
	return scrapes{took}
}

// scrapeByMany lets several scrape without a pause.
func (e *exporter) scrapeByMany(b *testing.B, scrapers, times int) scrapes {
	b.Helper()
	var (
		mu   sync.Mutex
		all  durations
		each sync.WaitGroup
	)
	for range scrapers {
		each.Go(func() {
			for range times {
				one, err := timed(e.once)
				if err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				all = append(all, one)
				mu.Unlock()
			}
		})
	}
	each.Wait()
	return scrapes{all}
}

// once scrapes as Prometheus 3 does, which reads the compressed answer to its end.
func (e *exporter) once() error {
	r, err := http.NewRequest(http.MethodGet, e.url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.4,*/*;q=0.1")
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "10")
	answer, err := e.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("scrape: %s", answer.Status)
	}
	return nil
}
