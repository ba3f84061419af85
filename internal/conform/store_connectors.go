package conform

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

func testConnectors(t tester, h house) {
	o := h.newOrganization(t, "o")
	same(t, "ConnectorsOf nobody", ok(h.ConnectorsOf(t.Context(), o.ID))(t), []fairlead.Connector(nil))
	var want []fairlead.Connector
	for i, text := range strange() {
		c := fairlead.Connector{
			ID: fairlead.ConnectorID(newID()), Organization: o.ID, Name: nameOf("c", 100-i), Family: fairlead.Family(text), Method: text,
			Public: map[string]string{"field": text, text: ""}, Expires: fine(at(i)), Created: fine(at(i)), Updated: fine(at(i + 1)),
		}
		if i%2 == 0 {
			c.Expires = time.Time{}
		}
		fields := []string{"z", "a", "m"} // come back sorted
		h.must(t, func(ctx context.Context, w fairlead.Writer) error {
			return w.AddConnector(ctx, c, sealed(1, fields...))
		})
		c.Version, c.Secrets, c.Created, c.Updated = 1, []string{"a", "m", "z"}, at(i), at(i+1)
		if i%2 != 0 {
			c.Expires = at(i)
		}
		same(t, "Connector", ok(h.Connector(t.Context(), o.ID, c.ID))(t), c)
		same(t, "ConnectorByName", ok(h.ConnectorByName(t.Context(), o.ID, c.Name))(t), c)
		want = append([]fairlead.Connector{c}, want...)
	}
	same(t, "ConnectorsOf", ok(h.ConnectorsOf(t.Context(), o.ID))(t), want)

	for _, public := range []map[string]string{nil, {}} { // comes back as nil
		bare := fairlead.Connector{ID: fairlead.ConnectorID(newID()), Organization: o.ID, Name: "bare", Public: public}
		h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddConnector(ctx, bare, nil) })
		bare.Version, bare.Public = 1, nil
		same(t, "bare", ok(h.Connector(t.Context(), o.ID, bare.ID))(t), bare)
		same(t, "SealedFields of bare", ok(h.SealedFields(t.Context(), o.ID, bare.ID))(t), []fairlead.SealedField(nil))
		h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveConnector(ctx, o.ID, bare.ID) })
	}
	for _, id := range nowhere() {
		c, err := h.Connector(t.Context(), o.ID, fairlead.ConnectorID(id))
		wantMissing(t, c, err)
		c, err = h.ConnectorByName(t.Context(), o.ID, fairlead.Name(id))
		wantMissing(t, c, err)
		f, err := h.SealedFields(t.Context(), o.ID, fairlead.ConnectorID(id))
		wantMissing(t, f, err)
		same(t, "ConnectorsOf nowhere", ok(h.ConnectorsOf(t.Context(), fairlead.OrganizationID(id)))(t), []fairlead.Connector(nil))
	}
}

func testConnectorVersions(t tester, h house) {
	o := h.newOrganization(t, "o")
	c, other := h.newConnector(t, o, "c", "password"), h.newConnector(t, o, "other")
	add := func(c fairlead.Connector) step {
		return func(ctx context.Context, w fairlead.Writer) error { return w.AddConnector(ctx, c, nil) }
	}
	update := func(c fairlead.Connector, secrets ...fairlead.SealedField) step {
		return func(ctx context.Context, w fairlead.Writer) error { return w.UpdateConnector(ctx, c, secrets) }
	}
	next := c
	next.Name, next.Family, next.Method, next.Public = "d", "ecr", "keys", map[string]string{"region": "eu-west-1"}
	next.Expires, next.Updated, next.Created = at(50), at(40), at(99)
	h.must(t, update(next, append(sealed(1, "password"), sealed(2, "key")...)...))
	next.Version, next.Created, next.Secrets = 2, c.Created, []string{"key", "password"}
	same(t, "after UpdateConnector", ok(h.Connector(t.Context(), o.ID, c.ID))(t), next)
	same(t, "SealedFields", ok(h.SealedFields(t.Context(), o.ID, c.ID))(t), append(sealed(2, "key"), sealed(1, "password")...))

	h.refused(t, fairlead.Conflict, fairlead.CodeStale, update(c, sealed(1, "password")...))
	ahead := next
	ahead.Version = 3
	h.refused(t, fairlead.Conflict, fairlead.CodeStale, update(ahead))
	taken := next
	taken.Name = other.Name
	h.refused(t, fairlead.Conflict, "", update(taken))
	h.refused(t, fairlead.Conflict, "", add(fairlead.Connector{ID: fairlead.ConnectorID(newID()), Organization: o.ID, Name: "d"}))
	h.refused(t, fairlead.Conflict, "", add(fairlead.Connector{ID: c.ID, Organization: o.ID, Name: "e"}))
	h.refused(t, fairlead.Conflict, fairlead.CodeStale, add(fairlead.Connector{ID: fairlead.ConnectorID(newID()), Organization: o.ID, Name: "e", Version: 1}))
	h.refused(t, fairlead.NotFound, "", update(fairlead.Connector{ID: fairlead.ConnectorID(newID()), Organization: o.ID, Name: "e", Version: 1}))
	h.refused(t, fairlead.NotFound, "", add(fairlead.Connector{ID: fairlead.ConnectorID(newID()), Organization: fairlead.OrganizationID(newID()), Name: "e"}))

	same(t, "in the end", ok(h.Connector(t.Context(), o.ID, c.ID))(t), next)
	same(t, "SealedFields in the end", ok(h.SealedFields(t.Context(), o.ID, c.ID))(t), append(sealed(2, "key"), sealed(1, "password")...))
}

func testSealedFields(t tester, h house) {
	o := h.newOrganization(t, "o")
	c := h.newConnector(t, o, "c", "a", "b")
	reseal := func(secrets ...fairlead.SealedField) step {
		return func(ctx context.Context, w fairlead.Writer) error { return w.ResealFields(ctx, o.ID, c.ID, secrets) }
	}
	want := []fairlead.SealedField{{Field: "a", Version: 1, Sealed: []byte("new")}, sealed(1, "b")[0]}
	h.must(t, reseal(want[0]))
	same(t, "SealedFields", ok(h.SealedFields(t.Context(), o.ID, c.ID))(t), want)
	same(t, "Connector", ok(h.Connector(t.Context(), o.ID, c.ID))(t), c)
	h.must(t, reseal(sealed(1, "a", "b")...))
	for name, refused := range map[string][]fairlead.SealedField{
		"other version": {want[1], {Field: "a", Version: 2, Sealed: []byte("x")}},
		"no such field": {want[1], {Field: "c", Version: 1, Sealed: []byte("x")}},
	} {
		t.Log(name)
		h.refused(t, fairlead.Conflict, fairlead.CodeStale, reseal(refused...))
	}
	h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
		return w.ResealFields(ctx, o.ID, fairlead.ConnectorID(newID()), nil)
	})
	same(t, "SealedFields in the end", ok(h.SealedFields(t.Context(), o.ID, c.ID))(t), sealed(1, "a", "b"))
}

// testClaimRenewal: of those who would renew a connector, one does, until its time is over.
func testClaimRenewal(t tester, h house) {
	o := h.newOrganization(t, "o")
	c, other := h.newConnector(t, o, "c", "a"), h.newConnector(t, o, "other")
	claim := func(c fairlead.Connector, now, until time.Time) error {
		return h.do(t, func(ctx context.Context, w fairlead.Writer) error { return w.ClaimRenewal(ctx, c, now, until) })
	}
	for i, step := range []struct {
		of         fairlead.Connector
		now, until time.Time
		held       bool
	}{
		{c, at(0), at(10), false},
		{c, at(0), at(10), true},
		{c, at(9), at(20), true},
		{other, at(9), at(20), false},
		{c, at(10), at(30), false},
		{c, at(29), at(40), true},
	} {
		if err := claim(step.of, step.now, step.until); errors.Is(err, fairlead.ErrUnchanged) != step.held || !step.held && err != nil {
			t.Errorf("step %d: %v", i, err)
		}
	}
	same(t, "Connector", ok(h.Connector(t.Context(), o.ID, c.ID))(t), c)
	ahead, gone := c, c
	ahead.Version++
	gone.ID = fairlead.ConnectorID(newID())
	wantKind(t, claim(ahead, at(99), at(100)), fairlead.Conflict, fairlead.CodeStale)
	wantKind(t, claim(gone, at(99), at(100)), fairlead.NotFound, "")
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.UpdateConnector(ctx, c, sealed(2, "a")) })
	wantKind(t, claim(c, at(99), at(100)), fairlead.Conflict, fairlead.CodeStale)
	if err := claim(ok(h.Connector(t.Context(), o.ID, c.ID))(t), at(31), at(40)); err != nil {
		t.Error(err)
	}
}

func testRemoveConnector(t tester, h house) {
	o := h.newOrganization(t, "o")
	c := h.newConnector(t, o, "c", "a")
	remove := func(ctx context.Context, w fairlead.Writer) error { return w.RemoveConnector(ctx, o.ID, c.ID) }
	var used []fairlead.Registry
	for i, covers := range []string{"a.io/*", "b.io/*", "c.io/*", "d.io/*", "e.io/*", "f.io/*", "g.io/*"} {
		used = append(used, h.newRegistry(t, o, nameOf("r", i), covers, c))
	}
	for _, want := range []string{
		"r-0000, r-0001, r-0002, r-0003, r-0004 and 2 more",
		"r-0001, r-0002, r-0003, r-0004, r-0005 and 1 more",
		"r-0002, r-0003, r-0004, r-0005, r-0006",
		"r-0003, r-0004, r-0005, r-0006",
	} {
		err := h.do(t, remove)
		wantKind(t, err, fairlead.Conflict, fairlead.CodeInUse)
		if e := fairlead.AsError("", err); !strings.HasSuffix(e.Why, " "+want) {
			t.Errorf("it says %q, want %q", e.Why, want)
		}
		first := used[0].ID
		h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveRegistry(ctx, o.ID, first) })
		used = used[1:]
	}
	for _, g := range used {
		h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveRegistry(ctx, o.ID, g.ID) })
	}
	h.must(t, remove)
	missing, err := h.SealedFields(t.Context(), o.ID, c.ID)
	wantMissing(t, missing, err)
	h.refused(t, fairlead.NotFound, "", remove)
	again := h.newConnector(t, o, "c") // the name is free, and nothing is left of the secrets
	same(t, "SealedFields", ok(h.SealedFields(t.Context(), o.ID, again.ID))(t), []fairlead.SealedField(nil))
}

func testRegistries(t tester, h house) {
	o := h.newOrganization(t, "o")
	c := h.newConnector(t, o, "c")
	same(t, "RegistriesOf nobody", ok(h.RegistriesOf(t.Context(), o.ID))(t), []fairlead.Registry(nil))
	var want []fairlead.Registry
	for i, text := range strange() {
		g := fairlead.Registry{
			ID: fairlead.RegistryID(newID()), Organization: o.ID, Name: nameOf("r", 100-i), Pattern: parsePattern(t, string(nameOf("reg", i))+".io/*"),
			Disclosure: fairlead.StoredSecret, CABundle: text, Created: fine(at(i)), Updated: fine(at(i)),
		}
		if i%2 == 0 {
			g.Connector, g.Disclosure, g.PlainHTTP, g.Push = c.ID, fairlead.Scoped, true, true
		}
		h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddRegistry(ctx, g) })
		g.Version, g.Created, g.Updated = 1, at(i), at(i)
		if i%2 == 0 {
			g.ConnectorName = c.Name
		}
		same(t, "RegistryByName", ok(h.RegistryByName(t.Context(), o.ID, g.Name))(t), g)
		want = slices.Insert(want, 0, g)
	}
	same(t, "RegistriesOf", ok(h.RegistriesOf(t.Context(), o.ID))(t), want)

	g := want[0]
	g.Name, g.Pattern, g.Connector, g.Disclosure, g.PlainHTTP, g.Push = "new", parsePattern(t, "other.io/x/*:v1"), "", fairlead.StoredSecret, false, false
	g.CABundle, g.Created, g.Updated = "new", at(99), at(98)
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.UpdateRegistry(ctx, g) })
	g.Version, g.Created, g.ConnectorName = 2, want[0].Created, ""
	same(t, "after UpdateRegistry", ok(h.RegistryByName(t.Context(), o.ID, "new"))(t), g)

	c.Name, c.Public = "renamed", nil // the registry shows it
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.UpdateConnector(ctx, c, nil) })
	same(t, "ConnectorName", ok(h.RegistryByName(t.Context(), o.ID, want[2].Name))(t).ConnectorName, fairlead.Name("renamed"))

	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveRegistry(ctx, o.ID, g.ID) })
	same(t, "after RemoveRegistry", len(ok(h.RegistriesOf(t.Context(), o.ID))(t)), len(want)-1)
	for _, id := range append(nowhere(), "new") {
		g, err := h.RegistryByName(t.Context(), o.ID, fairlead.Name(id))
		wantMissing(t, g, err)
		h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
			return w.RemoveRegistry(ctx, o.ID, fairlead.RegistryID(id))
		})
		same(t, "RegistriesOf nowhere", ok(h.RegistriesOf(t.Context(), fairlead.OrganizationID(id)))(t), []fairlead.Registry(nil))
	}
}

func testRegistryConflicts(t tester, h house) {
	o := h.newOrganization(t, "o")
	g := h.newRegistry(t, o, "g", "reg.io/*", fairlead.Connector{})
	other := h.newRegistry(t, o, "other", "other.io/*", fairlead.Connector{})
	update := func(with func(*fairlead.Registry)) step {
		changed := g
		with(&changed)
		return func(ctx context.Context, w fairlead.Writer) error { return w.UpdateRegistry(ctx, changed) }
	}
	add := func(with func(*fairlead.Registry)) step {
		changed := fairlead.Registry{ID: fairlead.RegistryID(newID()), Organization: o.ID, Name: "new", Pattern: parsePattern(t, "new.io/*")}
		with(&changed)
		return func(ctx context.Context, w fairlead.Writer) error { return w.AddRegistry(ctx, changed) }
	}
	for name, c := range map[string]struct {
		field string
		kind  fairlead.Kind
		code  fairlead.Code
		step  step
	}{
		"add: name":       {"name", fairlead.Conflict, "", add(func(n *fairlead.Registry) { n.Name = "g" })},
		"add: pattern":    {"pattern", fairlead.Conflict, "", add(func(n *fairlead.Registry) { n.Pattern = g.Pattern })},
		"add: id":         {"id", fairlead.Conflict, "", add(func(n *fairlead.Registry) { n.ID = g.ID })},
		"add: version":    {"", fairlead.Conflict, fairlead.CodeStale, add(func(n *fairlead.Registry) { n.Version = 1 })},
		"add: connector":  {"", fairlead.NotFound, "", add(func(n *fairlead.Registry) { n.Connector = fairlead.ConnectorID(newID()) })},
		"update: name":    {"name", fairlead.Conflict, "", update(func(n *fairlead.Registry) { n.Name = other.Name })},
		"update: pattern": {"pattern", fairlead.Conflict, "", update(func(n *fairlead.Registry) { n.Pattern = other.Pattern })},
		"update: version": {"", fairlead.Conflict, fairlead.CodeStale, update(func(n *fairlead.Registry) { n.Version = 2 })},
		"update: id":      {"", fairlead.NotFound, "", update(func(n *fairlead.Registry) { n.ID = fairlead.RegistryID(newID()) })},
		"update: connector": {"", fairlead.NotFound, "", update(func(n *fairlead.Registry) {
			n.Connector = fairlead.ConnectorID(newID())
		})},
	} {
		err := h.do(t, c.step)
		wantKind(t, err, c.kind, c.code)
		if e := fairlead.AsError("", err); e.Field != c.field {
			t.Errorf("%s: the field is %q, want %q: %v", name, e.Field, c.field, err)
		}
	}
	same(t, "in the end", ok(h.RegistriesOf(t.Context(), o.ID))(t), []fairlead.Registry{g, other})
	h.newRegistry(t, h.newOrganization(t, "o2"), "g", "reg.io/*", fairlead.Connector{}) // another organization may
}

// testForeignOrganization: what belongs to another organization isn't there.
func testForeignOrganization(t tester, h house) {
	mine, theirs := h.newOrganization(t, "mine"), h.newOrganization(t, "theirs")
	c, k := h.newConnector(t, theirs, "c", "a"), h.newWorker(t, theirs, "k")
	g := h.newRegistry(t, theirs, "g", "reg.io/*", c)

	gotC, err := h.Connector(t.Context(), mine.ID, c.ID)
	wantMissing(t, gotC, err)
	gotC, err = h.ConnectorByName(t.Context(), mine.ID, c.Name)
	wantMissing(t, gotC, err)
	fields, err := h.SealedFields(t.Context(), mine.ID, c.ID)
	wantMissing(t, fields, err)
	gotG, err := h.RegistryByName(t.Context(), mine.ID, g.Name)
	wantMissing(t, gotG, err)

	st := h.newStack(t, theirs, "st", g)
	gotS, err := h.StackByName(t.Context(), mine.ID, st.Name)
	wantMissing(t, gotS, err)
	stack, pushing, p := st, fairlead.Stack{ID: fairlead.StackID(newID()), Organization: mine.ID, Name: "n", Registry: g.ID}, h.newProject(t, mine, fairlead.User{}, "p")
	stack.Organization = mine.ID

	asMine, using := c, fairlead.Registry{ID: fairlead.RegistryID(newID()), Organization: mine.ID, Name: "n", Pattern: g.Pattern, Connector: c.ID}
	asMine.Organization = mine.ID
	registry := g
	registry.Organization = mine.ID
	for name, change := range map[string]step{
		"update connector": func(ctx context.Context, w fairlead.Writer) error { return w.UpdateConnector(ctx, asMine, nil) },
		"reseal": func(ctx context.Context, w fairlead.Writer) error {
			return w.ResealFields(ctx, mine.ID, c.ID, sealed(1, "a"))
		},
		"claim renewal":    func(ctx context.Context, w fairlead.Writer) error { return w.ClaimRenewal(ctx, asMine, at(0), at(1)) },
		"remove connector": func(ctx context.Context, w fairlead.Writer) error { return w.RemoveConnector(ctx, mine.ID, c.ID) },
		"use connector":    func(ctx context.Context, w fairlead.Writer) error { return w.AddRegistry(ctx, using) },
		"update registry":  func(ctx context.Context, w fairlead.Writer) error { return w.UpdateRegistry(ctx, registry) },
		"remove registry":  func(ctx context.Context, w fairlead.Writer) error { return w.RemoveRegistry(ctx, mine.ID, g.ID) },
		"push":             func(ctx context.Context, w fairlead.Writer) error { return w.AddStack(ctx, pushing) },
		"update stack":     func(ctx context.Context, w fairlead.Writer) error { return w.UpdateStack(ctx, stack) },
		"remove stack":     func(ctx context.Context, w fairlead.Writer) error { return w.RemoveStack(ctx, mine.ID, st.ID) },
		"use stack":        func(ctx context.Context, w fairlead.Writer) error { return w.SetProjectStack(ctx, p.ID, st.ID) },
		"remove worker":    func(ctx context.Context, w fairlead.Writer) error { return w.RemoveWorker(ctx, mine.ID, k.ID) },
		"remove worker as everybody's": func(ctx context.Context, w fairlead.Writer) error {
			return w.RemoveWorker(ctx, "", k.ID)
		},
	} {
		t.Log(name)
		h.refused(t, fairlead.NotFound, "", change)
	}
	same(t, "connector", ok(h.Connector(t.Context(), theirs.ID, c.ID))(t), c)
	same(t, "registry", ok(h.RegistryByName(t.Context(), theirs.ID, g.Name))(t), g)
	same(t, "stack", ok(h.StackByName(t.Context(), theirs.ID, st.Name))(t), st)
	same(t, "worker", ok(h.Worker(t.Context(), k.ID))(t), k)
	same(t, "registries", ok(h.RegistriesOf(t.Context(), mine.ID))(t), []fairlead.Registry(nil))
}
