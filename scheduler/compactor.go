package scheduler

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/freshness"
)

// compactInterval is how often what freshness keeps is folded. A minute of report modules that
// are added one by one is some thousand lines: a look at them takes a millisecond longer.
const compactInterval = time.Minute

// compactor keeps looks at freshness short.
type compactor struct {
	db  *pgxpool.Pool
	log *slog.Logger
}

// tick folds once. Where it fails nothing is wrong, only longer.
func (c *compactor) tick(ctx context.Context) error {
	err := freshness.Compact(ctx, c.db)
	if err != nil && ctx.Err() == nil {
		c.log.Warn("compactor", "err", err)
	}
	return err
}
