package conform

import (
	"context"

	"fairlead.dev/fairlead"
)

func testWorkers(t tester, h house) {
	o, everybody := h.newOrganization(t, "o"), fairlead.Organization{}
	same(t, "WorkersOf nobody", ok(h.WorkersOf(t.Context(), o.ID))(t), []fairlead.Worker(nil))
	b, a, all := h.newWorker(t, o, "b"), h.newWorker(t, o, "a"), h.newWorker(t, everybody, "a")
	same(t, "Worker", ok(h.Worker(t.Context(), a.ID))(t), a)
	same(t, "WorkersOf", ok(h.WorkersOf(t.Context(), o.ID))(t), []fairlead.Worker{a, b})
	same(t, "WorkersOf everybody", ok(h.WorkersOf(t.Context(), ""))(t), []fairlead.Worker{all})
	for _, o := range []fairlead.Organization{o, everybody} {
		h.refused(t, fairlead.Conflict, "", func(ctx context.Context, w fairlead.Writer) error {
			return w.AddWorker(ctx, fairlead.Worker{ID: fairlead.WorkerID(newID()), Name: "a", Organization: o.ID})
		})
	}
	h.refused(t, fairlead.Conflict, "", func(ctx context.Context, w fairlead.Writer) error {
		return w.AddWorker(ctx, fairlead.Worker{ID: a.ID, Name: "c", Organization: o.ID})
	})
	h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
		return w.AddWorker(ctx, fairlead.Worker{ID: fairlead.WorkerID(newID()), Name: "c", Organization: fairlead.OrganizationID(newID())})
	})
	for i, text := range strange() {
		a.LastSeen, a.Engine, a.Platform, a.Version = at(i), text, text, text
		a.Queues = []fairlead.Name{fairlead.Name(text), fairlead.DefaultQueue}[i%2:]
		heard := a
		heard.LastSeen, heard.Name, heard.Organization = fine(at(i)), "other", "other" // aren't what a worker says of itself
		if err := h.TouchWorker(t.Context(), heard); err != nil {
			t.Fatal(err)
		}
		same(t, "after TouchWorker", ok(h.Worker(t.Context(), a.ID))(t), a)
	}

	token := fairlead.Token{ID: fairlead.TokenID(newID()), Kind: fairlead.WorkerToken, Hash: hashOf(1), Worker: a.ID, Organization: o.ID, Created: at(0)}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddToken(ctx, token) })
	same(t, "the worker's token", ok(h.TokenByHash(t.Context(), hashOf(1)))(t), token)
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveWorker(ctx, o.ID, a.ID) })
	gone, err := h.TokenByHash(t.Context(), hashOf(1))
	wantMissing(t, gone, err)
	same(t, "WorkersOf after RemoveWorker", ok(h.WorkersOf(t.Context(), o.ID))(t), []fairlead.Worker{b})
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveWorker(ctx, "", all.ID) })
	for _, id := range append(nowhere(), string(a.ID)) {
		k, err := h.Worker(t.Context(), fairlead.WorkerID(id))
		wantMissing(t, k, err)
		wantKind(t, h.TouchWorker(t.Context(), fairlead.Worker{ID: fairlead.WorkerID(id), LastSeen: at(1)}), fairlead.NotFound, "")
		h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
			return w.RemoveWorker(ctx, o.ID, fairlead.WorkerID(id))
		})
	}
}

func testKeys(t tester, h house) {
	same(t, "AllWrappedKeys of none", ok(h.AllWrappedKeys(t.Context()))(t), []fairlead.WrappedKeys(nil))
	o, first := h.newOrganization(t, "z"), h.newOrganization(t, "a")
	if o.ID > first.ID {
		o, first = first, o
	}
	put := func(k fairlead.WrappedKeys) step {
		return func(ctx context.Context, w fairlead.Writer) error { return w.PutWrappedKeys(ctx, k) }
	}
	lock := func(id fairlead.OrganizationID) (k fairlead.WrappedKeys, err error) {
		err = h.do(t, func(ctx context.Context, w fairlead.Writer) (err error) {
			k, err = w.LockKeys(ctx, id)
			return err
		})
		return k, err
	}
	for _, id := range append(nowhere(), string(o.ID)) {
		k, err := h.WrappedKeys(t.Context(), fairlead.OrganizationID(id))
		wantMissing(t, k, err)
		k, err = lock(fairlead.OrganizationID(id))
		wantMissing(t, k, err)
	}
	k := fairlead.WrappedKeys{Organization: o.ID, KEK: "file:1 Größe", Wrapped: []byte("\x00\xffkeys")}
	other := fairlead.WrappedKeys{Organization: first.ID, KEK: "file:1"}
	h.must(t, put(other))
	h.must(t, put(k))
	h.refused(t, fairlead.Conflict, fairlead.CodeStale, put(k))
	other.Version, k.Version = 1, 1
	same(t, "WrappedKeys", ok(h.WrappedKeys(t.Context(), o.ID))(t), k)
	same(t, "LockKeys", ok(lock(o.ID))(t), k)
	same(t, "nothing wrapped", len(ok(h.WrappedKeys(t.Context(), first.ID))(t).Wrapped), 0)
	k.KEK, k.Wrapped = "file:2", []byte("again")
	h.must(t, put(k))
	h.refused(t, fairlead.Conflict, fairlead.CodeStale, put(k))
	k.Version = 2
	other.Wrapped = ok(h.WrappedKeys(t.Context(), first.ID))(t).Wrapped
	same(t, "AllWrappedKeys", ok(h.AllWrappedKeys(t.Context()))(t), []fairlead.WrappedKeys{k, other})
	h.refused(t, fairlead.NotFound, "", put(fairlead.WrappedKeys{Organization: fairlead.OrganizationID(newID())}))
	h.refused(t, fairlead.Conflict, fairlead.CodeStale, put(fairlead.WrappedKeys{Organization: h.newOrganization(t, "b").ID, Version: 1}))
}

// testRevision: a revision counts what changes an organization and what it owns, but
// neither runs nor what is only looked at.
func testRevision(t tester, h house) {
	o, ada, bob := h.newOrganization(t, "o"), h.newUser(t, "ada"), h.newUser(t, "bob")
	other, noUser := h.newOrganization(t, "other"), fairlead.User{}
	h.newMember(t, o, ada, fairlead.Admin)
	c, p, k := h.newConnector(t, o, "c", "a"), h.newProject(t, o, noUser, "p"), h.newWorker(t, o, "k")
	g, personal := h.newRegistry(t, o, "g", "g.io/*", c), h.newProject(t, fairlead.Organization{}, ada, "mine")
	r, held := runOf(p), fairlead.Run{}
	token := fairlead.Token{ID: fairlead.TokenID(newID()), Kind: fairlead.APIToken, User: ada.ID, Organization: o.ID, Hash: hashOf(1)}
	d, e, f := fairlead.ConnectorID(newID()), fairlead.RegistryID(newID()), fairlead.WorkerID(newID())
	moved, st := p, fairlead.StackID(newID())
	moved.Organization = other.ID
	type w = fairlead.Writer
	type ctx = context.Context
	for _, c := range []struct {
		name        string
		here, there bool // whether it counts for o, and for other
		change      step
	}{
		{"UpdateOrganization", true, false, func(c ctx, w w) error { return w.UpdateOrganization(c, o) }},
		{"PutMember", true, false, func(c ctx, w w) error {
			return w.PutMember(c, fairlead.Membership{Organization: o.ID, User: bob.ID, Role: fairlead.Member})
		}},
		{"UpdateUser", true, false, func(c ctx, w w) error { return w.UpdateUser(c, bob) }},
		{"RemoveMember", true, false, func(c ctx, w w) error { return w.RemoveMember(c, o.ID, bob.ID) }},
		{"UpdateUser of nobody's", false, false, func(c ctx, w w) error { return w.UpdateUser(c, bob) }},
		{"AddConnector", true, false, func(c ctx, w w) error {
			return w.AddConnector(c, fairlead.Connector{ID: d, Organization: o.ID, Name: "d"}, nil)
		}},
		{"UpdateConnector", true, false, func(ct ctx, w w) error { return w.UpdateConnector(ct, c, sealed(1, "a")) }},
		{"ResealFields", true, false, func(ct ctx, w w) error { return w.ResealFields(ct, o.ID, c.ID, sealed(1, "a")) }},
		{"ClaimRenewal", false, false, func(ct ctx, w w) error {
			return w.ClaimRenewal(ct, ok(h.Connector(ct, o.ID, c.ID))(t), at(0), at(1))
		}},
		{"RemoveConnector", true, false, func(c ctx, w w) error { return w.RemoveConnector(c, o.ID, d) }},
		{"AddRegistry", true, false, func(c ctx, w w) error {
			return w.AddRegistry(c, fairlead.Registry{ID: e, Organization: o.ID, Name: "e", Pattern: parsePattern(t, "e.io/*")})
		}},
		{"UpdateRegistry", true, false, func(c ctx, w w) error { return w.UpdateRegistry(c, g) }},
		{"RemoveRegistry", true, false, func(c ctx, w w) error { return w.RemoveRegistry(c, o.ID, e) }},
		{"AddStack", true, false, func(c ctx, w w) error {
			return w.AddStack(c, fairlead.Stack{ID: st, Organization: o.ID, Name: "st"})
		}},
		{"UpdateStack", true, false, func(c ctx, w w) error {
			return w.UpdateStack(c, fairlead.Stack{ID: st, Organization: o.ID, Name: "st", Version: 1})
		}},
		{"SetProjectStack", true, false, func(c ctx, w w) error { return w.SetProjectStack(c, p.ID, st) }},
		{"SetProjectStack to none", true, false, func(c ctx, w w) error { return w.SetProjectStack(c, p.ID, "") }},
		{"RemoveStack", true, false, func(c ctx, w w) error { return w.RemoveStack(c, o.ID, st) }},
		{"AddWorker", true, false, func(c ctx, w w) error { return w.AddWorker(c, fairlead.Worker{ID: f, Organization: o.ID, Name: "f"}) }},
		{"RemoveWorker", true, false, func(c ctx, w w) error { return w.RemoveWorker(c, o.ID, f) }},
		{"PutWrappedKeys", false, false, func(c ctx, w w) error { return w.PutWrappedKeys(c, fairlead.WrappedKeys{Organization: o.ID}) }},
		{"PutHouseSecret", false, false, func(c ctx, w w) error { return w.PutHouseSecret(c, fairlead.HouseSecret{Name: "s"}) }},
		{"LockKeys", false, false, func(c ctx, w w) error { _, err := w.LockKeys(c, o.ID); return err }},
		{"AddToken", false, false, func(c ctx, w w) error { return w.AddToken(c, token) }},
		{"RemoveToken", false, false, func(c ctx, w w) error { return w.RemoveToken(c, ada.ID, token.ID) }},
		{"AddArchive", false, false, func(c ctx, w w) error { return w.AddArchive(c, p.ID, "sha256:1", 1, at(0)) }},
		{"AddRun", false, false, func(c ctx, w w) error { _, err := w.AddRun(c, r); return err }},
		{"ClaimRun", false, false, func(c ctx, w w) (err error) { held, err = w.ClaimRun(c, k, at(0), at(1)); return err }},
		{"LockRun", false, false, func(c ctx, w w) error { _, err := w.LockRun(c, r.ID); return err }},
		{"AddOutput", false, false, func(c ctx, w w) error { return w.AddOutput(c, r.ID, held.Fence, fairlead.Output{Name: "n"}) }},
		{"LoseRun", false, false, func(c ctx, w w) (err error) { held, err = w.LoseRun(c, at(2)); return err }},
		{"AddProject of a user", false, false, func(c ctx, w w) error {
			return w.AddProject(c, fairlead.Project{ID: fairlead.ProjectID(newID()), User: ada.ID, Name: "n"})
		}},
		{"RemoveProject of a user", false, false, func(c ctx, w w) error { return w.RemoveProject(c, personal.ID) }},
		{"AddProject", true, false, func(c ctx, w w) error {
			return w.AddProject(c, fairlead.Project{ID: fairlead.ProjectID(newID()), Organization: o.ID, Name: "n"})
		}},
		{"MoveProject", true, true, func(c ctx, w w) error { return w.MoveProject(c, moved) }},
		{"RemoveProject", false, true, func(c ctx, w w) error { return w.RemoveProject(c, p.ID) }},
	} {
		before, beforeThere := h.revision(t, o), h.revision(t, other)
		h.must(t, c.change)
		if got := h.revision(t, o) != before; got != c.here {
			t.Errorf("%s: the revision changed: %t, want %t", c.name, got, c.here)
		}
		if got := h.revision(t, other) != beforeThere; got != c.there {
			t.Errorf("%s: the other's revision changed: %t, want %t", c.name, got, c.there)
		}
	}
}

// testRevisionOfPulses: what is only looked at doesn't count.
func testRevisionOfPulses(t tester, h house) {
	o := h.newOrganization(t, "o")
	k, p := h.newWorker(t, o, "k"), h.newProject(t, o, fairlead.User{}, "p")
	h.newRun(t, p)
	r, token, before := ok(h.claim(t, k, 20))(t), h.newToken(t, h.newUser(t, "ada"), 2), h.revision(t, o)
	_, err := h.Renew(t.Context(), r.ID, r.Fence, at(30), nil)
	for _, err := range []error{
		err, h.TouchWorker(t.Context(), k), h.TouchToken(t.Context(), token.ID, at(1)), h.AppendLog(t.Context(), r.ID, r.Fence, linesOf(1, 1)),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	same(t, "the revision", h.revision(t, o), before)
}
