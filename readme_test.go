package main

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestReadmeExamples runs README's calls of curl as they stand, on a deployment with a worker.
// (cli's tests run its commands.)
func TestReadmeExamples(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	c := newCrash(ctx, t)
	c.run("migrate", "up")
	c.load(10)
	c.worker()
	c.awaitQuiet()
	e, token := c.exporter(nil)
	server := httptest.NewServer(e.Handler())
	t.Cleanup(server.Close)

	examples := curls(t)
	if len(examples) != 3 {
		t.Fatalf("README has %d calls of curl: say here what they have to answer", len(examples))
	}
	env := append(c.env, "TOKEN="+token)
	run := func(example string) string {
		t.Helper()
		// uuidgen is where people are, not on every server.
		script := "uuidgen() { cat /proc/sys/kernel/random/uuid; }\n" + strings.ReplaceAll(example, "http://127.0.0.1:9877", server.URL)
		cmd := exec.CommandContext(ctx, "sh", "-ec", script)
		cmd.Env = env
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s\n%v\n%s", example, err, out)
		}
		return string(out)
	}
	names := func(page string) string {
		return regexp.MustCompile(`(?m) \d+$`).ReplaceAllString(strings.TrimSpace(page), "")
	}
	if got := run(examples[0].call); names(got) != names(examples[0].answer) {
		t.Errorf("%s\n%swant\n%s", examples[0].call, got, examples[0].answer)
	}
	var started struct {
		Pipeline string `json:"pipeline_id"`
	}
	got := run(examples[1].call)
	if err := json.Unmarshal([]byte(got), &started); err != nil || started.Pipeline == "" {
		t.Fatalf("%s\n%s", examples[1].call, got)
	}
	env = append(env, "PIPELINE="+started.Pipeline)
	c.scheduler() // without Redis this exporter wakes nobody
	if got := run(examples[2].call); !strings.Contains(got, `"stream_closed":true`) {
		t.Errorf("%s\n%s", examples[2].call, got)
	}
}

// example is a command with what README shows as its answer.
type example struct{ call, answer string }

func curls(t *testing.T) (found []example) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range strings.Split("\n"+string(text), "\n```") {
		if i%2 == 0 {
			continue // what stands between the blocks
		}
		continues := false
		for line := range strings.Lines(block) {
			call, isCall := strings.CutPrefix(strings.TrimPrefix(line, "$ "), "curl ")
			switch last := len(found) - 1; {
			case isCall:
				found = append(found, example{call: "curl " + call})
			case continues:
				found[last].call += line
			case strings.Contains(block, "\n$ curl ") && last >= 0:
				found[last].answer += line
			}
			continues = isCall && strings.HasSuffix(line, "\\\n")
		}
	}
	return found
}
