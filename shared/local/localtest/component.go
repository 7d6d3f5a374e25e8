package localtest

import (
	"context"
	"sync"
	"testing"
	"time"
)

// stopPatience is how long a component may take to stop.
const stopPatience = 20 * time.Second

// Start runs a component's Run until stop is called or the test ends, and fails the test
// when it does not end, or not without an error.
func Start(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(stopPatience):
			t.Error("the component does not stop")
		}
	})
	t.Cleanup(stop)
	return stop
}
