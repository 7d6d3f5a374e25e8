package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"tidemark/cli"
	"tidemark/shared/local/localtest"
	"tidemark/shared/sample"
)

// asProgram makes the test binary stand in for the program.
const asProgram = "TIDEMARK_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// tidemark runs one command line and returns its exit code and output. When ctx ends the
// program is interrupted, as by Ctrl-C.
func tidemark(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	// The race detector makes a program sleep for a second when it ends.
	cmd.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.Stdout, cmd.Stderr = &out, &errOut
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode(), out.String(), errOut.String()
}

// TestRefusals: a command that cannot be carried out names the thing, the reason and the way
// out, exits with 2 and does nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	database, empty := "--database-url="+localtest.Database(t), "--database-url="+localtest.EmptyDatabase(t)
	for args, want := range map[string]string{
		"bogus":                                  `there is no command "bogus"; ` + "`tidemark --help` lists them",
		"migrate sideways":                       `migrate: there is no "sideways"; see ` + "`tidemark migrate --help`",
		"exporter --auth.oidc.audience=tidemark": "--auth.oidc.audience: needs --auth.oidc.issuer",
		"exporter --auth.oidc.issuer=https://idp.example --auth.oidc.role=reader":     `--auth.oidc.role "reader": write ROLE=PERMISSION`,
		"exporter --auth.oidc.issuer=https://idp.example --auth.oidc.role=reader=all": `--auth.oidc.role "reader=all"`,
		"exporter --auth.oidc.issuer=https://idp.example":                             "udience",
		"exporter --auth.tokens-file=/nowhere/tokens":                                 "/nowhere/tokens",
		"exporter --metrics.max-scopes=-1 --database-url=postgres:///x?host=/nowhere": "--metrics.max-scopes is -1",
		"stale --bogus":                               "flag provided but not defined: -bogus",
		"stale somewhere":                             `stale: takes no argument, got "somewhere"`,
		"stale -o yaml":                               `--output "yaml": not a format; choose table, wide, json, jsonl or csv`,
		"stale --older-than 5s":                       "--older-than 5s: at least 1m",
		"exporter --max-hold -1m":                     "--max-hold -1m0s: 0 for no wait",
		"stale " + empty:                              ": run `tidemark migrate up`",
		"worker " + empty:                             "run `tidemark migrate up`",
		"exporter " + empty:                           "run `tidemark migrate up`",
		"scheduler " + empty:                          "run `tidemark migrate up`",
		"worker --heartbeat 10s":                      "at most a third of the lease (15s)",
		"worker --log.level loud":                     `--log.level "loud": not a level`,
		"recalc":                                      "recalc: --module is missing; see `tidemark recalc --help`",
		"recalc -m 2":                                 "recalc: --year is missing",
		"recalc -m 2 -y 20255":                        "--year 20255: not a year between 1900 and 2200",
		"recalc -m travel -y 2025":                    `--module: module type "travel": there is none; choose one of headcount (1), professional_travel (2)`,
		"recalc -m 2 -t it -y 2025":                   `--type: data entry type "it": not possible here; choose one of plane (20), train (21)`,
		"recalc -m 2 -t train -y 2025":                "Tidemark has no calculation for it",
		"recalc -m headcount -y 2025":                 "Tidemark computes none of its data entry types",
		"recalc -m 2 -y 2025 " + database:             "no report has the module professional_travel yet",
		"load entries -t plane -y 2025":               "load entries: expected FILE, got 0 arguments",
		"load entries file.csv -t plane":              `put the flag -t in front of "file.csv"`,
		"load entries -t plane file.csv":              "load entries: --year is missing",
		"load factors -t train -y 2025 f.csv":         "Tidemark has no calculation for it",
		"jobs --limit 0":                              "--limit 0: at least 1",
		"jobs --pipeline x":                           `--pipeline "x": not a uuid`,
		"jobs --active --failed":                      "give one of them",
		"exporter --web.listen-address nowhere":       "is not host:port",
		"exporter --web.config.file /nowhere.yml":     "--web.config.file /nowhere.yml: open /nowhere.yml: no such file",
		"exporter --web.telemetry-path metrics":       "write /metrics",
		"exporter --web.route-prefix a//b":            `--web.route-prefix "/a//b" is not a path`,
		"worker --web.listen-address 9878":            "is not host:port",
		"worker --web.config.file /nowhere.yml":       "--web.config.file /nowhere.yml",
		"scheduler --web.listen-address 9879":         "is not host:port",
		"scheduler --periodic-file /nowhere.yml":      "--periodic-file: open /nowhere.yml: no such file or directory: name a file",
		"scheduler --retention 90m":                   "Retention: 1h30m0s; 0 to keep everything, or at least 24h",
		"scheduler -o json":                           "--output: only with --list",
		"demo --web.listen-address 256.0.0.1:1":       "--web.listen-address",
		"demo --web.listen-address 127.0.0.1:notport": "choose another one",
	} {
		t.Run(args[:min(len(args), 40)], func(t *testing.T) {
			t.Parallel()
			fields := strings.Fields(args)
			if !strings.Contains(args, "database-url") && needsDatabase(fields[0]) {
				fields = append(fields[:1:1], append([]string{database}, fields[1:]...)...)
			}
			if i := indexOf(fields, "database-url"); i > 1 {
				// A flag stands before the arguments.
				fields = append([]string{fields[0], fields[i]}, append(fields[1:i:i], fields[i+1:]...)...)
			}
			code, stdout, stderr := tidemark(context.Background(), fields...)
			if code != 2 || !strings.Contains(stderr, want) || stdout != "" {
				t.Errorf("exit code %d, said %q and %q; want 2 and %q", code, stderr, stdout, want)
			}
		})
	}
}

func needsDatabase(command string) bool {
	return command == "stale" || command == "jobs" || command == "recalc" || command == "exporter"
}

func indexOf(fields []string, part string) int {
	for i, f := range fields {
		if strings.Contains(f, part) {
			return i
		}
	}
	return -1
}

// TestMainJob goes the operator's way, by the commands of README alone.
func TestMainJob(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(context.Background())
	database, redis := "--database-url="+localtest.EmptyDatabase(t), "--redis-url="+localtest.Redis(t)
	dir := t.TempDir()
	if _, err := sample.Write(dir); err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(dir, name) }

	ok := func(want string, args ...string) string {
		t.Helper()
		code, stdout, stderr := tidemark(ctx, args...)
		if code != 0 || !strings.Contains(stdout, want) {
			t.Fatalf("%v: exit code %d\n%s%s\nwant %q", args, code, stdout, stderr, want)
		}
		return stdout
	}
	ok("built   uq_aggregation_active", "migrate", "up", database)
	ok("up to date", "migrate", "up", database)
	ok("fit this release", "migrate", "status", database)
	ok("no such jobs", "jobs", database)
	ok("all 0 scopes are fresh", "stale", database)

	var fleet sync.WaitGroup
	defer fleet.Wait()
	defer stop()
	for _, process := range []string{"worker", "scheduler"} {
		fleet.Go(func() {
			if code, _, stderr := tidemark(ctx, process, database, redis, "--log.level=error"); code != 0 {
				t.Errorf("%s: exit code %d\n%s", process, code, stderr)
			}
		})
	}
	ok("62 new", "load", "reference", "airports", database, redis, file("airports.csv"))
	ok("6 new", "load", "factors", database, redis, "--type=plane", "--year=2025", file("factors_plane.csv"))
	// What is loaded is recalculated and aggregated without being asked for.
	out := ok("pipeline SUCCESS", "load", "entries", database, redis, "--type=20", "--year=2025", "--create-units", "--wait", file("entries_plane_2025.csv"))
	for _, want := range []string{"emission_recalc plane 2025  created", "could not be computed", `"XXA" is not a known airport`, "aggregation professional_travel 2025  SUCCESS"} {
		if !strings.Contains(out, want) {
			t.Errorf("load --wait did not say %q:\n%s", want, out)
		}
	}
	ok("nothing has changed", "load", "factors", database, redis, "--type=plane", "--year=2025", file("factors_plane.csv"))
	ok("emission_recalc plane 2025  created", "recalc", database, redis, "--module=professional_travel", "--year=2025", "--wait")
	// For programs: how everything ended, what followed included, and nothing else.
	ended := ok("", "recalc", database, redis, "--module=2", "--year=2025", "--wait", "-o", "json")
	if want := regexp.MustCompile(`^\[{"pipeline_id":"[0-9a-f-]+","module_type_id":2,"year":2025,"status":"SUCCESS","jobs":\[` +
		`{"job_id":\d+,"job_type":"emission_recalc","module_type_id":2,"data_entry_type_id":20,"year":2025,"outcome":"created","state":"FINISHED","result":"WARNING","status_message":"[^}]+"},` +
		`{"job_id":\d+,"job_type":"aggregation","module_type_id":2,"data_entry_type_id":null,"year":2025,"outcome":"followed","state":"FINISHED","result":"SUCCESS","status_message":"[^}]+"}\]}\]\n$`); !want.MatchString(ended) {
		t.Errorf("recalc --wait -o json: %s", ended)
	}
	ok("pipeline SUCCESS", "aggregate", database, redis, "--module=2", "--year=2025", "--wait")
	ok("all 1 scopes are fresh", "stale", database)
	if got := ok("", "stale", database, "-o", "json"); got != "[]\n" {
		t.Errorf("stale -o json: %q", got)
	}

	// A failure: the scope is stale, the command that waited says so, and the next request works at once.
	pool := localtest.Connect(t, strings.TrimPrefix(database, "--database-url="))
	exec := func(sql string) {
		t.Helper()
		if _, err := pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id, stats) SELECT 5, 0, min(id), '[]' FROM carbon_reports`)
	code, stdout, _ := tidemark(ctx, "aggregate", database, redis, "--module=2", "--year=2025", "--wait", "-o", "json")
	if code != 1 || !strings.Contains(stdout, `"status":"FAILED"`) || !strings.Contains(stdout, `"result":"ERROR"`) {
		t.Errorf("a failed aggregation: exit code %d\n%s", code, stdout)
	}
	code, stdout, _ = tidemark(ctx, "aggregate", database, redis, "--module=2", "--year=2025", "--wait")
	if code != 1 || !strings.Contains(stdout, "pipeline FAILED") || !strings.Contains(stdout, "aggregate module type 5") {
		t.Errorf("a failed aggregation: exit code %d\n%s", code, stdout)
	}
	ok("last_aggregation_failed", "stale", database)
	ok("ERROR", "jobs", database, "--failed")
	exec(`DELETE FROM carbon_report_modules WHERE module_type_id = 5`)
	ok("pipeline SUCCESS", "aggregate", database, redis, "--module=2", "--year=2025", "--reason=repaired", "--wait")
	// Who asked is on record, with the reason given.
	var actor, reason string
	if err := pool.QueryRow(ctx, `SELECT actor, reason FROM job_requests WHERE via = 'cli' ORDER BY id DESC LIMIT 1`).Scan(&actor, &reason); err != nil || !strings.Contains(actor, "@") || reason != "repaired" {
		t.Errorf("recorded: %q %q (%v)", actor, reason, err)
	}

	// An edit that nobody has aggregated yet: young, and wrong all the same.
	exec(`UPDATE data_entries SET updated_at = now() WHERE id = (SELECT min(id) FROM data_entries)`)
	ok("0 of 1 scopes are stale, 1 have drifted from their data", "stale", database)
	ok("pipeline SUCCESS", "aggregate", database, redis, "--module=2", "--year=2025", "--wait")
	ok("all 1 scopes are fresh", "stale", database)

	var jobs []struct {
		ID     int64  `json:"job_id"`
		Type   string `json:"job_type"`
		State  string `json:"state"`
		Result string `json:"result"`
	}
	if err := json.Unmarshal([]byte(ok("", "jobs", database, "-o", "json", "--module=2", "--year=2025")), &jobs); err != nil {
		t.Fatal(err)
	}
	if len(jobs) == 0 || jobs[0].Type != "aggregation" || jobs[0].Result != "SUCCESS" {
		t.Errorf("jobs -o json: %+v", jobs)
	}
	code, _, stderr := tidemark(ctx, "recalc", database, redis, "--module=2", "--year=2031")
	if code != 2 || !strings.Contains(stderr, "no report of 2031 has the module professional_travel; there are reports for 2025") {
		t.Errorf("a year without reports: exit code %d, %s", code, stderr)
	}
}

// TestBadFileIsRefusedWhole: file, line, column and reason of each bad row, and nothing loaded.
func TestBadFileIsRefusedWhole(t *testing.T) {
	t.Parallel()
	ctx, url := context.Background(), localtest.Database(t)
	path := filepath.Join(t.TempDir(), "trips.csv")
	text := "unit_institutional_id,origin_iata,destination_iata,user_institutional_id,departure_date,number_of_trips,cabin_class,note\n" +
		"U1,GVA,LHR,P1,2025-02-30,1,economy,\n" +
		"U1,GVA,LHR,P1,2025-02-03,none,economy,\n" +
		"U1,GVA,LHR,P1,2025-02-03,1,economy,\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	load := []string{"load", "entries", "--database-url=" + url, "--redis-url=" + localtest.Redis(t), "--type=plane", "--year=2025", "--create-units"}
	code, _, stderr := tidemark(ctx, append(load, path)...)
	for _, want := range []string{path + ":2: departure_date: ", path + ":3: number_of_trips: ", "nothing was written", "--skip-bad-rows"} {
		if code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d, want 2 and %q:\n%s", code, want, stderr)
		}
	}
	rows := func() (n int) {
		if err := localtest.Connect(t, url).QueryRow(ctx, `SELECT (SELECT count(*) FROM data_entries) + (SELECT count(*) FROM units) * 10`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := rows(); n != 0 {
		t.Errorf("%d rows were written", n)
	}
	code, stdout, stderr := tidemark(ctx, append(load, "--skip-bad-rows", path)...)
	if code != 0 || rows() != 11 || !strings.Contains(stderr, path+":2: departure_date") {
		t.Errorf("--skip-bad-rows: exit code %d, %d rows\n%s%s", code, rows(), stdout, stderr)
	}
}

// TestRequestWithoutRedis: the request is recorded, and the command says who will wake the workers.
func TestRequestWithoutRedis(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	pool := localtest.Connect(t, url)
	ctx := context.Background()
	if _, err := pool.Exec(ctx, `INSERT INTO units (provider, institutional_code, name, level, is_active) VALUES ('DEFAULT', 'U', 'U', 4, true);
		INSERT INTO carbon_reports (year, unit_id, overall_status) VALUES (2025, 1, 0);
		INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (2, 0, 1)`); err != nil {
		t.Fatal(err)
	}
	nowhere := fmt.Sprintf("--redis-url=redis-socket://%s/none.sock", t.TempDir())
	code, stdout, stderr := tidemark(ctx, "aggregate", "--database-url="+url, nowhere, "--module=2", "--year=2025")
	if code != 0 || !strings.Contains(stdout, "created") || !strings.Contains(stderr, "the request is recorded, the workers could not be woken") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, _ = tidemark(ctx, "aggregate", "--database-url="+url, nowhere, "--module=2", "--year=2025")
	if code != 0 || !strings.Contains(stdout, "joined, it was waiting already") {
		t.Errorf("the second request: exit code %d\n%s", code, stdout)
	}
}
