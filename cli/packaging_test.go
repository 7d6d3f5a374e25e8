package cli

import (
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v4"

	"tidemark/exporter"
	"tidemark/scheduler"
	"tidemark/worker"
)

// killAfter is how long a worker may take to end, at least: its drain and some time to release
// what is left.
const killAfter = 10 * time.Second

// checkCall says what is wrong with a command line behind the program's name. Flags need their value in the same word.
func checkCall(words []string) error {
	commands := newApp(io.Discard, io.Discard).Commands
	var command *cli.Command
	for len(words) > 0 {
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(words[0]) })
		if i < 0 {
			break
		}
		command, commands, words = commands[i], commands[i].Subcommands, words[1:]
	}
	if command == nil || len(commands) > 0 {
		return fmt.Errorf("no command: %q", words)
	}
	for _, w := range words {
		name, _, _ := strings.Cut(strings.TrimPrefix(w, "--"), "=")
		if !strings.HasPrefix(w, "--") || !slices.ContainsFunc(command.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }) {
			return fmt.Errorf("%s has no flag %q", command.Name, w)
		}
	}
	return nil
}

// checkVariables says which name is no setting.
func checkVariables(t *testing.T, where string, names ...string) {
	t.Helper()
	known := append(variables(newApp(io.Discard, io.Discard).Commands), settingsFile)
	for _, name := range names {
		if !slices.Contains(known, name) {
			t.Errorf("%s: no setting is read from %s", where, name)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestProcfile(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(read(t, "../Procfile")) {
		name, call, _ := strings.Cut(strings.TrimSpace(line), ": ./bin/tidemark ")
		if err := checkCall(strings.Fields(call)); err != nil {
			t.Errorf("Procfile: %s: %v", name, err)
		}
	}
}

// unit holds the settings of a unit file by name, each with its values in order.
type unit map[string][]string

func readUnit(t *testing.T, path string) unit {
	t.Helper()
	u := unit{}
	for line := range strings.Lines(read(t, path)) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found && !strings.HasPrefix(line, "#") {
			u[name] = append(u[name], value)
		}
	}
	return u
}

const unitDir = "../packaging/systemd"

// TestUnits: the units call commands that there are, leave a worker time to drain, and contradict one another nowhere.
func TestUnits(t *testing.T) {
	t.Parallel()
	common := readUnit(t, unitDir+"/tidemark-.service.d/common.conf")
	services, err := filepath.Glob(unitDir + "/*.service")
	if err != nil || len(services) == 0 {
		t.Fatal(services, err)
	}
	for _, path := range services {
		u := readUnit(t, path)
		for _, call := range u["ExecStart"] {
			words := strings.Fields(call)
			if err := checkCall(words[1:]); err != nil || words[0] != "/usr/local/bin/tidemark" {
				t.Errorf("%s: %s: %v", path, call, err)
			}
		}
		for name := range u {
			if _, twice := common[name]; twice {
				t.Errorf("%s: %s is what common.conf says, read after it", path, name)
			}
		}
		for _, e := range slices.Concat(u["Environment"], common["Environment"]) {
			name, _, _ := strings.Cut(e, "=")
			checkVariables(t, path, name)
		}
	}
	stop := readUnit(t, unitDir+"/tidemark-worker@.service")["TimeoutStopSec"]
	if d, err := time.ParseDuration(strings.Join(stop, " ")); err != nil || d < worker.DefaultOptions().Drain+killAfter {
		t.Errorf("a worker is killed after %s, and drains for %s", stop, worker.DefaultOptions().Drain)
	}
	if socket := readUnit(t, unitDir+"/tidemark-exporter.socket")["ListenStream"]; !slices.Equal(socket, []string{exporter.DefaultAddress}) {
		t.Errorf("the exporter's socket is on %s, README says %s", socket, exporter.DefaultAddress)
	}
}

// TestUnitsBySystemd: systemd understands the units, and finds little that they leave open.
func TestUnitsBySystemd(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	if help, _ := exec.Command(analyze, "--help").Output(); !strings.Contains(string(help), "--offline") {
		t.Skip("systemd-analyze is older than 250")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(unitDir)); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		cmd := exec.Command(analyze, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
		out, err := cmd.CombinedOutput()
		// A name that systemd does not know is a warning only.
		if err != nil || strings.Contains(string(out), dir) {
			t.Errorf("systemd-analyze %q: %v\n%s", args, err, out)
		}
	}
	units, _ := filepath.Glob(dir + "/tidemark-*.s*t")
	services, _ := filepath.Glob(dir + "/*.service")
	for _, path := range services {
		text := strings.ReplaceAll(read(t, path), "/usr/local/bin/tidemark", os.Args[0])
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(slices.Concat([]string{"verify", "--man=no"}, units, services)...)
	for _, path := range services {
		run("security", "--offline=yes", "--threshold=15", strings.Replace(filepath.Base(path), "@", "@9878", 1))
	}
}

// TestDockerfile: what the image is told is something that the program knows, and it is built
// by the Go that go.mod asks for.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(read(t, "../packaging/Dockerfile"), "\\\n", " ")
	instructions := map[string][]string{}
	for line := range strings.Lines(text) {
		if name, rest, found := strings.Cut(strings.TrimSpace(line), " "); found && !strings.HasPrefix(line, "#") {
			instructions[name] = append(instructions[name], rest)
		}
	}
	needs := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))[1]
	if from := instructions["FROM"][0]; !strings.HasPrefix(from, "golang:"+needs+"-") {
		t.Errorf("built from %s, go.mod needs %s", from, needs)
	}
	served := map[string]string{"TIDEMARK_WEB_LISTEN_ADDRESS": exporter.DefaultAddress, "TIDEMARK_WORKER_WEB_LISTEN_ADDRESS": worker.DefaultAddress,
		"TIDEMARK_SCHEDULER_WEB_LISTEN_ADDRESS": scheduler.DefaultAddress}
	var ports []string
	for _, e := range strings.Fields(strings.Join(instructions["ENV"], " ")) {
		name, value, _ := strings.Cut(e, "=")
		checkVariables(t, "Dockerfile", name)
		_, port, _ := net.SplitHostPort(served[name])
		if value != ":"+port {
			t.Errorf("%s is %s, the default port is %s", name, value, port)
		}
		ports = append(ports, port)
	}
	if got := strings.Join(instructions["EXPOSE"], " "); got != strings.Join(ports, " ") {
		t.Errorf("EXPOSE %s, served are %s", got, ports)
	}
	if user := strings.Join(instructions["USER"], " "); !regexp.MustCompile(`^[1-9]\d+:[1-9]\d+$`).MatchString(user) {
		t.Errorf("USER %q: not the numbers of somebody without rights", user)
	}
	for _, c := range instructions["COPY"] {
		words := strings.Fields(c)
		for _, from := range words[:len(words)-1] {
			if strings.HasPrefix(words[0], "--from=") {
				break
			}
			if _, err := os.Stat("../" + from); err != nil {
				t.Errorf("COPY %s: %v", c, err)
			}
		}
	}
	var ignored []string
	for line := range strings.Lines(read(t, "../packaging/Dockerfile.dockerignore")) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
			ignored = append(ignored, strings.TrimPrefix(line, "**/"))
		}
	}
	var git []string
	for line := range strings.Lines(read(t, "../.gitignore")) {
		git = append(git, strings.Trim(strings.TrimSpace(line), "/"))
	}
	if !slices.Equal(ignored, git) {
		t.Errorf("the image's context leaves out %q, git %q: what git tracks must be there", ignored, git)
	}
}

// TestCompose: each of Tidemark's services has a command that there is, and the time to end.
func TestCompose(t *testing.T) {
	t.Parallel()
	var file struct {
		Services map[string]struct {
			Image       string            `yaml:"image"`
			Command     []string          `yaml:"command"`
			Environment map[string]string `yaml:"environment"`
			Grace       string            `yaml:"stop_grace_period"`
		} `yaml:"services"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "../packaging/compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	var own []string
	for name, s := range file.Services {
		if s.Image != "tidemark" {
			continue
		}
		own = append(own, name)
		if err := checkCall(s.Command); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		checkVariables(t, name, slices.Collect(maps.Keys(s.Environment))...)
		if d, err := time.ParseDuration(s.Grace); err != nil || d < worker.DefaultOptions().Drain+killAfter {
			t.Errorf("%s: killed after %q", name, s.Grace)
		}
	}
	slices.Sort(own)
	if want := []string{"exporter", "migrate", "scheduler", "worker"}; !slices.Equal(own, want) {
		t.Errorf("services %q, want %q", own, want)
	}
}
