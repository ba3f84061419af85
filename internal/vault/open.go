package vault

import (
	"context"
	"slices"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/seal"
)

// openTries is how often a connector is read whose keys are replaced meanwhile. A
// rotation takes longer than a reading, so that even one after the other is outrun.
const openTries = 5

// Open records that a connector is opened, for whom and for what, and opens it. The
// asker must have the right to a login in a project of the connector's organization.
// [fairlead.Conflict] (CodeStale) if the connector isn't any more as it is given: what
// its secrets are for now, the old fields don't say.
func (v *Vault) Open(ctx context.Context, a fairlead.Asker, c fairlead.Connector, s fairlead.Scope) (provider.Opened, error) {
	if err := a.May(s.Verb); err != nil {
		return provider.Opened{}, err
	}
	at := a.Project.Place()
	if c.Organization == "" || c.Organization != at.Organization {
		return provider.Opened{}, fairlead.Missing(fairlead.ConnectorOpen)
	}
	err := v.store.Write(ctx, func(context.Context, fairlead.Writer) (fairlead.Event, error) {
		ev := a.Who.Event(fairlead.ConnectorOpen, at, object(c)).
			With("for", s.Resource.String()).With("verb", string(s.Verb))
		ev.Project = a.Project.ID
		return ev, nil
	})
	if err != nil {
		return provider.Opened{}, err
	}
	opened, err := v.read(ctx, c)
	opened.Owner, opened.Project, opened.Run = a.Project.Owner, a.Project.FullName(), a.Run
	return opened, err
}

// read reads a connector's secrets and opens them. Keys and fields are read one after
// the other: if a rotation came between the two, they don't fit, and are read again.
func (v *Vault) read(ctx context.Context, c fairlead.Connector) (provider.Opened, error) {
	for try := 1; ; try++ {
		wrapped, err := v.store.WrappedKeys(ctx, c.Organization)
		if err != nil {
			return provider.Opened{}, err
		}
		opened, err := v.openWith(ctx, wrapped, c)
		if err == nil || fairlead.CodeOf(err) != fairlead.CodeWrongKey || try == openTries {
			return opened, err
		}
		now, e := v.store.WrappedKeys(ctx, c.Organization)
		if e != nil || now.Version == wrapped.Version {
			return provider.Opened{}, err
		}
	}
}

func (v *Vault) openWith(ctx context.Context, wrapped fairlead.WrappedKeys, c fairlead.Connector) (provider.Opened, error) {
	keys, err := v.unwrap(wrapped)
	if err != nil {
		return provider.Opened{}, err
	}
	sealed, err := v.store.SealedFields(ctx, c.Organization, c.ID)
	if err != nil {
		return provider.Opened{}, err
	}
	// Read after the fields: if this is still the version, so were they.
	stored, err := v.store.Connector(ctx, c.Organization, c.ID)
	if err != nil {
		return provider.Opened{}, err
	}
	if stored.Version != c.Version {
		return provider.Opened{}, stale(c)
	}
	opened := provider.Opened{Connector: stored, Secret: map[string]fairlead.Secret{}}
	for _, f := range sealed {
		opened.Secret[f.Field], err = keys.Open(seal.Field{Connector: c.ID, Version: f.Version, Name: f.Field}, f.Sealed)
		if err != nil {
			return provider.Opened{}, err
		}
	}
	if err := v.whole(c, opened); err != nil {
		return provider.Opened{}, err
	}
	return opened, nil
}

// whole refuses a connector of which a secret is gone: an empty login must never go
// out as if it were one. The store lists the fields that are there; which there must
// be, the method says.
func (v *Vault) whole(c fairlead.Connector, o provider.Opened) error {
	p, err := v.providers.Family(c.Family)
	if err != nil {
		return err
	}
	m, err := provider.MethodOf(p.Info(), c.Method)
	if err != nil {
		return err
	}
	needed := slices.Clone(c.Secrets)
	for _, f := range m.Fields {
		if f.Secret && f.Required {
			needed = append(needed, f.Name)
		}
	}
	for _, name := range needed {
		if o.Secret[name].IsZero() {
			return &fairlead.Error{
				Kind: fairlead.Internal, What: "opening connector " + string(c.Name), Why: "its secret field " + name + " is not in the database",
				Remedy: "give it again: `fairlead connector update " + string(c.Name) + "`",
			}
		}
	}
	return nil
}

func stale(c fairlead.Connector) error {
	return &fairlead.Error{
		Kind: fairlead.Conflict, Code: fairlead.CodeStale, What: "opening connector " + string(c.Name),
		Why: "it was changed meanwhile", Remedy: "ask again",
	}
}
