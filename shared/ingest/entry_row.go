package ingest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
	"tidemark/shared/postgres"
)

// entryRow is a good row of an entry file.
type entryRow struct {
	catalog.EntryRow
	// doubts are what keeps the entry from being computed for now.
	doubts []catalog.FieldError
}

// Columns that are looked at here beside the catalog's own reading.
const (
	unitColumn     = "unit_institutional_id"
	overrideColumn = "kg_co2eq"
)

var airportColumns = []string{"origin_iata", "destination_iata"}

// known is what rows may refer to.
type known struct {
	// units by institutional id; nil where any will do.
	units map[string]bool
	// airports by IATA code; nil where the type has nothing to do with them.
	airports map[string]bool
}

const unitIDs = `SELECT institutional_id FROM units WHERE institutional_id IS NOT NULL`

const airportCodes = `SELECT iata_code FROM locations WHERE transport_mode = 'plane' AND iata_code IS NOT NULL`

// loadKnown reads all units and airports: both are thousands, and the file may name
// any of them.
func loadKnown(ctx context.Context, db postgres.Querier, o Options) (k known, err error) {
	if !o.CreateUnits {
		if k.units, err = textSet(ctx, db, unitIDs); err != nil {
			return k, fmt.Errorf("read the units: %w", err)
		}
	}
	if o.DataEntryType.NeedsAirports() {
		if k.airports, err = textSet(ctx, db, airportCodes); err != nil {
			return k, fmt.Errorf("read the airports: %w", err)
		}
	}
	return k, nil
}

func textSet(ctx context.Context, db postgres.Querier, query string) (map[string]bool, error) {
	found, err := db.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	var text string
	_, err = pgx.ForEachRow(found, []any{&text}, func() error {
		set[text] = true
		return nil
	})
	return set, err
}

// entryFormat is the entry file of a data entry type.
func entryFormat(t catalog.DataEntryType, k known) format[entryRow] {
	return func(r *reader) (parser[entryRow], error) {
		p, err := t.EntryParser(r.header)
		if err != nil {
			return nil, err
		}
		override := slices.Index(r.header, overrideColumn)
		return func(cells []string) (row entryRow, wrong []catalog.FieldError) {
			if row.EntryRow, wrong = p.ParseRow(cells); len(wrong) > 0 {
				return row, wrong
			}
			// The catalog cuts the id out of the row's text, all of which would stay in memory with it.
			row.UnitInstitutionalID = strings.Clone(row.UnitInstitutionalID)
			if k.units != nil && !k.units[row.UnitInstitutionalID] {
				return row, []catalog.FieldError{{Column: unitColumn,
					Reason: fmt.Sprintf("unit %q does not exist; use --create-units", row.UnitInstitutionalID)}}
			}
			// A flight that brings its result along needs no airport.
			if k.airports != nil && (override < 0 || strings.TrimSpace(cells[override]) == "") {
				row.doubts = missingAirports(r.header, cells, k.airports)
			}
			return row, nil
		}, nil
	}
}

func missingAirports(header, cells []string, airports map[string]bool) (missing []catalog.FieldError) {
	for i, name := range header {
		if code := strings.TrimSpace(cells[i]); slices.Contains(airportColumns, name) && !airports[code] {
			missing = append(missing, catalog.FieldError{Column: name,
				Reason: fmt.Sprintf("no airport %q is loaded; the entry cannot be computed until it is", code)})
		}
	}
	return missing
}
