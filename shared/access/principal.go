package access

import "slices"

// Principal is an authenticated caller. The zero value may do nothing.
type Principal struct {
	// Name is who it is, for audit records and limits: printable, no other's.
	Name string

	viewAll, request bool
	// modules are the module types that it may see without viewAll, ascending.
	modules []int
}

// NewPrincipal gives a caller its permissions. A permission that does not exist allows nothing.
func NewPrincipal(name string, permissions ...Permission) Principal {
	p := Principal{Name: name}
	for _, permission := range permissions {
		switch permission {
		case SyncAll:
			p.viewAll, p.request = true, true
		case ViewAll:
			p.viewAll = true
		default:
			if id, ok := moduleViews[permission]; ok {
				p.modules = append(p.modules, id)
			}
		}
	}
	slices.Sort(p.modules)
	p.modules = slices.Compact(p.modules)
	return p
}

// anonymous is a name that no account can have.
const anonymous = "anonymous"

// Anonymous is who calls without credentials where the operator opened the API: it may
// see everything and request nothing.
func Anonymous() Principal { return NewPrincipal(anonymous, ViewAll) }

// MayViewAll reports whether p may see everything.
func (p Principal) MayViewAll() bool { return p.viewAll }

// MayView reports whether p may see this module_type_id.
func (p Principal) MayView(moduleType int) bool {
	return p.viewAll || slices.Contains(p.modules, moduleType)
}

// MayViewSome reports whether p may see anything at all.
func (p Principal) MayViewSome() bool { return p.viewAll || len(p.modules) > 0 }

// MayRequest reports whether p may request computations.
func (p Principal) MayRequest() bool { return p.request }

// Modules returns what p may see: everything, or these module_type_ids, ascending.
func (p Principal) Modules() (all bool, moduleTypes []int) {
	if p.viewAll {
		return true, nil
	}
	return false, slices.Clone(p.modules)
}
