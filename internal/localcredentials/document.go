package localcredentials

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"fairlead.dev/fairlead"
)

// Document is a connector as somebody wrote it down: YAML or JSON.
type Document struct {
	Name   string            `yaml:"name"`
	Family fairlead.Family   `yaml:"family"`
	Method string            `yaml:"method"`
	Fields map[string]string `yaml:"fields"`
	// Secrets are values, or say where they are.
	Secrets map[string]SecretSource `yaml:"secrets"`
	Expires string                  `yaml:"expires"`
}

// SecretSource is a secret's value, or a file or variable that holds it.
type SecretSource struct {
	value    string
	fromFile string
	fromEnv  string
}

// UnmarshalYAML reads a text, or a map with one of fromFile and fromEnv.
func (s *SecretSource) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		s.value = n.Value
		return nil
	}
	var from map[string]string
	if n.Kind != yaml.MappingNode || n.Decode(&from) != nil {
		return errSecretForm
	}
	s.fromFile, s.fromEnv = from["fromFile"], from["fromEnv"]
	if len(from) != 1 || s.fromFile == "" && s.fromEnv == "" {
		return errSecretForm
	}
	return nil
}

var errSecretForm = errors.New("it is neither a text nor a map with fromFile or fromEnv")

const documentForm = "write family, method, fields and secrets: `fairlead connector types FAMILY` lists the fields; a secret is its text, {fromFile: PATH} or {fromEnv: NAME}"

// ReadDocument reads one document. [fairlead.Invalid] says what is wrong; nothing of a
// value is quoted.
func ReadDocument(name string, b []byte) (Document, error) {
	bad := func(why string) error {
		return &fairlead.Error{Kind: fairlead.Invalid, What: "reading " + name, Why: why, Remedy: documentForm}
	}
	var root yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(trim(b)))
	if err := in.Decode(&root); err != nil {
		return Document{}, bad("it is neither a connector's description nor a file of a vendor that is known")
	}
	if err := in.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Document{}, bad("there is more than one document in it")
	}
	if len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		return Document{}, bad("it is neither a connector's description nor a file of a vendor that is known")
	}
	d, err := documentOf(root.Content[0])
	if err != nil {
		return Document{}, bad(err.Error())
	}
	if d.Family == "" {
		return Document{}, bad("it names no family")
	}
	return d, nil
}

// documentOf reads the map's keys one by one, so that what is wrong can be said without
// quoting it, as the decoder would.
func documentOf(m *yaml.Node) (d Document, err error) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, value := m.Content[i].Value, m.Content[i+1]
		into, known := map[string]any{
			"name": &d.Name, "family": &d.Family, "method": &d.Method, "fields": &d.Fields, "secrets": &d.Secrets, "expires": &d.Expires,
		}[key]
		switch {
		case !known:
			return d, fmt.Errorf("line %d: there is no key %q", m.Content[i].Line, fairlead.Clip(key))
		case seen[key]:
			return d, fmt.Errorf("line %d: %s is there twice", m.Content[i].Line, key)
		case value.Decode(into) != nil && key == "secrets":
			return d, fmt.Errorf("line %d: a secret is neither a text nor a map with fromFile or fromEnv", value.Line)
		case value.Decode(into) != nil:
			return d, fmt.Errorf("line %d: %s is of the wrong form", value.Line, key)
		}
		seen[key] = true
	}
	return d, nil
}

// Literal reports whether a secret's value stands in the document itself.
func (d Document) Literal() bool {
	for _, s := range d.Secrets {
		if s.value != "" {
			return true
		}
	}
	return false
}

// Found is the connector that it describes, with its secrets read: files are named from
// dir.
func (d Document) Found(m Machine, name, dir string) (Found, error) {
	f := Found{Source: "description", Where: name, Family: d.Family, Method: d.Method, Public: d.Fields, Secrets: map[string]fairlead.Secret{}}
	for _, field := range slices.Sorted(maps.Keys(d.Secrets)) {
		s, err := d.Secrets[field].open(m, dir)
		if err != nil {
			return f, &fairlead.Error{Kind: fairlead.Invalid, Field: field, What: "reading " + name, Why: "secret " + fairlead.Clip(field) + ": " + err.Error(), Remedy: documentForm}
		}
		f.Secrets[field] = s
	}
	if d.Expires == "" || d.Expires == "never" {
		return f, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, d.Expires); err == nil {
			f.Expires = t
			return f, nil
		}
	}
	return f, &fairlead.Error{Kind: fairlead.Invalid, Field: "expires", What: "reading " + name, Why: "expires is not a date", Remedy: "write it like 2027-01-31, 2027-01-31T12:00:00Z, or never"}
}

func (s SecretSource) open(m Machine, dir string) (fairlead.Secret, error) {
	switch {
	case s.value != "":
		return fairlead.SecretText(s.value), nil
	case s.fromEnv != "":
		if v := m.Env(s.fromEnv); v != "" {
			return fairlead.SecretText(v), nil
		}
		return fairlead.Secret{}, errors.New("the variable " + fairlead.Clip(s.fromEnv) + " is not set")
	}
	if s.fromFile == "" {
		return fairlead.Secret{}, errors.New("it is empty") // a null doesn't come by UnmarshalYAML
	}
	path := m.expand(s.fromFile)
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	got, err := read(path)
	if err != nil {
		return fairlead.Secret{}, errors.New(path + " can't be read: " + err.Error())
	}
	if len(got.text) == 0 {
		return fairlead.Secret{}, errors.New(path + " is empty")
	}
	return fairlead.NewSecret(got.text), nil
}
