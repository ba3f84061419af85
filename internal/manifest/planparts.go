package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/nearest"
	"fairlead.dev/fairlead/pattern"
)

func (p *planner) stack(s *Stack) {
	was := named(p.now.Stacks, nameOfStack, s.Name)
	if s.Registry != "" {
		covers, ok := p.patternOf(s.Registry)
		p.refer(s.At, "stack "+string(s.Name), RegistryKind, s.Registry, ok)
		if ok && s.Repository == "" {
			if s.Repository, ok = covers.Root(); !ok {
				p.fail(s.At, fmt.Sprintf("stack %s doesn't say where to push, and %s names no single place", s.Name, covers), "add repository")
			}
		}
	} else if s.Repository != "" {
		p.fail(s.At, fmt.Sprintf("stack %s has a repository and no registry", s.Name), "add registry")
	}
	var old fairlead.Stack
	if was != nil {
		old = *was
	}
	var d details
	d.set("registry", string(old.RegistryName), string(s.Registry))
	d.set("repository", old.Repository, s.Repository)
	d.set("engine", old.Engine, s.Engine)
	d.set("queue", string(old.Queue), string(s.Queue))
	put(p, StackKind, s.Name, s, was, d)
}

// patternOf is what a registry entry will cover.
func (p *planner) patternOf(name fairlead.Name) (pattern.Pattern, bool) {
	if g := named(p.m.Registries, func(g Registry) fairlead.Name { return g.Name }, name); g != nil {
		parsed, err := pattern.Parse(g.Pattern)
		return parsed, err == nil
	}
	g := named(p.now.Registries, nameOfRegistry, name)
	if g == nil || !p.there(RegistryKind, false, true) {
		return pattern.Pattern{}, false
	}
	return g.Pattern, true
}

func (p *planner) connector(c *Connector) {
	was := named(p.now.Connectors, nameOfConnector, c.Name)
	var old fairlead.Connector
	if was != nil {
		old = *was
		if old.Family != c.Family {
			p.fail(c.At, fmt.Sprintf("connector %s is of family %s, and the file says %s", c.Name, old.Family, c.Family), "give the new one another name")
			return
		}
	}
	m, ok := p.method(c, old)
	if !ok || !p.fields(c, m) {
		return
	}
	c.Method = m.Name
	until, _ := c.Until() // read when the file was parsed
	for _, f := range m.Fields {
		if value := old.Public[f.Name]; f.Generated && c.Fields[f.Name] == "" && value != "" {
			c.Fields[f.Name] = value // which the house made
		}
	}
	var d details
	if was == nil {
		d.set("family", "", string(c.Family))
	}
	d.set("method", old.Method, c.Method)
	both := maps.Clone(old.Public)
	if both == nil {
		both = map[string]string{}
	}
	maps.Copy(both, c.Fields)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		d.set(name, old.Public[name], c.Fields[name])
	}
	d.set("expires", date(old.Expires), date(until))
	p.secretsOf(c, &d)
	put(p, ConnectorKind, c.Name, c, was, d)
}

// secretsOf adds what becomes of secrets. One that is kept is told of beside others that
// change; by itself it is no change.
func (p *planner) secretsOf(c *Connector, d *details) {
	var kept details
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		detail := Detail{Field: name, Is: string(p.secrets[c.Name][name]), Secret: true}
		if detail.Is == string(SecretSame) {
			kept = append(kept, detail)
			continue
		}
		if detail.Is == "" {
			detail.Is = string(SecretNew)
		}
		*d = append(*d, detail)
	}
	if len(*d) > 0 {
		*d = append(*d, kept...)
	}
}

// method is the one that the connector will have: what the file says, what it has, or
// the family's only one.
func (p *planner) method(c *Connector, old fairlead.Connector) (fairlead.Method, bool) {
	i := slices.IndexFunc(p.now.Providers, func(f fairlead.ProviderInfo) bool { return f.Family == c.Family })
	if i < 0 {
		var families []string
		for _, f := range p.now.Providers {
			families = append(families, string(f.Family))
		}
		p.fail(c.At, fmt.Sprintf("there is no family %q", fairlead.Clip(string(c.Family))), instead(string(c.Family), families))
		return fairlead.Method{}, false
	}
	methods := p.now.Providers[i].Methods
	want := c.Method
	if want == "" {
		want = old.Method
	}
	if want == "" && len(methods) == 1 {
		return methods[0], true
	}
	var names []string
	for _, m := range methods {
		if m.Name == want {
			return m, true
		}
		names = append(names, m.Name)
	}
	if want == "" {
		p.fail(c.At, fmt.Sprintf("connector %s has no method, and family %s has several", c.Name, c.Family), "add method: "+strings.Join(names, ", "))
	} else {
		p.fail(c.At, fmt.Sprintf("family %s has no method %q", c.Family, fairlead.Clip(want)), instead(want, names))
	}
	return fairlead.Method{}, false
}

// fields finds fields that the method doesn't have, and secrets among the public ones.
func (p *planner) fields(c *Connector, m fairlead.Method) bool {
	before := len(p.problems)
	secret := map[string]bool{}
	var names []string
	for _, f := range m.Fields {
		secret[f.Name] = f.Secret
		names = append(names, f.Name)
	}
	for _, name := range append(slices.Sorted(maps.Keys(c.Fields)), slices.Sorted(maps.Keys(c.Secrets))...) {
		_, public := c.Fields[name]
		is, known := secret[name]
		switch {
		case !known:
			p.fail(c.fieldAt[name], fmt.Sprintf("method %s of family %s has no field %q", m.Name, c.Family, fairlead.Clip(name)), instead(name, names))
		case is && public:
			p.fail(c.fieldAt[name], "the secret "+name+" stands in the file, where everybody who may read the file can read it",
				"write it under secrets as {fromFile: PATH} or {fromEnv: NAME}, and replace a secret that others may have seen")
		case !is && !public:
			p.fail(c.fieldAt[name], name+" is no secret", "write it under fields")
		}
	}
	return len(p.problems) == before
}

func instead(name string, names []string) string {
	if n := nearest.Name(name, names); n != "" {
		return "did you mean " + n + "?"
	}
	return "use " + strings.Join(names, " or ")
}

// date is a time as a file has it.
func date(t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case t.Equal(t.UTC().Truncate(24 * time.Hour)):
		return t.UTC().Format(time.DateOnly)
	default:
		return t.UTC().Format(time.RFC3339Nano)
	}
}

// removals are what the file doesn't name of the kinds that it has, each before what it
// needs. A registry entry goes before another that takes its pattern.
func (p *planner) removals() {
	gone := func(kind Kind, name fairlead.Name, was any, inFile bool) {
		if !inFile && p.m.Has[kind] {
			p.changes = append(p.changes, Change{Action: Remove, Kind: kind, Name: name, Was: was})
		}
	}
	for _, v := range p.now.Projects {
		gone(ProjectKind, v.Name, v, named(p.m.Projects, func(j Project) fairlead.Name { return j.Name }, v.Name) != nil)
	}
	for _, v := range p.now.Stacks {
		gone(StackKind, v.Name, v, named(p.m.Stacks, func(s Stack) fairlead.Name { return s.Name }, v.Name) != nil)
	}
	for _, v := range p.now.Registries {
		inFile := named(p.m.Registries, func(g Registry) fairlead.Name { return g.Name }, v.Name) != nil
		if i := p.takes(v); !inFile && i >= 0 && p.m.Has[RegistryKind] {
			p.changes = slices.Insert(p.changes, i, Change{Action: Remove, Kind: RegistryKind, Name: v.Name, Was: v})
			continue
		}
		gone(RegistryKind, v.Name, v, inFile)
	}
	for _, v := range p.now.Connectors {
		gone(ConnectorKind, v.Name, v, named(p.m.Connectors, func(c Connector) fairlead.Name { return c.Name }, v.Name) != nil)
	}
}

// takes finds the change by which an entry gets the pattern of one that goes.
func (p *planner) takes(g fairlead.Registry) int {
	return slices.IndexFunc(p.changes, func(c Change) bool {
		wanted, ok := c.Wanted.(*Registry)
		return ok && wanted.Pattern == g.Pattern.String()
	})
}
