package control

import (
	"context"
	"fmt"

	"fairlead.dev/fairlead"
)

// Project finds a project by its owner's and its own name, for a caller who may do a
// in it. Every other caller is told [fairlead.NotFound], whether it is there or not.
func (c *Control) Project(ctx context.Context, who fairlead.Caller, owner, name fairlead.Name, a fairlead.Action) (fairlead.Project, error) {
	p, err := c.store.ProjectByName(ctx, owner, name)
	if err == nil {
		err = who.May(a, p.Place())
	}
	if fairlead.KindOf(err) == fairlead.NotFound {
		return fairlead.Project{}, missing("project", owner+"/"+name, a)
	}
	return p, err
}

// Projects lists those that the caller may see, by full name.
func (c *Control) Projects(ctx context.Context, who fairlead.Caller) ([]fairlead.Project, error) {
	if who.Kind != fairlead.UserSubject {
		return nil, nil
	}
	user := fairlead.UserID(who.ID)
	if who.Only != "" {
		user = ""
	}
	return c.store.ProjectsOf(ctx, who.Organizations(), user)
}

// owner is who can own a project.
type owner struct {
	organization fairlead.OrganizationID
	user         fairlead.UserID
	name         fairlead.Name
}

func (o owner) place() fairlead.Place {
	return fairlead.Place{Organization: o.organization, Owner: o.user}
}

// ownerNamed finds the organization of that name, or the caller if it is theirs, in
// which the caller may do a.
func (c *Control) ownerNamed(ctx context.Context, who fairlead.Caller, name fairlead.Name, a fairlead.Action) (owner, error) {
	if who.Kind == fairlead.UserSubject && string(name) == who.Name {
		o := owner{user: fairlead.UserID(who.ID), name: name}
		if err := who.May(a, o.place()); err != nil {
			return owner{}, err
		}
		return o, c.personalAllowed(ctx, who)
	}
	o, err := c.Organization(ctx, who, name, a)
	return owner{organization: o.ID, name: name}, err
}

// personalAllowed refuses personal projects where an organization of the caller's has
// forbidden them.
func (c *Control) personalAllowed(ctx context.Context, who fairlead.Caller) error {
	for _, id := range who.Organizations() {
		o, err := c.store.Organization(ctx, id)
		if err != nil {
			return err
		}
		if o.ForbidPersonal {
			return &fairlead.Error{
				Kind: fairlead.Denied, Field: "owner", What: "choosing the project's owner", Why: fmt.Sprintf("%s forbids its members personal projects", o.Name),
				Remedy: fmt.Sprintf("give the project to the organization: %s/NAME", o.Name),
			}
		}
	}
	return nil
}

// CreateProject makes a project of an organization or of the caller.
func (c *Control) CreateProject(ctx context.Context, who fairlead.Caller, ownerName, name fairlead.Name) (fairlead.Project, error) {
	o, err := c.ownerNamed(ctx, who, ownerName, fairlead.ProjectCreate)
	if err != nil {
		return fairlead.Project{}, err
	}
	id, err := newID()
	if err != nil {
		return fairlead.Project{}, err
	}
	p := fairlead.Project{
		ID: fairlead.ProjectID(id), Name: name, Organization: o.organization, User: o.user, Owner: o.name, Created: c.now(),
	}
	err = c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return projectEvent(who, fairlead.ProjectCreate, p), w.AddProject(ctx, p)
	})
	return p, err
}

// RenameProject gives a project another name.
func (c *Control) RenameProject(ctx context.Context, who fairlead.Caller, ownerName, old, name fairlead.Name) (fairlead.Project, error) {
	p, err := c.Project(ctx, who, ownerName, old, fairlead.ProjectUpdate)
	if err != nil {
		return fairlead.Project{}, err
	}
	p.Name = name
	err = c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return projectEvent(who, fairlead.ProjectUpdate, p).With("was", string(old)), w.MoveProject(ctx, p)
	})
	return p, err
}

// TransferProject gives a project to an organization in which the caller may create
// projects, or takes it back as the caller's own. Its runs go with it.
func (c *Control) TransferProject(ctx context.Context, who fairlead.Caller, ownerName, name, to fairlead.Name) (fairlead.Project, error) {
	p, err := c.Project(ctx, who, ownerName, name, fairlead.ProjectTransfer)
	if err != nil {
		return fairlead.Project{}, err
	}
	o, err := c.ownerNamed(ctx, who, to, fairlead.ProjectCreate)
	if err != nil {
		return fairlead.Project{}, err
	}
	was := p.FullName()
	if o.organization != p.Organization {
		p.Stack, p.StackName = "", "" // which are the organization's
	}
	p.Organization, p.User, p.Owner = o.organization, o.user, o.name
	err = c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return projectEvent(who, fairlead.ProjectTransfer, p).With("was", was), w.MoveProject(ctx, p)
	})
	return p, err
}

// DeleteProject removes a project and its runs. [fairlead.Conflict] while one of them
// hasn't ended.
func (c *Control) DeleteProject(ctx context.Context, who fairlead.Caller, ownerName, name fairlead.Name) error {
	p, err := c.Project(ctx, who, ownerName, name, fairlead.ProjectDelete)
	if err != nil {
		return err
	}
	return c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return projectEvent(who, fairlead.ProjectDelete, p), w.RemoveProject(ctx, p.ID)
	})
}

func projectEvent(who fairlead.Caller, a fairlead.Action, p fairlead.Project) fairlead.Event {
	ev := who.Event(a, p.Place(), fairlead.Object{Kind: "project", ID: string(p.ID), Name: p.FullName()})
	ev.Project = p.ID
	return ev
}
