package stepfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// reader reads nodes into values and gathers what is wrong.
type reader struct {
	*collector
	notes      *collector
	scalars    scalars
	checkImage func(string) error
	suggested  int // how often suggest has been called
}

// entry is a key and its value, where they stand.
type entry struct {
	key, val *yaml.Node
	used     bool
}

// object is a mapping that is read key by key. What nobody has asked for when it is
// closed is unknown.
type object struct {
	r       *reader
	node    *yaml.Node
	path    string
	entries map[string]*entry
	order   []string
	known   []string
}

// object opens a mapping; false after a problem.
func (r *reader) object(n *yaml.Node, path string) (*object, bool) {
	m := follow(n)
	if m.Kind != yaml.MappingNode {
		r.wrong(n, path, "give a map of keys and values")
		return nil, false
	}
	o := &object{r: r, node: n, path: path, entries: map[string]*entry{}}
	o.fill(m, false)
	return o, true
}

// fill adds the entries of a mapping, then those that it merges: its own win, then the
// first of several (yaml.org/type/merge).
func (o *object) fill(m *yaml.Node, merged bool) {
	var merges []*yaml.Node
	for i := 0; i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], m.Content[i+1]
		if isMerge(k) {
			merges = append(merges, v)
			continue
		}
		o.enter(k, v, merged)
	}
	for _, n := range merges {
		source := follow(n)
		switch source.Kind {
		case yaml.MappingNode:
			o.fill(source, true)
		case yaml.SequenceNode:
			for _, item := range source.Content {
				if one := follow(item); one.Kind == yaml.MappingNode {
					o.fill(one, true)
				} else {
					o.badMerge(item)
				}
			}
		default:
			o.badMerge(n)
		}
	}
}

func (o *object) badMerge(n *yaml.Node) {
	o.r.add(SeverityError, at(n), o.path, finding{"yaml-merge", "<< merges a map, and this is " + o.r.describe(n), "name the anchor of a map"})
}

func (o *object) enter(k, v *yaml.Node, merged bool) {
	key := follow(k)
	if key.Kind != yaml.ScalarNode {
		o.r.add(SeverityError, at(k), o.path, finding{"type", "a key is " + o.r.describe(k), "make it a word"})
		return
	}
	value, _ := o.r.scalars.read(key) // inspect has reported it
	name := value.String()
	if value.kind != kindText && value.kind != kindDate {
		if !merged {
			o.r.add(SeverityError, at(k), o.path, finding{"type", "a key is " + o.r.describe(k), "put it in quotes"})
		}
		return
	}
	if old, ok := o.entries[name]; ok {
		if !merged {
			old.key, old.val = k, v // twice in one map: reported, the last wins
		}
		return
	}
	o.entries[name] = &entry{key: key, val: v}
	o.order = append(o.order, name)
}

// get gives the entry of a key that may be there, or nil.
func (o *object) get(key string) *entry {
	if !slices.Contains(o.known, key) {
		o.known = append(o.known, key)
	}
	e := o.entries[key]
	if e != nil {
		e.used = true
	}
	return e
}

// need is get, and reports when the key isn't there.
func (o *object) need(key string) *entry {
	e := o.get(key)
	if e == nil {
		o.r.add(SeverityError, at(o.node), o.path, finding{"required", noun(o.path) + " has no " + key, "add the key " + key})
	}
	return e
}

// done reports the keys that nobody has asked for.
func (o *object) done() {
	for _, name := range o.order {
		if e := o.entries[name]; !e.used {
			if o.r.full {
				o.r.errors++
				continue
			}
			o.r.add(SeverityError, at(e.key), o.path, finding{
				"unknown-key", noun(o.path) + " has no key " + show(name), o.r.suggest(name, o.known, "key"),
			})
		}
	}
}

// sub is the path of a key.
func (o *object) sub(key string) string { return o.path + "." + key }

// noun is the thing at a path in words: "image"; "command, item 2,"; "parameters, item 1,".
func noun(path string) string {
	parts := strings.Split(path, ".")
	last := parts[len(parts)-1]
	i, err := strconv.Atoi(last)
	switch {
	case err != nil:
		return last
	case len(parts) == 1:
		return fmt.Sprintf("entry %d", i+1)
	default:
		return fmt.Sprintf("%s, item %d,", parts[len(parts)-2], i+1)
	}
}

// describe says in words what a node is.
func (r *reader) describe(n *yaml.Node) string {
	n = follow(n)
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	default:
	}
	v, _ := r.scalars.read(n) // inspect has reported it
	as := ""
	switch v.kind {
	case kindNull:
		return "empty"
	case kindBool:
		if s := strings.ToLower(n.Value); s != "true" && s != "false" {
			as = ", as YAML 1.1 reads " + n.Value
		}
		return "the boolean " + strconv.FormatBool(v.truth) + as
	case kindInt, kindFloat:
		if strings.Contains(n.Value, ":") || v.kind == kindInt && len(n.Value) > 1 && strings.TrimLeft(n.Value, "+-")[0] == '0' {
			as = ", as YAML 1.1 reads " + n.Value
		}
		return "the number " + clip(v.String()) + as
	case kindDate:
		return "the date " + n.Value
	default:
		return "the text " + show(v.text)
	}
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// wrong reports a value of the wrong type. A plain scalar that must be a text needs
// quotes; the caller names the other remedies.
func (r *reader) wrong(n *yaml.Node, path, remedy string) {
	if r.full { // counted, and not listed
		r.errors++
		return
	}
	r.add(SeverityError, at(n), path, finding{"type", noun(path) + " is " + r.describe(n), remedy})
}
