package access

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxLimited bounds how many principals a limiter keeps in mind.
const maxLimited = 4096

// Limiter bounds how often each principal requests. It is safe for concurrent use and
// keeps a bounded number of principals in mind. Make it with [NewLimiter].
type Limiter struct {
	every rate.Limit
	burst int

	mu sync.Mutex
	// buckets holds, by name, the principals that have not all of their burst.
	buckets map[string]*rate.Limiter
}

// NewLimiter lets each principal request once in every, on average, and burst times at once.
func NewLimiter(every time.Duration, burst int) (*Limiter, error) {
	if every <= 0 || burst < 1 {
		return nil, fmt.Errorf("a limit of %d requests at once, then one in %s: both must be above zero", burst, every)
	}
	return &Limiter{every: rate.Every(every), burst: burst, buckets: map[string]*rate.Limiter{}}, nil
}

// Take counts a request of p. The result is 0 when it may go on, else how long to wait
// before the next try; a request that has to wait is not counted.
func (l *Limiter) Take(p Principal) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	bucket := l.buckets[p.Name]
	if bucket == nil {
		if len(l.buckets) >= maxLimited {
			l.forget(now)
		}
		if len(l.buckets) >= maxLimited {
			// So many at once are no people. Somebody's bucket is filled up before long.
			return time.Duration(float64(time.Second) / float64(l.every))
		}
		bucket = rate.NewLimiter(l.every, l.burst)
		l.buckets[p.Name] = bucket
	}
	reservation := bucket.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

// forget drops the principals whose bucket is full: a new one would be the same.
func (l *Limiter) forget(now time.Time) {
	for name, bucket := range l.buckets {
		if bucket.TokensAt(now) >= float64(l.burst) {
			delete(l.buckets, name)
		}
	}
}
