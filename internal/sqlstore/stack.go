package sqlstore

import (
	"context"

	"fairlead.dev/fairlead"
)

func scanStack(r row) (s fairlead.Stack, err error) {
	err = r.Scan(&s.Organization, &s.ID, &s.Name, &s.Registry, &s.RegistryName, &s.Repository, &s.Engine, &s.Queue,
		&s.Version, stamp{&s.Created}, stamp{&s.Updated})
	return s, err
}

// StackByName reads one of the organization: NotFound.
func (q reader) StackByName(ctx context.Context, org fairlead.OrganizationID, name fairlead.Name) (fairlead.Stack, error) {
	return one(ctx, q.session, "reading stack", "StackByName", scanStack, org, name)
}

// StacksOf lists an organization's, by name.
func (q reader) StacksOf(ctx context.Context, org fairlead.OrganizationID) ([]fairlead.Stack, error) {
	return many(ctx, q.session, "reading stacks", "StacksOf", scanStack, org)
}

// AddStack adds one (of version 0, which becomes 1): NotFound without the organization
// or its registry, Conflict if the name is taken.
func (w *writer) AddStack(ctx context.Context, s fairlead.Stack) error {
	const doing = "adding stack"
	if err := w.isNew(doing, s.Version); err != nil {
		return err
	}
	if err := w.bump(ctx, doing, s.Organization); err != nil {
		return err
	}
	if err := w.hasRegistry(ctx, doing, s); err != nil {
		return err
	}
	return w.run(ctx, doing, "AddStack", s.Organization, s.ID, s.Name, optional(s.Registry), s.Repository, s.Engine, s.Queue, s.Created, s.Updated)
}

// UpdateStack replaces one but its date: NotFound without it or its registry, Conflict
// (CodeStale), and Conflict if the name is taken.
func (w *writer) UpdateStack(ctx context.Context, s fairlead.Stack) error {
	const doing = "updating stack"
	if err := w.bump(ctx, doing, s.Organization); err != nil {
		return err
	}
	if err := w.hasStack(ctx, doing, s.Organization, s.ID); err != nil {
		return err
	}
	if err := w.hasRegistry(ctx, doing, s); err != nil {
		return err
	}
	n, err := w.change(ctx, doing, "UpdateStack", s.Organization, s.ID, s.Name, optional(s.Registry), s.Repository, s.Engine, s.Queue, s.Updated, s.Version)
	if err == nil && n == 0 {
		return w.refuse(stale(doing))
	}
	return err
}

// hasRegistry asks that the stack's registry, if it has one, is the organization's.
func (w *writer) hasRegistry(ctx context.Context, doing string, s fairlead.Stack) error {
	if s.Registry == "" {
		return nil
	}
	there, err := value[bool](ctx, w.session, doing, "HasRegistry", s.Organization, s.Registry)
	if err == nil && !there {
		return missing(doing, "registry")
	}
	return err
}

func (w *writer) hasStack(ctx context.Context, doing string, org fairlead.OrganizationID, id fairlead.StackID) error {
	there, err := value[bool](ctx, w.session, doing, "HasStack", org, id)
	if err == nil && !there {
		return missing(doing, "stack")
	}
	return err
}

// RemoveStack removes one of the organization: NotFound, and Conflict (CodeInUse) while
// projects use it, which it names.
func (w *writer) RemoveStack(ctx context.Context, org fairlead.OrganizationID, id fairlead.StackID) error {
	const doing = "removing stack"
	if err := w.bump(ctx, doing, org); err != nil {
		return err
	}
	if err := w.unused(ctx, doing, projectsUsing(), org, id); err != nil {
		return err
	}
	return w.exactly(ctx, doing, "stack", "RemoveStack", org, id)
}

// SetProjectStack makes a stack the project's active one, or with "" none: NotFound
// without the project, or if the stack isn't of the organization that owns it.
func (w *writer) SetProjectStack(ctx context.Context, project fairlead.ProjectID, id fairlead.StackID) error {
	const doing = "setting the project's stack"
	l, err := w.lockProject(ctx, "reading project", project)
	if err != nil {
		return err
	}
	if err := w.enter(ctx, doing, l); err != nil {
		return err
	}
	if id == "" {
		return w.run(ctx, doing, "UnsetProjectStack", project)
	}
	if err := w.hasStack(ctx, doing, l.organization(), id); err != nil {
		return err
	}
	return w.run(ctx, doing, "SetProjectStack", project, l.id, id)
}
