package sqlstore

import (
	"context"

	"fairlead.dev/fairlead"
)

// What can own a project.
const (
	organizationOwner = "organization"
	userOwner         = "user"
)

func scanOrganization(r row) (o fairlead.Organization, err error) {
	err = r.Scan(&o.ID, &o.Name, &o.ForbidPersonal, stamp{&o.Created})
	return o, err
}

// Organization reads one: NotFound.
func (q reader) Organization(ctx context.Context, id fairlead.OrganizationID) (fairlead.Organization, error) {
	return one(ctx, q.session, "reading organization", "Organization", scanOrganization, id)
}

// OrganizationByName reads one: NotFound.
func (q reader) OrganizationByName(ctx context.Context, name fairlead.Name) (fairlead.Organization, error) {
	return one(ctx, q.session, "reading organization", "OrganizationByName", scanOrganization, name)
}

// Revision counts the changes: NotFound.
func (q reader) Revision(ctx context.Context, id fairlead.OrganizationID) (int64, error) {
	return value[int64](ctx, q.session, "reading organization", "Revision", id)
}

// AddOrganization adds one: Conflict if the name is taken.
func (w *writer) AddOrganization(ctx context.Context, o fairlead.Organization) error {
	const doing = "adding organization"
	if err := w.run(ctx, doing, "AddOwner", o.ID, o.Name, organizationOwner); err != nil {
		return err
	}
	return w.run(ctx, doing, "AddOrganization", o.ID, o.ForbidPersonal, o.Created)
}

// UpdateOrganization changes all but the identifier and the date: NotFound, and
// Conflict if the name is taken.
func (w *writer) UpdateOrganization(ctx context.Context, o fairlead.Organization) error {
	const doing = "updating organization"
	if err := w.exactly(ctx, doing, "organization", "UpdateOrganization", o.ID, o.ForbidPersonal); err != nil {
		return err
	}
	return w.run(ctx, doing, "RenameOwner", o.ID, o.Name)
}

func scanKeys(r row) (k fairlead.WrappedKeys, err error) {
	err = r.Scan(&k.Organization, &k.KEK, &k.Wrapped, &k.Version)
	return k, err
}

// WrappedKeys reads an organization's: NotFound.
func (q reader) WrappedKeys(ctx context.Context, org fairlead.OrganizationID) (fairlead.WrappedKeys, error) {
	return one(ctx, q.session, "reading keyset", "WrappedKeys", scanKeys, org)
}

// AllWrappedKeys lists every organization's, by organization.
func (q reader) AllWrappedKeys(ctx context.Context) ([]fairlead.WrappedKeys, error) {
	return many(ctx, q.session, "reading keyset", "AllWrappedKeys", scanKeys)
}

// LockKeys reads an organization's, and keeps others from reading them so, and from
// changing them, until the write ends, even if there are none yet: NotFound.
func (w *writer) LockKeys(ctx context.Context, org fairlead.OrganizationID) (fairlead.WrappedKeys, error) {
	if err := w.lock(ctx, "locking keyset", org); err != nil {
		return fairlead.WrappedKeys{}, err
	}
	return w.WrappedKeys(ctx, org)
}

func (w *writer) lock(ctx context.Context, doing string, org fairlead.OrganizationID) error {
	_, err := value[int64](ctx, w.session, doing, "LockOrganization", org)
	if isMissing(err) {
		return missing(doing, "organization")
	}
	return err
}

// PutWrappedKeys adds (version 0) or replaces: Conflict (CodeStale) if another version
// is stored, NotFound without the organization.
func (w *writer) PutWrappedKeys(ctx context.Context, k fairlead.WrappedKeys) error {
	const doing = "storing keyset"
	if err := w.lock(ctx, doing, k.Organization); err != nil {
		return err
	}
	name, args := "UpdateWrappedKeys", []any{k.Organization, k.KEK, k.Wrapped, k.Version}
	if k.Version == 0 {
		name, args = "AddWrappedKeys", args[:3]
	}
	n, err := w.change(ctx, doing, name, args...)
	if err == nil && n == 0 {
		return w.refuse(stale(doing))
	}
	return err
}
