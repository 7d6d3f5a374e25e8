package stream

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/exporter/exportertest"
	"tidemark/exporter/sse"
	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

// TestWhateverChangesIsSeen changes the tables as any program might.
func TestWhateverChangesIsSeen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, other := b.pipeline(1), b.pipeline(2)
	s := b.subscribe(id)
	if got := data(s); got != "RUNNING 1 NOT_STARTED" {
		t.Fatalf("the first look shows %q", got)
	}
	for _, c := range []struct{ change, want string }{
		{`UPDATE data_ingestion_jobs SET state = 'RUNNING', started_at = now() WHERE id = 1`, "RUNNING 1 RUNNING"},
		{`UPDATE data_ingestion_jobs SET status_message = '10 of 20' WHERE id = 1`, "RUNNING 1 RUNNING 10 of 20"},
		{`INSERT INTO pipeline_joins (pipeline_id, job_id) VALUES ('` + id.String() + `', 2)`, "RUNNING 1 RUNNING 10 of 20, 2 NOT_STARTED"},
		// The job of another pipeline, which this one joined.
		{`UPDATE data_ingestion_jobs SET state = 'FINISHED', result = 'SUCCESS' WHERE id = 2`, "RUNNING 1 RUNNING 10 of 20, 2 FINISHED"},
		{`UPDATE pipelines SET status = 'PARTIAL' WHERE id = '` + id.String() + `'`, "PARTIAL 1 RUNNING 10 of 20, 2 FINISHED"},
		{`INSERT INTO data_ingestion_jobs (id, entity_type, ingestion_method, provider, is_current, pipeline_id)
		  VALUES (3, 'MODULE_PER_YEAR', 'csv', 'TEST', false, '` + id.String() + `')`, "PARTIAL 1 RUNNING 10 of 20, 2 FINISHED, 3"},
		{`UPDATE data_ingestion_jobs SET pipeline_id = '` + id.String() + `' WHERE id = 2; DELETE FROM pipeline_joins; UPDATE data_ingestion_jobs SET state = 'QUEUED' WHERE id = 3`,
			"PARTIAL 1 RUNNING 10 of 20, 2 FINISHED, 3 QUEUED"},
	} {
		b.exec(c.change)
		b.await(s, c.want)
	}
	if _, err := b.hub.Subscribe(t.Context(), uuid.New()); err == nil {
		t.Error("a pipeline that is not there can be watched")
	} else {
		wantErr(t, err, ErrNotFound)
	}
	b.subscribe(other)
}

// TestOnlyWhatIsWatchedIsAnnounced pins what keeps writers from paying.
func TestOnlyWhatIsWatchedIsAnnounced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	watched, other := b.pipeline(1), b.pipeline(2)
	touch := func() {
		for _, id := range []int{1, 2} {
			b.exec(`UPDATE data_ingestion_jobs SET state = 'RUNNING', status_message = clock_timestamp()::text WHERE id = $1`, id)
			b.exec(`UPDATE data_ingestion_jobs SET locked_at = clock_timestamp() WHERE id = $1`, id)
		}
		b.exec(`UPDATE pipelines SET status = 'FAILED'; UPDATE pipelines SET status = 'RUNNING'`)
		b.exec(`INSERT INTO pipeline_joins (pipeline_id, job_id) VALUES ($1, 1)`, other)
		b.exec(`DELETE FROM pipeline_joins`)
	}
	if got := b.notified(touch); len(got) != 0 {
		t.Errorf("announced %q although nobody watches", got)
	}
	s := b.subscribe(watched)
	got := b.notified(touch)
	if len(got) != 2 || slices.ContainsFunc(got, func(p string) bool { return p != watched.String() }) {
		t.Errorf("announced %q, want two changes of %s: a heartbeat without news is none, and those of one transaction are one", got, watched)
	}
	s.Close()
	b.until("the hub has left", sessions+` = 0`)
	if got := b.notified(touch); len(got) != 0 {
		t.Errorf("announced %q although nobody watches any more", got)
	}
}

// TestWriterThatLookedTooEarly: it found nobody watching, and commits after the hub has read.
func TestWriterThatLookedTooEarly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.pipeline(1)
	tx, err := b.pool.Begin(t.Context())
	b.must(err)
	_, err = tx.Exec(t.Context(), `UPDATE data_ingestion_jobs SET state = 'RUNNING' WHERE id = 1`)
	b.must(err)
	s := b.subscribe(id)
	if got := data(s); got != "RUNNING 1 NOT_STARTED" {
		t.Fatalf("before the commit it shows %q", got)
	}
	b.must(tx.Commit(t.Context()))
	b.await(s, "RUNNING 1 RUNNING")
}

func TestThousandSubscribersShareAConnection(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`INSERT INTO pipelines (id, status) SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'RUNNING' FROM generate_series(1, 500) n;
	        INSERT INTO data_ingestion_jobs (id, entity_type, ingestion_method, provider, is_current, state, pipeline_id)
	        SELECT n, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'NOT_STARTED', ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid FROM generate_series(1, 500) n`)
	subscriptions := make([]*Subscription, 1000)
	ids := make([]uuid.UUID, 500)
	for n := range ids {
		ids[n] = uuid.MustParse(fmt.Sprintf("00000000-0000-4000-8000-%012d", n+1))
	}
	var coming sync.WaitGroup
	for n := range subscriptions {
		coming.Go(func() {
			var err error
			if subscriptions[n], err = b.hub.Subscribe(t.Context(), ids[n%500]); err != nil {
				t.Error(err)
			}
		})
	}
	coming.Wait()
	if t.Failed() {
		return
	}
	b.until("there is one connection", sessions+` = 1`)
	if n := b.pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections of the pool are held", n)
	}
	b.exec(`UPDATE data_ingestion_jobs SET state = 'RUNNING'`)
	for n, s := range subscriptions {
		b.await(s, fmt.Sprintf("RUNNING %d RUNNING", n%500+1))
	}
	for _, s := range subscriptions {
		s.Close()
	}
	b.until("the connection is closed", sessions+` = 0`)
	b.until("the locks are released", locks+` = 0`)
}

func TestBrokenConnectionIsReplacedAndEverythingLookedAt(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	proxy := localtest.NewProxy(t, url)
	config, err := pgx.ParseConfig(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	b := setupOn(t, localtest.Connect(t, url), config)
	first, second := b.subscribe(b.pipeline(1)), b.subscribe(b.pipeline(2))
	proxy.Cut()
	for deadline := time.After(patience); first.Current(); {
		select {
		case <-first.Changed():
		case <-deadline:
			t.Fatal("nobody is told that the hub's connection is gone")
		}
	}
	if _, err := b.hub.Subscribe(t.Context(), uuid.New()); err == nil {
		t.Error("subscribed without a record")
	} else {
		wantErr(t, err, sse.ErrUnavailable)
	}
	if got := data(first); got != "RUNNING 1 NOT_STARTED" {
		t.Errorf("what was known is lost: %q", got)
	}
	b.exec(`UPDATE data_ingestion_jobs SET state = 'RUNNING'`)
	proxy.Restore()
	b.await(first, "RUNNING 1 RUNNING")
	b.await(second, "RUNNING 2 RUNNING")
	if !first.Current() {
		t.Error("it is not current although it has looked")
	}
}

func TestRecordThatIsAway(t *testing.T) {
	t.Parallel()
	b := setupOn(t, localtest.Pool(t), exportertest.Away(t).Config().ConnConfig)
	_, err := b.hub.Subscribe(t.Context(), uuid.New())
	wantErr(t, err, sse.ErrUnavailable)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.hub.Subscribe(gone, uuid.New())
	if err == nil {
		t.Error("subscribed for nobody")
	}
	if b.hub.subscribers != 0 || b.hub.live != nil {
		t.Errorf("%d subscribers are left", b.hub.subscribers)
	}
}

func TestWithoutTriggersItLooksNowAndThen(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"missing":  `DROP TRIGGER tidemark_announce_changed ON data_ingestion_jobs`,
		"disabled": `ALTER TABLE data_ingestion_jobs DISABLE TRIGGER tidemark_announce_changed`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			id := b.pipeline(1)
			b.exec(change)
			s := b.subscribe(id)
			b.exec(`UPDATE data_ingestion_jobs SET state = 'RUNNING'`)
			b.await(s, "RUNNING 1 RUNNING")
			b.until("there is one connection", sessions+` = 1`)
		})
	}
}

// TestSlowSubscriberHoldsNobodyUp: it misses what was in between, not the latest.
func TestSlowSubscriberHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.pipeline(1)
	slow, quick := b.subscribe(id), b.subscribe(id)
	for _, message := range []string{"a", "b", "c"} {
		b.exec(`UPDATE data_ingestion_jobs SET status_message = $1`, message)
		b.await(quick, "RUNNING 1 NOT_STARTED "+message)
	}
	<-slow.Changed()
	if got := data(slow); got != "RUNNING 1 NOT_STARTED c" {
		t.Errorf("the slow one gets %q", got)
	}
	select {
	case <-slow.Changed():
		t.Error("the slow one is woken for what it has seen")
	default:
	}
}

// TestBurstIsOneLook holds the hub in a look while the changes come in.
func TestBurstIsOneLook(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, held, release := b.pipeline(1), make(chan struct{}), make(chan struct{})
	looks := 0
	inner := b.hub.opts.Read
	b.hub.opts.Read = func(ctx context.Context, db postgres.Querier, ids ...uuid.UUID) (map[uuid.UUID]Snapshot, error) {
		if looks++; looks == 1 {
			close(held)
			<-release
		}
		return inner(ctx, db, ids...)
	}
	go func() {
		<-held
		for range 50 {
			b.exec(`UPDATE data_ingestion_jobs SET status_message = clock_timestamp()::text`)
		}
		b.exec(`UPDATE data_ingestion_jobs SET status_message = 'last'`)
		close(release)
	}()
	s := b.subscribe(id)
	b.await(s, "RUNNING 1 NOT_STARTED last")
	s.Close()
	b.until("the hub has left", sessions+` = 0`)
	if looks > 25 {
		t.Errorf("%d looks for a burst of 51 changes", looks)
	}
}

// TestLockGoesWithTheLastWatcher: of one pipeline, while another is watched on.
func TestLockGoesWithTheLastWatcher(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := b.pipeline(1), b.pipeline(2)
	stays := b.subscribe(first)
	once, twice := b.subscribe(second), b.subscribe(second)
	b.until("both are locked", locks+` = 2`)
	once.Close()
	once.Close() // closing twice is closing once
	b.exec(`UPDATE data_ingestion_jobs SET state = 'RUNNING'`)
	b.await(twice, "RUNNING 2 RUNNING")
	b.await(stays, "RUNNING 1 RUNNING")
	twice.Close()
	b.subscribe(first)
	b.exec(`UPDATE data_ingestion_jobs SET state = 'FINISHED' WHERE id = 1`)
	b.until("the second one's lock is released", locks+` = 1`)
	if b.hub.subscribers != 2 {
		t.Errorf("%d subscribers are counted, want 2", b.hub.subscribers)
	}
}

func TestPipelineThatVanishes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.pipeline(1)
	s := b.subscribe(id)
	// Whoever deletes is retention, which does not announce; the notice is another's.
	b.exec(`DELETE FROM data_ingestion_jobs`)
	b.exec(`DELETE FROM pipelines`)
	b.exec(`SELECT pg_notify('tidemark_pipeline', $1)`, id.String())
	b.await(s, "gone")
}

func TestHubIsFull(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.hub.subscribers = sse.MaxSubscribers
	_, err := b.hub.Subscribe(t.Context(), uuid.New())
	wantErr(t, err, sse.ErrFull)
}
