package conform

import (
	"context"

	"fairlead.dev/fairlead"
)

func testProjects(t tester, h house) {
	// "a-b/p" comes before "a/p", as the dash comes before the slash.
	a, ab, ada := h.newOrganization(t, "a"), h.newOrganization(t, "a-b"), h.newUser(t, "ada")
	none := fairlead.User{}
	all := []fairlead.Project{
		h.newProject(t, ab, none, "p"), h.newProject(t, a, none, "p"), h.newProject(t, a, none, "q"),
		h.newProject(t, fairlead.Organization{}, ada, "p"),
	}
	for _, p := range all {
		same(t, "Project", ok(h.Project(t.Context(), p.ID))(t), p)
		same(t, "ProjectByName", ok(h.ProjectByName(t.Context(), p.Owner, p.Name))(t), p)
	}
	list := func(user fairlead.UserID, orgs ...fairlead.OrganizationID) []fairlead.Project {
		return ok(h.ProjectsOf(t.Context(), orgs, user))(t)
	}
	same(t, "ProjectsOf all", list(ada.ID, a.ID, ab.ID, a.ID), all)
	same(t, "ProjectsOf a", list("", a.ID), all[1:3])
	same(t, "ProjectsOf ada", list(ada.ID), all[3:])
	same(t, "ProjectsOf nobody", list(""), []fairlead.Project(nil))

	p := all[1]
	p.Name, p.Organization, p.Owner = "r", ab.ID, ab.Name
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.MoveProject(ctx, p) })
	same(t, "after MoveProject", ok(h.ProjectByName(t.Context(), "a-b", "r"))(t), p)
	missing, err := h.ProjectByName(t.Context(), "a", "p")
	wantMissing(t, missing, err)
	p.Organization, p.User, p.Owner = "", ada.ID, ada.Name
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.MoveProject(ctx, p) })
	same(t, "after MoveProject to a user", ok(h.Project(t.Context(), p.ID))(t), p)

	// A new name of the owner is the project's too.
	h.must(t, func(ctx context.Context, w fairlead.Writer) error {
		return w.UpdateUser(ctx, fairlead.User{ID: ada.ID, Name: "lovelace"})
	})
	p.Owner = "lovelace"
	same(t, "after UpdateUser", ok(h.ProjectByName(t.Context(), "lovelace", "r"))(t), p)
	for _, id := range nowhere() {
		p, err := h.Project(t.Context(), fairlead.ProjectID(id))
		wantMissing(t, p, err)
		p, err = h.ProjectByName(t.Context(), fairlead.Name(id), "p")
		wantMissing(t, p, err)
		p, err = h.ProjectByName(t.Context(), "a", fairlead.Name(id))
		wantMissing(t, p, err)
		same(t, "ProjectsOf nowhere", list(fairlead.UserID(id), fairlead.OrganizationID(id)), []fairlead.Project(nil))
	}
}

func testProjectConflicts(t tester, h house) {
	a, b, ada := h.newOrganization(t, "a"), h.newOrganization(t, "b"), h.newUser(t, "ada")
	p, q := h.newProject(t, a, fairlead.User{}, "p"), h.newProject(t, b, fairlead.User{}, "p")
	add := func(p fairlead.Project) step {
		return func(ctx context.Context, w fairlead.Writer) error { return w.AddProject(ctx, p) }
	}
	move := func(p fairlead.Project) step {
		return func(ctx context.Context, w fairlead.Writer) error { return w.MoveProject(ctx, p) }
	}
	h.refused(t, fairlead.Conflict, "", add(fairlead.Project{ID: fairlead.ProjectID(newID()), Name: "p", Organization: a.ID}))
	h.refused(t, fairlead.Conflict, "", add(fairlead.Project{ID: p.ID, Name: "other", Organization: a.ID}))
	h.refused(t, fairlead.Conflict, "", move(fairlead.Project{ID: q.ID, Name: "p", Organization: a.ID}))
	h.refused(t, fairlead.Invalid, "", add(fairlead.Project{ID: fairlead.ProjectID(newID()), Name: "n"}))
	h.refused(t, fairlead.Invalid, "", move(fairlead.Project{ID: p.ID, Name: "n", Organization: a.ID, User: ada.ID}))
	for _, id := range nowhere() {
		if id == "" {
			continue
		}
		for name, p := range map[string]fairlead.Project{
			"organization": {ID: p.ID, Name: "n", Organization: fairlead.OrganizationID(id)},
			"user":         {ID: p.ID, Name: "n", User: fairlead.UserID(id)},
		} {
			t.Log(name)
			h.refused(t, fairlead.NotFound, "", move(p))
			p.ID = fairlead.ProjectID(newID())
			h.refused(t, fairlead.NotFound, "", add(p))
		}
		h.refused(t, fairlead.NotFound, "", move(fairlead.Project{ID: fairlead.ProjectID(id), Name: "n", Organization: a.ID}))
		h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
			return w.RemoveProject(ctx, fairlead.ProjectID(id))
		})
	}
	// An organization's identifier is no user's, nor the other way round.
	h.refused(t, fairlead.NotFound, "", move(fairlead.Project{ID: p.ID, Name: "n", Organization: fairlead.OrganizationID(ada.ID)}))
	h.refused(t, fairlead.NotFound, "", move(fairlead.Project{ID: p.ID, Name: "n", User: fairlead.UserID(a.ID)}))
	same(t, "p", ok(h.Project(t.Context(), p.ID))(t), p)
	same(t, "q", ok(h.Project(t.Context(), q.ID))(t), q)
}

func testRemoveProject(t tester, h house) {
	o := h.newOrganization(t, "o")
	p, q := h.newProject(t, o, fairlead.User{}, "p"), h.newProject(t, o, fairlead.User{}, "q")
	remove := func(ctx context.Context, w fairlead.Writer) error { return w.RemoveProject(ctx, p.ID) }
	const archive = fairlead.Digest("sha256:abc")
	for _, p := range []fairlead.Project{p, q} {
		for range 2 { // of the same archive, the second time changes nothing
			h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddArchive(ctx, p.ID, archive, 12, at(0)) })
		}
		same(t, "HasArchive", ok(h.HasArchive(t.Context(), p.ID, archive))(t), true)
	}
	h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
		return w.AddArchive(ctx, fairlead.ProjectID(newID()), archive, 12, at(0))
	})
	kept := h.newRun(t, q)
	r := h.newRun(t, p)
	output := fairlead.Output{Name: "model", Digest: "sha256:1", Size: 1}
	for _, r := range []fairlead.Run{r, kept} {
		h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddOutput(ctx, r.ID, 0, output) })
		if err := h.AppendLog(t.Context(), r.ID, 0, linesOf(1, 3)); err != nil {
			t.Fatal(err)
		}
	}
	h.refused(t, fairlead.Conflict, fairlead.CodeInUse, remove)
	if err := h.update(t, r, func(r *fairlead.Run) { r.State = fairlead.Stopped }); err != nil {
		t.Fatal(err)
	}
	before := h.events(t)
	h.must(t, remove)
	same(t, "events", h.events(t), before+1) // of what was removed too
	gone, err := h.Project(t.Context(), p.ID)
	wantMissing(t, gone, err)
	goneRun, err := h.Run(t.Context(), r.ID)
	wantMissing(t, goneRun, err)
	same(t, "OutputsOf", ok(h.OutputsOf(t.Context(), r.ID))(t), []fairlead.Output(nil))
	same(t, "Log", ok(h.Log(t.Context(), r.ID, 0, 10))(t), []fairlead.LogLine(nil))
	same(t, "LastLine", ok(h.LastLine(t.Context(), r.ID))(t), int64(0))
	same(t, "HasArchive", ok(h.HasArchive(t.Context(), p.ID, archive))(t), false)

	same(t, "what another project has: run", ok(h.Run(t.Context(), kept.ID))(t), kept)
	same(t, "what another project has: outputs", ok(h.OutputsOf(t.Context(), kept.ID))(t), []fairlead.Output{output})
	same(t, "what another project has: log", ok(h.Log(t.Context(), kept.ID, 0, 10))(t), linesOf(1, 3))
	same(t, "what another project has: archive", ok(h.HasArchive(t.Context(), q.ID, archive))(t), true)
}
