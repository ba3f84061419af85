package control

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
)

// Members lists an organization's, by name.
func (c *Control) Members(ctx context.Context, who fairlead.Caller, org fairlead.Name) ([]fairlead.MemberOf, error) {
	o, err := c.Organization(ctx, who, org, fairlead.MemberRead)
	if err != nil {
		return nil, err
	}
	return c.store.MembersOf(ctx, o.ID)
}

// Invited is a new member, and the token of the one-time link with which a user sets
// their first password; it is empty for a user who has one.
type Invited struct {
	Member  fairlead.MemberOf
	Link    fairlead.Secret
	Expires time.Time
}

// AddMember adds a user to an organization. A name that nobody has becomes a new user,
// who is invited; to invite one again who hasn't come yet makes a new link.
// [fairlead.Conflict] if the user is a member already, or was invited by another
// organization and hasn't come yet.
func (c *Control) AddMember(ctx context.Context, who fairlead.Caller, org, name fairlead.Name, email string, role fairlead.Role) (Invited, error) {
	o, err := c.Organization(ctx, who, org, fairlead.MemberAdd)
	if err != nil {
		return Invited{}, err
	}
	if err := checkRole(role); err != nil {
		return Invited{}, err
	}
	if err := checkEmail(email); err != nil {
		return Invited{}, err
	}
	var in Invited
	err = c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		u, err := c.findOrAdd(ctx, w, name, email)
		if err != nil {
			return fairlead.Event{}, err
		}
		in = Invited{Member: fairlead.MemberOf{User: u, Role: role, Since: c.now(), Invited: u.Password == ""}}
		if err := c.mayJoin(ctx, w, o, u); err != nil {
			return fairlead.Event{}, err
		}
		if u.Password == "" {
			if in.Link, in.Expires, err = c.identity.NewInvitation(ctx, w, u.ID); err != nil {
				return fairlead.Event{}, err
			}
		}
		ev := who.Event(fairlead.MemberAdd, fairlead.Place{Organization: o.ID}, fairlead.Object{Kind: "user", ID: string(u.ID), Name: string(u.Name)})
		return ev.With("role", string(role)), w.PutMember(ctx, fairlead.Membership{Organization: o.ID, User: u.ID, Role: role, Since: in.Member.Since})
	})
	if err != nil {
		return Invited{}, err
	}
	c.identity.Forget()
	return in, nil
}

func (c *Control) findOrAdd(ctx context.Context, w fairlead.Writer, name fairlead.Name, email string) (fairlead.User, error) {
	u, err := w.UserByName(ctx, name)
	if fairlead.KindOf(err) != fairlead.NotFound {
		return u, err
	}
	if u, err = c.newUser(name, email); err != nil {
		return u, err
	}
	return u, w.AddUser(ctx, u)
}

// mayJoin refuses a user who is a member already and has come, and one whom another
// organization has invited: whoever gets the link becomes that user, there too.
func (c *Control) mayJoin(ctx context.Context, w fairlead.Writer, o fairlead.Organization, u fairlead.User) error {
	memberships, err := w.Memberships(ctx, u.ID)
	if err != nil {
		return err
	}
	for _, m := range memberships {
		switch {
		case m.Organization == o.ID && u.Password != "":
			return &fairlead.Error{
				Kind: fairlead.Conflict, Field: "name", What: "adding member", Why: string(u.Name) + " is a member of " + string(o.Name) + " already",
				Remedy: "`fairlead member update " + string(u.Name) + " --role ...` changes the role",
			}
		case m.Organization != o.ID && u.Password == "":
			return &fairlead.Error{
				Kind: fairlead.Conflict, Field: "name", What: "adding member", Why: string(u.Name) + " was invited by another organization and hasn't come yet",
				Remedy: "add them when they have taken up that invitation, or choose another name",
			}
		}
	}
	return nil
}

// UpdateMember changes a member's role. [fairlead.Conflict] for the last administrator
// who has come.
func (c *Control) UpdateMember(ctx context.Context, who fairlead.Caller, org, name fairlead.Name, role fairlead.Role) error {
	o, m, err := c.member(ctx, who, org, name, fairlead.MemberUpdate)
	if err != nil {
		return err
	}
	if err := checkRole(role); err != nil {
		return err
	}
	defer c.identity.Forget()
	return c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		ev := who.Event(fairlead.MemberUpdate, fairlead.Place{Organization: o.ID}, fairlead.Object{Kind: "user", ID: string(m.ID), Name: string(m.Name)})
		if err := w.PutMember(ctx, fairlead.Membership{Organization: o.ID, User: m.ID, Role: role, Since: m.Since}); err != nil {
			return ev, err
		}
		return ev.With("role", string(role)), keepAdmin(ctx, w, "updating member", o)
	})
}

// keepAdmin refuses to leave an organization to administrators who were invited and
// haven't come: if they never do, nobody can invite again.
func keepAdmin(ctx context.Context, w fairlead.Writer, what string, o fairlead.Organization) error {
	members, err := w.MembersOf(ctx, o.ID)
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.Role == fairlead.Admin && !m.Invited {
			return nil
		}
	}
	return &fairlead.Error{
		Kind: fairlead.Conflict, What: what, Why: "the other administrators of " + string(o.Name) + " haven't taken up their invitations yet",
		Remedy: "wait until one of them has come, or make another member an administrator first",
	}
}

// RemoveMember takes a user out of an organization, and ends the invitation of one who
// hasn't come yet. [fairlead.Conflict] for the last administrator who has come.
func (c *Control) RemoveMember(ctx context.Context, who fairlead.Caller, org, name fairlead.Name) error {
	o, m, err := c.member(ctx, who, org, name, fairlead.MemberRemove)
	if err != nil {
		return err
	}
	defer c.identity.Forget()
	return c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		ev := who.Event(fairlead.MemberRemove, fairlead.Place{Organization: o.ID}, fairlead.Object{Kind: "user", ID: string(m.ID), Name: string(m.Name)})
		if m.Invited {
			if err := w.RemoveTokensOf(ctx, m.ID, fairlead.InviteLink); err != nil {
				return ev, err
			}
		}
		if err := w.RemoveMember(ctx, o.ID, m.ID); err != nil {
			return ev, err
		}
		return ev, keepAdmin(ctx, w, "removing member", o)
	})
}

func (c *Control) member(
	ctx context.Context, who fairlead.Caller, org, name fairlead.Name, a fairlead.Action,
) (fairlead.Organization, fairlead.MemberOf, error) {
	o, err := c.Organization(ctx, who, org, a)
	if err != nil {
		return o, fairlead.MemberOf{}, err
	}
	members, err := c.store.MembersOf(ctx, o.ID)
	if err != nil {
		return o, fairlead.MemberOf{}, err
	}
	for _, m := range members {
		if m.Name == name {
			return o, m, nil
		}
	}
	return o, fairlead.MemberOf{}, missing("member", name, a)
}

func checkRole(r fairlead.Role) error {
	if r == fairlead.Admin || r == fairlead.Member {
		return nil
	}
	return &fairlead.Error{
		Kind: fairlead.Invalid, Field: "role", What: "reading role", Why: "there is no role " + fairlead.Clip(string(r)), Remedy: "use admin or member",
	}
}
