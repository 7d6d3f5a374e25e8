package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// timing is how fast an election notices. The server must be the last to give a silent
// leader up: silence is well above patience.
type timing struct {
	// standby is the time between two tries for the place.
	standby time.Duration
	// check is the time between two looks whether the place is still ours.
	check time.Duration
	// patience is how long after its last good look, counted from before it was sent, a leader goes on.
	patience time.Duration
	// silence is how long the server waits for a word before it ends the session and thereby frees
	// the place: of a stopped process, or behind a link that swallows everything, it learns nothing else.
	silence time.Duration
}

func defaultTiming() timing {
	return timing{standby: 500 * time.Millisecond, check: time.Second, patience: 3 * time.Second, silence: 6 * time.Second}
}

// election makes one of all schedulers on a database the leader. See the package comment.
type election struct {
	// config is of the connection whose session holds the place.
	config  *pgx.ConnConfig
	timing  timing
	metrics *metrics
	log     *slog.Logger
}

// errPooled ends an election that cannot be held.
var errPooled = errors.New("the database URL leads through a pooler that changes the server's session between transactions, " +
	"where a session's lock holds nothing: give the scheduler the server's own address, or a pool in session mode")

// run leads whenever nobody else does, until ctx ends. work is what a leader does, until its
// own context ends. The error is [errPooled] or nil.
func (e *election) run(ctx context.Context, work func(context.Context)) error {
	for said := false; ; {
		led, err := e.session(ctx, work)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errPooled):
			return err
		case led || !said: // once for each time that the database goes away
			e.log.Warn("no part in the election of a leader, trying again", "err", err)
			said = true
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(e.timing.standby):
		}
	}
}

// tryToLead also tells which session of the server asks.
const tryToLead = `SELECT pg_try_advisory_lock(@space::integer, 0), pg_backend_pid()`

// leaderSpace is the lock space behind those of shared/ledger and of announced changes.
const leaderSpace = 0x74696465 + 3

// session stands for election on one connection until that breaks, or a term has ended. It
// reports whether there was one.
func (e *election) session(ctx context.Context, work func(context.Context)) (led bool, err error) {
	conn, err := e.connect(ctx)
	if err != nil {
		return false, err
	}
	// Freed at once, whoever comes next need not wait for the server to miss us.
	defer e.hangUp(ctx, conn)
	for said := false; ; said = true {
		var won bool
		var pid uint32
		sent := time.Now()
		// Not a lock that is waited for: who waits inside the server holds a snapshot, in the way
		// of CREATE INDEX CONCURRENTLY.
		err := e.ask(ctx, sent, conn, tryToLead, pgx.StrictNamedArgs{"space": leaderSpace}, &won, &pid)
		if err != nil {
			return false, err
		}
		if won {
			return true, e.lead(ctx, conn, pid, sent, work)
		}
		if !said {
			e.log.Info("another scheduler leads, standing by")
		}
		if err := listen(ctx, conn, e.timing.standby); err != nil {
			return false, err
		}
	}
}

// lead works until the place is lost or ctx ends. It returns when the work has ended too.
func (e *election) lead(ctx context.Context, conn *pgx.Conn, pid uint32, good time.Time, work func(context.Context)) error {
	e.log.Info("leading")
	e.metrics.leader.Set(1)
	e.metrics.transitions.WithLabelValues(termGained).Inc()
	leading, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(leading)
	}()
	err := e.hold(ctx, conn, pid, good)
	stop()
	e.metrics.leader.Set(0)
	// A loop that hangs for a moment, in a Redis that is away, keeps nobody from taking over.
	select {
	case <-done:
	case <-time.After(e.timing.check):
		e.hangUp(ctx, conn)
		<-done
	}
	if ctx.Err() != nil {
		e.metrics.transitions.WithLabelValues(termHandedOver).Inc()
		e.log.Info("leadership handed over")
		return nil
	}
	e.metrics.transitions.WithLabelValues(termLost).Inc()
	e.log.Warn("leadership lost, standing by", "err", err)
	return err
}

// hold returns when the place may be lost, or ctx ends. It was ours at good.
func (e *election) hold(ctx context.Context, conn *pgx.Conn, pid uint32, good time.Time) error {
	for {
		if err := listen(ctx, conn, e.timing.check); err != nil {
			return err
		}
		var now uint32
		sent := time.Now()
		if err := e.ask(ctx, good, conn, `SELECT pg_backend_pid()`, nil, &now); err != nil {
			return err
		}
		if now != pid {
			return errPooled
		}
		good = sent
	}
}

// ask asks for one row, with patience since a moment.
func (e *election) ask(ctx context.Context, since time.Time, conn *pgx.Conn, sql string, args pgx.StrictNamedArgs, into ...any) error {
	ctx, cancel := context.WithDeadline(ctx, since.Add(e.timing.patience))
	defer cancel()
	return conn.QueryRow(ctx, sql, args).Scan(into...)
}

// listen waits, and returns an error as soon as the connection is seen to break.
func listen(ctx context.Context, conn *pgx.Conn, wait time.Duration) error {
	timed, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	_, err := conn.WaitForNotification(timed)
	if timed.Err() != nil && !conn.IsClosed() {
		return ctx.Err()
	}
	return err
}

// connect opens a session that the server ends when it hears nothing of it.
func (e *election) connect(ctx context.Context) (*pgx.Conn, error) {
	start := time.Now()
	conn, err := e.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err = e.checkSession(ctx, conn); err == nil {
		var set string
		err = e.ask(ctx, start, conn, `SELECT set_config('idle_session_timeout', @silence, false)`,
			pgx.StrictNamedArgs{"silence": fmt.Sprintf("%dms", e.timing.silence.Milliseconds())}, &set)
	}
	if err != nil {
		e.hangUp(ctx, conn)
		return nil, err
	}
	return conn, nil
}

func (e *election) dial(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, e.timing.patience)
	defer cancel()
	return pgx.ConnectConfig(ctx, e.config.Copy())
}

// checkSession refuses a connection whose statements need not all reach one session of the
// server. A pooler has process ids of its own making. Behind one, two connections of which
// one is inside a transaction are different sessions, unless they share what is free.
func (e *election) checkSession(ctx context.Context, conn *pgx.Conn) error {
	const pid = `SELECT pg_backend_pid()`
	start := time.Now()
	var before, other, after uint32
	if err := e.ask(ctx, start, conn, pid, nil, &before); err != nil || before == conn.PgConn().PID() {
		return err
	}
	second, err := e.dial(ctx)
	if err != nil {
		return err
	}
	defer e.hangUp(ctx, second)
	if _, err := second.Exec(ctx, "BEGIN", pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	if err := e.ask(ctx, start, second, pid, nil, &other); err != nil {
		return err
	}
	if err := e.ask(ctx, start, conn, pid, nil, &after); err != nil {
		return err
	}
	if other == before || after != before {
		return errPooled
	}
	return nil
}

// hangUp closes a connection, also when ctx is over.
func (e *election) hangUp(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.timing.check)
	defer cancel()
	_ = conn.Close(ctx)
}

// sessionOf is the configuration of a connection like those of a pool.
func sessionOf(config *pgx.ConnConfig) *pgx.ConnConfig {
	config = config.Copy()
	config.RuntimeParams["application_name"] = "tidemark scheduler election"
	// Statements that are prepared need one session as well, and errPooled says it better.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	return config
}
