package local

import (
	"os"
	"sync"
	"testing"
)

// TestSweep: what has lost its owner goes, and nothing that somebody is just making.
func TestSweep(t *testing.T) {
	t.Parallel()
	var sweepers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		sweepers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					sweep()
				}
			}
		})
	}
	for range 200 {
		d, err := newDir("test")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(d.path); err != nil {
			t.Fatal(err)
		}
		d.remove()
	}
	close(done)
	sweepers.Wait()

	d, err := newDir("test")
	if err != nil {
		t.Fatal(err)
	}
	_ = d.owner.Close()
	sweep()
	if _, err := os.Stat(d.path); !os.IsNotExist(err) {
		t.Errorf("left: %v", err)
	}
}
