package stepfile

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Bounds on a tree of nodes. Real files nest a dozen levels and use an alias for a few
// shared parameters.
const (
	maxDepth    = 64
	maxExpanded = 200_000 // nodes that aliases add
)

// extent is how large a node is when its aliases are followed.
type extent struct {
	nodes, depth int
	open         bool // its children are being measured
}

// survey measures a tree once, before anybody follows an alias.
type survey struct {
	r      *reader
	done   map[*yaml.Node]*extent
	nodes  int // real ones
	failed bool
}

// inspect reports what makes a tree unsafe or ambiguous to read: loops and bombs of
// aliases, deep nesting, unknown tags, keys that are written twice. It is false when the
// tree must not be walked.
func (r *reader) inspect(root *yaml.Node) bool {
	s := &survey{r: r, done: map[*yaml.Node]*extent{}}
	e := s.measure(root, 1)
	if !s.failed && e.nodes-s.nodes > maxExpanded {
		s.fail(root, finding{
			"yaml-alias", fmt.Sprintf("the aliases of the file unfold to more than %d nodes", maxExpanded), "repeat less by alias",
		})
	}
	return !s.failed
}

func (s *survey) fail(n *yaml.Node, f finding) {
	if !s.failed {
		s.r.add(SeverityError, at(n), "", f)
	}
	s.failed = true
}

// measure gives the extent of a node at a depth.
func (s *survey) measure(n *yaml.Node, depth int) extent {
	if s.failed {
		return extent{}
	}
	if depth > maxDepth {
		s.fail(n, finding{"yaml-nesting", fmt.Sprintf("the file nests more than %d levels deep", maxDepth), "flatten it"})
		return extent{}
	}
	if n.Kind == yaml.AliasNode {
		return s.alias(n, depth)
	}
	e := &extent{nodes: 1, open: true}
	s.done[n] = e
	s.nodes++
	s.node(n)
	for _, c := range n.Content {
		child := s.measure(c, depth+1)
		e.nodes = min(e.nodes+child.nodes, 1<<30)
		e.depth = max(e.depth, child.depth+1)
	}
	e.open = false
	return *e
}

// alias gives the extent of what an alias stands for, which is always above it.
func (s *survey) alias(n *yaml.Node, depth int) extent {
	e := s.done[n.Alias]
	switch {
	case e == nil:
		s.fail(n, finding{"yaml-alias", "the alias *" + n.Value + " stands before its anchor", "move the anchor above it"})
	case e.open:
		s.fail(n, finding{"yaml-alias", "the alias *" + n.Value + " is inside of what it stands for", "remove it"})
	case depth+e.depth > maxDepth:
		s.fail(n, finding{"yaml-nesting", fmt.Sprintf("the alias *%s nests more than %d levels deep", n.Value, maxDepth), "flatten it"})
	default:
		s.nodes++
		return extent{nodes: e.nodes + 1, depth: e.depth}
	}
	return extent{}
}

// node checks a node by itself.
func (s *survey) node(n *yaml.Node) {
	switch n.Kind {
	case yaml.ScalarNode:
		if _, err := s.r.scalars.read(n); err != nil {
			s.r.add(SeverityError, at(n), "", finding{"yaml-tag", err.Error(), "remove the tag"})
		}
	case yaml.MappingNode:
		s.tag(n, "!!map")
		s.keys(n)
	case yaml.SequenceNode:
		s.tag(n, "!!seq")
	default:
	}
}

func (s *survey) tag(n *yaml.Node, plain string) {
	if n.Tag != plain && n.Tag != "" {
		s.r.add(SeverityError, at(n), "", finding{"yaml-tag", "the tag " + show(n.Tag) + " is not known here", "remove the tag"})
	}
}

// keys reports what a mapping holds twice. PyYAML takes the last one in silence.
func (s *survey) keys(n *yaml.Node) {
	first := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || isMerge(k) {
			continue
		}
		v, _ := s.r.scalars.read(k) // reported when the key itself is measured
		id := v.repr()
		if line, ok := first[id]; ok {
			s.r.add(SeverityError, at(k), "", finding{
				"yaml-duplicate-key", fmt.Sprintf("the key %s is on line %d already", show(k.Value), line), "keep one of them",
			})
			continue
		}
		first[id] = k.Line
	}
}

// isMerge tells whether a key is YAML 1.1's merge key (yaml.org/type/merge).
func isMerge(k *yaml.Node) bool {
	return k.Kind == yaml.ScalarNode && k.Value == "<<" && k.Tag == "!!merge"
}

// follow gives what an alias stands for. Aliases don't stand for aliases.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func at(n *yaml.Node) position { return position{n.Line, n.Column} }
