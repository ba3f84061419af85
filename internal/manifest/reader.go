package manifest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/nearest"
)

// reader walks the nodes of a file and gathers what is wrong.
type reader struct {
	file     string
	problems []Problem
}

// mostProblems bounds the list: a broken file says the same thing many times.
const mostProblems = 100

func at(n *yaml.Node) Place { return Place{n.Line, n.Column} }

func (r *reader) fail(p Place, text, remedy string) {
	if len(r.problems) < mostProblems {
		r.problems = append(r.problems, Problem{File: r.file, Line: p.Line, Column: p.Column, Text: text, Remedy: remedy})
	}
}

// failure adds what a check of the house says.
func (r *reader) failure(p Place, err error) {
	e := fairlead.AsError("reading", err)
	r.fail(p, e.Error(), e.Remedy)
}

// keys are the keys that an object may have, and what reads each.
type keys map[string]func(*yaml.Node)

// object reads an object; every key that it doesn't know is a problem. Aliases are none:
// a file that is reviewed should say what it says where it says it.
func (r *reader) object(n *yaml.Node, what string, known keys, required ...string) bool {
	if n.Kind != yaml.MappingNode {
		r.fail(at(n), what+" is "+sort(n), "write its keys and values below it")
		return false
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		read := known[k.Value]
		switch {
		case k.Kind != yaml.ScalarNode || read == nil:
			r.unknown(k, what, slices.Sorted(maps.Keys(known)))
		case seen[k.Value]:
			r.fail(at(k), fmt.Sprintf("%s has %s twice", what, k.Value), "keep one of them")
		case v.Kind == yaml.AliasNode:
			r.fail(at(v), "aliases are not known here", "write out what it stands for")
		case isNull(v): // as if it weren't there
		default:
			read(v)
		}
		seen[k.Value] = seen[k.Value] || !isNull(v)
	}
	whole := true
	for _, key := range required {
		if !seen[key] {
			r.fail(at(n), what+" has no "+key, "add it")
			whole = false
		}
	}
	return whole
}

func (r *reader) unknown(k *yaml.Node, what string, known []string) {
	if k.Kind != yaml.ScalarNode {
		r.fail(at(k), "a key of "+what+" is "+sort(k), "use a plain text")
		return
	}
	remedy := "it may have " + strings.Join(known, ", ")
	if n := nearest.Name(k.Value, known); n != "" {
		remedy = "did you mean " + n + "?"
	}
	r.fail(at(k), fmt.Sprintf("%s has no key %q", what, fairlead.Clip(k.Value)), remedy)
}

// list reads a list.
func (r *reader) list(n *yaml.Node, what string, each func(*yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		r.fail(at(n), what+" is "+sort(n), "begin each of them with a dash")
		return
	}
	for _, c := range n.Content {
		if c.Kind == yaml.AliasNode {
			r.fail(at(c), "aliases are not known here", "write out what it stands for")
			continue
		}
		each(c)
	}
}

// text reads a text into to. A number is taken as it is written.
func (r *reader) text(to *string, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		switch {
		case n.Kind != yaml.ScalarNode:
			r.fail(at(n), what+" is "+sort(n), "write a text")
		case n.Tag == "!!str" || n.Tag == "!!int" || n.Tag == "!!float" || n.Tag == "!!timestamp":
			*to = n.Value
		default:
			r.fail(at(n), what+" is "+sort(n), "put it in quotes")
		}
	}
}

func (r *reader) boolean(to *bool, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || n.Decode(to) != nil {
			r.fail(at(n), what+" is "+sort(n), "write true or false")
		}
	}
}

// name reads the name of a thing of the house.
func (r *reader) name(to *fairlead.Name, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		var s string
		before := len(r.problems)
		r.text(&s, what)(n)
		if len(r.problems) > before {
			return
		}
		name, err := fairlead.ParseName(what, s)
		if err != nil {
			r.failure(at(n), err)
		}
		*to = name
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// sort says what a node is, and never what it holds: it may be a secret.
func sort(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "an object"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	case n.Tag == "!!bool":
		return "true or false"
	case isNull(n):
		return "empty"
	case n.Tag == "!!str":
		return "a text"
	case n.Tag == "!!int", n.Tag == "!!float":
		return "a number"
	default:
		return "of a kind that is not known here"
	}
}

// syntax says where the YAML itself is wrong. The library's texts name no values but
// keys and anchors.
func (r *reader) syntax(err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	p := Place{1, 1}
	if m := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	r.fail(p, "this is no YAML: "+fairlead.Clip(text), "look at the line, and at the one before it")
}
