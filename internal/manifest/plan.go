package manifest

import (
	"fmt"
	"slices"
	"strconv"

	"fairlead.dev/fairlead"
)

// State is what an organization is now, and what the server knows of providers.
type State struct {
	Organization fairlead.Organization
	Connectors   []fairlead.Connector
	Registries   []fairlead.Registry
	Stacks       []fairlead.Stack
	Projects     []fairlead.Project
	Providers    []fairlead.ProviderInfo
}

// SecretState is what is known of a secret that the file names.
type SecretState string

// What a secret can be.
const (
	SecretNew       SecretState = "would be set"
	SecretDifferent SecretState = "would be replaced"
	SecretSame      SecretState = "kept"
)

// Secrets is what is known of the secrets of connectors, by field.
type Secrets map[fairlead.Name]map[string]SecretState

// Action is what is to be done with a thing.
type Action string

// The actions.
const (
	Add    Action = "add"
	Alter  Action = "change"
	Remove Action = "remove"
)

// Change is one thing that has to be different.
type Change struct {
	Action  Action        `json:"action"`
	Kind    Kind          `json:"kind"`
	Name    fairlead.Name `json:"name"`
	Details []Detail      `json:"details,omitempty"`
	// Wanted is what the file says (*Connector, *Registry, ...), nil for what goes; Was
	// is what there is (fairlead.Connector, ...), nil for what is new.
	Wanted any `json:"-"`
	Was    any `json:"-"`
}

// Detail is one value that has to be different. Of a secret it says what becomes of it,
// and never the secret.
type Detail struct {
	Field  string `json:"field"`
	Was    string `json:"was,omitempty"`
	Is     string `json:"is,omitempty"`
	Secret bool   `json:"secret,omitempty"`
}

// planner finds what has to change.
type planner struct {
	*reader
	m       Manifest
	now     State
	secrets Secrets
	prune   bool
	changes []Change
}

// Plan gives what has to change for the organization to be as the file says, each after
// what it needs; with prune, what the file doesn't name of the kinds that it has goes.
// With a problem there is no plan.
func Plan(file string, m Manifest, now State, secrets Secrets, prune bool) ([]Change, []Problem) {
	p := &planner{reader: &reader{file: file}, m: m, now: now, secrets: secrets, prune: prune}
	p.organization()
	for i := range m.Connectors {
		p.connector(&m.Connectors[i])
	}
	for i := range m.Registries {
		p.registry(&m.Registries[i])
	}
	for i := range m.Stacks {
		p.stack(&m.Stacks[i])
	}
	for i := range m.Projects {
		p.project(&m.Projects[i])
	}
	if prune {
		p.removals()
	}
	if len(p.problems) > 0 {
		return nil, p.problems
	}
	return p.changes, nil
}

// details gathers what differs.
type details []Detail

func (d *details) set(field, was, is string) {
	if was != is {
		*d = append(*d, Detail{Field: field, Was: was, Is: is})
	}
}

// put adds a change if there is one.
func put[W any](p *planner, kind Kind, name fairlead.Name, wanted any, was *W, d details) {
	c := Change{Action: Alter, Kind: kind, Name: name, Details: d, Wanted: wanted}
	if was == nil {
		c.Action = Add
	} else if c.Was = *was; len(d) == 0 {
		return
	}
	p.changes = append(p.changes, c)
}

// named finds the thing of that name.
func named[T any](list []T, name func(T) fairlead.Name, want fairlead.Name) *T {
	i := slices.IndexFunc(list, func(v T) bool { return name(v) == want })
	if i < 0 {
		return nil
	}
	return &list[i]
}

func nameOfConnector(c fairlead.Connector) fairlead.Name { return c.Name }
func nameOfRegistry(g fairlead.Registry) fairlead.Name   { return g.Name }
func nameOfStack(s fairlead.Stack) fairlead.Name         { return s.Name }
func nameOfProject(p fairlead.Project) fairlead.Name     { return p.Name }

func (p *planner) organization() {
	o := p.m.Organization
	if o == nil {
		return
	}
	now := p.now.Organization
	if o.Name != "" && o.Name != now.Name {
		p.fail(o.At, fmt.Sprintf("the file is about organization %s, and it is applied to %s", o.Name, now.Name), "name the organization with -O "+string(o.Name))
		return
	}
	var d details
	if o.ForbidPersonal != nil {
		d.set("forbidPersonalProjects", strconv.FormatBool(now.ForbidPersonal), strconv.FormatBool(*o.ForbidPersonal))
	}
	put(p, OrganizationKind, now.Name, o, &now, d)
}

// there reports whether something is named in the file, or is there and stays.
func (p *planner) there(kind Kind, inFile, inState bool) bool {
	return inFile || inState && (!p.prune || !p.m.Has[kind])
}

func (p *planner) refer(at Place, who string, kind Kind, name fairlead.Name, there bool) {
	if !there {
		p.fail(at, fmt.Sprintf("%s names %s %s, which isn't there", who, kind, name), "add it to the file")
	}
}

func (p *planner) registry(g *Registry) {
	was := named(p.now.Registries, nameOfRegistry, g.Name)
	if g.Connector != "" {
		inFile := named(p.m.Connectors, func(c Connector) fairlead.Name { return c.Name }, g.Connector) != nil
		inState := named(p.now.Connectors, nameOfConnector, g.Connector) != nil
		p.refer(g.At, "registry "+string(g.Name), ConnectorKind, g.Connector, p.there(ConnectorKind, inFile, inState))
	}
	var old fairlead.Registry
	if was != nil {
		old = *was
	}
	var d details
	d.set("pattern", old.Pattern.String(), g.Pattern)
	d.set("connector", string(old.ConnectorName), string(g.Connector))
	d.set("disclosure", string(old.Disclosure), string(g.Disclosure))
	d.set("push", flag(old.Push), flag(g.Push))
	d.set("plainHTTP", flag(old.PlainHTTP), flag(g.PlainHTTP))
	if old.CABundle != g.CABundle {
		d.set("caBundle", count(old.CABundle), count(g.CABundle)+" (another text)")
	}
	put(p, RegistryKind, g.Name, g, was, d)
}

// flag is a switch for people, empty if it is off.
func flag(on bool) string {
	if on {
		return "true"
	}
	return ""
}

// count is how long a text is that is too long to be shown.
func count(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("%d bytes", len(s))
}

func (p *planner) project(j *Project) {
	was := named(p.now.Projects, nameOfProject, j.Name)
	if j.Stack != "" {
		inFile := named(p.m.Stacks, func(s Stack) fairlead.Name { return s.Name }, j.Stack) != nil
		inState := named(p.now.Stacks, nameOfStack, j.Stack) != nil
		p.refer(j.At, "project "+string(j.Name), StackKind, j.Stack, p.there(StackKind, inFile, inState))
	}
	var d details
	if was != nil {
		d.set("stack", string(was.StackName), string(j.Stack))
	} else {
		d.set("stack", "", string(j.Stack))
	}
	put(p, ProjectKind, j.Name, j, was, d)
}
