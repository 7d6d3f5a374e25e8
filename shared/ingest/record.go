package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// meta is kept as the meta of the root job, with the keys of the original.
type meta struct {
	Config       config     `json:"config"`
	Inserted     int        `json:"inserted"`
	Updated      int        `json:"updated"`
	Unchanged    int        `json:"unchanged"`
	Deleted      int        `json:"deleted"`
	Skipped      int        `json:"skipped"`
	UnitsCreated int        `json:"units_created"`
	RowErrors    []RowError `json:"row_errors"`
}

type config struct {
	ModuleType    int    `json:"module_type_id,omitempty"`
	DataEntryType int    `json:"data_entry_type_id,omitempty"`
	Year          int    `json:"year,omitempty"`
	FileName      string `json:"file_name"`
}

func metaOf(o Options, r Report) meta {
	found := append([]RowError{}, r.SkippedRows...)
	found = append(found, r.Warnings...)
	return meta{
		Config: config{ModuleType: o.DataEntryType.ModuleID, DataEntryType: o.DataEntryType.ID, Year: o.Year,
			// The directory is the operator's own business.
			FileName: filepath.Base(o.Path)},
		Inserted: r.Inserted, Updated: r.Updated, Unchanged: r.Unchanged, Deleted: r.Deleted, Skipped: r.Skipped,
		UnitsCreated: r.UnitsCreated, RowErrors: found[:min(len(found), maxFindings)],
	}
}

// record opens a pipeline with the load as its finished root job, and notes both in
// the report, whose counts are complete by now.
func record(ctx context.Context, tx pgx.Tx, o Options, kind job.Type, r *Report) (err error) {
	encoded, err := json.Marshal(metaOf(o, *r))
	if err != nil {
		return fmt.Errorf("meta of the load: %w", err)
	}
	r.Result = job.Success
	if r.Skipped > 0 || r.WarningCount > 0 {
		r.Result = job.Warning
	}
	r.Pipeline, _, err = o.Ledger.OpenPipeline(ctx, tx, ledger.NewPipeline{Kind: kind, ModuleType: o.DataEntryType.ModuleID, Year: o.Year})
	if err != nil {
		return err
	}
	r.JobID, err = o.Ledger.RecordLoad(ctx, tx, ledger.Load{Pipeline: r.Pipeline, Type: kind, ModuleType: o.DataEntryType.ModuleID,
		DataEntryType: o.DataEntryType.ID, Year: o.Year, Result: r.Result, Message: r.Message, Meta: encoded})
	return err
}

// request asks for the recalculation of whole scopes, for the pipeline of the load.
func request(ctx context.Context, tx pgx.Tx, o Options, r *Report, scopes ...job.Scope) (err error) {
	if len(scopes) == 0 {
		return nil
	}
	batch := ledger.Batch{Pipeline: r.Pipeline, By: o.By}
	for _, s := range scopes {
		batch.Requests = append(batch.Requests, ledger.Request{Scope: s})
	}
	r.Tickets, err = o.Ledger.Request(ctx, tx, batch)
	return err
}

// counted writes a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
