package stepfile

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parameter is a value that a step can be given.
type Parameter struct {
	Name        string
	Type        string // string, integer, float or flag
	Description string
	Category    string
	Optional    bool     // always, for a flag
	Default     Value    // null when there is none; a list, if Multiple
	Min, Max    *Value   // numbers
	Choices     []Value  // nil when all are allowed
	Multiple    string   // "", repeat or separate
	Separator   string   // between the values of separate
	passAs      []string // words, before the value is filled in; nil passes nothing
	passTrue    []string
	passFalse   []string
	at          position
}

// parameters reads the list of parameters; of two with one name the last wins. The
// defaults are looked at in steps only: an override doesn't say the type.
func (o *object) parameters(lint bool) []Parameter {
	var out []Parameter
	u := newUnique("parameter")
	o.each("parameters", func(n *yaml.Node, path string) {
		i, ok := o.r.object(n, path)
		if !ok {
			return
		}
		p := i.parameter()
		i.done()
		if lint {
			i.lintParameter(p)
		}
		out = put(out, u.add(i, p.Name), p)
	})
	return out
}

// parameter reads one.
func (o *object) parameter() Parameter {
	p := Parameter{
		Name:        o.needText("name"),
		Type:        o.optChoice("type", "string", "integer", "float", "flag"),
		Description: o.optText("description"),
		Category:    o.optText("category"),
		Optional:    o.optBool("optional", false),
		Min:         o.optNumber("min"),
		Max:         o.optNumber("max"),
		Multiple:    o.optChoice("multiple", "none", "repeat", "separate"),
		Separator:   o.optText("multiple-separator"),
		at:          o.where("name"),
	}
	if p.Multiple == "none" {
		p.Multiple = ""
	}
	if p.Separator == "" {
		p.Separator = ","
	}
	o.each("choices", func(n *yaml.Node, _ string) { p.Choices = append(p.Choices, o.r.value(n)) })
	if e := o.get("default"); e != nil {
		p.Default = o.r.value(e.val)
	}
	if p.Multiple != "" { // without a default it has the empty list, which is a value
		p.Default = listValue(atoms(p.Default))
	}
	o.widget()
	o.templates(&p)
	if p.Type == "flag" {
		p.Optional = true
		if p.Multiple != "" {
			o.r.add(SeverityError, o.where("multiple"), o.sub("multiple"), finding{
				"flag-multiple", o.called(p) + " is a flag, and a flag has one value", "remove multiple",
			})
		}
	}
	return p
}

// templates reads how the parameter is passed. An empty template is as none. Either of
// pass-true-as and pass-false-as puts pass-as out of force, for both values.
func (o *object) templates(p *Parameter) {
	passAs, passTrue, passFalse := o.template("pass-as"), o.template("pass-true-as"), o.template("pass-false-as")
	switch {
	case passAs != nil:
	case p.Type == "flag":
		passAs = []string{"--{name}"}
	default:
		passAs = []string{"--{name}={value}"}
	}
	p.passAs = passAs
	if p.Type == "flag" {
		p.passTrue = passAs
		if passTrue != nil || passFalse != nil {
			p.passTrue, p.passFalse = passTrue, passFalse
		}
	}
}

// template reads one template: words, split at blanks before values go in.
func (o *object) template(key string) []string {
	s := o.optText(key)
	if s == "" {
		return nil
	}
	words := strings.Fields(s) // blanks alone are no words, and pass nothing
	for _, w := range words {
		if _, err := fill(w, "", ""); err != nil {
			o.r.add(SeverityError, o.where(key), o.sub(key), finding{
				"template", key + " " + show(s) + ": " + err.Error(), "use {name} and {value} only; write {{ and }} for braces",
			})
			break
		}
	}
	return words
}

// widget checks the widget, a word or a map; it is for the user interface.
func (o *object) widget() {
	e := o.get("widget")
	if e == nil {
		return
	}
	if follow(e.val).Kind != yaml.MappingNode {
		o.r.text(e.val, o.sub("widget"))
		return
	}
	if i, ok := o.r.object(e.val, o.sub("widget")); ok { // its schema is open
		i.needText("type")
		i.optTable("settings")
	}
}

func (o *object) called(p Parameter) string { return "parameter " + show(p.Name) }

// lintParameter warns of what can't work, or has no effect.
func (o *object) lintParameter(p Parameter) {
	useless := func(key, why string) {
		if e := o.entries[key]; e != nil && !o.r.value(e.val).falsy() {
			o.r.add(SeverityWarning, at(e.key), o.sub(key), finding{"no-effect", o.called(p) + ": " + key + " has no effect " + why, "remove it"})
		}
	}
	numeric := p.Type == "integer" || p.Type == "float"
	if p.Type == "flag" {
		useless("optional", "on a flag")
		useless("choices", "on a flag")
		if given(o, "pass-true-as") || given(o, "pass-false-as") {
			useless("pass-as", "beside pass-true-as or pass-false-as")
		}
	} else {
		useless("pass-true-as", "on a parameter that is no flag")
		useless("pass-false-as", "on a parameter that is no flag")
	}
	if !numeric {
		useless("min", "on a parameter that is no number")
		useless("max", "on a parameter that is no number")
	}
	if p.Min != nil && p.Max != nil && compare(*p.Min, *p.Max) > 0 {
		o.r.add(SeverityWarning, o.where("min"), o.sub("min"), finding{"range", o.called(p) + ": min is greater than max", "exchange them"})
	}
	o.lintDefault(p)
}

func given(o *object, key string) bool {
	e := o.entries[key]
	return e != nil && !o.r.value(e.val).falsy()
}

// lintDefault warns of a default that could not be given.
func (o *object) lintDefault(p Parameter) {
	if p.Default.IsNull() || p.Type == "flag" && p.Default.kind == kindBool {
		return
	}
	warn := func(why, remedy string) {
		o.r.add(SeverityWarning, o.where("default"), o.sub("default"), finding{"parameter-default", o.called(p) + ": default " + why, remedy})
	}
	if p.Default.kind == kindList && p.Multiple == "" {
		warn("is a list, and the parameter takes one value", "add multiple: repeat, or multiple: separate")
		return
	}
	for _, v := range atoms(p.Default) {
		if p.Type == "string" && v.kind != kindText && v.kind != kindDate {
			warn(v.String()+" is not a text", "put it in quotes, or set the type")
			continue
		}
		if p.Type == "string" && v.kind == kindDate {
			warn(v.String()+" is a date for Valohai", "put it in quotes")
		}
		cast, why := p.cast(v)
		if why == "" {
			why = p.refuses(cast, v)
		}
		if why != "" {
			warn(why, "correct the default")
		}
	}
}

// atoms is the values of a list, or the one value.
func atoms(v Value) []Value {
	switch v.kind {
	case kindList:
		return v.items
	case kindNull:
		return nil
	default:
		return []Value{v}
	}
}
