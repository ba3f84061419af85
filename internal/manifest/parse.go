package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/pattern"
)

// MaxFile is the greatest size of a file, in bytes.
const MaxFile = 4 << 20

// Parse reads a file of one document or several. With a problem, what it gives is not to
// be used. The order of the file is kept.
func Parse(file string, data []byte) (Manifest, []Problem) {
	r := &reader{file: file}
	m := Manifest{Has: map[Kind]bool{}}
	r.documents(data, func(n *yaml.Node) { r.document(n, &m) })
	once(r, "connector", m.Connectors, func(c Connector) (fairlead.Name, Place) { return c.Name, c.At })
	once(r, "registry", m.Registries, func(c Registry) (fairlead.Name, Place) { return c.Name, c.At })
	once(r, "stack", m.Stacks, func(c Stack) (fairlead.Name, Place) { return c.Name, c.At })
	once(r, "project", m.Projects, func(c Project) (fairlead.Name, Place) { return c.Name, c.At })
	if len(r.problems) == 0 && m.Organization == nil && len(m.Has) == 0 {
		r.fail(Place{1, 1}, "there is nothing in the file", "`fairlead export` writes one to begin with")
	}
	return m, r.problems
}

// documents reads the documents of a file, but for empty ones.
func (r *reader) documents(data []byte, each func(*yaml.Node)) {
	if len(data) > MaxFile {
		r.fail(Place{1, 1}, fmt.Sprintf("the file is longer than %d bytes", MaxFile), "split it")
		return
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.syntax(err)
			return
		}
		if len(n.Content) > 0 && !isNull(n.Content[0]) {
			each(n.Content[0])
		}
	}
}

func (r *reader) document(n *yaml.Node, m *Manifest) {
	items := func(kind Kind, what string, read func(*yaml.Node)) func(*yaml.Node) {
		return func(n *yaml.Node) {
			m.Has[kind] = true
			r.list(n, what, read)
		}
	}
	r.object(n, "the file", keys{
		"organization": func(n *yaml.Node) {
			if m.Organization != nil {
				r.fail(at(n), "the file has the organization twice", "keep one of them")
			}
			m.Has[OrganizationKind] = true
			m.Organization = r.organization(n)
		},
		"connectors": items(ConnectorKind, "connectors", func(n *yaml.Node) { m.Connectors = append(m.Connectors, r.connector(n)) }),
		"registries": items(RegistryKind, "registries", func(n *yaml.Node) { m.Registries = append(m.Registries, r.registry(n)) }),
		"stacks":     items(StackKind, "stacks", func(n *yaml.Node) { m.Stacks = append(m.Stacks, r.stack(n)) }),
		"projects":   items(ProjectKind, "projects", func(n *yaml.Node) { m.Projects = append(m.Projects, r.project(n)) }),
	})
}

func (r *reader) organization(n *yaml.Node) *Organization {
	o := &Organization{At: at(n)}
	forbid := func(n *yaml.Node) {
		o.ForbidPersonal = new(bool)
		r.boolean(o.ForbidPersonal, "forbidPersonalProjects")(n)
	}
	r.object(n, "the organization", keys{"name": r.name(&o.Name, "name"), "forbidPersonalProjects": forbid})
	return o
}

func (r *reader) project(n *yaml.Node) Project {
	p := Project{At: at(n)}
	r.object(n, "a project", keys{"name": r.name(&p.Name, "name"), "stack": r.name(&p.Stack, "stack")}, "name")
	return p
}

func (r *reader) registry(n *yaml.Node) Registry {
	g := Registry{At: at(n)}
	r.object(n, "a registry", keys{
		"name": r.name(&g.Name, "name"), "connector": r.name(&g.Connector, "connector"),
		"pattern": func(n *yaml.Node) { g.Pattern = r.pattern(n) },
		"disclosure": func(n *yaml.Node) {
			g.Disclosure = fairlead.Disclosure(r.choice(n, "disclosure", string(fairlead.Scoped), string(fairlead.StoredSecret)))
		},
		"push": r.boolean(&g.Push, "push"), "plainHTTP": r.boolean(&g.PlainHTTP, "plainHTTP"), "caBundle": r.text(&g.CABundle, "caBundle"),
	}, "name", "pattern")
	if g.Disclosure == "" {
		g.Disclosure = fairlead.Scoped
	}
	return g
}

// pattern reads a match pattern, in the form that the house writes it.
func (r *reader) pattern(n *yaml.Node) string {
	var s string
	r.text(&s, "pattern")(n)
	p, err := pattern.Parse(s)
	if err != nil {
		r.failure(at(n), fairlead.Misread("pattern", err))
	}
	return p.String()
}

func (r *reader) choice(n *yaml.Node, what string, choices ...string) string {
	var s string
	r.text(&s, what)(n)
	if !slices.Contains(choices, s) {
		r.fail(at(n), fmt.Sprintf("there is no %s %q", what, fairlead.Clip(s)), "use "+strings.Join(choices, " or "))
	}
	return s
}

func (r *reader) stack(n *yaml.Node) Stack {
	s := Stack{At: at(n)}
	r.object(n, "a stack", keys{
		"name": r.name(&s.Name, "name"), "registry": r.name(&s.Registry, "registry"), "queue": r.name(&s.Queue, "queue"),
		"repository": func(n *yaml.Node) { s.Repository = r.repository(n) },
		"engine":     func(n *yaml.Node) { s.Engine = r.choice(n, "engine", fairlead.Engines()...) },
	}, "name")
	if s.Queue == fairlead.DefaultQueue {
		s.Queue = ""
	}
	return s
}

func (r *reader) repository(n *yaml.Node) string {
	var s string
	r.text(&s, "repository")(n)
	place, err := pattern.ParsePlace(s)
	if err != nil {
		r.failure(at(n), fairlead.Misread("repository", err))
	}
	return place
}

func (r *reader) connector(n *yaml.Node) Connector {
	c := Connector{At: at(n), Fields: map[string]string{}, Secrets: map[string]Source{}, fieldAt: map[string]Place{}}
	var family string
	r.object(n, "a connector", keys{
		"name": r.name(&c.Name, "name"), "family": r.text(&family, "family"), "method": r.text(&c.Method, "method"),
		"expires": func(n *yaml.Node) {
			r.text(&c.Expires, "expires")(n)
			if _, err := c.Until(); err != nil {
				r.fail(at(n), "expires is no date", "write it like 2027-01-31 or 2027-01-31T12:00:00Z")
			}
		},
		"fields": func(n *yaml.Node) {
			r.named(n, "fields", c.fieldAt, func(name string, n *yaml.Node) {
				var s string
				r.text(&s, "field "+name)(n)
				c.Fields[name] = s
			})
		},
		"secrets": func(n *yaml.Node) {
			r.named(n, "secrets", c.fieldAt, func(name string, n *yaml.Node) { c.Secrets[name] = r.source(n, name) })
		},
	}, "name", "family")
	c.Family = fairlead.Family(family)
	return c
}

// named reads an object whose keys are names.
func (r *reader) named(n *yaml.Node, what string, where map[string]Place, each func(name string, n *yaml.Node)) {
	known := keys{}
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if _, twice := where[k.Value]; k.Kind != yaml.ScalarNode || twice && known[k.Value] == nil {
				r.fail(at(k), fmt.Sprintf("%s has a key that can't be one, or that is a field already", what), "name each field once")
				continue
			}
			where[k.Value] = at(k)
			known[k.Value] = func(n *yaml.Node) { each(k.Value, n) }
		}
	}
	r.object(n, what, known)
}

// source reads where a secret is found. What stands there instead is never shown.
func (r *reader) source(n *yaml.Node, field string) Source {
	var s Source
	if n.Kind == yaml.ScalarNode {
		r.fail(at(n), "the secret "+field+" stands in the file, where everybody who may read the file can read it",
			"write {fromFile: PATH} or {fromEnv: NAME}, and replace a secret that others may have seen")
		return s
	}
	if r.object(n, "secret "+field, keys{"fromFile": r.text(&s.File, "fromFile"), "fromEnv": r.text(&s.Env, "fromEnv")}) && (s.File == "") == (s.Env == "") {
		r.fail(at(n), "secret "+field+" has neither fromFile nor fromEnv, or both", "give one of the two")
	}
	return s
}

// Until is the date on which the connector's account ends; zero is never.
func (c Connector) Until() (time.Time, error) {
	if c.Expires == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, c.Expires)
	if err != nil {
		t, err = time.Parse(time.RFC3339, c.Expires)
	}
	return t.UTC(), err
}

// once finds names that a file has twice.
func once[T any](r *reader, noun string, list []T, named func(T) (fairlead.Name, Place)) {
	first := map[fairlead.Name]Place{}
	for _, item := range list {
		name, p := named(item)
		if before, twice := first[name]; twice && name != "" {
			r.fail(p, fmt.Sprintf("there is a %s %s on line %d already", noun, name, before.Line), "keep one of them")
			continue
		}
		first[name] = p
	}
}
