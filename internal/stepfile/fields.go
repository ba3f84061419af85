package stepfile

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// value reads any node.
func (r *reader) value(n *yaml.Node) Value {
	n = follow(n)
	switch n.Kind {
	case yaml.SequenceNode:
		items := make([]Value, len(n.Content))
		for i, c := range n.Content {
			items[i] = r.value(c)
		}
		return listValue(items)
	case yaml.MappingNode:
		v := Value{kind: kindTable}
		for i := 0; i+1 < len(n.Content); i += 2 {
			v.keys = append(v.keys, r.value(n.Content[i]))
			v.items = append(v.items, r.value(n.Content[i+1]))
		}
		return v
	default:
	}
	v, _ := r.scalars.read(n) // inspect has reported it
	return v
}

// text reads a node that must be a text. A date is one, as it is written: Valohai
// refuses it, or prints it in another form.
func (r *reader) text(n *yaml.Node, path string) (string, bool) {
	v := r.value(n)
	switch v.kind {
	case kindText:
		return v.text, true
	case kindDate:
		r.add(SeverityWarning, at(n), path, finding{
			"yaml-date", noun(path) + " is a date for Valohai, and is taken as the text " + show(v.text) + " here", "put it in quotes",
		})
		return v.text, true
	case kindNull:
		r.wrong(n, path, "give a text")
	case kindList, kindTable:
		r.wrong(n, path, "give one text")
	default:
		r.wrong(n, path, "put it in quotes")
	}
	return "", false
}

// optText reads a key that may hold a text.
func (o *object) optText(key string) string {
	if e := o.get(key); e != nil {
		s, _ := o.r.text(e.val, o.sub(key))
		return s
	}
	return ""
}

// needText reads a key that must hold a text, and one that isn't empty.
func (o *object) needText(key string) string {
	e := o.need(key)
	if e == nil {
		return ""
	}
	s, ok := o.r.text(e.val, o.sub(key))
	if ok && s == "" {
		o.r.add(SeverityError, at(e.val), o.sub(key), finding{"empty", key + " is empty", "give one"})
	}
	return s
}

// optBool reads a key that may hold a boolean.
func (o *object) optBool(key string, otherwise bool) bool {
	e := o.get(key)
	if e == nil {
		return otherwise
	}
	v := o.r.value(e.val)
	if v.kind != kindBool {
		o.r.wrong(e.val, o.sub(key), "write true or false, without quotes")
		return otherwise
	}
	return v.truth
}

// optChoice reads a key that may hold one of a few words; the first is the default.
func (o *object) optChoice(key string, words ...string) string {
	e := o.get(key)
	if e == nil {
		return words[0]
	}
	s, ok := o.r.text(e.val, o.sub(key))
	if !ok {
		return words[0]
	}
	if !slices.Contains(words, s) {
		o.r.add(SeverityError, at(e.val), o.sub(key), finding{
			"choice", key + " is " + show(s), o.r.suggest(s, words, "choice"),
		})
		return words[0]
	}
	return s
}

// optNumber reads a key that may hold a number; nil otherwise.
func (o *object) optNumber(key string) *Value {
	e := o.get(key)
	if e == nil {
		return nil
	}
	v := o.r.value(e.val)
	if v.kind != kindInt && v.kind != kindFloat {
		o.r.wrong(e.val, o.sub(key), "write a number, without quotes")
		return nil
	}
	return &v
}

// optWhole is optNumber for a whole number; 5.0 is one, as in JSON Schema.
func (o *object) optWhole(key string) *Value {
	v := o.optNumber(key)
	if v != nil && v.kind == kindFloat && v.real != math.Trunc(v.real) {
		o.r.wrong(o.entries[key].val, o.sub(key), "write a whole number")
		return nil
	}
	return v
}

// optTexts reads a key that may hold a list of texts.
func (o *object) optTexts(key string) []string {
	var out []string
	o.each(key, func(n *yaml.Node, path string) {
		if s, ok := o.r.text(n, path); ok {
			out = append(out, s)
		}
	})
	return out
}

// textOrTexts reads a text or a list of texts. A map among texts is nearly always a line
// with a colon.
func (o *object) textOrTexts(e *entry, path string) []string {
	if follow(e.val).Kind != yaml.SequenceNode {
		s, ok := o.r.text(e.val, path)
		if !ok {
			return nil
		}
		return []string{s}
	}
	out := []string{}
	for i, n := range follow(e.val).Content {
		sub := path + "." + strconv.Itoa(i)
		if follow(n).Kind == yaml.MappingNode {
			o.r.wrong(n, sub, "a colon before a blank makes a map; put the whole line in quotes")
			continue
		}
		if s, ok := o.r.text(n, sub); ok {
			out = append(out, s)
		}
	}
	return out
}

// optTextOrTexts is textOrTexts for a key that may be there; nil if it isn't.
func (o *object) optTextOrTexts(key string) []string {
	if e := o.get(key); e != nil {
		return o.textOrTexts(e, o.sub(key))
	}
	return nil
}

// each calls f for each item of a key that may hold a list.
func (o *object) each(key string, f func(n *yaml.Node, path string)) {
	e := o.get(key)
	if e == nil {
		return
	}
	n := follow(e.val)
	if n.Kind != yaml.SequenceNode {
		o.r.wrong(e.val, o.sub(key), "give a list: begin each entry with a dash")
		return
	}
	for i, item := range n.Content {
		f(item, o.sub(key)+"."+strconv.Itoa(i))
	}
}

// short reports a text that is longer than n characters.
func (o *object) short(key, s string, n int) {
	if c := utf8.RuneCountInString(s); c > n {
		o.r.add(SeverityError, at(o.entries[key].val), o.sub(key), finding{
			"length", fmt.Sprintf("%s has %d characters, more than %d", key, c, n), "shorten it",
		})
	}
}

// where is the position of a key's value, or else of the object.
func (o *object) where(key string) position {
	if e := o.entries[key]; e != nil {
		return at(e.val)
	}
	return at(o.node)
}

// unique notices names that a list holds twice. Valohai lets the last win, in silence.
type unique struct {
	what string
	seen map[string]int
	n    int
}

func newUnique(what string) *unique { return &unique{what: what, seen: map[string]int{}} }

// add notes a name, and gives the index of the entry that it replaces, or -1.
func (u *unique) add(o *object, name string) int {
	if i, ok := u.seen[name]; ok && name != "" {
		o.r.add(SeverityWarning, o.where("name"), o.path, finding{
			"duplicate-name", "the " + u.what + " name " + show(name) + " is used twice, and the last one wins", "rename one of them",
		})
		return i
	}
	u.seen[name] = u.n
	u.n++
	return -1
}

// put replaces entry i, or appends when i is -1.
func put[T any](all []T, i int, v T) []T {
	if i < 0 {
		return append(all, v)
	}
	all[i] = v
	return all
}
