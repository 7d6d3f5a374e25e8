package localtest

import (
	"testing"

	"go.uber.org/goleak"
)

// VerifyNoLeaks runs a package's tests, from its TestMain, and fails where one of them leaves a
// goroutine. Those of this package are no leak: the servers are started on first use and end with
// the binary, and what a test had there may still be dropped.
func VerifyNoLeaks(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("tidemark/shared/local.start.func1"),
		goleak.IgnoreAnyFunction("tidemark/shared/local/localtest.drop.func1"),
		goleak.IgnoreAnyFunction("os/exec.(*Cmd).writerDescriptor.func1"))
}
