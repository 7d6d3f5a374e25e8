package access

import (
	"fmt"
	"strings"

	"tidemark/shared/catalog"
)

// Permission is the name of a right, as in the original system.
type Permission string

const (
	// ViewAll allows to see everything.
	ViewAll Permission = "backoffice.data_management.view"
	// SyncAll allows to request computations, and to see everything: whoever may request
	// may look what comes of it.
	SyncAll Permission = "backoffice.data_management.sync"
)

// ModuleView is the right to see one module of shared/catalog.
func ModuleView(moduleName string) Permission {
	return Permission("modules." + moduleName + ".view")
}

// moduleViews finds the module_type_id that a [ModuleView] is about.
var moduleViews = func() map[Permission]int {
	views := map[Permission]int{}
	for _, m := range catalog.Modules() {
		views[ModuleView(m.Name)] = m.ID
	}
	return views
}()

func (p Permission) exists() bool {
	_, isModule := moduleViews[p]
	return isModule || p == ViewAll || p == SyncAll
}

// ParsePermission reads the name of a permission. The error lists which there are.
func ParsePermission(text string) (Permission, error) {
	if p := Permission(text); p.exists() {
		return p, nil
	}
	choices := []string{string(SyncAll), string(ViewAll)}
	for _, m := range catalog.Modules() {
		choices = append(choices, string(ModuleView(m.Name)))
	}
	return "", fmt.Errorf("permission %.80q: there is none; choose one of %s", text, strings.Join(choices, ", "))
}
