package provider

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"fairlead.dev/fairlead"
)

// MaxField is the greatest length of a field's value, in bytes. Key files and tokens
// stay far below it.
const MaxField = 64 << 10

// Given is a set of field values, as somebody gave them.
type Given struct {
	Public map[string]string
	Secret map[string]fairlead.Secret
	// Kept names the secret fields that are set already and stay as they are.
	Kept []string
}

func (g Given) has(name string) bool {
	return g.Public[name] != "" || !g.Secret[name].IsZero() || slices.Contains(g.Kept, name)
}

// MethodOf finds a method by its name; an empty name takes the only one.
// [fairlead.Invalid] if there is none.
func MethodOf(info fairlead.ProviderInfo, name string) (fairlead.Method, error) {
	if name == "" && len(info.Methods) == 1 {
		return info.Methods[0], nil
	}
	var names []string
	for _, m := range info.Methods {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	why := "there is no method " + quoted(name)
	if name == "" {
		why = "there are several"
	}
	return fairlead.Method{}, &fairlead.Error{
		Kind: fairlead.Invalid, Field: "method", What: "choosing authentication method of " + string(info.Family), Why: why,
		Remedy: "use one of " + list(names),
	}
}

// Check compares values with a method's fields: nothing unknown, nothing required left
// out, nothing beside what forbids it, no secret among the public fields.
// [fairlead.Invalid], with the field.
func Check(m fairlead.Method, g Given) error {
	if err := unknown(m, g); err != nil {
		return err
	}
	for _, f := range m.Fields {
		if err := checkField(m, f, g); err != nil {
			return err
		}
	}
	return nil
}

func unknown(m fairlead.Method, g Given) error {
	fields := map[string]fairlead.Field{}
	var names []string
	for _, f := range m.Fields {
		fields[f.Name] = f
		names = append(names, f.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(g.Public)) {
		switch f, ok := fields[name]; {
		case !ok:
			return invalid(m, name, "it has no field "+quoted(name), "use "+list(names))
		case f.Secret:
			return invalid(m, name, "field "+f.Name+" is a secret and came as a public field", "send it among the secrets")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g.Secret)) {
		switch f, ok := fields[name]; {
		case !ok:
			return invalid(m, name, "it has no field "+quoted(name), "use "+list(names))
		case !f.Secret:
			return invalid(m, name, "field "+f.Name+" is not a secret and came as one", "send it among the public fields")
		}
	}
	return nil
}

func checkField(m fairlead.Method, f fairlead.Field, g Given) error {
	if !g.has(f.Name) {
		if f.Required {
			return invalid(m, f.Name, strings.ToLower(f.Title)+" is missing", "give "+flag(f))
		}
		return nil
	}
	for _, other := range f.With {
		if !g.has(other) {
			return invalid(m, other, f.Name+" needs "+other+" beside it", "give both or neither")
		}
	}
	for _, other := range f.Without {
		if g.has(other) {
			return invalid(m, other, f.Name+" and "+other+" exclude each other", "give one of them")
		}
	}
	text := g.Public[f.Name]
	switch {
	case f.Kind == fairlead.ChoiceField && !slices.Contains(f.Choices, text):
		return invalid(m, f.Name, quoted(text)+" is not one of the choices", "use one of "+list(f.Choices))
	case len(text) > MaxField || g.Secret[f.Name].Len() > MaxField:
		return invalid(m, f.Name, fmt.Sprintf("%s is longer than %d KiB", f.Name, MaxField>>10), "check that it is what you meant to give")
	case fairlead.LooksOwn(g.Secret[f.Name]):
		return invalid(m, f.Name, f.Name+" is a token of Fairlead itself, and would be sent to the registry", "give the registry's own; that of Fairlead goes with --api-token-file")
	case strings.ContainsAny(text, "\x00\r\n"):
		return invalid(m, f.Name, f.Name+" holds a line break", "give it on one line")
	}
	return nil
}

func flag(f fairlead.Field) string {
	name := "--" + strings.ReplaceAll(f.Name, "_", "-")
	if f.Secret {
		return name + "-file (a file, or - for standard input)"
	}
	return name
}

func invalid(m fairlead.Method, field, why, remedy string) error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Field: field, What: "checking the fields of method " + m.Name, Why: why, Remedy: remedy,
	}
}

func quoted(s string) string { return strconv.Quote(fairlead.Clip(s)) }

func list(names []string) string { return strings.Join(names, ", ") }
