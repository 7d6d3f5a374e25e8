package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tidemark/shared/chaos/verdict"
)

// card is one strike: which fault, at which step of which worker.
type card struct {
	fault, point string
	worker       int
	// late strikes after the message has gone and before its answer comes.
	late bool
	// gap is what follows before the next card.
	gap time.Duration
}

func (c card) String() string {
	when := "before"
	if c.late {
		when = "after"
	}
	return fmt.Sprintf("%s, %s the %s of worker %d", c.fault, when, c.point, c.worker+1)
}

// pack deals every fault at every step, in an order that its seed decides, again and again.
type pack struct {
	rng    *rand.Rand
	names  []string
	cards  []card
	passes int
}

func newPack(seed uint64) *pack {
	p := &pack{rng: rand.New(rand.NewPCG(seed, 0))}
	for _, f := range faults() {
		p.names = append(p.names, f.name)
	}
	return p
}

func (p *pack) deal() card {
	if len(p.cards) == 0 {
		for _, name := range p.names {
			for _, point := range points {
				p.cards = append(p.cards, card{fault: name, point: point, worker: p.rng.IntN(3), late: point != idle && p.rng.IntN(2) == 0,
					gap: time.Duration(p.rng.IntN(1500)) * time.Millisecond})
			}
		}
		p.rng.Shuffle(len(p.cards), func(i, j int) { p.cards[i], p.cards[j] = p.cards[j], p.cards[i] })
		p.passes++
	}
	c := p.cards[0]
	p.cards = p.cards[1:]
	return c
}

// putBack puts a card to the bottom.
func (p *pack) putBack(c card) { p.cards = append(p.cards, c) }

// stepPatience is how long a card waits for its step.
const stepPatience = 4 * time.Second

// torment plays cards until ctx ends.
func (w *world) torment(ctx context.Context, t testing.TB, p *pack) {
	log, err := os.Create(filepath.Join(w.dir, "schedule.log"))
	must(t, err)
	defer log.Close()
	// Everything is running first.
	pause(ctx, 2*time.Second)
	missed := map[string]int{}
	for ctx.Err() == nil {
		c := p.deal()
		note, struck := w.play(c)
		fmt.Fprintf(log, "%s %s: %s\n", time.Now().UTC().Format("15:04:05.000"), c, note)
		if !struck {
			p.putBack(c)
			missed[c.point]++
			continue
		}
		pause(ctx, c.gap)
	}
	for point, n := range missed {
		came := slices.ContainsFunc(w.faults, func(f verdict.Fault) bool { return f.Point == point })
		if n >= 5 && !came {
			t.Errorf("no worker ever came to the step %s, in %d times that it was waited for: what is sent there has changed", point, n)
		}
	}
}

// play waits for the card's step and strikes. It reports false where the step did not come.
func (w *world) play(c card) (note string, struck bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	all := faults()
	f := all[slices.IndexFunc(all, func(f fault) bool { return f.name == c.fault })]
	victim := w.workers[c.worker]
	open := func() {}
	if c.point == idle {
		if !w.awaitIdle(ctx, victim) {
			return "the worker was never idle", false
		}
	} else {
		trap := victim.traps.arm(c.point, c.late)
		if !victim.traps.await(trap, stepPatience) {
			return "the worker did not come to it", false
		}
		open = trap.open
	}
	noted := verdict.Fault{Name: f.name, Point: c.point, Kills: f.kills, Exporter: f.exporter, EmptiesRedis: f.empties, Struck: time.Now()}
	end, err := f.strike(ctx, w, victim)
	open()
	if err == nil {
		pause(ctx, f.lasts)
	}
	if end != nil {
		err = errors.Join(err, end())
	}
	noted.Ended = time.Now()
	note = fmt.Sprintf("%.1f s", noted.Ended.Sub(noted.Struck).Seconds())
	if err != nil {
		noted.Error = err.Error()
		note = noted.Error
	}
	w.faults = append(w.faults, noted)
	return note, true
}

const runsOf = `SELECT EXISTS (SELECT FROM data_ingestion_jobs WHERE state = 'RUNNING' AND locked_by LIKE '%-' || $1::integer || '-%')`

// awaitIdle waits until the record has no job that the worker runs.
func (w *world) awaitIdle(ctx context.Context, p *process) bool {
	ctx, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	for {
		var busy bool
		if err := w.pool.QueryRow(ctx, runsOf, p.pid()).Scan(&busy); err == nil && !busy {
			return true
		}
		if !pause(ctx, 5*time.Millisecond) {
			return false
		}
	}
}

// The same seed is the same schedule, and every pack has every fault at every step.
func TestSeedDecidesTheSchedule(t *testing.T) {
	t.Parallel()
	a, b, c := newPack(7), newPack(7), newPack(8)
	seen, same := map[string]int{}, true
	size := len(points) * len(faults())
	for range 2 * size {
		x := a.deal()
		if y := b.deal(); x != y {
			t.Fatalf("%v and %v", x, y)
		}
		same = same && x == c.deal()
		seen[x.fault+x.point]++
	}
	if same {
		t.Error("another seed is the same schedule")
	}
	for cell, n := range seen {
		if n != 2 {
			t.Errorf("%s is in two packs %d times", cell, n)
		}
	}
	if len(seen) != size {
		t.Errorf("%d of %d cells", len(seen), size)
	}
}
