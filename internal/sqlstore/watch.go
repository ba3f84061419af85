package sqlstore

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
)

func scanPrevious(r row) (p fairlead.Previous, err error) {
	err = r.Scan(&p.Method, document{&p.Public}, stamp{&p.Expires}, stamp{&p.Replaced}, stamp{&p.Until}, document{&p.Secrets})
	p.Public, p.Secrets = mapOrNil(p.Public), orNil(p.Secrets)
	return p, err
}

// Previous gives what a connector was before its secret was rotated: NotFound if that
// has had its time at now.
func (q reader) Previous(ctx context.Context, org fairlead.OrganizationID, id fairlead.ConnectorID, now time.Time) (fairlead.Previous, error) {
	return one(ctx, q.session, "reading previous secret", "Previous", scanPrevious, org, id, now)
}

// PreviousFields gives the secret fields that it had, by field: nil if there are none.
func (q reader) PreviousFields(ctx context.Context, org fairlead.OrganizationID, id fairlead.ConnectorID, now time.Time) ([]fairlead.SealedField, error) {
	return many(ctx, q.session, "reading previous secret", "PreviousFields", scanSealed, org, id, now)
}

// RotateConnector updates a connector and keeps what it was, unless its time would be
// over at once: NotFound, Conflict (CodeStale).
func (w *writer) RotateConnector(ctx context.Context, c fairlead.Connector, secrets []fairlead.SealedField, until time.Time) error {
	const doing = "rotating connector"
	if err := w.bump(ctx, doing, c.Organization); err != nil {
		return err
	}
	if err := w.run(ctx, doing, "RemovePrevious", c.Organization, c.ID); err != nil {
		return err
	}
	if !until.After(c.Updated) {
		return w.UpdateConnector(ctx, c, secrets)
	}
	if err := w.exactly(ctx, doing, "connector", "KeepPrevious", c.Organization, c.ID, c.Updated, until); err != nil {
		return err
	}
	if err := w.run(ctx, doing, "KeepPreviousFields", c.Organization, c.ID); err != nil {
		return err
	}
	return w.UpdateConnector(ctx, c, secrets)
}

// ResealPrevious replaces ciphertexts of what a connector was: Conflict (CodeStale) if a
// field isn't there any more as it was sealed at its version.
func (w *writer) ResealPrevious(ctx context.Context, org fairlead.OrganizationID, id fairlead.ConnectorID, secrets []fairlead.SealedField) error {
	const doing = "sealing connector"
	if err := w.bump(ctx, doing, org); err != nil {
		return err
	}
	for _, f := range secrets {
		n, err := w.change(ctx, doing, "ResealPreviousField", org, id, f.Field, f.Version, f.Sealed)
		switch {
		case err != nil:
			return err
		case n == 0:
			return w.refuse(stale(doing))
		}
	}
	return nil
}

func scanHealth(r row) (h fairlead.Health, err error) {
	err = r.Scan(&h.Connector, &h.Version, &h.Verdict, &h.State, stamp{&h.Checked}, &h.Why, stamp{&h.Used})
	return h, err
}

// Health reads a connector's: NotFound without the connector.
func (q reader) Health(ctx context.Context, org fairlead.OrganizationID, id fairlead.ConnectorID) (fairlead.Health, error) {
	return one(ctx, q.session, "reading connector", "Health", scanHealth, org, id)
}

// HealthsOf lists those of an organization's connectors, by the connector's
// identifier.
func (q reader) HealthsOf(ctx context.Context, org fairlead.OrganizationID) ([]fairlead.Health, error) {
	return many(ctx, q.session, "reading connectors", "HealthsOf", scanHealth, org)
}

// LockHealth reads a connector's and holds it: NotFound without the connector.
func (w *writer) LockHealth(ctx context.Context, org fairlead.OrganizationID, id fairlead.ConnectorID) (fairlead.Health, error) {
	return one(ctx, w.session, "reading connector", "LockHealth", scanHealth, org, id)
}

// TellHealth stores the state that is told: NotFound without the connector.
func (w *writer) TellHealth(ctx context.Context, org fairlead.OrganizationID, id fairlead.ConnectorID, state fairlead.HealthState) error {
	return w.exactly(ctx, "telling state", "connector", "TellHealth", org, id, state)
}

// HoldEntry gives the versions of an entry and of its connector, and keeps both until
// the write ends: NotFound without the entry; of no connector the version is 0. Every
// change of them holds the organization's row alone.
func (w *writer) HoldEntry(ctx context.Context, org fairlead.OrganizationID, id fairlead.RegistryID) (registry, connector int64, err error) {
	const doing = "reading registry"
	if _, err := value[int64](ctx, w.session, doing, "HoldOrganization", org); err != nil {
		return 0, 0, err
	}
	v, err := one(ctx, w.session, doing, "EntryVersions", func(r row) (v [2]int64, err error) {
		err = r.Scan(&v[0], &v[1])
		return v, err
	}, org, id)
	return v[0], v[1], err
}

// NoteUse notes for whom a connector was used: NotFound without the connector.
func (w *writer) NoteUse(ctx context.Context, u fairlead.ConnectorUse) error {
	return w.run(ctx, "noting use", "NoteUse", u.Organization, u.Connector, u.Project, u.Run, u.At)
}

// UsesOf lists for whom a connector was used since a time, the latest first.
func (q reader) UsesOf(
	ctx context.Context, org fairlead.OrganizationID, id fairlead.ConnectorID, since time.Time, limit int,
) ([]fairlead.ConnectorUse, error) {
	return many(ctx, q.session, "reading uses", "UsesOf", func(r row) (fairlead.ConnectorUse, error) {
		u := fairlead.ConnectorUse{Organization: org, Connector: id}
		err := r.Scan(&u.Project, &u.ProjectName, &u.Run, &u.Number, stamp{&u.At})
		return u, err
	}, org, id, since, limit)
}

// TouchConnector notes that a login was handed out, if none was later already: NotFound.
func (s *Store) TouchConnector(ctx context.Context, org fairlead.OrganizationID, id fairlead.ConnectorID, at time.Time) error {
	return s.touch(ctx, "touching connector", "TouchConnector", org, id, at)
}

// ClaimTrial gives the connector whose trial has been due the longest: NotFound if none
// is due, or the one that was has gone.
func (s *Store) ClaimTrial(ctx context.Context, due, until time.Time) (fairlead.Connector, error) {
	key, err := one(ctx, s.write, "claiming trial", "ClaimTrial", func(r row) (c fairlead.Connector, err error) {
		err = r.Scan(&c.Organization, &c.ID)
		return c, err
	}, due, until)
	if err != nil {
		return fairlead.Connector{}, err
	}
	return s.Connector(ctx, key.Organization, key.ID)
}

// NoteTrial stores what a trial found, unless a later one has.
func (s *Store) NoteTrial(ctx context.Context, org fairlead.OrganizationID, h fairlead.Health, next time.Time) error {
	_, err := s.write.change(ctx, "noting trial", "NoteTrial", org, h.Connector, h.Version, h.Verdict, h.Checked, h.Why, next)
	return err
}

// SweepConnectors removes what connectors were until now, and uses before since.
func (s *Store) SweepConnectors(ctx context.Context, now, since time.Time) error {
	if _, err := s.write.change(ctx, "sweeping connectors", "SweepPrevious", now); err != nil {
		return err
	}
	_, err := s.write.change(ctx, "sweeping connectors", "SweepUses", since)
	return err
}
