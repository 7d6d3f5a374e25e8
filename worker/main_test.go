package worker_test

import (
	"testing"

	"go.uber.org/goleak"
)

// The throw-away servers live as long as the test binary.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("tidemark/shared/local.start.func1"),
		goleak.IgnoreAnyFunction("tidemark/shared/local/localtest.drop.func1"), // in nobody's way, and may take its time
		goleak.IgnoreAnyFunction("os/exec.(*Cmd).writerDescriptor.func1"))
}
