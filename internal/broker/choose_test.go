package broker_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

// TestTwoOrganizations has two organizations use one host, each with a namespace and a
// login of its own, and one namespace that both connect: nobody is ever given the
// other's login, also when all ask at once.
func TestTwoOrganizations(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, options ...fairleadtest.Option) {
		t.Helper()
		for _, auth := range []registrytest.Auth{registrytest.Basic, registrytest.Bearer} {
			t.Run(string(auth), func(t *testing.T) {
				t.Parallel()
				testTwoOrganizations(t, newRoom(t, auth, options...))
			})
			if len(options) > 0 {
				return // a database is for one plane
			}
		}
	})
}

func testTwoOrganizations(t *testing.T, r *room) {
	t.Helper()
	eve := r.Organization("evil", "eve")
	other := r.newProject(t, eve, "evil", "models")
	tenants := []struct {
		org     string
		by      *client.Client
		project fairlead.Project
		account string
		secret  string
		own     string // namespace
	}{
		{"acme", r.Ann, r.project, "robot", password, "team"},
		{"evil", eve, other, "other", "other-" + password, "side"},
	}
	for _, x := range tenants {
		for _, namespace := range []string{x.own, "shared"} {
			fairleadtest.Must(t, x.by, wire.AddRegistry, wire.RegistryRequest{
				OrganizationPath: wire.OrganizationPath{Organization: fairlead.Name(x.org)}, Name: x.org + "-" + namespace,
				Pattern: r.reg.Host() + "/" + namespace + "/*", PlainHTTP: true, Disclosure: fairlead.StoredSecret, NewConnector: login(x.account, x.secret),
			})
		}
	}
	var all sync.WaitGroup
	for i := range 40 {
		x, foreign := tenants[i%2], tenants[1-i%2]
		a := fairlead.Asker{Who: callerOf(t, x.by, x.project), Project: x.project}
		all.Go(func() {
			for _, namespace := range []string{x.own, "shared"} {
				l, err := r.Lease(t.Context(), a, r.scope(namespace+"/app"))
				if err != nil || string(l.RegistryName) != x.org+"-"+namespace {
					t.Errorf("%s asks for %s: entry %s, %v", x.org, namespace, l.RegistryName, err)
					return
				}
				if got := whose(t, l); got != x.account {
					t.Errorf("%s is given the login of %s", x.org, got)
				}
			}
			l, err := r.Lease(t.Context(), a, r.scope(foreign.own+"/app"))
			if err != nil || l.Kind != fairlead.Anonymous || !l.Bearer.IsZero() || !l.Password.IsZero() {
				t.Errorf("%s asks for %s: kind %s, %v", x.org, foreign.own, l.Kind, err)
				return
			}
			if l.Note == nil || l.Note.Code != fairlead.CodeNoEntry || strings.Contains(fmt.Sprint(*l.Note), foreign.org) {
				t.Errorf("%s is told %+v", x.org, l.Note)
			}
		})
	}
	all.Wait()
}

// whose says whose login a lease is.
func whose(t *testing.T, l fairlead.Lease) string {
	t.Helper()
	if l.Bearer.IsZero() {
		want := map[string]string{"robot": password, "other": "other-" + password}[l.Username]
		if string(l.Password.Reveal()) != want {
			t.Errorf("%s has another's password", l.Username)
		}
		return l.Username
	}
	return subject(t, l.Bearer)
}

// TestForeignProject asks with the rights of one organization for a project of another.
func TestForeignProject(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.add(t, "main", "*")
	eve := r.Organization("evil", "eve")
	other := r.newProject(t, eve, "evil", "models")
	mallory := callerOf(t, eve, other)
	l, err := r.Lease(t.Context(), fairlead.Asker{Who: mallory, Project: r.project}, r.scope("team/app"))
	if fairlead.KindOf(err) != fairlead.NotFound || l.ID != "" || !l.Bearer.IsZero() {
		t.Errorf("another organization's member is given %+v, %v", l, err)
	}
	worker := fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.WorkerSubject, ID: "w", Name: "w"}, Only: other.Organization}
	if _, err := r.Lease(t.Context(), fairlead.Asker{Who: worker, Project: r.project, Run: "r"}, r.scope("team/app")); fairlead.KindOf(err) != fairlead.NotFound {
		t.Errorf("another organization's worker: %v", err)
	}
	worker.Only = r.project.Organization
	if _, err := r.Lease(t.Context(), fairlead.Asker{Who: worker, Project: r.project}, r.scope("team/app")); fairlead.KindOf(err) != fairlead.Denied {
		t.Errorf("a worker without a run: %v", err)
	}
	if n := r.trades.count.Load(); n != 0 {
		t.Errorf("%d logins were used for it", n)
	}
}

// TestPersonal asks for a personal project: nothing but an anonymous lease, which says
// why and what to do; and done, it helps.
func TestPersonal(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.add(t, "main", "team/*")
	mine := r.newProject(t, r.Ann, "ann", "mine")
	a := fairlead.Asker{Who: r.ann, Project: mine}
	for repository, want := range map[string]fairlead.Error{
		"team/app": {
			Kind: fairlead.Denied, Code: fairlead.CodePersonalProject, What: "opening " + r.reg.Host() + "/team/app",
			Why:    "project ann/mine is personal: personal projects can't use an organization's registries (entry main of acme covers the image)",
			Remedy: "give the project to the organization: `fairlead project transfer ann/mine --to acme`",
		},
		"side/app": {
			Kind: fairlead.Denied, Code: fairlead.CodePersonalProject, What: "opening " + r.reg.Host() + "/side/app",
			Why:    "project ann/mine is personal, so its images are pulled without a login",
			Remedy: "give the project to an organization that has a registry entry for the image: `fairlead project transfer ann/mine --to ORGANIZATION`",
		},
	} {
		l, err := r.Lease(t.Context(), a, r.scope(repository))
		if err != nil || l.Kind != fairlead.Anonymous || !l.Bearer.IsZero() || !l.Password.IsZero() || l.Connector != "" {
			t.Fatalf("%s: %+v, %v", repository, l, err)
		}
		if diff := cmp.Diff(want, *l.Note, cmp.Comparer(sameError)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", repository, diff)
		}
	}
	moved := fairleadtest.Must(t, r.Ann, wire.TransferProject, wire.ProjectTransfer{ProjectPath: wire.ProjectPath{Owner: "ann", Project: "mine"}, To: "acme"})
	if l, err := r.Lease(t.Context(), fairlead.Asker{Who: r.ann, Project: moved}, r.scope("team/app")); err != nil || l.Kind != fairlead.RegistryToken {
		t.Errorf("after the transfer: %s, %v", l.Kind, err)
	}
}

// sameError compares all that is shown of an error.
func sameError(a, b fairlead.Error) bool {
	return a.Kind == b.Kind && a.Code == b.Code && a.What == b.What && a.Why == b.Why && a.Remedy == b.Remedy && a.Field == b.Field && a.RetryAt.Equal(b.RetryAt)
}

// TestBestPattern has several entries cover an image.
func TestBestPattern(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	connector := func(req *wire.RegistryRequest) { req.NewConnector, req.Connector = nil, "host" }
	r.add(t, "host", "*")
	r.add(t, "team", "team/*", connector)
	r.add(t, "team-a", "team/a*", connector)
	r.add(t, "app", "team/app", connector)
	r.add(t, "app-v1", "team/app:v1", connector)
	r.add(t, "open", "open/*", func(req *wire.RegistryRequest) { req.NewConnector = nil })
	for image, want := range map[string]fairlead.Name{
		"side/app":     "host",
		"team/x":       "team",
		"team/apple":   "team-a",
		"team/app":     "app",
		"team/app:v2":  "app",
		"team/app:v1":  "app-v1",
		"team/app/sub": "team-a",
		"open/thing":   "open",
	} {
		i, err := ref.Parse(r.reg.Host() + "/" + image)
		if err != nil {
			t.Fatal(err)
		}
		l, err := r.Lease(t.Context(), fairlead.Asker{Who: r.ann, Project: r.project, Image: i}, fairlead.Scope{Resource: i.Resource, Verb: fairlead.Pull})
		if err != nil || l.RegistryName != want {
			t.Errorf("%s: entry %s, want %s (%v)", image, l.RegistryName, want, err)
		}
		if anonymous := want == "open"; anonymous != (l.Kind == fairlead.Anonymous) || anonymous != l.Bearer.IsZero() {
			t.Errorf("%s: lease of kind %s", image, l.Kind)
		}
	}
}

// TestNoEntry asks for what no entry covers.
func TestNoEntry(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.add(t, "main", "team/*")
	l := r.mustLease(t, "tema/app")
	host := r.reg.Host()
	if l.Kind != fairlead.Anonymous || !l.Bearer.IsZero() || l.Note == nil {
		t.Fatalf("%+v", l)
	}
	if l.Note.Code != fairlead.CodeNoEntry || l.Note.What != "opening "+host+"/tema/app" || !strings.Contains(l.Note.Why, "nearest: "+host+"/team/* of entry main") ||
		!strings.Contains(l.Note.Remedy, "fairlead registry add NAME --pattern '"+host+"/tema/*'") {
		t.Errorf("note: %+v", l.Note)
	}
	if n := r.trades.count.Load(); n != 0 {
		t.Errorf("%d logins were used for it", n)
	}
}

// TestAskedWrongly asks for what no lease is for.
func TestAskedWrongly(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.add(t, "main", "*")
	for name, c := range map[string]struct {
		scope fairlead.Scope
		field string
	}{
		"no repository": {fairlead.Scope{Resource: ref.Resource{Host: r.reg.Host()}, Verb: fairlead.Pull}, "image"},
		"no host":       {fairlead.Scope{Resource: ref.Resource{Repository: "team/app"}, Verb: fairlead.Pull}, "image"},
		"to delete":     {fairlead.Scope{Resource: ref.Resource{Host: r.reg.Host(), Repository: "team/app"}, Verb: "delete"}, "verb"},
		"no verb":       {fairlead.Scope{Resource: ref.Resource{Host: r.reg.Host(), Repository: "team/app"}}, "verb"},
	} {
		_, err := r.Lease(t.Context(), fairlead.Asker{Who: r.ann, Project: r.project}, c.scope)
		if e := fairlead.AsError("", err); e.Kind != fairlead.Invalid || e.Field != c.field || e.Remedy == "" {
			t.Errorf("%s: %+v", name, e)
		}
	}
}
