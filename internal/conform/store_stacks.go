package conform

import (
	"context"
	"slices"
	"strings"

	"fairlead.dev/fairlead"
)

func (h house) newStack(t tester, o fairlead.Organization, name fairlead.Name, g fairlead.Registry) fairlead.Stack {
	t.Helper()
	s := fairlead.Stack{
		ID: fairlead.StackID(newID()), Organization: o.ID, Name: name, Registry: g.ID, Repository: "reg.io/team", Engine: "docker", Queue: "gpu",
		Created: at(5), Updated: at(5),
	}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddStack(ctx, s) })
	s.Version, s.RegistryName = 1, g.Name
	return s
}

func testStacks(t tester, h house) {
	o := h.newOrganization(t, "o")
	g := h.newRegistry(t, o, "g", "reg.io/*", fairlead.Connector{})
	same(t, "StacksOf nobody", ok(h.StacksOf(t.Context(), o.ID))(t), []fairlead.Stack(nil))
	var want []fairlead.Stack
	for i, text := range strange() {
		s := fairlead.Stack{
			ID: fairlead.StackID(newID()), Organization: o.ID, Name: nameOf("s", 100-i), Repository: text, Engine: text, Queue: fairlead.Name(text),
			Created: fine(at(i)), Updated: fine(at(i)),
		}
		if i%2 == 0 {
			s.Registry = g.ID
		}
		h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddStack(ctx, s) })
		s.Version, s.Created, s.Updated = 1, at(i), at(i)
		if i%2 == 0 {
			s.RegistryName = g.Name
		}
		same(t, "StackByName", ok(h.StackByName(t.Context(), o.ID, s.Name))(t), s)
		want = slices.Insert(want, 0, s)
	}
	same(t, "StacksOf", ok(h.StacksOf(t.Context(), o.ID))(t), want)

	s := want[0]
	s.Name, s.Registry, s.Repository, s.Engine, s.Queue, s.Created, s.Updated = "new", "", "other.io/x", "runc", "cpu", at(99), at(98)
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.UpdateStack(ctx, s) })
	s.Version, s.Created, s.RegistryName = 2, want[0].Created, ""
	same(t, "after UpdateStack", ok(h.StackByName(t.Context(), o.ID, "new"))(t), s)
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveStack(ctx, o.ID, s.ID) })
	same(t, "after RemoveStack", len(ok(h.StacksOf(t.Context(), o.ID))(t)), len(want)-1)
	for _, id := range append(nowhere(), "new") {
		s, err := h.StackByName(t.Context(), o.ID, fairlead.Name(id))
		wantMissing(t, s, err)
		h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
			return w.RemoveStack(ctx, o.ID, fairlead.StackID(id))
		})
		same(t, "StacksOf nowhere", ok(h.StacksOf(t.Context(), fairlead.OrganizationID(id)))(t), []fairlead.Stack(nil))
	}
}

func testStackConflicts(t tester, h house) {
	o := h.newOrganization(t, "o")
	g := h.newRegistry(t, o, "g", "reg.io/*", fairlead.Connector{})
	s, other := h.newStack(t, o, "s", g), h.newStack(t, o, "t", fairlead.Registry{})
	update := func(with func(*fairlead.Stack)) step {
		changed := s
		with(&changed)
		return func(ctx context.Context, w fairlead.Writer) error { return w.UpdateStack(ctx, changed) }
	}
	add := func(with func(*fairlead.Stack)) step {
		changed := fairlead.Stack{ID: fairlead.StackID(newID()), Organization: o.ID, Name: "new"}
		with(&changed)
		return func(ctx context.Context, w fairlead.Writer) error { return w.AddStack(ctx, changed) }
	}
	for name, c := range map[string]struct {
		field string
		kind  fairlead.Kind
		code  fairlead.Code
		step  step
	}{
		"add: name":        {"name", fairlead.Conflict, "", add(func(n *fairlead.Stack) { n.Name = "s" })},
		"add: id":          {"id", fairlead.Conflict, "", add(func(n *fairlead.Stack) { n.ID = s.ID })},
		"add: version":     {"", fairlead.Conflict, fairlead.CodeStale, add(func(n *fairlead.Stack) { n.Version = 1 })},
		"add: registry":    {"", fairlead.NotFound, "", add(func(n *fairlead.Stack) { n.Registry = fairlead.RegistryID(newID()) })},
		"update: name":     {"name", fairlead.Conflict, "", update(func(n *fairlead.Stack) { n.Name = other.Name })},
		"update: version":  {"", fairlead.Conflict, fairlead.CodeStale, update(func(n *fairlead.Stack) { n.Version = 2 })},
		"update: id":       {"", fairlead.NotFound, "", update(func(n *fairlead.Stack) { n.ID = fairlead.StackID(newID()) })},
		"update: registry": {"", fairlead.NotFound, "", update(func(n *fairlead.Stack) { n.Registry = fairlead.RegistryID(newID()) })},
		"registry in use": {"", fairlead.Conflict, fairlead.CodeInUse, func(ctx context.Context, w fairlead.Writer) error {
			return w.RemoveRegistry(ctx, o.ID, g.ID)
		}},
	} {
		err := h.do(t, c.step)
		wantKind(t, err, c.kind, c.code)
		e := fairlead.AsError("", err)
		if e.Field != c.field {
			t.Errorf("%s: the field is %q, want %q: %v", name, e.Field, c.field, err)
		}
		if c.code == fairlead.CodeInUse && !strings.HasSuffix(e.Why, "by the stacks s") {
			t.Errorf("%s: it says %q", name, e.Why)
		}
	}
	same(t, "in the end", ok(h.StacksOf(t.Context(), o.ID))(t), []fairlead.Stack{s, other})
	h.newStack(t, h.newOrganization(t, "o2"), "s", fairlead.Registry{}) // another organization may
}

// testProjectStacks: a project has one stack of its organization, or none, and goes
// without it to another owner.
func testProjectStacks(t tester, h house) {
	o, other, ada := h.newOrganization(t, "o"), h.newOrganization(t, "other"), h.newUser(t, "ada")
	s, s2, foreign := h.newStack(t, o, "s", fairlead.Registry{}), h.newStack(t, o, "s2", fairlead.Registry{}), h.newStack(t, other, "s", fairlead.Registry{})
	p, personal := h.newProject(t, o, fairlead.User{}, "p"), h.newProject(t, fairlead.Organization{}, ada, "mine")
	set := func(p fairlead.Project, id fairlead.StackID) step {
		return func(ctx context.Context, w fairlead.Writer) error { return w.SetProjectStack(ctx, p.ID, id) }
	}
	has := func(want fairlead.Stack) {
		t.Helper()
		p.Stack, p.StackName = want.ID, want.Name
		same(t, "Project", ok(h.Project(t.Context(), p.ID))(t), p)
		same(t, "ProjectByName", ok(h.ProjectByName(t.Context(), p.Owner, p.Name))(t), p)
		same(t, "ProjectsOf", ok(h.ProjectsOf(t.Context(), []fairlead.OrganizationID{p.Organization}, ""))(t), []fairlead.Project{p})
	}
	has(fairlead.Stack{})
	for _, want := range []fairlead.Stack{s, s2, s2, {}, {}, s} {
		h.must(t, set(p, want.ID))
		has(want)
	}
	for _, id := range append(nowhere()[1:], string(foreign.ID)) {
		h.refused(t, fairlead.NotFound, "", set(p, fairlead.StackID(id)))
		h.refused(t, fairlead.NotFound, "", set(fairlead.Project{ID: fairlead.ProjectID(id)}, s.ID))
	}
	h.refused(t, fairlead.NotFound, "", set(personal, s.ID))
	h.must(t, set(personal, ""))
	has(s)

	remove := func(ctx context.Context, w fairlead.Writer) error { return w.RemoveStack(ctx, o.ID, s.ID) }
	err := h.do(t, remove)
	wantKind(t, err, fairlead.Conflict, fairlead.CodeInUse)
	if e := fairlead.AsError("", err); !strings.HasSuffix(e.Why, "by the projects p") {
		t.Errorf("it says %q", e.Why)
	}
	s.Name = "renamed"
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.UpdateStack(ctx, s) })
	has(s)
	p.Name = "q" // the same owner: the stack stays
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.MoveProject(ctx, p) })
	has(s)
	p.Organization, p.Owner = other.ID, other.Name
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.MoveProject(ctx, p) })
	has(fairlead.Stack{})
	h.must(t, set(p, foreign.ID))
	has(foreign)
	h.must(t, remove)
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveProject(ctx, p.ID) })
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveStack(ctx, other.ID, foreign.ID) })
}
