package control

import (
	"context"

	"fairlead.dev/fairlead"
)

// Reachable lists the organizations that the caller has to do with: a user's, or the one
// of a worker.
func (c *Control) Reachable(ctx context.Context, who fairlead.Caller) ([]fairlead.Organization, error) {
	ids := who.Organizations()
	if who.Kind == fairlead.WorkerSubject && who.Only != "" {
		ids = append(ids, who.Only)
	}
	var list []fairlead.Organization
	for _, id := range ids {
		o, err := c.store.Organization(ctx, id)
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

// RegistryByID finds an entry by its identifier in whichever of the caller's organizations
// it is, for an act on it. Its organization is given also with [fairlead.Denied].
func (c *Control) RegistryByID(
	ctx context.Context, who fairlead.Caller, id fairlead.RegistryID, a fairlead.Action,
) (fairlead.Organization, fairlead.Registry, error) {
	reachable, err := c.Reachable(ctx, who)
	if err != nil {
		return fairlead.Organization{}, fairlead.Registry{}, err
	}
	for _, o := range reachable {
		list, err := c.store.RegistriesOf(ctx, o.ID)
		if err != nil {
			return fairlead.Organization{}, fairlead.Registry{}, err
		}
		for _, r := range list {
			switch err := who.May(a, fairlead.Place{Organization: o.ID}); {
			case r.ID == id && err != nil:
				return o, fairlead.Registry{}, err
			case r.ID == id:
				return o, r, nil
			}
		}
	}
	return fairlead.Organization{}, fairlead.Registry{}, fairlead.Missing(a)
}

// ConnectorOf gives the connector of an entry, and how many entries use it.
func (c *Control) ConnectorOf(ctx context.Context, r fairlead.Registry) (connector fairlead.Connector, users int, err error) {
	connector, err = c.store.Connector(ctx, r.Organization, r.Connector)
	if err != nil {
		return connector, 0, err
	}
	list, err := c.store.RegistriesOf(ctx, r.Organization)
	for _, other := range list {
		if other.Connector == r.Connector {
			users++
		}
	}
	return connector, users, err
}
