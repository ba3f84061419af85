// Package manifest is an organization as a file: it reads what an organization is to be,
// finds what has to change for it to be that, and writes what it is now in the same form.
// It asks nobody for anything and holds no secret: a file says where one is to be found.
package manifest

import (
	"fmt"

	"fairlead.dev/fairlead"
)

// Manifest is what an organization is to be. What stands in several documents of a file
// is one.
type Manifest struct {
	Organization *Organization `yaml:"organization,omitempty"`
	Connectors   []Connector   `yaml:"connectors,omitempty"`
	Registries   []Registry    `yaml:"registries,omitempty"`
	Stacks       []Stack       `yaml:"stacks,omitempty"`
	Projects     []Project     `yaml:"projects,omitempty"`
	// Has says which kinds the file has, be it with nothing in them.
	Has map[Kind]bool `yaml:"-"`
}

// Kind is a sort of thing that a file can have.
type Kind string

// The kinds, in the order in which each needs only those before it.
const (
	OrganizationKind Kind = "organization"
	ConnectorKind    Kind = "connector"
	RegistryKind     Kind = "registry"
	StackKind        Kind = "stack"
	ProjectKind      Kind = "project"
)

// Place is where something stands in the file, both from 1.
type Place struct{ Line, Column int }

// Organization is the organization's own settings. What isn't set stays as it is.
type Organization struct {
	Name           fairlead.Name `yaml:"name,omitempty"`
	ForbidPersonal *bool         `yaml:"forbidPersonalProjects,omitempty"`
	At             Place         `yaml:"-"`
}

// Project is a project of the organization.
type Project struct {
	Name  fairlead.Name `yaml:"name"`
	Stack fairlead.Name `yaml:"stack,omitempty"`
	At    Place         `yaml:"-"`
}

// Connector is a connector, but for its secrets: of each, only where it is found.
type Connector struct {
	Name    fairlead.Name     `yaml:"name"`
	Family  fairlead.Family   `yaml:"family"`
	Method  string            `yaml:"method,omitempty"`
	Expires string            `yaml:"expires,omitempty"`
	Fields  map[string]string `yaml:"fields,omitempty"`
	Secrets map[string]Source `yaml:"secrets,omitempty"`
	At      Place             `yaml:"-"`
	// fieldAt is where each field stands.
	fieldAt map[string]Place
}

// Source is where a secret is found: in a file, or in an environment variable.
type Source struct {
	File string `yaml:"fromFile,omitempty"`
	Env  string `yaml:"fromEnv,omitempty"`
}

// String says it for people.
func (s Source) String() string {
	if s.Env != "" {
		return "environment variable " + s.Env
	}
	return "file " + s.File
}

// Registry is a registry entry.
type Registry struct {
	Name       fairlead.Name       `yaml:"name"`
	Pattern    string              `yaml:"pattern"`
	Connector  fairlead.Name       `yaml:"connector,omitempty"`
	Disclosure fairlead.Disclosure `yaml:"disclosure,omitempty"`
	Push       bool                `yaml:"push,omitempty"`
	PlainHTTP  bool                `yaml:"plainHTTP,omitempty"`
	CABundle   string              `yaml:"caBundle,omitempty"`
	At         Place               `yaml:"-"`
}

// Stack is a stack.
type Stack struct {
	Name       fairlead.Name `yaml:"name"`
	Registry   fairlead.Name `yaml:"registry,omitempty"`
	Repository string        `yaml:"repository,omitempty"`
	Engine     string        `yaml:"engine,omitempty"`
	Queue      fairlead.Name `yaml:"queue,omitempty"`
	At         Place         `yaml:"-"`
}

// Problem is one thing that is wrong in a file.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// String is "file:line:column: text: remedy", the form that editors know how to jump to.
func (p Problem) String() string {
	s := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
	if p.Remedy != "" {
		s += ": " + p.Remedy
	}
	return s
}
