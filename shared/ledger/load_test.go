package ledger_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

func (b *bundle) load(in ledger.Load) int64 {
	b.t.Helper()
	var id int64
	b.must(pgx.BeginFunc(b.ctx, b.pool, func(tx pgx.Tx) (err error) {
		id, err = b.RecordLoad(b.ctx, tx, in)
		return err
	}))
	return id
}

func (b *bundle) current(id int64) bool {
	b.t.Helper()
	return value[bool](b, `SELECT is_current FROM data_ingestion_jobs WHERE id = $1`, id)
}

// early FINISHED: a load is finished when it is recorded, with the data, in one transaction.
func TestLoadIsAFinishedRoot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.open(job.FactorIngest)
	id := b.load(ledger.Load{Pipeline: p, Type: job.FactorIngest, ModuleType: 2, DataEntryType: 20, Year: 2025,
		Result: job.Warning, Message: "2 rows left out", Meta: json.RawMessage(`{"rows": 12}`)})
	b.wantJob(id, "FINISHED WARNING 2 rows left out")
	b.wantStatus(p, ledger.StatusSuccess)
	got := value[string](b, `SELECT concat_ws(' ', job_type, target_type, ingestion_method, module_type_id, data_entry_type_id, year, is_current, meta->>'rows')
		FROM data_ingestion_jobs WHERE id = $1`, id)
	if got != "factor_ingest FACTORS csv 2 20 2025 t 12" {
		t.Errorf("recorded as %s", got)
	}
}

func TestNewLoadOfTheSameDataIsTheCurrentOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	load := func(m, d, y int) int64 {
		return b.load(ledger.Load{Pipeline: b.open(job.CSVIngest), Type: job.CSVIngest, ModuleType: m, DataEntryType: d, Year: y, Result: job.Success})
	}
	first, elsewhere, wide := load(2, 20, 2025), load(2, 21, 2025), load(2, 0, 2025)
	second, wideAgain := load(2, 20, 2025), load(2, 0, 2025)
	for id, want := range map[int64]bool{first: false, second: true, elsewhere: true, wide: true, wideAgain: true} {
		if b.current(id) != want {
			t.Errorf("load %d is current: %t", id, !want)
		}
	}
}

func TestOnlyLoadsAreRecordedAsLoads(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.RecordLoad(b.ctx, b.begin(), ledger.Load{Pipeline: uuid.New(), Type: job.Aggregation})
	if err == nil || !strings.Contains(err.Error(), `"aggregation" is not a type of load`) {
		t.Errorf("got %v", err)
	}
}

// A-M1/M-H2: of two loads of the same data at one moment both are recorded, the one that
// commits last is current.
func TestConcurrentLoadsOfTheSameData(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := ledger.Load{Pipeline: b.open(job.CSVIngest), Type: job.CSVIngest, ModuleType: 2, DataEntryType: 20, Year: 2025, Result: job.Success}
	later := in
	later.Pipeline = b.open(job.CSVIngest)
	tx := b.begin()
	first, err := b.RecordLoad(b.ctx, tx, in)
	b.must(err)
	done := inBackground(func() (id int64, err error) {
		err = pgx.BeginFunc(b.ctx, b.pool, func(tx pgx.Tx) (err error) {
			id, err = b.RecordLoad(b.ctx, tx, later)
			return err
		})
		return id, err
	})
	b.awaitBlocked(1)
	b.commit(tx)
	second := receive(b, done)
	if b.current(first) || !b.current(second) {
		t.Errorf("current: first %t, second %t", b.current(first), b.current(second))
	}
}
