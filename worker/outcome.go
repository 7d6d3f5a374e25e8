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
	// dismissed: the session was ended without our doing: by an administrator, by an orderly
	// restart, or before the calculation began.
	dismissed end = "dismissed"
	// cutOff: the database went away. The commit may have taken effect; the fence tells.
	cutOff end = "cut off"
)

// failure is the error of a calculation whose connection works. Whatever it looks like (the
// end of some other file, a deadline of its own), the database is not away.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// unbegun is an error that came before the calculation began.
type unbegun struct{ error }

func (u unbegun) Unwrap() error { return u.error }

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
	case postgres.Dismissed(err), errors.As(err, new(unbegun)) && postgres.Unavailable(err):
		return dismissed
	case postgres.Unavailable(err):
		return cutOff
	default:
		return broke
	}
}
