package catalog

import "fmt"

// match finds the factor of an entry, or says why there is none.
func (c *Calculator) match(e Entry, m measurement) (*Factor, error) {
	if c.calculation.deriveKind != nil {
		return c.matchDerived(e, m)
	}
	_, named := e[c.calculation.kind]
	chosen, linked, err := e.number(factorKey)
	switch {
	case named:
		return c.matchKind(e)
	case err != nil:
		return nil, err
	case !linked:
		return nil, fmt.Errorf("%s is missing, so no factor can be matched", c.calculation.kind)
	}
	if f := c.factors.byID[int(chosen)]; f != nil && float64(f.ID) == chosen {
		return f, nil
	}
	return nil, fmt.Errorf("%s %s is no factor of this data entry type and year", factorKey, decimal(chosen))
}

// matchKind matches by what the entry says itself: kind with subkind, else the kind alone.
func (c *Calculator) matchKind(e Entry) (*Factor, error) {
	kind, err := e.text(c.calculation.kind)
	if err != nil {
		return nil, err
	}
	if kind == "" {
		return nil, fmt.Errorf("%s is empty, so no factor can be matched", c.calculation.kind)
	}
	subkind, err := e.text(c.calculation.subkind)
	if err != nil {
		return nil, err
	}
	if f := c.factors.find(kind, subkind); f != nil {
		return f, nil
	}
	return nil, c.noFactor(kind, subkind)
}

// matchDerived matches by the derived kind. Here the subkind must match as well:
// the factor of one cabin class says nothing about another.
func (c *Calculator) matchDerived(e Entry, m measurement) (*Factor, error) {
	kind, err := c.calculation.deriveKind(c.bands, m)
	if err != nil {
		return nil, err
	}
	m.context[c.calculation.kind] = kind
	subkind, err := e.text(c.calculation.subkind)
	if err != nil {
		return nil, err
	}
	if f := c.factors.byKind[factorKind{kind, subkind}]; f != nil {
		return f, nil
	}
	return nil, c.noFactor(kind, subkind)
}

func (c *Calculator) noFactor(kind, subkind string) error {
	wanted := fmt.Sprintf("%s %q", c.calculation.kind, kind)
	if subkind != "" {
		wanted += fmt.Sprintf(", %s %q", c.calculation.subkind, subkind)
	}
	return fmt.Errorf("no factor of this year has %s", wanted)
}
