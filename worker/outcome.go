package worker

import (
	"errors"

	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
)

// end is how a run ended.
type end string

const (
	// ended: data and result are committed.
	ended end = "ended"
	// broke: the calculation failed.
	broke end = "broke"
	// lost: the job is no longer ours.
	lost end = "lost"
	// interrupted: we are shutting down.
	interrupted end = "interrupted"
	// cutOff: the database went away. The commit may have taken effect; the fence tells.
	cutOff end = "cut off"
)

// failure is the error of a calculation whose connection works. Whatever it looks like (the
// end of some other file, a deadline of its own), the database is not away.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// endOf decides how a run ended from the error of its transaction and the reason for
// which its context was ended, nil if it was not.
func endOf(err, cause error) end {
	switch {
	case err == nil:
		return ended
	case errors.Is(err, ledger.ErrLost), errors.Is(cause, ledger.ErrLost):
		return lost
	case errors.Is(cause, errTimeLimit):
		return broke
	case errors.Is(cause, errShutdown):
		return interrupted
	case errors.As(err, new(failure)):
		return broke
	case postgres.Unavailable(err):
		return cutOff
	default:
		return broke
	}
}
