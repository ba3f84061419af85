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
