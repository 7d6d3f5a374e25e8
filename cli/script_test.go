package cli_test

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"tidemark/shared/local/localtest"
)

//go:embed testdata/record.sql
var recordSQL string

var update = flag.Bool("update", false, "write what is compared in testdata/script anew")

// TestScripts plays the transcripts, each on a record of testdata/record.sql and a Redis of its
// own. `tidemark` must exit with 0, `exits CODE tidemark ...` with another code. $DATABASE and
// $NOWHERE are addresses of an empty database and of nothing.
func TestScripts(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("psql"); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update, RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			database := localtest.Database(t)
			if _, err := localtest.Connect(t, database).Exec(context.Background(), recordSQL); err != nil {
				return err
			}
			for name, value := range map[string]string{
				asProgram: "1", "GORACE": "atexit_sleep_ms=0", "TIDEMARK_DATABASE_URL": database, "TIDEMARK_REDIS_URL": localtest.Redis(t),
				"EMPTY": localtest.EmptyDatabase(t), "NOWHERE": "redis-socket://" + e.WorkDir + "/none.sock",
			} {
				e.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"tidemark": func(ts *testscript.TestScript, neg bool, args []string) { program(ts, 0, args) },
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				code, err := strconv.Atoi(args[0])
				if err != nil || args[1] != "tidemark" {
					ts.Fatalf("write: exits CODE tidemark ...")
				}
				program(ts, code, args[2:])
			},
			"sql": func(ts *testscript.TestScript, neg bool, args []string) {
				ts.Check(ts.Exec("psql", "-q", "-v", "ON_ERROR_STOP=1", "-c", args[0], ts.Getenv("TIDEMARK_DATABASE_URL")))
			},
		},
	})
}

// program runs one command line and wants this exit code.
func program(ts *testscript.TestScript, want int, args []string) {
	err := ts.Exec(os.Args[0], args...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("tidemark %q: exit code %d, want %d", args, got, want)
	}
}
