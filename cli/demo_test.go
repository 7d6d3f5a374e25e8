package cli_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"tidemark/scheduler"
	"tidemark/worker"
)

// TestDemo lets the demo play to its end while the ports of worker and scheduler are taken:
// what it tells people to type works.
func TestDemo(t *testing.T) {
	t.Parallel()
	for _, address := range []string{worker.DefaultAddress, scheduler.DefaultAddress} {
		if l, err := net.Listen("tcp", address); err == nil { // or another program has it
			defer l.Close()
		}
	}
	var said, trouble strings.Builder
	cmd := exec.Command(os.Args[0], "demo", "--web.listen-address=127.0.0.1:0")
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
	_ = cmd.Process.Signal(os.Interrupt)
	rest, _ := io.ReadAll(stdout)
	if err := cmd.Wait(); err != nil || t.Failed() {
		t.Errorf("%v\n%s%s%s", err, &said, rest, &trouble)
	}
}
