package catalog

import (
	"slices"
	"strings"
)

// EmissionType is a node of the emission type tree.
type EmissionType struct {
	// ID is the emission_type_id.
	ID int
	// Name is the path from the root, for example "professional_travel__plane__eco".
	Name string
	// Parent is the id of the node above, 0 for a root.
	Parent int
	// Scope is the scope of the GHG protocol, 1 to 3, or 0 for a node without one.
	Scope int
	// Depth is the number of nodes above.
	Depth int
}

// emissionTree is the table with its edges, built once and never written again.
var emissionTree = buildTree()

type tree struct {
	ordered  []EmissionType
	nodes    map[int]EmissionType
	children map[int][]int
}

func buildTree() tree {
	t := tree{nodes: map[int]EmissionType{}, children: map[int][]int{}}
	ids := map[string]int{}
	for _, row := range emissionTable {
		ids[row.name] = row.id
	}
	for _, row := range emissionTable {
		n := EmissionType{ID: row.id, Name: row.name, Scope: row.scope, Depth: strings.Count(row.name, "__")}
		if cut := strings.LastIndex(row.name, "__"); cut >= 0 {
			n.Parent = ids[row.name[:cut]]
		}
		t.ordered = append(t.ordered, n)
		t.nodes[n.ID] = n
		t.children[n.Parent] = append(t.children[n.Parent], n.ID)
	}
	return t
}

// EmissionTypes returns every node; a parent comes before its children.
func EmissionTypes() []EmissionType { return slices.Clone(emissionTree.ordered) }

// EmissionTypeByID returns the node with this id.
func EmissionTypeByID(id int) (EmissionType, bool) {
	n, ok := emissionTree.nodes[id]
	return n, ok
}

// Children returns the ids of the nodes directly below.
func (t EmissionType) Children() []int { return slices.Clone(emissionTree.children[t.ID]) }

// Leaf reports whether there is no node below.
func (t EmissionType) Leaf() bool { return len(emissionTree.children[t.ID]) == 0 }

// Subtree returns the ids of the node and of all nodes below it.
func (t EmissionType) Subtree() []int {
	ids := []int{t.ID}
	for _, child := range emissionTree.children[t.ID] {
		ids = append(ids, emissionTree.nodes[child].Subtree()...)
	}
	return ids
}

// Path returns the ids from the node up to its root, the node first.
func (t EmissionType) Path() []int {
	path := []int{t.ID}
	for t.Parent != 0 {
		t = emissionTree.nodes[t.Parent]
		path = append(path, t.ID)
	}
	return path
}

// EmissionTypes returns the ids of all nodes that count for the module, each once.
func (m Module) EmissionTypes() []int {
	var ids []int
	for _, root := range m.EmissionRoots {
		ids = append(ids, emissionTree.nodes[root].Subtree()...)
	}
	return ids
}

// deeper returns the more specific of two emission types, the first one when both
// are equally deep. One that the tree does not know is never more specific.
func deeper(first, second int) int {
	a, knowsFirst := emissionTree.nodes[first]
	b, knowsSecond := emissionTree.nodes[second]
	if knowsSecond && (!knowsFirst || b.Depth > a.Depth) {
		return second
	}
	return first
}
