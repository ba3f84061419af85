package control

import (
	"context"

	"fairlead.dev/fairlead"
)

// Connectors lists an organization's, by name. Their secrets stay where they are.
func (c *Control) Connectors(ctx context.Context, who fairlead.Caller, org fairlead.Name) ([]fairlead.Connector, error) {
	o, err := c.Organization(ctx, who, org, fairlead.ConnectorRead)
	if err != nil {
		return nil, err
	}
	return c.store.ConnectorsOf(ctx, o.ID)
}

// Connector shows one, and the registry entries that use it.
func (c *Control) Connector(ctx context.Context, who fairlead.Caller, org, name fairlead.Name) (fairlead.Connector, []fairlead.Name, error) {
	o, err := c.Organization(ctx, who, org, fairlead.ConnectorRead)
	if err != nil {
		return fairlead.Connector{}, nil, err
	}
	found, err := c.connector(ctx, o, name)
	if err != nil {
		return fairlead.Connector{}, nil, err
	}
	registries, err := c.store.RegistriesOf(ctx, o.ID)
	var usedBy []fairlead.Name
	for _, r := range registries {
		if r.Connector == found.ID {
			usedBy = append(usedBy, r.Name)
		}
	}
	return found, usedBy, err
}

// ConnectorFor finds one for an act on it, with its organization.
func (c *Control) ConnectorFor(
	ctx context.Context, who fairlead.Caller, org, name fairlead.Name, a fairlead.Action,
) (fairlead.Organization, fairlead.Connector, error) {
	o, err := c.Organization(ctx, who, org, a)
	if err != nil {
		return o, fairlead.Connector{}, err
	}
	found, err := c.connector(ctx, o, name)
	return o, found, err
}

// ConnectorsFor finds the one of the name, or with an empty name all, for an act on them.
func (c *Control) ConnectorsFor(
	ctx context.Context, who fairlead.Caller, org, name fairlead.Name, a fairlead.Action,
) (fairlead.Organization, []fairlead.Connector, error) {
	if name != "" {
		o, one, err := c.ConnectorFor(ctx, who, org, name, a)
		return o, []fairlead.Connector{one}, err
	}
	o, err := c.Organization(ctx, who, org, a)
	if err != nil {
		return o, nil, err
	}
	all, err := c.store.ConnectorsOf(ctx, o.ID)
	return o, all, err
}
