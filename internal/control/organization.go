package control

import (
	"context"

	"fairlead.dev/fairlead"
)

func (c *Control) newOrganization(name fairlead.Name) (fairlead.Organization, error) {
	id, err := newID()
	return fairlead.Organization{ID: fairlead.OrganizationID(id), Name: name, Created: c.now()}, err
}

// addOrganization stores an organization with its data keys and first administrator.
func (c *Control) addOrganization(ctx context.Context, w fairlead.Writer, o fairlead.Organization, admin fairlead.UserID) error {
	if err := w.AddOrganization(ctx, o); err != nil {
		return err
	}
	if err := c.vault.AddKeys(ctx, w, o.ID); err != nil {
		return err
	}
	return w.PutMember(ctx, fairlead.Membership{Organization: o.ID, User: admin, Role: fairlead.Admin, Since: o.Created})
}

// CreateOrganization makes an organization with the caller as its administrator.
// [fairlead.Conflict] for a name that an organization or user has.
func (c *Control) CreateOrganization(ctx context.Context, who fairlead.Caller, name fairlead.Name, forbidPersonal bool) (fairlead.Organization, error) {
	if err := who.May(fairlead.OrganizationCreate, fairlead.Place{}); err != nil {
		return fairlead.Organization{}, err
	}
	if who.Only != "" {
		return fairlead.Organization{}, &fairlead.Error{
			Kind: fairlead.Denied, What: "creating organization", Why: "the token that asks is limited to another one", Remedy: "log in with your password first",
		}
	}
	o, err := c.newOrganization(name)
	if err != nil {
		return fairlead.Organization{}, err
	}
	o.ForbidPersonal = forbidPersonal
	err = c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		at := fairlead.Place{Organization: o.ID}
		return who.Event(fairlead.OrganizationCreate, at, organizationObject(o)), c.addOrganization(ctx, w, o, fairlead.UserID(who.ID))
	})
	if err != nil {
		return fairlead.Organization{}, err
	}
	c.identity.Forget()
	return o, nil
}

// MyOrganization is an organization and the caller's role in it.
type MyOrganization struct {
	fairlead.Organization
	Role fairlead.Role
}

// Organizations lists those that the caller belongs to, in the order of their making.
func (c *Control) Organizations(ctx context.Context, who fairlead.Caller) ([]MyOrganization, error) {
	var list []MyOrganization
	for _, id := range who.Organizations() {
		o, err := c.store.Organization(ctx, id)
		if err != nil {
			return nil, err
		}
		list = append(list, MyOrganization{Organization: o, Role: who.Roles[id]})
	}
	return list, nil
}

// UpdateOrganization changes its settings.
func (c *Control) UpdateOrganization(ctx context.Context, who fairlead.Caller, name fairlead.Name, forbidPersonal *bool) (fairlead.Organization, error) {
	o, err := c.Organization(ctx, who, name, fairlead.OrganizationUpdate)
	if err != nil || forbidPersonal == nil || *forbidPersonal == o.ForbidPersonal {
		return o, err
	}
	o.ForbidPersonal = *forbidPersonal
	err = c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		ev := who.Event(fairlead.OrganizationUpdate, fairlead.Place{Organization: o.ID}, organizationObject(o))
		if o.ForbidPersonal {
			ev = ev.With("forbid_personal_projects", "true")
		} else {
			ev = ev.With("forbid_personal_projects", "false")
		}
		return ev, w.UpdateOrganization(ctx, o)
	})
	return o, err
}

func organizationObject(o fairlead.Organization) fairlead.Object {
	return fairlead.Object{Kind: "organization", ID: string(o.ID), Name: string(o.Name)}
}
