package sqlstore

import (
	"context"
	"fmt"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/pattern"
)

func scanRegistry(r row) (g fairlead.Registry, err error) {
	var text string
	err = r.Scan(&g.Organization, &g.ID, &g.Name, &text, &g.Connector, &g.ConnectorName,
		&g.Disclosure, &g.Push, &g.PlainHTTP, &g.CABundle, &g.Version, stamp{&g.Created}, stamp{&g.Updated})
	if err != nil {
		return g, err
	}
	if g.Pattern, err = pattern.Parse(text); err != nil {
		return g, fmt.Errorf("the pattern of registry %s can't be read: %v", g.ID, err) // not %w: the caller's pattern isn't wrong
	}
	return g, nil
}

// RegistryByName reads one of the organization: NotFound.
func (q reader) RegistryByName(ctx context.Context, org fairlead.OrganizationID, name fairlead.Name) (fairlead.Registry, error) {
	return one(ctx, q.session, "reading registry", "RegistryByName", scanRegistry, org, name)
}

// RegistriesOf lists an organization's, by name.
func (q reader) RegistriesOf(ctx context.Context, org fairlead.OrganizationID) ([]fairlead.Registry, error) {
	return many(ctx, q.session, "reading registries", "RegistriesOf", scanRegistry, org)
}

// AddRegistry adds one (of version 0, which becomes 1): NotFound without the
// organization or its connector, Conflict if the name or the pattern is taken.
func (w *writer) AddRegistry(ctx context.Context, g fairlead.Registry) error {
	const doing = "adding registry"
	if err := w.isNew(doing, g.Version); err != nil {
		return err
	}
	if err := w.bump(ctx, doing, g.Organization); err != nil {
		return err
	}
	if err := w.checkRegistry(ctx, doing, g); err != nil {
		return err
	}
	return w.run(ctx, doing, "AddRegistry", g.Organization, g.ID, g.Name, indexed(g.Pattern.String()), optional(g.Connector),
		g.Disclosure, g.Push, g.PlainHTTP, g.CABundle, g.Created, g.Updated)
}

// UpdateRegistry replaces one but its date: NotFound without it or its connector,
// Conflict (CodeStale), and Conflict if the name or the pattern is taken.
func (w *writer) UpdateRegistry(ctx context.Context, g fairlead.Registry) error {
	const doing = "updating registry"
	if err := w.bump(ctx, doing, g.Organization); err != nil {
		return err
	}
	there, err := value[bool](ctx, w.session, doing, "HasRegistry", g.Organization, g.ID)
	switch {
	case err != nil:
		return err
	case !there:
		return missing(doing, "registry")
	}
	if err := w.checkRegistry(ctx, doing, g); err != nil {
		return err
	}
	n, err := w.change(ctx, doing, "UpdateRegistry", g.Organization, g.ID, g.Name, indexed(g.Pattern.String()), optional(g.Connector),
		g.Disclosure, g.Push, g.PlainHTTP, g.CABundle, g.Updated, g.Version)
	if err == nil && n == 0 {
		return w.refuse(stale(doing))
	}
	return err
}

// checkRegistry asks that the connector is the organization's, and that no other
// registry has the pattern: the database would refuse both, but can't say so well.
func (w *writer) checkRegistry(ctx context.Context, doing string, g fairlead.Registry) error {
	if g.Connector != "" {
		if err := hasConnector(ctx, w.session, doing, g.Organization, g.Connector); err != nil {
			return err
		}
	}
	other, err := value[string](ctx, w.session, doing, "RegistryWithPattern", g.Organization, g.Pattern.String(), g.ID)
	switch {
	case isMissing(err):
		return nil
	case err != nil:
		return err
	}
	e := conflict(doing, "", "the registry "+other+" has the pattern "+g.Pattern.String()+" already", "change that one, or use another pattern")
	e.Field = "pattern"
	return w.refuse(e)
}

// RemoveRegistry removes one of the organization: NotFound, and Conflict (CodeInUse)
// while stacks push to it, which it names.
func (w *writer) RemoveRegistry(ctx context.Context, org fairlead.OrganizationID, id fairlead.RegistryID) error {
	const doing = "removing registry"
	if err := w.bump(ctx, doing, org); err != nil {
		return err
	}
	if err := w.unused(ctx, doing, stacksUsing(), org, id); err != nil {
		return err
	}
	return w.exactly(ctx, doing, "registry", "RemoveRegistry", org, id)
}
