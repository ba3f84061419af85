package conform

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
)

func testOrganizations(t tester, h house) {
	for i, name := range []fairlead.Name{"a", "b.c-d_e", nameOf("x", 1), "no-date"} {
		o := fairlead.Organization{ID: fairlead.OrganizationID(newID()), Name: name, ForbidPersonal: i%2 == 0, Created: fine(at(i))}
		if name == "no-date" {
			o.Created = time.Time{}
		}
		h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddOrganization(ctx, o) })
		o.Created = o.Created.UTC().Truncate(time.Microsecond)
		same(t, "Organization", ok(h.Organization(t.Context(), o.ID))(t), o)
		same(t, "OrganizationByName", ok(h.OrganizationByName(t.Context(), name))(t), o)
		same(t, "Revision", h.revision(t, o), int64(1))

		changed := fairlead.Organization{ID: o.ID, Name: "new-" + name, ForbidPersonal: !o.ForbidPersonal, Created: at(99)}
		h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.UpdateOrganization(ctx, changed) })
		changed.Created = o.Created
		same(t, "after UpdateOrganization", ok(h.Organization(t.Context(), o.ID))(t), changed)
		_, err := h.OrganizationByName(t.Context(), name)
		wantKind(t, err, fairlead.NotFound, "")
	}
	for _, id := range nowhere() {
		o, err := h.Organization(t.Context(), fairlead.OrganizationID(id))
		wantMissing(t, o, err)
		o, err = h.OrganizationByName(t.Context(), fairlead.Name(id))
		wantMissing(t, o, err)
		n, err := h.Revision(t.Context(), fairlead.OrganizationID(id))
		wantMissing(t, n, err)
		h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
			return w.UpdateOrganization(ctx, fairlead.Organization{ID: fairlead.OrganizationID(id), Name: "n"})
		})
	}
}

// testNames: a name belongs to one organization or to one user.
func testNames(t tester, h house) {
	o, u := h.newOrganization(t, "org"), h.newUser(t, "ada")
	addO := func(id, name string) step {
		return func(ctx context.Context, w fairlead.Writer) error {
			return w.AddOrganization(ctx, fairlead.Organization{ID: fairlead.OrganizationID(id), Name: fairlead.Name(name)})
		}
	}
	addU := func(id, name string) step {
		return func(ctx context.Context, w fairlead.Writer) error {
			return w.AddUser(ctx, fairlead.User{ID: fairlead.UserID(id), Name: fairlead.Name(name)})
		}
	}
	for name, change := range map[string]step{
		"organization as organization": addO(newID(), "org"),
		"organization as user":         addO(newID(), "ada"),
		"user as organization":         addU(newID(), "org"),
		"user as user":                 addU(newID(), "ada"),
		"rename organization": func(ctx context.Context, w fairlead.Writer) error {
			return w.UpdateOrganization(ctx, fairlead.Organization{ID: o.ID, Name: "ada"})
		},
		"rename user": func(ctx context.Context, w fairlead.Writer) error {
			return w.UpdateUser(ctx, fairlead.User{ID: u.ID, Name: "org"})
		},
	} {
		err := h.do(t, change)
		wantKind(t, err, fairlead.Conflict, "")
		if e := fairlead.AsError("", err); e.Field != "name" {
			t.Errorf("%s: the field is %q: %v", name, e.Field, err)
		}
	}
	h.refused(t, fairlead.Conflict, "", addO(string(o.ID), "other"))
	h.refused(t, fairlead.Conflict, "", addU(string(u.ID), "other"))
	same(t, "organization", ok(h.OrganizationByName(t.Context(), "org"))(t), o)
	same(t, "user", ok(h.UserByName(t.Context(), "ada"))(t), u)

	missing, err := h.UserByName(t.Context(), "org")
	wantMissing(t, missing, err)
	none, err := h.OrganizationByName(t.Context(), "ada")
	wantMissing(t, none, err)

	// A name that was given up can be taken.
	h.must(t, func(ctx context.Context, w fairlead.Writer) error {
		return w.UpdateUser(ctx, fairlead.User{ID: u.ID, Name: "ada-2"})
	})
	h.must(t, addO(newID(), "ada"))
}

func testUsers(t tester, h house) {
	same(t, "IsSetUp", ok(h.IsSetUp(t.Context()))(t), false)
	for i, text := range strange() {
		u := fairlead.User{ID: fairlead.UserID(newID()), Name: nameOf("user", i), Email: text, Password: text, Created: fine(at(i))}
		h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddUser(ctx, u) })
		u.Created = at(i)
		same(t, "User", ok(h.User(t.Context(), u.ID))(t), u)
		same(t, "UserByName", ok(h.UserByName(t.Context(), u.Name))(t), u)
	}
	same(t, "IsSetUp", ok(h.IsSetUp(t.Context()))(t), true)
	u := h.newUser(t, "grace")
	changed := fairlead.User{ID: u.ID, Name: "hopper", Email: "g@example.com", Password: "other"}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.UpdateUser(ctx, changed) })
	changed.Created = u.Created
	same(t, "after UpdateUser", ok(h.User(t.Context(), u.ID))(t), changed)
	for _, id := range nowhere() {
		u, err := h.User(t.Context(), fairlead.UserID(id))
		wantMissing(t, u, err)
		u, err = h.UserByName(t.Context(), fairlead.Name(id))
		wantMissing(t, u, err)
		h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
			return w.UpdateUser(ctx, fairlead.User{ID: fairlead.UserID(id), Name: "n"})
		})
	}
}

func testMembers(t tester, h house) {
	a, b := h.newOrganization(t, "a"), h.newOrganization(t, "b")
	same(t, "MembersOf nobody", ok(h.MembersOf(t.Context(), a.ID))(t), []fairlead.MemberOf(nil))
	zoe, ada := h.newUser(t, "zoe"), h.newUser(t, "ada")
	same(t, "Memberships of nothing", ok(h.Memberships(t.Context(), ada.ID))(t), []fairlead.Membership(nil))
	eve := fairlead.User{ID: fairlead.UserID(newID()), Name: "eve", Created: at(0)}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddUser(ctx, eve) })
	h.newMember(t, a, zoe, fairlead.Admin)
	h.newMember(t, a, ada, fairlead.Member)
	h.newMember(t, a, eve, fairlead.Member)
	h.newMember(t, b, ada, fairlead.Admin)
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { // who is a member already keeps the date
		return w.PutMember(ctx, fairlead.Membership{Organization: a.ID, User: ada.ID, Role: fairlead.Admin, Since: at(9)})
	})
	same(t, "MembersOf", ok(h.MembersOf(t.Context(), a.ID))(t), []fairlead.MemberOf{
		{User: ada, Role: fairlead.Admin, Since: at(1)},
		{User: eve, Role: fairlead.Member, Since: at(1), Invited: true},
		{User: zoe, Role: fairlead.Admin, Since: at(1)},
	})
	same(t, "Memberships", ok(h.Memberships(t.Context(), ada.ID))(t), []fairlead.Membership{
		{Organization: a.ID, User: ada.ID, Role: fairlead.Admin, Since: at(1)},
		{Organization: b.ID, User: ada.ID, Role: fairlead.Admin, Since: at(1)},
	})
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveMember(ctx, a.ID, ada.ID) })
	same(t, "Memberships after RemoveMember", ok(h.Memberships(t.Context(), ada.ID))(t), []fairlead.Membership{
		{Organization: b.ID, User: ada.ID, Role: fairlead.Admin, Since: at(1)},
	})
	h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error { return w.RemoveMember(ctx, a.ID, ada.ID) })
	for _, id := range nowhere() {
		same(t, "MembersOf nowhere", ok(h.MembersOf(t.Context(), fairlead.OrganizationID(id)))(t), []fairlead.MemberOf(nil))
		same(t, "Memberships of nobody", ok(h.Memberships(t.Context(), fairlead.UserID(id)))(t), []fairlead.Membership(nil))
		h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
			return w.PutMember(ctx, fairlead.Membership{Organization: fairlead.OrganizationID(id), User: zoe.ID, Role: fairlead.Admin})
		})
		h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
			return w.PutMember(ctx, fairlead.Membership{Organization: a.ID, User: fairlead.UserID(id), Role: fairlead.Admin})
		})
		h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
			return w.RemoveMember(ctx, fairlead.OrganizationID(id), zoe.ID)
		})
	}
}

func testLastAdministrator(t tester, h house) {
	o, ada, bob := h.newOrganization(t, "o"), h.newUser(t, "ada"), h.newUser(t, "bob")
	h.newMember(t, o, bob, fairlead.Member) // the first need not be an administrator
	h.newMember(t, o, ada, fairlead.Admin)
	put := func(u fairlead.User, role fairlead.Role) step {
		return func(ctx context.Context, w fairlead.Writer) error {
			return w.PutMember(ctx, fairlead.Membership{Organization: o.ID, User: u.ID, Role: role, Since: at(1)})
		}
	}
	remove := func(u fairlead.User) step {
		return func(ctx context.Context, w fairlead.Writer) error { return w.RemoveMember(ctx, o.ID, u.ID) }
	}
	h.refused(t, fairlead.Conflict, "", put(ada, fairlead.Member))
	h.refused(t, fairlead.Conflict, "", remove(ada))
	h.must(t, put(ada, fairlead.Admin)) // stays one
	h.must(t, put(bob, fairlead.Member))
	h.must(t, put(bob, fairlead.Admin))
	h.must(t, put(ada, fairlead.Member))
	h.refused(t, fairlead.Conflict, "", remove(bob))
	h.must(t, remove(ada))
	same(t, "Memberships", ok(h.Memberships(t.Context(), bob.ID))(t), []fairlead.Membership{
		{Organization: o.ID, User: bob.ID, Role: fairlead.Admin, Since: at(1)},
	})
}
