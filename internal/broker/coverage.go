package broker

import (
	"context"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// Coverage gives the entry of an organization that opens an image, without opening it.
// It asks for no right: what is done with it does.
func (b *Broker) Coverage(ctx context.Context, org fairlead.OrganizationID, i ref.Image) (fairlead.Coverage, error) {
	table, err := b.entries.of(ctx, org)
	if err != nil {
		return fairlead.Coverage{}, err
	}
	e, ok := table.find(i)
	if !ok {
		return fairlead.Coverage{}, nil
	}
	return fairlead.Coverage{
		Registry: e.ID, RegistryVersion: e.Version, Connector: e.connector.ID, ConnectorVersion: e.connector.Version,
		Name: e.Name, ConnectorName: e.connector.Name, PlainHTTP: e.PlainHTTP,
	}, nil
}

// HostOf gives the host of an organization's entry with that name; false if there is no
// such entry, or if it is for many hosts.
func (b *Broker) HostOf(ctx context.Context, org fairlead.OrganizationID, name fairlead.Name) (string, bool, error) {
	table, err := b.entries.of(ctx, org)
	if err != nil {
		return "", false, err
	}
	for _, e := range table.entries {
		if e.Name == name {
			return e.Pattern.Host(), e.Pattern.HostIsLiteral(), nil
		}
	}
	return "", false, nil
}
