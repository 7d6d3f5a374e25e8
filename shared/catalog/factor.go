package catalog

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// Factor is an emission factor as stored in table factors.
type Factor struct {
	// ID is factors.id.
	ID int
	// EmissionType is an emission_type_id, often less specific than the entry's.
	EmissionType int
	// Classification holds the keys a factor is found by; a null one is absent.
	Classification map[string]string
	// Values holds the numbers a formula uses, in the units their names end with.
	Values map[string]float64
}

// ParseFactor reads the JSON columns of a factor. Either may be NULL.
func ParseFactor(id, emissionType int, classification, values []byte) (Factor, error) {
	f := Factor{ID: id, EmissionType: emissionType, Classification: map[string]string{}, Values: map[string]float64{}}
	keys, err := object(classification)
	if err != nil {
		return Factor{}, fmt.Errorf("factor %d: classification %w; correct the row or delete it", id, err)
	}
	numbers, err := object(values)
	if err != nil {
		return Factor{}, fmt.Errorf("factor %d: values %w; correct the row or delete it", id, err)
	}
	for name, v := range keys {
		switch v := v.(type) {
		case nil:
		case string:
			f.Classification[name] = v
		default:
			f.Classification[name] = string(mustJSON(v))
		}
	}
	for name, v := range numbers {
		if n, ok := v.(float64); ok {
			f.Values[name] = n
		}
	}
	return f, nil
}

func object(b []byte) (map[string]any, error) {
	if len(b) == 0 {
		return nil, nil
	}
	var o map[string]any
	if err := json.Unmarshal(b, &o); err != nil {
		return nil, fmt.Errorf("is not a JSON object (%w)", err)
	}
	return o, nil
}

// need returns a value that the formula cannot do without.
func (f Factor) need(name string) (float64, error) {
	v, ok := f.Values[name]
	if !ok {
		return 0, fmt.Errorf("factor %d has no number %s", f.ID, name)
	}
	return v, nil
}

// factorKind is what factors are found by: two of their classification keys, "" for null.
type factorKind struct{ kind, subkind string }

// factorIndex finds the factors of one data entry type and year.
type factorIndex struct {
	byID   map[int]*Factor
	byKind map[factorKind]*Factor
}

// newFactorIndex indexes factors by these two classification keys. Where several
// share both, the lowest id wins, so that the result does not hang on the order in
// which rows come out of a table.
func newFactorIndex(factors []Factor, kind, subkind string) factorIndex {
	factors = slices.SortedFunc(slices.Values(factors), func(a, b Factor) int { return cmp.Compare(a.ID, b.ID) })
	x := factorIndex{byID: map[int]*Factor{}, byKind: map[factorKind]*Factor{}}
	for i := range factors {
		f := &factors[i]
		x.byID[f.ID] = f
		key := factorKind{kind: f.Classification[kind], subkind: f.Classification[subkind]}
		if _, taken := x.byKind[key]; !taken && key.kind != "" {
			x.byKind[key] = f
		}
	}
	return x
}

// find returns the factor of kind and subkind, else the one of the kind alone, else
// nil. Comparison is exact, capitals included.
func (x factorIndex) find(kind, subkind string) *Factor {
	if f := x.byKind[factorKind{kind, subkind}]; f != nil {
		return f
	}
	return x.byKind[factorKind{kind: kind}]
}
