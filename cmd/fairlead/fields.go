package main

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/wire"
)

// fieldFlags are the flags of all the fields that any provider's method has: --NAME
// for a public one, --NAME-file for a secret. A secret is never an argument, which
// every user of the machine can see.
type fieldFlags struct {
	app       *app
	providers provider.Set
	values    map[string]*string // by flag
	secret    map[string]bool    // by flag
	family    string
	method    string
	expires   string
}

func (a *app) addFieldFlags(c *cobra.Command) *fieldFlags {
	f := a.addFlagsOf(c, func(fairlead.Field) bool { return true })
	c.Flags().StringVar(&f.method, "method", "", "authentication method (default: the family's only one, or chosen by the fields that are given)")
	c.Flags().StringVar(&f.expires, "expires", "", "when the account's secret ends, as 2006-01-02 or RFC 3339; \"never\" takes the date away")
	return f
}

// addPublicFlags leaves the secrets out, for commands that need none.
func (a *app) addPublicFlags(c *cobra.Command) *fieldFlags {
	f := a.addFlagsOf(c, func(field fairlead.Field) bool { return !field.Secret })
	c.Flags().StringVar(&f.method, "method", "", "authentication method (default: the family's only one)")
	return f
}

func (a *app) addFlagsOf(c *cobra.Command, wanted func(fairlead.Field) bool) *fieldFlags {
	f := &fieldFlags{app: a, providers: server.Providers(provider.Tools{}), values: map[string]*string{}, secret: map[string]bool{}}
	for _, info := range f.providers.Infos() {
		for _, m := range info.Methods {
			for _, field := range m.Fields {
				if wanted(field) {
					f.add(c, field)
				}
			}
		}
	}
	return f
}

// public gives the public fields that were given, by their names.
func (f *fieldFlags) public() map[string]string {
	given := map[string]string{}
	for name, v := range f.values {
		if *v != "" {
			given[strings.ReplaceAll(name, "-", "_")] = *v
		}
	}
	return given
}

// addFamilyFlag is for commands that make a connector.
func (f *fieldFlags) addFamilyFlag(c *cobra.Command) {
	c.Flags().StringVar(&f.family, "family", "", "family of the registry: "+strings.Join(f.familyNames(), ", ")+" (default: by the host)")
}

func (f *fieldFlags) familyNames() []string {
	var names []string
	for _, info := range f.providers.Infos() {
		names = append(names, string(info.Family))
	}
	return names
}

func (f *fieldFlags) add(c *cobra.Command, field fairlead.Field) {
	name := flagName(field)
	if f.values[name] != nil {
		return // another family or method has it too
	}
	help := field.Title
	if field.Secret {
		help += ": file that holds it, - for standard input"
	}
	if len(field.Choices) > 0 {
		help += ": " + strings.Join(field.Choices, " or ")
	}
	f.secret[name] = field.Secret
	f.values[name] = c.Flags().String(name, "", help)
}

func flagName(field fairlead.Field) string {
	name := strings.ReplaceAll(field.Name, "_", "-")
	if field.Secret {
		name += "-file"
	}
	return name
}

// any reports whether a field was given.
func (f *fieldFlags) any() bool {
	for _, v := range f.values {
		if *v != "" {
			return true
		}
	}
	return false
}

// connector reads the fields of a new connector for the host: from the flags, and what
// is required beside them from the terminal.
func (f *fieldFlags) connector(host string, asked bool) (*wire.ConnectorFields, error) {
	family := fairlead.Family(f.family)
	if family == "" {
		family = f.providers.Owner(host)
	}
	p, err := f.providers.Family(family)
	if err != nil {
		return nil, err
	}
	m, err := f.chooseMethod(p.Info())
	if err != nil {
		return nil, err
	}
	out := &wire.ConnectorFields{Family: family, Method: m.Name, Public: map[string]string{}, Secrets: map[string]wire.Clear{}}
	if host != "" {
		for _, field := range m.Fields {
			if field.Binds && field.Required {
				out.Public[field.Name] = host
			}
		}
	}
	if asked {
		if err := f.askNeeded(p, m, out.Public); err != nil {
			return nil, err
		}
	}
	if err := f.read(m, out.Public, out.Secrets, asked); err != nil {
		return nil, err
	}
	if at, err := f.expiry(); err != nil {
		return nil, err
	} else if at != nil {
		out.Expires = *at
	}
	return out, f.leftOver(m)
}

// chooseMethod takes the method that was named, or the first one that has all the fields
// that were given. Where a secret is among them, it is the first that wants nothing
// beside them: who gives an AWS key means the key, and not a role that it may take on.
func (f *fieldFlags) chooseMethod(info fairlead.ProviderInfo) (fairlead.Method, error) {
	if f.method != "" {
		return provider.MethodOf(info, f.method)
	}
	var fitting []fairlead.Method
	for _, m := range info.Methods {
		if f.leftOver(m) == nil {
			fitting = append(fitting, m)
		}
	}
	if len(fitting) == 0 {
		return fairlead.Method{}, f.leftOver(info.Methods[0])
	}
	if i := slices.IndexFunc(fitting, f.complete); i >= 0 && f.secretGiven() {
		return fitting[i], nil
	}
	return fitting[0], nil
}

// complete reports whether nothing is missing that the method needs from people.
func (f *fieldFlags) complete(m fairlead.Method) bool {
	return !slices.ContainsFunc(m.Fields, func(field fairlead.Field) bool {
		return field.Required && !field.Generated && !field.Binds && *f.values[flagName(field)] == ""
	})
}

func (f *fieldFlags) secretGiven() bool {
	for name, v := range f.values {
		if *v != "" && f.secret[name] {
			return true
		}
	}
	return false
}

// leftOver says which given field the method doesn't have.
func (f *fieldFlags) leftOver(m fairlead.Method) error {
	var names []string
	for _, field := range m.Fields {
		names = append(names, flagName(field))
	}
	for name, v := range f.values {
		if *v != "" && !slices.Contains(names, name) {
			return usage("method %s has no --%s: it takes --%s", m.Name, name, strings.Join(names, ", --"))
		}
	}
	return nil
}

// read fills in the fields that were given; if asked, it asks for the required ones
// that weren't.
func (f *fieldFlags) read(m fairlead.Method, public map[string]string, secrets map[string]wire.Clear, asked bool) error {
	for _, field := range m.Fields {
		given := *f.values[flagName(field)]
		missing := given == "" && asked && field.Required && !field.Generated && public[field.Name] == ""
		switch {
		case field.Secret && given != "":
			s, err := f.app.readSecret(given, field.Name)
			if err != nil {
				return err
			}
			secrets[field.Name] = wire.Clear{Secret: s}
		case given != "":
			public[field.Name] = given
		case missing && !f.app.inTerminal:
			return usage("give --%s (%s)", flagName(field), field.Title)
		case missing && field.Secret:
			s, err := f.app.askSecret(field.Title)
			if err != nil {
				return err
			}
			secrets[field.Name] = wire.Clear{Secret: s}
		case missing:
			if field.Help != "" {
				f.app.hint("%s", field.Help)
			}
			line, err := f.app.ask(field.Title, "")
			if err != nil {
				return err
			}
			public[field.Name] = line
		}
	}
	return nil
}

// askNeeded asks a person for a public field that isn't required by its description, and
// that the family misses all the same beside what was given.
func (f *fieldFlags) askNeeded(p provider.Provider, m fairlead.Method, public map[string]string) error {
	if !f.app.inTerminal {
		return nil
	}
	so := f.public()
	maps.Copy(so, public)
	e, wrong := errors.AsType[*fairlead.Error](p.Check(m.Name, so))
	if !wrong || so[e.Field] != "" {
		return nil
	}
	for _, field := range m.Fields {
		if field.Name != e.Field || field.Secret || field.Required {
			continue
		}
		if field.Help != "" {
			f.app.hint("%s", field.Help)
		}
		line, err := f.app.ask(field.Title, "")
		public[field.Name] = line
		return err
	}
	return nil
}

// changes reads the fields that were given, for a method that the connector has.
func (f *fieldFlags) changes(c fairlead.Connector) (public map[string]string, secrets map[string]wire.Clear, err error) {
	p, err := f.providers.Family(c.Family)
	if err != nil {
		return nil, nil, err
	}
	method := c.Method
	if f.method != "" {
		method = f.method
	}
	m, err := provider.MethodOf(p.Info(), method)
	if err != nil {
		return nil, nil, err
	}
	public, secrets = map[string]string{}, map[string]wire.Clear{}
	if err := f.read(m, public, secrets, false); err != nil {
		return nil, nil, err
	}
	return public, secrets, f.leftOver(m)
}

// expiry reads --expires: nil if it wasn't given, the zero time for never.
func (f *fieldFlags) expiry() (*time.Time, error) {
	switch f.expires {
	case "":
		return nil, nil //nolint:nilnil // Nothing was asked for, and that is no error.
	case "never":
		return &time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, f.expires); err == nil {
			return &t, nil
		}
	}
	return nil, usage("--expires %q is not a date: write it like 2027-01-31, 2027-01-31T12:00:00Z, or never", f.expires)
}

// describeFields says which fields of a connector are set, for people.
func describeFields(c fairlead.Connector) string {
	var list []string
	for name, value := range c.Public {
		list = append(list, name+"="+value)
	}
	for _, name := range c.Secrets {
		list = append(list, name+"="+fairlead.Redacted)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
