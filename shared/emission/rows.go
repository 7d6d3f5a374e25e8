package emission

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
)

// deleteEmissionsQuery takes also the rows of entries that could not be computed:
// an emission that no longer follows from its entry is worse than none.
const deleteEmissionsQuery = `DELETE FROM data_entry_emissions WHERE data_entry_id = ANY ($1)`

var emissionColumns = []string{"data_entry_id", "emission_type_id", "primary_factor_id", "kg_co2eq", "additional_value", "scope", "meta", "computed_at"}

// replaceEmissions computes one page of entries and puts the results in the place of
// the stored ones.
func replaceEmissions(ctx context.Context, tx pgx.Tx, page []entry, calculator *catalog.Calculator, now time.Time, t *tally) error {
	ids := make([]int32, 0, len(page))
	rows := make([][]any, 0, len(page))
	for _, e := range page {
		ids = append(ids, e.ID)
		row, err := compute(e, calculator)
		if err != nil {
			t.fail(e.ID, err)
			continue
		}
		encoded, err := emissionRow(e.ID, row, now)
		if err != nil {
			return err
		}
		rows = append(rows, encoded)
		t.recalculated++
	}
	if _, err := tx.Exec(ctx, deleteEmissionsQuery, ids); err != nil {
		return fmt.Errorf("delete emissions: %w", err)
	}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"data_entry_emissions"}, emissionColumns, pgx.CopyFromRows(rows)); err != nil {
		return fmt.Errorf("write emissions: %w", err)
	}
	return nil
}

func compute(e entry, calculator *catalog.Calculator) (catalog.Emission, error) {
	data, err := catalog.ParseEntry(e.Data)
	if err != nil {
		return catalog.Emission{}, err
	}
	return calculator.Compute(data, e.BaseKg)
}

// emissionRow gives the row in the order of emissionColumns.
func emissionRow(id int32, e catalog.Emission, now time.Time) ([]any, error) {
	var factor, scope *int
	if e.Factor != nil {
		factor = &e.Factor.ID
	}
	if e.Scope != 0 {
		scope = &e.Scope
	}
	meta, err := json.Marshal(metaOf(e))
	if err != nil {
		return nil, fmt.Errorf("data entry %d: meta: %w", id, err)
	}
	return []any{id, e.EmissionType, factor, e.Kg, e.Additional, scope, meta, now}, nil
}

// metaOf says where a number comes from, with the keys of the original.
func metaOf(e catalog.Emission) map[string]any {
	type used struct {
		ID     int                `json:"id"`
		Values map[string]float64 `json:"values"`
	}
	meta := map[string]any{"factors_used": []used{}, "quantity": e.Quantity}
	if e.Factor != nil {
		meta["factors_used"] = []used{{ID: e.Factor.ID, Values: e.Factor.Values}}
	}
	maps.Copy(meta, e.Context)
	return meta
}
