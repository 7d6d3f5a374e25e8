package cli_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tidemark/scheduler"
	"tidemark/worker"
)

// TestDemo lets the demo play to its end while the ports of worker and scheduler are taken:
// what it tells people to type works, and its Prometheus has data for every panel.
func TestDemo(t *testing.T) {
	t.Parallel()
	for _, address := range []string{worker.DefaultAddress, scheduler.DefaultAddress} {
		if l, err := net.Listen("tcp", address); err == nil { // or another program has it
			defer l.Close()
		}
	}
	var said, trouble strings.Builder
	cmd := exec.Command(os.Args[0], "demo", "--with-monitoring", "--web.listen-address=127.0.0.1:0")
	cmd.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = &trouble
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && lines.Text() != "Ctrl-C stops everything." {
		said.WriteString(lines.Text() + "\n")
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	tried := regexp.MustCompile(`curl -s (http://\S+/metrics) \| grep (tidemark_\w*)`).FindAllStringSubmatch(said.String(), -1)
	if len(tried) != 3 {
		t.Errorf("it names %d pages of metrics, want 3", len(tried))
	}
	for _, m := range tried {
		answer, err := client.Get(m[1])
		if err != nil {
			t.Error(err)
			continue
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if !strings.Contains(string(body), "\n"+m[2]) {
			t.Errorf("%s has no %s:\n%s", m[1], m[2], body)
		}
	}
	if m := regexp.MustCompile(`at (http://\S+); in a browser that is the console, .*\n +(\S+)\n`).FindStringSubmatch(said.String()); m != nil {
		request, _ := http.NewRequest(http.MethodPost, m[1]+"/v1/sync/recalculate-emissions/equipment?year=2024&only_stale=false", nil)
		request.Header.Set("Cookie", "tidemark_session="+m[2])
		if answer, err := client.Do(request); err != nil || answer.StatusCode != http.StatusAccepted {
			t.Errorf("a request with the token that it gives: %v %v", answer, err)
		}
	} else {
		t.Error("it does not say how to sign in to the console")
	}
	if m := regexp.MustCompile(`Prometheus is at (http://\S+), Alertmanager at (http://\S+)`).FindStringSubmatch(said.String()); m != nil {
		checkPanels(t, client, m[1])
	} else {
		t.Error("it does not say where Prometheus and Alertmanager are")
	}
	_ = cmd.Process.Signal(os.Interrupt)
	rest, _ := io.ReadAll(stdout)
	if err := cmd.Wait(); err != nil || t.Failed() {
		t.Errorf("%v\n%s%s%s", err, &said, rest, &trouble)
	}
}

// checkPanels asks Prometheus what the dashboards would, until each query has an answer.
func checkPanels(t *testing.T, client *http.Client, prometheus string) {
	t.Helper()
	waiting := map[string]string{}
	paths, err := filepath.Glob("../dashboards/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var dashboard struct {
			Panels []struct {
				Title   string
				Targets []struct{ RefID, Expr string }
			}
		}
		if err := json.Unmarshal(text, &dashboard); err != nil {
			t.Fatal(err)
		}
		for _, p := range dashboard.Panels {
			for _, q := range p.Targets {
				waiting[filepath.Base(path)+", "+p.Title+", "+q.RefID] = strings.ReplaceAll(q.Expr, "$__rate_interval", "1m")
			}
		}
	}
	for deadline := time.Now().Add(time.Minute); len(waiting) > 0 && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		for panel, expr := range waiting {
			answer, err := client.Get(prometheus + "/api/v1/query?query=" + url.QueryEscape(expr))
			if err != nil {
				t.Fatal(err)
			}
			var body struct {
				Status, Error string
				Data          struct{ Result []json.RawMessage }
			}
			err = json.NewDecoder(answer.Body).Decode(&body)
			answer.Body.Close()
			if err != nil || body.Status != "success" {
				t.Fatalf("%s: %s %v\n%s", panel, body.Error, err, expr)
			}
			if len(body.Data.Result) > 0 {
				delete(waiting, panel)
			}
		}
	}
	for panel, expr := range waiting {
		t.Errorf("%s has no data: %s", panel, expr)
	}
}
