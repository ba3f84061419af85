package sqlstore

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
)

func scanConnector(r row) (c fairlead.Connector, err error) {
	err = r.Scan(&c.Organization, &c.ID, &c.Name, &c.Family, &c.Method, document{&c.Public}, &c.Version,
		stamp{&c.Expires}, stamp{&c.Created}, stamp{&c.Updated}, document{&c.Secrets})
	c.Public, c.Secrets = mapOrNil(c.Public), orNil(c.Secrets)
	return c, err
}

func scanSealed(r row) (f fairlead.SealedField, err error) {
	err = r.Scan(&f.Field, &f.Version, &f.Sealed)
	return f, err
}

// Connector reads one of the organization: NotFound.
func (q reader) Connector(ctx context.Context, org fairlead.OrganizationID, id fairlead.ConnectorID) (fairlead.Connector, error) {
	return one(ctx, q.session, "reading connector", "Connector", scanConnector, org, id)
}

// ConnectorByName reads one of the organization: NotFound.
func (q reader) ConnectorByName(ctx context.Context, org fairlead.OrganizationID, name fairlead.Name) (fairlead.Connector, error) {
	return one(ctx, q.session, "reading connector", "ConnectorByName", scanConnector, org, name)
}

// ConnectorsOf lists an organization's, by name.
func (q reader) ConnectorsOf(ctx context.Context, org fairlead.OrganizationID) ([]fairlead.Connector, error) {
	return many(ctx, q.session, "reading connectors", "ConnectorsOf", scanConnector, org)
}

// SealedFields gives a connector's secret fields, by field: NotFound without the
// connector, nil if it has none.
func (q reader) SealedFields(ctx context.Context, org fairlead.OrganizationID, id fairlead.ConnectorID) ([]fairlead.SealedField, error) {
	list, err := many(ctx, q.session, "reading secret fields", "SealedFields", scanSealed, org, id)
	if err == nil && list == nil {
		err = hasConnector(ctx, q.session, "reading secret fields", org, id)
	}
	return list, err
}

func hasConnector(ctx context.Context, q session, doing string, org fairlead.OrganizationID, id fairlead.ConnectorID) error {
	there, err := value[bool](ctx, q, doing, "HasConnector", org, id)
	if err == nil && !there {
		return missing(doing, "connector")
	}
	return err
}

// isNew asks that what is added was not stored before, as far as the caller knows.
func (w *writer) isNew(doing string, version int64) error {
	if version != 0 {
		return w.refuse(stale(doing))
	}
	return nil
}

// AddConnector adds one (of version 0, which becomes 1): NotFound without the
// organization, Conflict if the name is taken.
func (w *writer) AddConnector(ctx context.Context, c fairlead.Connector, secrets []fairlead.SealedField) error {
	const doing = "adding connector"
	if err := w.isNew(doing, c.Version); err != nil {
		return err
	}
	if err := w.bump(ctx, doing, c.Organization); err != nil {
		return err
	}
	err := w.run(ctx, doing, "AddConnector", c.Organization, c.ID, c.Name, c.Family, c.Method,
		document{orEmpty(c.Public)}, when(c.Expires), c.Created, c.Updated)
	if err != nil {
		return err
	}
	if err := w.run(ctx, doing, "AddHealth", c.Organization, c.ID, c.Created); err != nil {
		return err
	}
	return w.addSealed(ctx, doing, c, secrets)
}

func (w *writer) addSealed(ctx context.Context, doing string, c fairlead.Connector, secrets []fairlead.SealedField) error {
	for _, f := range secrets {
		if err := w.run(ctx, doing, "AddSealedField", c.Organization, c.ID, f.Field, f.Version, f.Sealed); err != nil {
			return err
		}
	}
	return nil
}

// UpdateConnector replaces a connector but its date, and all of its secret fields:
// NotFound, Conflict (CodeStale) and Conflict if the name is taken.
func (w *writer) UpdateConnector(ctx context.Context, c fairlead.Connector, secrets []fairlead.SealedField) error {
	const doing = "updating connector"
	if err := w.bump(ctx, doing, c.Organization); err != nil {
		return err
	}
	if err := hasConnector(ctx, w.session, doing, c.Organization, c.ID); err != nil {
		return err
	}
	n, err := w.change(ctx, doing, "UpdateConnector", c.Organization, c.ID, c.Name, c.Family, c.Method,
		document{orEmpty(c.Public)}, when(c.Expires), c.Updated, c.Version)
	switch {
	case err != nil:
		return err
	case n == 0:
		return w.refuse(stale(doing))
	}
	if err := w.run(ctx, doing, "RemoveSealedFields", c.Organization, c.ID); err != nil {
		return err
	}
	if err := w.run(ctx, doing, "DueHealth", c.Organization, c.ID, c.Updated); err != nil {
		return err
	}
	return w.addSealed(ctx, doing, c, secrets)
}

// ResealFields replaces ciphertexts: NotFound without the connector, Conflict
// (CodeStale) if a field isn't there any more as it was sealed at its version.
func (w *writer) ResealFields(ctx context.Context, org fairlead.OrganizationID, id fairlead.ConnectorID, secrets []fairlead.SealedField) error {
	const doing = "sealing connector"
	if err := w.bump(ctx, doing, org); err != nil {
		return err
	}
	if err := hasConnector(ctx, w.session, doing, org, id); err != nil {
		return err
	}
	for _, f := range secrets {
		n, err := w.change(ctx, doing, "ResealField", org, id, f.Field, f.Version, f.Sealed)
		switch {
		case err != nil:
			return err
		case n == 0:
			return w.refuse(stale(doing))
		}
	}
	return nil
}

// ClaimRenewal holds a connector's renewal until a time: NotFound, Conflict (CodeStale),
// and [fairlead.ErrUnchanged] while somebody holds it.
func (w *writer) ClaimRenewal(ctx context.Context, c fairlead.Connector, now, until time.Time) error {
	const doing = "claiming renewal"
	n, err := w.change(ctx, doing, "ClaimRenewal", c.Organization, c.ID, c.Version, now, until)
	if err != nil || n > 0 {
		return err
	}
	if err := hasConnector(ctx, w.session, doing, c.Organization, c.ID); err != nil {
		return err
	}
	same, err := value[bool](ctx, w.session, doing, "HasConnectorVersion", c.Organization, c.ID, c.Version)
	switch {
	case err != nil:
		return err
	case !same:
		return w.refuse(stale(doing))
	}
	return fairlead.ErrUnchanged
}

// RemoveConnector removes one with its secret fields: NotFound, and Conflict
// (CodeInUse) while registries use it, which it names.
func (w *writer) RemoveConnector(ctx context.Context, org fairlead.OrganizationID, id fairlead.ConnectorID) error {
	const doing = "removing connector"
	if err := w.bump(ctx, doing, org); err != nil {
		return err
	}
	if err := w.unused(ctx, doing, registriesUsing(), org, id); err != nil {
		return err
	}
	return w.exactly(ctx, doing, "connector", "RemoveConnector", org, id)
}
