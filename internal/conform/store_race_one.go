package conform

import (
	"context"
	"slices"

	"fairlead.dev/fairlead"
)

func testRaceLink(t tester, h house) {
	u := h.newUser(t, "ada")
	for n := range 5 {
		h.newToken(t, u, n, func(k *fairlead.Token) { k.Kind = fairlead.InviteLink })
		oneWins(t, race(20, func(int) error {
			return h.do(t, func(ctx context.Context, w fairlead.Writer) error {
				_, err := w.TakeLink(ctx, hashOf(n))
				return err
			})
		}), fairlead.NotFound, "")
	}
}

// testRaceAdministrators: two administrators remove each other, or step down, at once.
func testRaceAdministrators(t tester, h house) {
	u := []fairlead.User{h.newUser(t, "ada"), h.newUser(t, "bob")}
	for n := range 20 {
		o := h.newOrganization(t, nameOf("o", n))
		h.newMember(t, o, u[0], fairlead.Admin)
		h.newMember(t, o, u[1], fairlead.Admin)
		oneWins(t, race(2, func(i int) error {
			return h.do(t, func(ctx context.Context, w fairlead.Writer) error {
				if (n+i)%3 == 0 {
					return w.PutMember(ctx, fairlead.Membership{Organization: o.ID, User: u[i].ID, Role: fairlead.Member})
				}
				return w.RemoveMember(ctx, o.ID, u[i].ID)
			})
		}), fairlead.Conflict, "")
	}
}

// testRaceNames: of those who want a name or a pattern at once, one gets it.
func testRaceNames(t tester, h house) {
	o := h.newOrganization(t, "o")
	for n := range 5 {
		oneWins(t, race(8, func(i int) error {
			return h.do(t, func(ctx context.Context, w fairlead.Writer) error {
				if i%2 == 0 {
					return w.AddUser(ctx, fairlead.User{ID: fairlead.UserID(newID()), Name: nameOf("n", n)})
				}
				return w.AddOrganization(ctx, fairlead.Organization{ID: fairlead.OrganizationID(newID()), Name: nameOf("n", n)})
			})
		}), fairlead.Conflict, "")
		covers := parsePattern(t, string(nameOf("reg", n))+".io/*")
		oneWins(t, race(8, func(i int) error {
			g := fairlead.Registry{ID: fairlead.RegistryID(newID()), Organization: o.ID, Name: nameOf("g", 100*n+i), Pattern: covers}
			return h.do(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddRegistry(ctx, g) })
		}), fairlead.Conflict, "")
		oneWins(t, race(8, func(i int) error {
			g := fairlead.Registry{ID: fairlead.RegistryID(newID()), Organization: o.ID, Name: nameOf("h", n), Pattern: parsePattern(t, string(nameOf("h", 100*n+i))+".io/*")}
			return h.do(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddRegistry(ctx, g) })
		}), fairlead.Conflict, "")
	}
}

func testRaceVersions(t tester, h house) {
	c := h.newConnector(t, h.newOrganization(t, "o"), "c")
	for range 5 {
		oneWins(t, race(8, func(int) error {
			return h.do(t, func(ctx context.Context, w fairlead.Writer) error {
				return w.UpdateConnector(ctx, c, sealed(c.Version+1, "a"))
			})
		}), fairlead.Conflict, fairlead.CodeStale)
		c.Version++
	}
	same(t, "SealedFields", ok(h.SealedFields(t.Context(), c.Organization, c.ID))(t), sealed(c.Version, "a"))
}

// testRaceKeys: whoever locks the keys, even if there are none yet, is alone with them.
func testRaceKeys(t tester, h house) {
	o := h.newOrganization(t, "o")
	for i, err := range race(10, func(int) error {
		return h.do(t, func(ctx context.Context, w fairlead.Writer) error {
			k, err := w.LockKeys(ctx, o.ID)
			if err != nil && fairlead.KindOf(err) != fairlead.NotFound {
				return err
			}
			k.Organization = o.ID
			k.Wrapped = append(k.Wrapped, 'x')
			return w.PutWrappedKeys(ctx, k)
		})
	}) {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	k := ok(h.WrappedKeys(t.Context(), o.ID))(t)
	same(t, "keys", []any{string(k.Wrapped), k.Version}, []any{"xxxxxxxxxx", int64(10)})
}

// testRaceLock: whoever locks a run builds on what it reads.
func testRaceLock(t tester, h house) {
	o := h.newOrganization(t, "o")
	h.newRun(t, h.newProject(t, o, fairlead.User{}, "p"))
	r := ok(h.claim(t, h.newWorker(t, o, "k"), 20))(t)
	for _, err := range race(20, func(int) error {
		return h.do(t, func(ctx context.Context, w fairlead.Writer) error {
			r, err := w.LockRun(ctx, r.ID)
			if err != nil {
				return err
			}
			next := 1
			if r.ExitCode != nil {
				next += *r.ExitCode
			}
			r.ExitCode = &next
			return w.UpdateRun(ctx, r)
		})
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	same(t, "what they built", *ok(h.Run(t.Context(), r.ID))(t).ExitCode, 20)
}

// testRaceRemove: a project is removed, or runs are added to it.
func testRaceRemove(t tester, h house) {
	o, u := h.newOrganization(t, "o"), h.newUser(t, "ada")
	for n := range 40 {
		p := h.newProject(t, o, fairlead.User{}, nameOf("p", n))
		if n%2 == 0 {
			p = h.newProject(t, fairlead.Organization{}, u, nameOf("p", n))
		}
		results := race(4, func(i int) error {
			return h.do(t, func(ctx context.Context, w fairlead.Writer) error {
				if i == n/2%4 {
					return w.RemoveProject(ctx, p.ID)
				}
				_, err := w.AddRun(ctx, runOf(p))
				return err
			})
		})
		removed := results[n/2%4]
		if removed != nil {
			wantKind(t, removed, fairlead.Conflict, fairlead.CodeInUse)
		}
		added := slices.DeleteFunc(results, func(err error) bool { return err != nil })
		if left := len(ok(h.RunsOf(t.Context(), p.ID, 0, 10))(t)); removed == nil && left+len(added) > 1 || removed != nil && left == 0 {
			t.Errorf("removed: %v; %d runs were added, %d are left", removed, len(added), left)
		}
	}
}
