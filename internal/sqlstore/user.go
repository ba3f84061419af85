package sqlstore

import (
	"context"

	"fairlead.dev/fairlead"
)

func scanUser(r row) (u fairlead.User, err error) {
	err = r.Scan(&u.ID, &u.Name, &u.Email, &u.Password, stamp{&u.Created})
	return u, err
}

func scanMembership(r row) (m fairlead.Membership, err error) {
	err = r.Scan(&m.Organization, &m.User, &m.Role, stamp{&m.Since})
	return m, err
}

func scanMemberOf(r row) (m fairlead.MemberOf, err error) {
	u := &m.User
	err = r.Scan(&u.ID, &u.Name, &u.Email, &u.Password, stamp{&u.Created}, &m.Role, stamp{&m.Since})
	m.Invited = u.Password == ""
	return m, err
}

// User reads one: NotFound.
func (q reader) User(ctx context.Context, id fairlead.UserID) (fairlead.User, error) {
	return one(ctx, q.session, "reading user", "User", scanUser, id)
}

// UserByName reads one: NotFound.
func (q reader) UserByName(ctx context.Context, name fairlead.Name) (fairlead.User, error) {
	return one(ctx, q.session, "reading user", "UserByName", scanUser, name)
}

// Memberships lists a user's, by organization.
func (q reader) Memberships(ctx context.Context, id fairlead.UserID) ([]fairlead.Membership, error) {
	return many(ctx, q.session, "reading memberships", "Memberships", scanMembership, id)
}

// MembersOf lists an organization's, by name.
func (q reader) MembersOf(ctx context.Context, id fairlead.OrganizationID) ([]fairlead.MemberOf, error) {
	return many(ctx, q.session, "reading members", "MembersOf", scanMemberOf, id)
}

// IsSetUp reports whether there is any user.
func (q reader) IsSetUp(ctx context.Context) (bool, error) {
	return value[bool](ctx, q.session, "reading users", "IsSetUp")
}

// AddUser adds one: Conflict if the name is taken.
func (w *writer) AddUser(ctx context.Context, u fairlead.User) error {
	const doing = "adding user"
	if err := w.run(ctx, doing, "AddOwner", u.ID, u.Name, userOwner); err != nil {
		return err
	}
	return w.run(ctx, doing, "AddUser", u.ID, u.Email, u.Password, u.Created)
}

// UpdateUser changes all but the identifier and the date: NotFound, and Conflict if
// the name is taken. It counts as a change of the user's organizations, whose lists of
// members show it.
func (w *writer) UpdateUser(ctx context.Context, u fairlead.User) error {
	const doing = "updating user"
	if err := w.run(ctx, doing, "BumpRevisionsOf", u.ID); err != nil {
		return err
	}
	if err := w.exactly(ctx, doing, "user", "UpdateUser", u.ID, u.Email, u.Password); err != nil {
		return err
	}
	return w.run(ctx, doing, "RenameOwner", u.ID, u.Name)
}

// PutMember adds a member or changes the role; who is a member already keeps the date.
// NotFound without the organization or the user, Conflict for the last administrator.
func (w *writer) PutMember(ctx context.Context, m fairlead.Membership) error {
	const doing = "storing member"
	if err := w.bump(ctx, doing, m.Organization); err != nil {
		return err
	}
	if m.Role != fairlead.Admin {
		if err := w.keepAdmin(ctx, doing, m.Organization, m.User); err != nil {
			return err
		}
	}
	if _, err := one(ctx, w.session, "finding user", "User", scanUser, m.User); err != nil {
		return err
	}
	return w.run(ctx, doing, "PutMember", m.Organization, m.User, m.Role, m.Since)
}

// RemoveMember ends a membership: NotFound, and Conflict for the last administrator.
func (w *writer) RemoveMember(ctx context.Context, org fairlead.OrganizationID, user fairlead.UserID) error {
	const doing = "removing member"
	if err := w.bump(ctx, doing, org); err != nil {
		return err
	}
	if err := w.keepAdmin(ctx, doing, org, user); err != nil {
		return err
	}
	return w.exactly(ctx, doing, "member", "RemoveMember", org, user)
}

// keepAdmin refuses if the user is the organization's last administrator. Two can't
// remove each other: both hold the organization's row when they look.
func (w *writer) keepAdmin(ctx context.Context, doing string, org fairlead.OrganizationID, user fairlead.UserID) error {
	last, err := value[bool](ctx, w.session, doing, "IsLastAdmin", org, user)
	if err == nil && last {
		return w.refuse(conflict(doing, "", "the organization would have no administrator left", "make another member an administrator first"))
	}
	return err
}
