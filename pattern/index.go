package pattern

import (
	"slices"
	"strings"

	"fairlead.dev/fairlead/ref"
)

// Entry is a pattern and what it stands for.
type Entry[T any] struct {
	Pattern Pattern
	Value   T
}

// Index finds the pattern that wins for an image, among many. It doesn't change once it
// is made, so any number of goroutines may use it at once. The zero index is empty.
//
// [Index.Lookup] takes a map access and a binary search, then tries the patterns of the
// host whose text before the first * the image's name begins with, the longest such text
// first, and stops as soon as no better one can follow. It allocates nothing. Only
// patterns that share host and text before the first * (reg.io/*a, reg.io/*b; the tags
// of one repository) are tried one after the other.
type Index[T any] struct {
	entries []Entry[T]       // the most specific first: an entry's rank is its position
	exact   map[string]*tree // the ranks of a literal host's patterns, by path
	wild    map[string]*wild // the hosts with *, by their last two labels and port
}

// wild is the hosts with * that end alike.
type wild struct {
	hosts []wildHost
	tree  *tree // positions in hosts, by host
}

type wildHost struct {
	pattern Pattern // any pattern with that host
	first   int     // the lowest rank in paths
	paths   *tree
}

// NewIndex makes an index. Of equal patterns the one that stands first is kept to; zero
// patterns are left out.
func NewIndex[T any](entries ...Entry[T]) *Index[T] {
	x := &Index[T]{exact: map[string]*tree{}, wild: map[string]*wild{}}
	x.entries = slices.DeleteFunc(slices.Clone(entries), func(e Entry[T]) bool { return e.Pattern.IsZero() })
	slices.SortStableFunc(x.entries, func(a, b Entry[T]) int { return Compare(a.Pattern, b.Pattern) })

	ranks := map[string][]int{} // by host
	for rank, e := range x.entries {
		ranks[e.Pattern.host] = append(ranks[e.Pattern.host], rank)
	}
	for host, of := range ranks {
		paths := newTree(of, func(rank int) string { return x.entries[rank].Pattern.path })
		p := x.entries[of[0]].Pattern
		if p.HostIsLiteral() {
			x.exact[host] = paths
			continue
		}
		w := x.wild[ending(host)]
		if w == nil {
			w = &wild{}
			x.wild[ending(host)] = w
		}
		w.hosts = append(w.hosts, wildHost{pattern: p, first: of[0], paths: paths})
	}
	for _, w := range x.wild {
		all := make([]int, len(w.hosts))
		for n := range all {
			all[n] = n
		}
		w.tree = newTree(all, func(n int) string { return w.hosts[n].pattern.host })
	}
	return x
}

// Len is the number of patterns.
func (x *Index[T]) Len() int { return len(x.entries) }

// Lookup gives the value of the first pattern in the order of [Compare] that covers i.
func (x *Index[T]) Lookup(i ref.Image) (T, bool) {
	best := len(x.entries)
	if paths := x.exact[i.Host]; paths != nil {
		best = x.lookup(paths, i, best)
	}
	// An exact host comes first whatever the rest, so the others matter only without one.
	if best == len(x.entries) {
		best = x.lookupWild(i, best)
	}
	if best == len(x.entries) {
		var zero T
		return zero, false
	}
	return x.entries[best].Value, true
}

func (x *Index[T]) lookupWild(i ref.Image, best int) int {
	w := x.wild[ending(i.Host)]
	if w == nil {
		return best
	}
	for at := w.tree.longest(i.Host); at != none; at = w.tree.nodes[at].up {
		for _, n := range w.tree.nodes[at].ids {
			if h := &w.hosts[n]; h.first < best && h.pattern.coversHost(i.Host) {
				best = x.lookup(h.paths, i, best)
			}
		}
	}
	return best
}

// lookup gives the lowest rank below best of those whose path and tag cover i, or best.
func (x *Index[T]) lookup(paths *tree, i ref.Image, best int) int {
	for at := paths.longest(i.Repository); at != none && paths.nodes[at].lowest < best; at = paths.nodes[at].up {
		node := &paths.nodes[at]
		rest := i.Repository[len(node.text):]
		for _, rank := range node.ids {
			if rank >= best {
				break
			}
			if p := &x.entries[rank].Pattern; p.coversTag(i.Tag) && coversPath(p.path[len(node.text):], rest) {
				best = rank
			}
		}
	}
	return best
}

// ending gives the last two labels of a host, and the port: what has no * in a pattern.
func ending(host string) string {
	last := strings.LastIndexByte(host, '.')
	return host[strings.LastIndexByte(host[:max(last, 0)], '.')+1:]
}
