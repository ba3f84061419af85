package pattern

import (
	"slices"
	"strings"
)

// none is the position of no node.
const none = -1

// tree finds, of many globs, those whose text before the first * a string begins with.
// Its nodes are these texts, in order; each knows the longest other one that it begins
// with. So the node that a string is sorted behind, and the way up from there, hold
// every text that the string begins with.
type tree struct {
	nodes []node
}

type node struct {
	text   string
	up     int   // the longest other text that this one begins with, or none
	ids    []int // of the globs that begin with this text and then have a * or end; ascending
	lowest int   // id here and on the way up
}

// newTree takes the ids of globs in ascending order.
func newTree(ids []int, glob func(id int) string) *tree {
	at := map[string][]int{}
	for _, id := range ids {
		text := beginning(glob(id))
		at[text] = append(at[text], id)
	}
	t := &tree{nodes: make([]node, 0, len(at))}
	for text, ids := range at {
		t.nodes = append(t.nodes, node{text: text, ids: ids})
	}
	slices.SortFunc(t.nodes, func(a, b node) int { return strings.Compare(a.text, b.text) })
	for n := range t.nodes {
		this := &t.nodes[n]
		this.lowest = this.ids[0]
		this.up = n - 1
		for this.up != none && !strings.HasPrefix(this.text, t.nodes[this.up].text) {
			this.up = t.nodes[this.up].up
		}
		if this.up != none {
			this.lowest = min(this.lowest, t.nodes[this.up].lowest)
		}
	}
	return t
}

// beginning is the text that everything begins with that the glob covers. For team/*
// it is team, since that is covered too.
func beginning(glob string) string {
	text, _, star := strings.Cut(glob, "*")
	if star && len(text)+1 == len(glob) {
		return strings.TrimSuffix(text, "/")
	}
	return text
}

// longest gives the node with the longest text that s begins with, or none.
func (t *tree) longest(s string) int {
	low, high := 0, len(t.nodes) // the first node whose text is greater than s is between
	for low < high {
		middle := int(uint(low+high) >> 1)
		if t.nodes[middle].text <= s {
			low = middle + 1
		} else {
			high = middle
		}
	}
	n := low - 1
	for n != none && !strings.HasPrefix(s, t.nodes[n].text) {
		n = t.nodes[n].up
	}
	return n
}
