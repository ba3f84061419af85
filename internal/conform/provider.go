package conform

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

const providerCanary = "c4nary-secret-value"

// Provider holds a family to what [provider.Provider] says, and to what is drawn from its
// description: flags, prompts, forms, checks. open gives for each method a connector that
// is good, with its secrets, and a host that it may open.
func Provider(t *testing.T, p provider.Provider, open func(method string) (o provider.Opened, host string)) {
	t.Helper()
	Description(t, p)
	for _, m := range p.Info().Methods {
		o, host := open(m.Name)
		t.Run("Checks of "+m.Name, func(t *testing.T) {
			t.Parallel()
			testChecks(t, p, m, o)
		})
		t.Run("Hosts of "+m.Name, func(t *testing.T) {
			t.Parallel()
			testHosts(t, p, m, o, host)
		})
		if m.Keyless {
			continue // To log in is to ask others: the family's own tests do.
		}
		t.Run("Login by "+m.Name, func(t *testing.T) {
			t.Parallel()
			testLogin(t, p, o, host)
		})
	}
}

// Description holds how a family describes itself to what is drawn from it.
func Description(t *testing.T, p provider.Provider) {
	t.Helper()
	info := p.Info()
	t.Run("Description", func(t *testing.T) {
		t.Parallel()
		testDescription(t, info)
	})
	for _, m := range info.Methods {
		t.Run("Method "+m.Name, func(t *testing.T) {
			t.Parallel()
			testMethod(t, m)
		})
	}
}

// Providers holds a set of families to what they must be together.
func Providers(t *testing.T, s provider.Set) {
	t.Helper()
	seen := map[fairlead.Family]bool{}
	for _, p := range s {
		info := p.Info()
		if seen[info.Family] {
			t.Errorf("family %s is there twice", info.Family)
		}
		seen[info.Family] = true
		for _, host := range info.Hosts {
			if strings.ContainsAny(host, "*<") {
				continue // a form of many
			}
			var owners []fairlead.Family
			for _, q := range s {
				if q.Owns(host) {
					owners = append(owners, q.Info().Family)
				}
			}
			if !slices.Equal(owners, []fairlead.Family{info.Family}) || s.Owner(host) != info.Family {
				t.Errorf("%s of family %s is owned by %v", host, info.Family, owners)
			}
		}
	}
	if !seen[s.Owner("registry.example.com")] {
		t.Errorf("no family has what nobody owns")
	}
	_, err := s.Family("no-such-family")
	refusedField(t, "a family that isn't", err, "family")
}

func words() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9]*([_-][a-z0-9]+)*$`) }

func testDescription(t *testing.T, info fairlead.ProviderInfo) {
	t.Helper()
	if !words().MatchString(string(info.Family)) || info.Title == "" || info.Help == "" || info.Hosts == nil || len(info.Methods) == 0 {
		t.Errorf("it describes itself as %+v", info)
	}
	var names []string
	for _, m := range info.Methods {
		if slices.Contains(names, m.Name) {
			t.Errorf("method %s is there twice", m.Name)
		}
		names = append(names, m.Name)
	}
	for _, name := range append(names, "") {
		m, err := provider.MethodOf(info, name)
		if name == "" && len(names) > 1 {
			refusedField(t, "no method of several", err, "method")
		} else if err != nil || name != "" && m.Name != name {
			t.Errorf("method %q is %q, %v", name, m.Name, err)
		}
	}
	_, err := provider.MethodOf(info, "no-such-method")
	refusedField(t, "a method that isn't", err, "method")
}

func testMethod(t *testing.T, m fairlead.Method) {
	t.Helper()
	if !words().MatchString(m.Name) || m.Title == "" || m.Help == "" {
		t.Errorf("method %+v", m)
	}
	fields := map[string]fairlead.Field{}
	for _, f := range m.Fields {
		if _, twice := fields[f.Name]; twice {
			t.Errorf("field %s is there twice", f.Name)
		}
		fields[f.Name] = f
	}
	secrets := 0
	for _, f := range m.Fields {
		if f.Secret {
			secrets++
		}
		testField(t, f, fields)
	}
	// A login without a secret is none, unless somebody else vouches.
	if secrets == 0 && !m.Keyless {
		t.Error("no field is a secret, and it isn't keyless")
	}
	for _, f := range m.Fields {
		if m.Keyless && f.Secret && f.Required {
			t.Errorf("it is keyless, and needs the secret %s", f.Name)
		}
	}
}

func testField(t *testing.T, f fairlead.Field, fields map[string]fairlead.Field) {
	t.Helper()
	if !words().MatchString(f.Name) || f.Title == "" || strings.HasSuffix(f.Help, " ") {
		t.Errorf("field %+v", f)
	}
	// Flags are made of names: --name, and --name-file for a secret.
	for other := range fields {
		if other == f.Name+"_file" || other == f.Name+"-file" {
			t.Errorf("the flags of %s and %s are the same", f.Name, other)
		}
	}
	switch f.Kind {
	case fairlead.TextField:
		if len(f.Choices) > 0 {
			t.Errorf("text %s has choices", f.Name)
		}
	case fairlead.ChoiceField:
		if len(f.Choices) < 2 || f.Secret {
			t.Errorf("choice %s has the choices %v, secret %v", f.Name, f.Choices, f.Secret)
		}
	default:
		t.Errorf("field %s is of kind %q", f.Name, f.Kind)
	}
	if looksSecret := regexp.MustCompile(`password|token$|secret|(^|private_)key$`).MatchString(f.Name); looksSecret != f.Secret {
		t.Errorf("field %s: secret %v", f.Name, f.Secret)
	}
	if f.Binds && f.Secret {
		t.Errorf("field %s is a secret and says where secrets may go", f.Name)
	}
	for _, other := range append(slices.Clone(f.With), f.Without...) {
		o, there := fields[other]
		if !there || other == f.Name {
			t.Errorf("field %s refers to %s", f.Name, other)
		}
		if slices.Contains(f.Without, other) && (slices.Contains(f.With, other) || f.Required && o.Required || slices.Contains(o.With, f.Name)) {
			t.Errorf("fields %s and %s can't be given together, and must", f.Name, other)
		}
		if slices.Contains(f.Without, other) && !slices.Contains(o.Without, f.Name) {
			t.Errorf("field %s excludes %s, and not the other way round", f.Name, other)
		}
	}
}

func given(o provider.Opened) provider.Given {
	g := provider.Given{Public: map[string]string{}, Secret: map[string]fairlead.Secret{}}
	maps.Copy(g.Public, o.Public)
	maps.Copy(g.Secret, o.Secret)
	return g
}

// testChecks spoils a good set of fields in every way that the description forbids.
func testChecks(t *testing.T, p provider.Provider, m fairlead.Method, o provider.Opened) {
	t.Helper()
	if err := provider.Check(m, given(o)); err != nil {
		t.Errorf("good fields: %v", err)
	}
	if err := p.Check(m.Name, o.Public); err != nil {
		t.Errorf("good fields: %v", err)
	}
	check := func(what, field string, change func(g provider.Given)) {
		t.Helper()
		g := given(o)
		change(g)
		refusedField(t, what, provider.Check(m, g), field)
	}
	check("a field that isn't", "no_such_field", func(g provider.Given) { g.Public["no_such_field"] = providerCanary })
	check("a secret that isn't", "no_such_field", func(g provider.Given) { g.Secret["no_such_field"] = fairlead.SecretText(providerCanary) })
	for _, f := range m.Fields {
		if f.Required {
			check("without "+f.Name, f.Name, func(g provider.Given) { delete(g.Public, f.Name); delete(g.Secret, f.Name) })
		}
		if f.Secret {
			check(f.Name+" in the open", f.Name, func(g provider.Given) { delete(g.Secret, f.Name); g.Public[f.Name] = providerCanary })
			check(f.Name+" too long", f.Name, func(g provider.Given) {
				g.Secret[f.Name] = fairlead.SecretText(strings.Repeat("x", provider.MaxField+1))
			})
			kept := given(o)
			delete(kept.Secret, f.Name)
			kept.Kept = []string{f.Name}
			if err := provider.Check(m, kept); err != nil {
				t.Errorf("%s is kept: %v", f.Name, err)
			}
			continue
		}
		check(f.Name+" as a secret", f.Name, func(g provider.Given) {
			delete(g.Public, f.Name)
			g.Secret[f.Name] = fairlead.SecretText(providerCanary)
		})
		check(f.Name+" of two lines", f.Name, func(g provider.Given) { g.Public[f.Name] = "a\nb" })
		check(f.Name+" too long", f.Name, func(g provider.Given) { g.Public[f.Name] = strings.Repeat("x", provider.MaxField+1) })
		if f.Kind == fairlead.ChoiceField {
			check(f.Name+" is no choice", f.Name, func(g provider.Given) { g.Public[f.Name] = "no-such-choice" })
		}
	}
}

// testHosts opens the host that the connector is for, and no other: also not one that
// looks like it.
func testHosts(t *testing.T, p provider.Provider, m fairlead.Method, o provider.Opened, host string) {
	t.Helper()
	if err := p.Accepts(o.Connector, host); err != nil {
		t.Errorf("%s: %v", host, err)
	}
	for _, other := range []string{"evil.example.net", host + ".evil.example.net", "evil-" + host, host + ":8443", "*", "*.example.net", "", "127.0.0.1", "169.254.169.254"} {
		refusedField(t, "opening "+other, p.Accepts(o.Connector, other), "")
	}
	// Whoever changes where a secret may go has to give it again; a family that says
	// nothing of it has hosts of its own.
	binds := slices.ContainsFunc(m.Fields, func(f fairlead.Field) bool { return f.Binds })
	if !binds && len(p.Info().Hosts) == 0 {
		t.Error("nothing says where the secrets may go")
	}
}

func testLogin(t *testing.T, p provider.Provider, o provider.Opened, host string) {
	t.Helper()
	s := fairlead.Scope{Verb: fairlead.Pull}
	s.Resource.Host, s.Resource.Repository = host, "team/app"
	l, err := p.Login(t.Context(), o, s)
	if err != nil {
		t.Fatal(err)
	}
	proofs := 0
	for _, secret := range []fairlead.Secret{l.Password, l.Identity, l.Bearer} {
		if !secret.IsZero() {
			proofs++
		}
		for _, stored := range o.Secret {
			if !secret.IsZero() && secret.Equal(stored) && !l.Stored {
				t.Error("the stored secret is given as if it were a narrow one")
			}
		}
	}
	if proofs != 1 || l.Password.IsZero() != (l.Username == "") {
		t.Errorf("a login with %d proofs, username %q", proofs, l.Username)
	}
	if end := o.Expires; !end.IsZero() && (l.Expires.IsZero() || l.Expires.After(end)) {
		t.Errorf("a login until %s of a connector until %s", l.Expires, end)
	}
}

// refusedField checks that an error says which input is wrong, why and what to do, and
// shows no secret.
func refusedField(t *testing.T, what string, err error, field string) {
	t.Helper()
	e := fairlead.AsError("", err)
	if err == nil || e.Kind != fairlead.Invalid || e.Field == "" || field != "" && e.Field != field || e.What == "" || e.Why == "" || e.Remedy == "" {
		t.Errorf("%s: %+v", what, e)
	}
	if err != nil && (strings.Contains(e.Error()+e.Remedy, providerCanary) || len(e.Error()) > 1000) {
		t.Errorf("%s: the error shows too much: %.300s", what, e)
	}
}
