package console_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The test servers are started on first use and end with the binary; what a test had there
	// may still be dropped.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("tidemark/shared/local/localtest.drop.func1"),
		goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"),
		goleak.IgnoreAnyFunction("os/exec.(*Cmd).Start.func2"),
		goleak.IgnoreAnyFunction("os/exec.(*Cmd).writerDescriptor.func1"))
}
