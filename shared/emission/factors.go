package emission

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
)

// loadCalculator reads what the formulas need, once for the whole slice.
func loadCalculator(ctx context.Context, tx pgx.Tx, s slice) (*catalog.Calculator, error) {
	factors, err := loadFactors(ctx, tx, s)
	if err != nil {
		return nil, err
	}
	var airports catalog.Airports
	if s.entryType.NeedsAirports() {
		if airports, err = loadAirports(ctx, tx); err != nil {
			return nil, err
		}
	}
	return catalog.NewCalculator(s.entryType, factors, airports)
}

// factorQuery is strict about the year: a factor of another year is none.
const factorQuery = `
SELECT id, emission_type_id, classification, "values"
  FROM factors
 WHERE data_entry_type_id = $1 AND year = $2
 ORDER BY id
   -- The emissions will refer to these rows: a deletion has to wait, an update of the values need not.
   FOR KEY SHARE`

func loadFactors(ctx context.Context, tx pgx.Tx, s slice) ([]catalog.Factor, error) {
	rows, err := tx.Query(ctx, factorQuery, s.entryType.ID, s.year)
	if err != nil {
		return nil, fmt.Errorf("load factors: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (catalog.Factor, error) {
		var (
			id, emissionType       int
			classification, values []byte
		)
		if err := row.Scan(&id, &emissionType, &classification, &values); err != nil {
			return catalog.Factor{}, fmt.Errorf("load factors: %w", err)
		}
		return catalog.ParseFactor(id, emissionType, classification, values)
	})
}

// airportQuery takes the oldest row of a code: nothing keeps a code unique.
const airportQuery = `
SELECT DISTINCT ON (iata_code) iata_code, latitude, longitude
  FROM locations
 WHERE transport_mode = 'plane' AND iata_code IS NOT NULL
 ORDER BY iata_code, id`

// loadAirports reads all of them: the world has some thousands, and a look-up per
// entry would be a round trip per entry.
func loadAirports(ctx context.Context, tx pgx.Tx) (catalog.Airports, error) {
	rows, err := tx.Query(ctx, airportQuery)
	if err != nil {
		return nil, fmt.Errorf("load airports: %w", err)
	}
	known := map[string]catalog.Airport{}
	var (
		code    string
		airport catalog.Airport
	)
	_, err = pgx.ForEachRow(rows, []any{&code, &airport.Latitude, &airport.Longitude}, func() error {
		known[code] = airport
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load airports: %w", err)
	}
	return func(iata string) (catalog.Airport, bool) {
		a, ok := known[iata]
		return a, ok
	}, nil
}
