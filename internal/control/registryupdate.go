package control

import (
	"context"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// UpdateRegistry changes an entry, and its connector's fields in the same write if the
// change gives some. Secrets that aren't given are kept.
func (c *Control) UpdateRegistry(ctx context.Context, who fairlead.Caller, org, name fairlead.Name, ch RegistryChange) (SavedRegistry, error) {
	none := func(err error) (SavedRegistry, error) { return SavedRegistry{}, err }
	o, old, err := c.Registry(ctx, who, org, name, fairlead.RegistryUpdate)
	if err != nil {
		return none(err)
	}
	if ch.Version != 0 && ch.Version != old.Version {
		return none(&fairlead.Error{
			Kind: fairlead.Conflict, Code: fairlead.CodeStale, What: "updating registry " + string(name), Why: "it was changed meanwhile",
			Remedy: "look at it again, then repeat the change",
		})
	}
	r, notes, err := c.changed(old, ch)
	if err != nil {
		return none(err)
	}
	connector, change, err := c.revisedConnector(ctx, who, o, &r, ch)
	if err != nil {
		return none(err)
	}
	if err := c.fits(r, connector); err != nil {
		return none(err)
	}
	if err := c.stillPushed(ctx, r); err != nil {
		return none(err)
	}
	if !change {
		ch.Trial = nil
	}
	if ch.Trial != nil {
		if err := c.try(ctx, who, o, connector, r, ch); err != nil {
			return none(err)
		}
	}
	err = c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		ev := registryEvent(who, fairlead.RegistryUpdate, r)
		if old.Connector != "" && old.Connector != r.Connector {
			ev = ev.With("connector_before", string(old.ConnectorName))
		}
		if change {
			if err := c.vault.Replace(ctx, w, connector, ch.Given); err != nil {
				return fairlead.Event{}, err
			}
			ev = ev.With(withConnector, string(connector.Name))
		}
		return ev, w.UpdateRegistry(ctx, r)
	})
	if err != nil {
		return none(err)
	}
	r.Version++
	return SavedRegistry{r, notes}, tried(ctx, ch.Trial, connector)
}

// try tries the changed connector on the changed entry, as both would be.
func (c *Control) try(ctx context.Context, who fairlead.Caller, o fairlead.Organization, revised fairlead.Connector, r fairlead.Registry, ch RegistryChange) error {
	old, err := c.store.Connector(ctx, o.ID, revised.ID)
	if err != nil {
		return err
	}
	opened, err := c.vault.Revised(ctx, who, old, revised, ch.Given)
	if err != nil {
		return err
	}
	return ch.Trial.Try(ctx, o, opened, r)
}

// revisedConnector gives the connector that the changed entry has, and whether it is
// changed with it. A host that is new to the entry is new to its connector too: the
// vault lets it see the secret only if the secret is given with it.
func (c *Control) revisedConnector(
	ctx context.Context, who fairlead.Caller, o fairlead.Organization, r *fairlead.Registry, ch RegistryChange,
) (fairlead.Connector, bool, error) {
	if ch.Connector != nil {
		r.Connector, r.ConnectorName = "", ""
		if *ch.Connector != "" {
			other, err := c.connector(ctx, o, *ch.Connector)
			if err != nil {
				return fairlead.Connector{}, false, err
			}
			r.Connector, r.ConnectorName = other.ID, other.Name
		}
	}
	gives := len(ch.Given.Public) > 0 || len(ch.Given.Secret) > 0
	if r.Connector == "" {
		if gives {
			return fairlead.Connector{}, false, &fairlead.Error{
				Kind: fairlead.Invalid, Field: "connector", What: "updating registry " + string(r.Name), Why: "it has no connector, so there is no login to change",
				Remedy: "name a connector with --connector, or remove the entry and add it with a login",
			}
		}
		return fairlead.Connector{}, false, nil
	}
	connector, err := c.store.Connector(ctx, o.ID, r.Connector)
	if err != nil || !gives {
		return connector, false, err
	}
	if err := who.May(fairlead.ConnectorUpdate, fairlead.Place{Organization: o.ID}); err != nil {
		return connector, false, err
	}
	revised, err := c.vault.Revise(connector, provider.Change{Given: ch.Given})
	return revised.Connector, true, err
}

// changed lays a change over an entry, and gives notes on how its pattern was read.
func (c *Control) changed(r fairlead.Registry, ch RegistryChange) (fairlead.Registry, []string, error) {
	var notes []string
	if ch.Name != "" {
		r.Name = ch.Name
	}
	if ch.Pattern != "" {
		p, read, err := c.readPattern(ch.Pattern)
		if err != nil {
			return r, nil, err
		}
		r.Pattern, notes = p, read
	}
	if ch.Disclosure != "" {
		r.Disclosure = ch.Disclosure
	}
	if ch.Push != nil {
		r.Push = *ch.Push
	}
	if ch.PlainHTTP != nil {
		r.PlainHTTP = *ch.PlainHTTP
	}
	if ch.CABundle != nil {
		r.CABundle = *ch.CABundle
	}
	r.Updated = c.now()
	return r, notes, nil
}
