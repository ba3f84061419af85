package manifest

import (
	"bytes"

	"go.yaml.in/yaml/v3"

	"fairlead.dev/fairlead"
)

// StackFile is one stack as a file by itself, which can be taken to another organization
// or server: it has names and no identifiers, and nothing secret.
type StackFile struct {
	Stack PortableStack `yaml:"stack"`
}

// PortableStack is a stack that says which registry entry it needs.
type PortableStack struct {
	Name       fairlead.Name     `yaml:"name"`
	Registry   *PortableRegistry `yaml:"registry,omitempty"`
	Repository string            `yaml:"repository,omitempty"`
	Engine     string            `yaml:"engine,omitempty"`
	Queue      fairlead.Name     `yaml:"queue,omitempty"`
}

// PortableRegistry names a registry entry, and what it covers.
type PortableRegistry struct {
	Name    fairlead.Name `yaml:"name"`
	Pattern string        `yaml:"pattern"`
}

// WriteStack writes a stack. g is its registry entry, if it has one.
func WriteStack(s fairlead.Stack, g *fairlead.Registry) ([]byte, error) {
	f := StackFile{Stack: PortableStack{Name: s.Name, Repository: s.Repository, Engine: s.Engine, Queue: s.Queue}}
	if g != nil {
		f.Stack.Registry = &PortableRegistry{Name: g.Name, Pattern: g.Pattern.String()}
	}
	return encode(f)
}

// ParseStack reads what [WriteStack] wrote.
func ParseStack(file string, data []byte) (PortableStack, []Problem) {
	r := &reader{file: file}
	var s PortableStack
	found := 0
	r.documents(data, func(n *yaml.Node) {
		found++
		r.object(n, "the file", keys{"stack": func(n *yaml.Node) { s = r.portable(n) }}, "stack")
	})
	if found != 1 && len(r.problems) == 0 {
		r.fail(Place{1, 1}, "the file doesn't hold one stack", "`fairlead stack export NAME FILE` writes one")
	}
	return s, r.problems
}

func (r *reader) portable(n *yaml.Node) PortableStack {
	var s PortableStack
	r.object(n, "the stack", keys{
		"name": r.name(&s.Name, "name"), "queue": r.name(&s.Queue, "queue"),
		"repository": func(n *yaml.Node) { s.Repository = r.repository(n) },
		"engine":     func(n *yaml.Node) { s.Engine = r.choice(n, "engine", fairlead.Engines()...) },
		"registry": func(n *yaml.Node) {
			s.Registry = &PortableRegistry{}
			r.object(n, "the registry", keys{
				"name": r.name(&s.Registry.Name, "name"), "pattern": func(n *yaml.Node) { s.Registry.Pattern = r.pattern(n) },
			}, "name", "pattern")
		},
	}, "name")
	return s
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}
