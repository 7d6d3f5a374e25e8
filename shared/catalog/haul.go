package catalog

import (
	"cmp"
	"fmt"
	"slices"
)

// band is the range of distances a haul category is for: min <= km < max, nil is open.
type band struct {
	category string
	min, max *float64
}

// newBands reads the haul categories off the factors, by name. The factor with the
// lowest id defines a category; without any limit it defines none.
func newBands(factors []Factor) []band {
	factors = slices.SortedFunc(slices.Values(factors), func(a, b Factor) int { return cmp.Compare(a.ID, b.ID) })
	var bands []band
	seen := map[string]bool{}
	for _, f := range factors {
		b := band{category: f.Classification[haulCategory], min: f.limit("min_distance"), max: f.limit("max_distance")}
		if b.category == "" || seen[b.category] {
			continue
		}
		seen[b.category] = true
		if b.min != nil || b.max != nil {
			bands = append(bands, b)
		}
	}
	slices.SortFunc(bands, func(a, b band) int { return cmp.Compare(a.category, b.category) })
	return bands
}

func (f Factor) limit(name string) *float64 {
	if v, ok := f.Values[name]; ok {
		return &v
	}
	return nil
}

// haulOf returns the first category, by name, that the flight falls into.
func haulOf(bands []band, m measurement) (string, error) {
	for _, b := range bands {
		if (b.min == nil || *b.min <= m.leg) && (b.max == nil || m.leg < *b.max) {
			return b.category, nil
		}
	}
	return "", fmt.Errorf("no factor of this year has a %s for a flight of %s km", haulCategory, decimal(m.leg))
}
