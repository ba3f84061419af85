package control_test

import (
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/wire"
)

func project(owner, name fairlead.Name) wire.ProjectPath {
	return wire.ProjectPath{Owner: owner, Project: name}
}

// TestProjects makes, renames, transfers and deletes projects.
func TestProjects(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	bob := r.User(r.Ann, "acme", "bob", fairlead.Member)
	eve := r.Organization("evil", "eve")
	create := func(c *client.Client, owner, name string) error {
		return try(t, c, wire.CreateProject, wire.ProjectRequest{Owner: owner, Name: name})
	}
	transfer := func(c *client.Client, owner, name fairlead.Name, to string) error {
		return try(t, c, wire.TransferProject, wire.ProjectTransfer{ProjectPath: project(owner, name), To: to})
	}
	for what, err := range map[string]error{
		"bob's own": create(bob, "bob", "mine"), "bob's for acme": create(bob, "acme", "ours"), "ann's own": create(r.Ann, "ann", "mine"),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused(t, "a name that is taken", create(bob, "acme", "ours"), fairlead.Conflict, "")
	refused(t, "for another user", create(bob, "ann", "x"), fairlead.NotFound, "", "there is no organization ann")
	refused(t, "for another organization", create(bob, "evil", "x"), fairlead.NotFound, "", "there is no organization evil")
	refused(t, "for nobody", create(bob, "", "x"), fairlead.NotFound, "")
	refused(t, "a bad name", create(bob, "bob", "X"), fairlead.Invalid, "")

	refused(t, "another's project", transfer(r.Ann, "bob", "mine", "acme"), fairlead.NotFound, "")
	refused(t, "to where bob isn't", transfer(bob, "bob", "mine", "evil"), fairlead.NotFound, "")
	refused(t, "the organization's, by a member", transfer(bob, "acme", "ours", "bob"), fairlead.Denied, "", "only an administrator")
	refused(t, "by one of another organization", transfer(eve, "acme", "ours", "evil"), fairlead.NotFound, "")
	if err := transfer(bob, "bob", "mine", "acme"); err != nil {
		t.Errorf("bob gives his project to acme: %v", err)
	}
	refused(t, "it isn't bob's any more", try(t, bob, wire.ShowProject, project("bob", "mine")), fairlead.NotFound, "")
	refused(t, "a name that is taken there", transfer(r.Ann, "ann", "mine", "acme"), fairlead.Conflict, "")
	if err := transfer(r.Ann, "acme", "mine", "ann"); fairlead.KindOf(err) != fairlead.Conflict {
		t.Errorf("a name that is taken at ann's: %v", err)
	}
	fairleadtest.Must(t, r.Ann, wire.UpdateProject, wire.ProjectUpdate{ProjectPath: project("acme", "mine"), Name: "theirs"})
	if err := transfer(r.Ann, "acme", "theirs", "ann"); err != nil {
		t.Errorf("ann takes a project back as her own: %v", err)
	}
	refused(t, "the organization's is gone", try(t, r.Ann, wire.ShowProject, project("acme", "theirs")), fairlead.NotFound, "")
	fairleadtest.Must(t, r.Ann, wire.DeleteProject, project("ann", "theirs"))
	refused(t, "deleting by a member", try(t, bob, wire.DeleteProject, project("acme", "ours")), fairlead.Denied, "")

	file := "- step:\n    name: train\n    image: busybox\n    command: echo hello\n"
	run := fairleadtest.Must(t, bob, wire.CreateRun, wire.RunRequest{ProjectPath: project("acme", "ours"), File: file, Step: "train"})
	refused(t, "deleting with a run that waits", try(t, r.Ann, wire.DeleteProject, project("acme", "ours")), fairlead.Conflict, fairlead.CodeInUse)
	fairleadtest.Must(t, bob, wire.StopRun, wire.RunPath{ProjectPath: project("acme", "ours"), Number: run.Number})
	fairleadtest.Must(t, r.Ann, wire.DeleteProject, project("acme", "ours"))
}

// TestForbidPersonal has an organization forbid its members personal projects.
func TestForbidPersonal(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	bob := r.User(r.Ann, "acme", "bob", fairlead.Member)
	fairleadtest.Must(t, bob, wire.CreateProject, wire.ProjectRequest{Owner: "bob", Name: "before"})
	forbid, allow := true, false
	refused(t, "a member forbids", try(t, bob, wire.UpdateOrganization, wire.OrganizationUpdate{OrganizationPath: acme(), ForbidPersonal: &forbid}), fairlead.Denied, "")
	o := fairleadtest.Must(t, r.Ann, wire.UpdateOrganization, wire.OrganizationUpdate{OrganizationPath: acme(), ForbidPersonal: &forbid})
	if !o.ForbidPersonal || !fairleadtest.Must(t, bob, wire.ShowOrganization, acme()).ForbidPersonal {
		t.Errorf("it is %+v", o)
	}
	for what, err := range map[string]error{
		"a member's":           try(t, bob, wire.CreateProject, wire.ProjectRequest{Owner: "bob", Name: "after"}),
		"an administrator's":   try(t, r.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "ann", Name: "after"}),
		"taking one out of it": try(t, r.Ann, wire.TransferProject, wire.ProjectTransfer{ProjectPath: project("acme", "models"), To: "ann"}),
	} {
		refused(t, what, err, fairlead.Denied, "", "acme forbids its members personal projects", "acme/NAME")
	}
	// What there was can be given to it.
	fairleadtest.Must(t, bob, wire.TransferProject, wire.ProjectTransfer{ProjectPath: project("bob", "before"), To: "acme"})
	fairleadtest.Must(t, r.Ann, wire.UpdateOrganization, wire.OrganizationUpdate{OrganizationPath: acme(), ForbidPersonal: &allow})
	fairleadtest.Must(t, bob, wire.CreateProject, wire.ProjectRequest{Owner: "bob", Name: "after"})
}

func member(name fairlead.Name) wire.MemberPath {
	return wire.MemberPath{OrganizationPath: acme(), User: name}
}

// TestLastAdministrator can't go, nor become a member, nor leave the organization to one
// who was invited and may never come.
func TestLastAdministrator(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	stays := func(what, why string) {
		t.Helper()
		refused(t, what+": removed", try(t, r.Ann, wire.RemoveMember, member("ann")), fairlead.Conflict, "", why)
		refused(t, what+": a member", try(t, r.Ann, wire.UpdateMember, wire.MemberUpdate{MemberPath: member("ann"), Role: fairlead.Member}), fairlead.Conflict, "", why)
	}
	stays("alone", "no administrator left")
	bob := r.User(r.Ann, "acme", "bob", fairlead.Member)
	stays("with a member", "no administrator left")
	m := fairleadtest.Must(t, r.Ann, wire.AddMember, wire.MemberRequest{OrganizationPath: acme(), Name: "carla", Role: fairlead.Admin})
	stays("with an administrator who hasn't come", "haven't taken up their invitations")
	refused(t, "a role that isn't", try(t, r.Ann, wire.UpdateMember, wire.MemberUpdate{MemberPath: member("bob"), Role: "boss"}), fairlead.Invalid, "")
	refused(t, "one who isn't there", try(t, r.Ann, wire.RemoveMember, member("nobody")), fairlead.NotFound, "", "there is no member nobody")
	refused(t, "by a member", try(t, bob, wire.RemoveMember, member("ann")), fairlead.Denied, "")
	s := fairleadtest.Must(t, r.Anybody(), wire.Join, wire.JoinRequest{Link: m.Link, Password: hidden(fairleadtest.Password)})
	carla := r.As(s.Token.Secret)
	fairleadtest.Must(t, r.Ann, wire.UpdateMember, wire.MemberUpdate{MemberPath: member("ann"), Role: fairlead.Member})
	refused(t, "ann is a member now", try(t, r.Ann, wire.RemoveMember, member("bob")), fairlead.Denied, "")
	fairleadtest.Must(t, carla, wire.RemoveMember, member("ann"))
	refused(t, "ann has gone", try(t, r.Ann, wire.ListMembers, acme()), fairlead.NotFound, "")
	refused(t, "carla is the last", try(t, carla, wire.RemoveMember, member("carla")), fairlead.Conflict, "", "no administrator left")
}

// TestWorkers makes a worker whose token works, and ends both.
func TestWorkers(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	add := wire.WorkerRequest{OrganizationPath: acme(), Name: "gpu"}
	w := fairleadtest.Must(t, r.Ann, wire.AddWorker, add)
	if w.Worker.Name != "gpu" || w.Token.IsZero() {
		t.Errorf("made %+v", w.Worker)
	}
	refused(t, "a name that is taken", try(t, r.Ann, wire.AddWorker, add), fairlead.Conflict, "")
	c := r.As(w.Token.Secret)
	claim := wire.ClaimRequest{Engine: "docker", Platform: "linux/amd64", Version: "test"}
	if a := fairleadtest.Must(t, c, wire.Claim, claim); a.Run != nil {
		t.Errorf("claimed %+v", a.Run)
	}
	for what, err := range map[string]error{
		"projects": try(t, c, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "x"}), "connectors": try(t, c, wire.ListConnectors, acme()),
		"a login": try(t, c, wire.LeaseLogin, wire.LeaseRequest{ProjectPath: project("acme", "models"), Image: r.one.Host() + "/team/app"}),
	} {
		refused(t, "a worker asks for "+what, err, fairlead.Denied, "", "a worker may only perform runs")
	}
	if list := fairleadtest.Must(t, r.Ann, wire.ListWorkers, acme()).Workers; len(list) != 1 || list[0].Engine != "docker" || list[0].LastSeen.IsZero() {
		t.Errorf("listed as %+v", list)
	}
	fairleadtest.Must(t, r.Ann, wire.RemoveWorker, wire.WorkerPath{OrganizationPath: acme(), Worker: "gpu"})
	refused(t, "a removed worker", try(t, c, wire.Claim, claim), fairlead.Unauthenticated, "")
	refused(t, "removing it again", try(t, r.Ann, wire.RemoveWorker, wire.WorkerPath{OrganizationPath: acme(), Worker: "gpu"}), fairlead.NotFound, "", "there is no worker gpu")
}

// TestOwnWorker makes the worker inside the server twice, as a server does that was
// killed: the first one's token is of no use any more.
func TestOwnWorker(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	claim := wire.ClaimRequest{Engine: "docker", Platform: "linux/amd64", Version: "test"}
	_, first, err := r.Control.AddOwnWorker(t.Context(), "embedded")
	if err != nil {
		t.Fatal(err)
	}
	fairleadtest.Must(t, r.As(first), wire.Claim, claim)
	w, second, err := r.Control.AddOwnWorker(t.Context(), "embedded")
	if err != nil {
		t.Fatal(err)
	}
	r.Identity.Forget()
	refused(t, "the first", try(t, r.As(first), wire.Claim, claim), fairlead.Unauthenticated, "")
	fairleadtest.Must(t, r.As(second), wire.Claim, claim)
	if list := fairleadtest.Must(t, r.Ann, wire.ListWorkers, acme()).Workers; len(list) != 0 {
		t.Errorf("an organization sees %+v", list)
	}
	if err := r.Control.RemoveOwnWorker(t.Context(), w); err != nil {
		t.Error(err)
	}
}
