package ingest

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const createStagedAirports = `
CREATE TEMPORARY TABLE staged_airports (
    iata_code    text             NOT NULL,
    name         text             NOT NULL,
    municipality text             NOT NULL,
    country_code text             NOT NULL,
    country_name text             NOT NULL,
    latitude     double precision NOT NULL,
    longitude    double precision NOT NULL,
    location_id  integer
) ON COMMIT DROP`

var stagedAirportColumns = []string{"iata_code", "name", "municipality", "country_code", "country_name", "latitude", "longitude"}

// stageAirports copies the file into a table of the transaction's own.
func stageAirports(ctx context.Context, tx pgx.Tx, f *file, v verdict) error {
	if _, err := tx.Exec(ctx, createStagedAirports); err != nil {
		return fmt.Errorf("stage airports: %w", err)
	}
	return copyRows(ctx, tx, f, airportFormat, v, "staged_airports", stagedAirportColumns, func(a airport) ([]any, error) {
		return []any{a.code, a.name, a.municipality, a.countryCode, a.countryName, a.latitude, a.longitude}, nil
	})
}

// findLocations takes the oldest row of a code, as the calculation does: nothing keeps
// a code unique, and other programs have natural keys of their own.
const findLocations = `
UPDATE staged_airports s
   SET location_id = l.id
  FROM (SELECT iata_code, min(id) AS id FROM locations WHERE transport_mode = 'plane' GROUP BY iata_code) l
 WHERE l.iata_code = s.iata_code`

const updateLocations = `
UPDATE locations l
   SET (name, municipality, country_code, keywords, latitude, longitude) =
       (n.name, n.municipality, n.country_code, n.keywords, n.latitude, n.longitude)
  FROM (SELECT s.location_id, s.name, nullif(s.municipality, '') AS municipality, s.latitude, s.longitude,
               coalesce(nullif(s.country_code, ''), o.country_code) AS country_code,
               coalesce(o.keywords, nullif(s.country_name, '')) AS keywords
          FROM staged_airports s JOIN locations o ON o.id = s.location_id) n
 WHERE l.id = n.location_id
   AND (l.name, l.municipality, l.country_code, l.keywords, l.latitude, l.longitude)
       IS DISTINCT FROM (n.name, n.municipality, n.country_code, n.keywords, n.latitude, n.longitude)`

const insertLocations = `
INSERT INTO locations (transport_mode, natural_key, iata_code, name, municipality, country_code, keywords, latitude, longitude)
SELECT 'plane', 'plane:' || s.iata_code, s.iata_code, s.name, nullif(s.municipality, ''), nullif(s.country_code, ''),
       nullif(s.country_name, ''), s.latitude, s.longitude
  FROM staged_airports s
 WHERE s.location_id IS NULL
 ORDER BY s.iata_code`

// mergeAirports writes the file into locations and counts what it changed.
func mergeAirports(ctx context.Context, tx pgx.Tx, r *Report) error {
	if _, err := tx.Exec(ctx, findLocations); err != nil {
		return fmt.Errorf("find airports: %w", err)
	}
	updated, err := tx.Exec(ctx, updateLocations)
	if err != nil {
		return fmt.Errorf("update airports: %w", err)
	}
	inserted, err := tx.Exec(ctx, insertLocations)
	if err != nil {
		return fmt.Errorf("insert airports: %w", err)
	}
	r.Updated, r.Inserted = int(updated.RowsAffected()), int(inserted.RowsAffected())
	r.Unchanged = r.Rows - r.Updated - r.Inserted
	return nil
}
