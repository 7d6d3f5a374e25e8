package stream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/google/uuid"

	"tidemark/shared/postgres"
)

// Snapshot is what subscribers see of a pipeline at one moment.
type Snapshot struct {
	// Data is the JSON that is sent, on one line.
	Data []byte
	// Version stands for Data: equal data, equal version. It is the event's id.
	Version string
	// Done means that Data is the last there will be.
	Done bool
	// Modules are the module types that the pipeline touches; 0 stands for a job without one.
	Modules []int
}

// NewSnapshot gives data its version.
func NewSnapshot(data []byte, done bool, modules []int) Snapshot {
	sum := sha256.Sum256(data)
	return Snapshot{Data: data, Version: hex.EncodeToString(sum[:16]), Done: done, Modules: modules}
}

// Reader reads these pipelines at one moment. Those that do not exist are absent.
type Reader func(ctx context.Context, db postgres.Querier, pipelines ...uuid.UUID) (map[uuid.UUID]Snapshot, error)
