package control

import (
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/pattern"
)

// RegistryDraft is a registry entry that is to be.
type RegistryDraft struct {
	// Name is made from the pattern if it is empty.
	Name fairlead.Name
	// Pattern may be an address as people paste it.
	Pattern string
	// Connector names one that is there; NewConnector makes one with the entry, of the
	// entry's name and, unless it says otherwise, of the family that owns the host.
	// Neither: the entry is anonymous.
	Connector    fairlead.Name
	NewConnector *provider.Draft
	Disclosure   fairlead.Disclosure // "" is scoped
	Push         bool
	PlainHTTP    bool
	CABundle     string
	// Trial is of the login that comes with the entry; nil takes it untried.
	Trial Trial
}

// Trial tries a login that is saved with a registry entry: watch.
type Trial interface {
	// Try is asked before anything is saved; its error speaks against that.
	Try(ctx context.Context, o fairlead.Organization, opened provider.Opened, entry fairlead.Registry) error
	// Saved is told that the login was saved.
	Saved(ctx context.Context, c fairlead.Connector) error
}

// RegistryChange is what is to be different; what isn't set stays.
type RegistryChange struct {
	Name       fairlead.Name
	Pattern    string
	Connector  *fairlead.Name // empty makes the entry anonymous
	Disclosure fairlead.Disclosure
	Push       *bool
	PlainHTTP  *bool
	CABundle   *string
	// Given changes the entry's connector in the same act.
	Given   provider.Given
	Trial   Trial // of it; nil takes it untried
	Version int64 // 0 takes any
}

// SavedRegistry is an entry as it was saved, and notes for whoever saved it.
type SavedRegistry struct {
	fairlead.Registry
	Notes []string
}

// Registries lists an organization's entries, by name.
func (c *Control) Registries(ctx context.Context, who fairlead.Caller, org fairlead.Name) ([]fairlead.Registry, error) {
	o, err := c.Organization(ctx, who, org, fairlead.RegistryRead)
	if err != nil {
		return nil, err
	}
	return c.store.RegistriesOf(ctx, o.ID)
}

// Registry shows one entry.
func (c *Control) Registry(
	ctx context.Context, who fairlead.Caller, org, name fairlead.Name, a fairlead.Action,
) (fairlead.Organization, fairlead.Registry, error) {
	o, err := c.Organization(ctx, who, org, a)
	if err != nil {
		return o, fairlead.Registry{}, err
	}
	r, err := c.store.RegistryByName(ctx, o.ID, name)
	if fairlead.KindOf(err) == fairlead.NotFound {
		err = missing("registry", name, a)
	}
	return o, r, err
}

// AddRegistry adds an entry, with a connector of its own in the same write if the
// draft has one. [fairlead.Invalid] with the field, [fairlead.Conflict] for a name or
// pattern that the organization has already.
func (c *Control) AddRegistry(ctx context.Context, who fairlead.Caller, org fairlead.Name, d RegistryDraft) (SavedRegistry, error) {
	none := func(err error) (SavedRegistry, error) { return SavedRegistry{}, err }
	o, err := c.Organization(ctx, who, org, fairlead.RegistryAdd)
	if err != nil {
		return none(err)
	}
	r, notes, err := c.newRegistry(o.ID, d)
	if err != nil {
		return none(err)
	}
	if r.Name == "" {
		if r.Name, err = c.nameFor(ctx, o, r.Pattern); err != nil {
			return none(err)
		}
	}
	if _, err := c.store.RegistryByName(ctx, o.ID, r.Name); err == nil {
		return none(&fairlead.Error{
			Kind: fairlead.Conflict, Field: "name", What: "adding registry", Why: fmt.Sprintf("there is a registry %s already", r.Name),
			Remedy: fmt.Sprintf("change it: `fairlead registry update %s`, or choose another name", r.Name),
		})
	}
	var connector fairlead.Connector
	switch {
	case d.Connector != "" && d.NewConnector != nil:
		return none(&fairlead.Error{
			Kind: fairlead.Invalid, Field: "connector", What: "adding registry", Why: "it names a connector and describes a new one", Remedy: "give one of the two",
		})
	case d.Connector != "":
		connector, err = c.connector(ctx, o, d.Connector)
	case d.NewConnector != nil:
		connector, err = c.draftConnector(ctx, who, o, r, d.NewConnector)
	}
	if err != nil {
		return none(err)
	}
	r.Connector, r.ConnectorName = connector.ID, connector.Name
	if err := c.fits(r, connector); err != nil {
		return none(err)
	}
	if d.NewConnector == nil {
		d.Trial = nil
	}
	if d.Trial != nil {
		if err := c.free(ctx, r); err != nil {
			return none(err)
		}
		if err := d.Trial.Try(ctx, o, provider.Opened{Connector: connector, Secret: maps.Clone(d.NewConnector.Given.Secret)}, r); err != nil {
			return none(err)
		}
	}
	err = c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		ev := registryEvent(who, fairlead.RegistryAdd, r)
		if d.NewConnector != nil {
			if err := c.vault.Add(ctx, w, connector, d.NewConnector.Given); err != nil {
				return fairlead.Event{}, err
			}
			ev = ev.With(withConnector, string(connector.Name))
		}
		return ev, w.AddRegistry(ctx, r)
	})
	if err != nil {
		return none(err)
	}
	r.Version++
	return SavedRegistry{r, notes}, tried(ctx, d.Trial, connector)
}

// free reports a pattern that another entry has, before anything is tried for it.
func (c *Control) free(ctx context.Context, r fairlead.Registry) error {
	all, err := c.store.RegistriesOf(ctx, r.Organization)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Pattern == r.Pattern && other.ID != r.ID {
			return &fairlead.Error{
				Kind: fairlead.Conflict, Field: "pattern", What: "saving registry " + string(r.Name), Why: "the registry " + string(other.Name) + " has the pattern " + r.Pattern.String() + " already",
				Remedy: "change that one, or use another pattern",
			}
		}
	}
	return nil
}

// tried tells a trial that its connector has been saved, as its next version.
func tried(ctx context.Context, t Trial, c fairlead.Connector) error {
	if t == nil {
		return nil
	}
	c.Version++
	return t.Saved(ctx, c)
}

func (c *Control) newRegistry(org fairlead.OrganizationID, d RegistryDraft) (fairlead.Registry, []string, error) {
	p, notes, err := c.readPattern(d.Pattern)
	if err != nil {
		return fairlead.Registry{}, nil, err
	}
	id, err := newID()
	if err != nil {
		return fairlead.Registry{}, nil, err
	}
	if d.Disclosure == "" {
		d.Disclosure = fairlead.Scoped
	}
	now := c.now()
	return fairlead.Registry{
		ID: fairlead.RegistryID(id), Organization: org, Name: d.Name, Pattern: p, Disclosure: d.Disclosure,
		Push: d.Push, PlainHTTP: d.PlainHTTP, CABundle: d.CABundle, Created: now, Updated: now,
	}, notes, nil
}

// nameFor makes a name of a pattern: its last literal segment, or the host's first label,
// with a number if that is taken.
func (c *Control) nameFor(ctx context.Context, o fairlead.Organization, p pattern.Pattern) (fairlead.Name, error) {
	host, path, _ := strings.Cut(p.String(), "/")
	path, _, _ = strings.Cut(path, ":")
	base, _, _ := strings.Cut(host, ".")
	for part := range strings.SplitSeq(path, "/") {
		if part != "" && !strings.Contains(part, "*") {
			base = part
		}
	}
	base = strings.Trim(strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return '-'
	}, base), "-")
	for n := 1; n < 1000; n++ {
		text := strings.TrimRight(base[:min(len(base), 40)], "-")
		if n > 1 {
			text = fmt.Sprintf("%s-%d", text, n)
		}
		name, err := fairlead.ParseName("name", text)
		if err != nil {
			return "", err
		}
		_, err = c.store.RegistryByName(ctx, o.ID, name)
		switch {
		case fairlead.KindOf(err) == fairlead.NotFound:
			return name, nil
		case err != nil:
			return "", err
		}
	}
	return "", &fairlead.Error{Kind: fairlead.Conflict, Field: "name", What: "naming registry", Why: "there are too many of the name " + base, Remedy: "give a name"}
}

// draftConnector fills in what the entry tells of its new connector.
func (c *Control) draftConnector(
	ctx context.Context, who fairlead.Caller, o fairlead.Organization, r fairlead.Registry, d *provider.Draft,
) (fairlead.Connector, error) {
	if err := who.May(fairlead.ConnectorRegister, fairlead.Place{Organization: o.ID}); err != nil {
		return fairlead.Connector{}, err
	}
	if d.Name == "" {
		d.Name = r.Name
	}
	if d.Family == "" {
		d.Family = c.providers.Owner(r.Pattern.Host())
	}
	if err := c.bind(r, d); err != nil {
		return fairlead.Connector{}, err
	}
	if _, err := c.store.ConnectorByName(ctx, o.ID, d.Name); err == nil {
		return fairlead.Connector{}, &fairlead.Error{
			Kind: fairlead.Conflict, Field: "name", What: "adding registry", Why: fmt.Sprintf("there is a connector %s already", d.Name),
			Remedy: fmt.Sprintf("use it with --connector %s, or choose another name", d.Name),
		}
	}
	made, err := c.vault.Prepare(o.ID, *d)
	return made.Connector, err
}

// bind gives a field that says where the secrets may go the entry's own host.
func (c *Control) bind(r fairlead.Registry, d *provider.Draft) error {
	p, err := c.providers.Family(d.Family)
	if err != nil {
		return err
	}
	m, err := provider.MethodOf(p.Info(), d.Method)
	if err != nil {
		return err
	}
	d.Method = m.Name
	for _, f := range m.Fields {
		if f.Binds && f.Required && d.Given.Public[f.Name] == "" {
			public := map[string]string{}
			maps.Copy(public, d.Given.Public)
			public[f.Name] = r.Pattern.Host()
			d.Given.Public = public
		}
	}
	return nil
}

// fits checks what an entry says of its host and its connector.
func (c *Control) fits(r fairlead.Registry, connector fairlead.Connector) error {
	invalid := func(field, why, remedy string) error {
		return &fairlead.Error{Kind: fairlead.Invalid, Field: field, What: "saving registry " + string(r.Name), Why: why, Remedy: remedy}
	}
	switch {
	case r.PlainHTTP && !r.Pattern.HostIsLiteral():
		return invalid("plain_http", "plain http is allowed for one host, and "+r.Pattern.Host()+" names many", "write the host without *")
	case r.Disclosure != fairlead.Scoped && r.Disclosure != fairlead.StoredSecret:
		return invalid("disclosure", "there is no disclosure "+fairlead.Clip(string(r.Disclosure)), "use scoped or secret")
	case r.CABundle != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(r.CABundle)):
		return invalid("ca_bundle", "there is no PEM certificate in it", "give the CA's certificates in PEM form (-----BEGIN CERTIFICATE-----)")
	case r.Push && connector.ID == "":
		return invalid("push", "nobody pushes without a login, and the entry has no connector", "give it a connector, or leave --push out (--push=false)")
	case connector.ID == "":
		return nil
	}
	p, err := c.providers.Family(connector.Family)
	if err != nil {
		return err
	}
	if owner := c.providers.Owner(r.Pattern.Host()); owner != connector.Family && owner != "docker" {
		return invalid("connector", fmt.Sprintf("%s is of family %s, and connector %s of %s", r.Pattern.Host(), owner, connector.Name, connector.Family),
			"use a connector of family "+string(owner))
	}
	return p.Accepts(connector, r.Pattern.Host())
}

func (c *Control) connector(ctx context.Context, o fairlead.Organization, name fairlead.Name) (fairlead.Connector, error) {
	found, err := c.store.ConnectorByName(ctx, o.ID, name)
	if fairlead.KindOf(err) == fairlead.NotFound {
		return found, missing("connector", name, fairlead.ConnectorRead)
	}
	return found, err
}

// RemoveRegistry removes an entry; andConnector removes its connector too, if no
// other entry uses it ([fairlead.Conflict], CodeInUse).
func (c *Control) RemoveRegistry(ctx context.Context, who fairlead.Caller, org, name fairlead.Name, andConnector bool) error {
	o, r, err := c.Registry(ctx, who, org, name, fairlead.RegistryRemove)
	if err != nil {
		return err
	}
	if andConnector {
		if err := who.May(fairlead.ConnectorDelete, fairlead.Place{Organization: o.ID}); err != nil {
			return err
		}
	}
	return c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		ev := registryEvent(who, fairlead.RegistryRemove, r)
		if err := w.RemoveRegistry(ctx, o.ID, r.ID); err != nil {
			return ev, err
		}
		if andConnector && r.Connector != "" {
			return ev.With(withConnector, string(r.ConnectorName)), w.RemoveConnector(ctx, o.ID, r.Connector)
		}
		return ev, nil
	})
}

// withConnector is the detail of an event in which the entry's connector was made,
// changed or removed with it.
const withConnector = "with_connector"

func registryEvent(who fairlead.Caller, a fairlead.Action, r fairlead.Registry) fairlead.Event {
	ev := who.Event(a, fairlead.Place{Organization: r.Organization}, fairlead.Object{Kind: "registry", ID: string(r.ID), Name: string(r.Name)}).
		With("pattern", r.Pattern.String())
	if r.Connector != "" {
		ev = ev.With("connector", string(r.ConnectorName))
	}
	if r.Disclosure != fairlead.Scoped {
		ev = ev.With("disclosure", string(r.Disclosure))
	}
	if r.Push {
		ev = ev.With("push", "true")
	}
	if r.PlainHTTP {
		ev = ev.With("plain_http", "true")
	}
	return ev
}

// readPattern reads a pattern, or an address as people paste it, and gives notes on that.
func (c *Control) readPattern(s string) (pattern.Pattern, []string, error) {
	text, notes, err := c.providers.Read(s)
	if err != nil {
		return pattern.Pattern{}, nil, err
	}
	p, err := pattern.Parse(text)
	if err != nil {
		return pattern.Pattern{}, nil, fairlead.Misread("pattern", err)
	}
	return p, notes, nil
}
