package model

import (
	"fmt"
	"slices"
	"strings"
)

// graph is every state that a world can reach, with every step between them.
type graph struct {
	world  *world
	states []state
	// parent and via lead back to the initial state, on a shortest way.
	parent []int32
	via    []step
	// The steps from state n are edges[first[n]:first[n+1]].
	first []int32
	edges []edge
}

type edge struct {
	to    int32
	step  step
	class class
}

// violation is a counterexample.
type violation struct {
	property string
	trace    string
}

// explore walks through all states, breadth first, so that a counterexample is as short as can
// be. It ends at the first state that an invariant does not hold in.
func explore(w *world) (*graph, *violation) {
	g := &graph{world: w}
	index := map[state]int32{}
	visit := func(s state, parent int32, via step) int32 {
		n, known := index[s]
		if !known {
			n = int32(len(g.states))
			index[s] = n
			g.states = append(g.states, s)
			g.parent = append(g.parent, parent)
			g.via = append(g.via, via)
		}
		return n
	}
	visit(w.initial(), -1, step{})
	var out []transition
	for n := 0; n < len(g.states); n++ {
		if broken := w.invariants(&g.states[n]); broken != "" {
			return g, &violation{broken, g.trace(int32(n))}
		}
		g.first = append(g.first, int32(len(g.edges)))
		out = w.next(g.states[n], out[:0])
		for i := range out {
			t := &out[i]
			g.edges = append(g.edges, edge{visit(t.to, int32(n), t.step), t.step, t.class})
		}
	}
	g.first = append(g.first, int32(len(g.edges)))
	return g, nil
}

func (g *graph) from(n int32) []edge { return g.edges[g.first[n]:g.first[n+1]] }

// trace tells how a state is reached, and what it looks like.
func (g *graph) trace(n int32) string {
	var lines []string
	for at := n; g.parent[at] >= 0; at = g.parent[at] {
		lines = append(lines, "  "+g.via[at].String())
	}
	slices.Reverse(lines)
	for i := range lines {
		lines[i] = fmt.Sprintf("  %2d%s", i+1, lines[i])
	}
	return strings.Join(lines, "\n") + "\n" + g.states[n].String()
}

// never looks for a way on which a condition holds from some moment on for ever, although nobody
// is treated unfairly.
func (g *graph) never(property string, unmet func(*state) bool) *violation {
	var among []int32
	for n := range g.states {
		if unmet(&g.states[n]) {
			among = append(among, int32(n))
		}
	}
	s := &search{graph: g, region: make([]int32, len(g.states)), number: make([]int32, len(g.states)), low: make([]int32, len(g.states))}
	if members := s.fairPart(among); members != nil {
		return &violation{property, g.lasso(members)}
	}
	return nil
}

// search looks for parts of a graph in which one may stay for ever. Whoever does ends up going
// round in a strongly connected part.
type search struct {
	*graph
	// region says which part of the graph a state is in; regions counts them.
	region  []int32
	regions int32
	// number and low are those of Tarjan's algorithm; 0 for a state that was not seen.
	number, low []int32
}

// fairPart returns a part among these states in which one may stay for ever, or nil.
func (s *search) fairPart(among []int32) []int32 {
	for _, part := range s.parts(among) {
		s.regions++
		for _, n := range part {
			s.region[n] = s.regions
		}
		always, ever, taken := ^uint64(0), uint64(0), uint64(0)
		for _, n := range part {
			possible := s.possible(n)
			always &= possible
			ever |= possible
			for _, e := range s.from(n) {
				if e.class != unfair && s.region[e.to] == s.regions {
					taken |= 1 << e.class
				}
			}
		}
		// A class that is possible all the time here, and never taken, leads out of here. So it
		// does from each smaller part.
		if always&^taken != 0 {
			continue
		}
		neglected := ever & strong &^ taken
		if neglected == 0 {
			return part
		}
		// One may only stay where those are never possible.
		var rest []int32
		for _, n := range part {
			if s.possible(n)&neglected == 0 {
				rest = append(rest, n)
			}
		}
		if found := s.fairPart(rest); found != nil {
			return found
		}
	}
	return nil
}

// possible are the classes with a step from a state.
func (g *graph) possible(n int32) (classes uint64) {
	for _, e := range g.from(n) {
		if e.class != unfair {
			classes |= 1 << e.class
		}
	}
	return classes
}

// parts are the strongly connected parts of a set of states: Tarjan's algorithm, with a stack of
// its own instead of recursion.
func (s *search) parts(among []int32) (parts [][]int32) {
	s.regions++
	inside := s.regions
	for _, n := range among {
		s.region[n], s.number[n] = inside, 0
	}
	type frame struct{ n, edge int32 }
	var calls []frame
	var stack []int32
	counter := int32(0)
	enter := func(n int32) {
		counter++
		s.number[n], s.low[n] = counter, counter
		stack = append(stack, n)
		calls = append(calls, frame{n, s.first[n]})
	}
	for _, root := range among {
		if s.number[root] != 0 {
			continue
		}
		enter(root)
		for len(calls) > 0 {
			f := &calls[len(calls)-1]
			if f.edge < s.first[f.n+1] {
				to := s.edges[f.edge].to
				f.edge++
				switch {
				case s.region[to] != inside: // outside, or in a part that is complete
				case s.number[to] == 0:
					enter(to)
				default:
					s.low[f.n] = min(s.low[f.n], s.number[to])
				}
				continue
			}
			n := f.n
			calls = calls[:len(calls)-1]
			if len(calls) > 0 {
				up := calls[len(calls)-1].n
				s.low[up] = min(s.low[up], s.low[n])
			}
			if s.low[n] != s.number[n] {
				continue
			}
			cut := len(stack) - 1
			for stack[cut] != n {
				cut--
			}
			part := slices.Clone(stack[cut:])
			stack = stack[:cut]
			s.regions++
			for _, m := range part {
				s.region[m] = s.regions
			}
			parts = append(parts, part)
		}
	}
	return parts
}

// lasso tells how a part is reached, and what goes on in it.
func (g *graph) lasso(part []int32) string {
	text := g.trace(slices.Min(part)) // the one that is nearest to the initial state
	inside := map[int32]bool{}
	for _, n := range part {
		inside[n] = true
	}
	var round []string
	for _, n := range part {
		for _, e := range g.from(n) {
			if inside[e.to] {
				round = append(round, "  again and again: "+e.step.String())
			}
		}
	}
	if len(round) == 0 {
		return text + "  and nothing happens any more, of what must happen\n"
	}
	slices.Sort(round)
	return text + strings.Join(slices.Compact(round), "\n") + "\n"
}
