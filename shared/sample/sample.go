// Package sample is the data set of the demo: a small university.
//
// Airports and emission factors are files with published sources (data/README.md). The
// entries are generated, the same ones each time: twelve units, three years of flights,
// devices, fuels and gases. A few flights go to an airport that does not exist, as
// flights in real files do.
package sample

import (
	"embed"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

//go:embed data/*.csv
var published embed.FS

// File is one file of the data set, in the format that `tidemark load` reads.
type File struct {
	Path string
	// Type is the data entry type by name; "" for the airports.
	Type string
	// Year is 0 for the airports.
	Year int
	// Entries is true for entries and false for factors and airports.
	Entries bool
}

// Years are the calendar years of the data set.
func Years() []int { return []int{2023, 2024, 2025} }

var units = []string{
	"ACOUSTICS", "BIOIMAGING", "CATALYSIS", "CRYOLAB", "DATASCIENCE", "ECOLOGY",
	"FLUIDS", "GENOMICS", "HYDRAULICS", "MATERIALS", "OPTICS", "ROBOTICS",
}

// Write puts the data set into a directory and returns the files in the order in which
// they are to be loaded: airports, then for each year the factors before the entries.
func Write(dir string) ([]File, error) {
	airports, err := copyOut(dir, "airports.csv")
	if err != nil {
		return nil, err
	}
	codes, err := firstColumn(airports)
	if err != nil {
		return nil, err
	}
	files := []File{{Path: airports}}
	rng := rand.New(rand.NewPCG(310, 2025))
	for _, year := range Years() {
		for _, e := range entries {
			factors, err := copyOut(dir, "factors_"+e.dataEntryType+".csv")
			if err != nil {
				return nil, err
			}
			path := filepath.Join(dir, fmt.Sprintf("entries_%s_%d.csv", e.dataEntryType, year))
			if err := writeCSV(path, e.header, e.rows(rng, year, codes)); err != nil {
				return nil, err
			}
			files = append(files,
				File{Path: factors, Type: e.dataEntryType, Year: year},
				File{Path: path, Type: e.dataEntryType, Year: year, Entries: true})
		}
	}
	return files, nil
}

func copyOut(dir, name string) (string, error) {
	text, err := published.ReadFile("data/" + name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, text, 0o600)
}

func firstColumn(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	var column []string
	for _, r := range records[1:] {
		column = append(column, r[0])
	}
	return column, nil
}

func writeCSV(path, header string, rows []string) error {
	return os.WriteFile(path, []byte(header+"\n"+strings.Join(rows, "\n")+"\n"), 0o600)
}
