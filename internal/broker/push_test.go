package broker_test

import (
	"net/http"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

func pushed(req *wire.RegistryRequest) { req.Push = true }

func (r *room) leasePush(t *testing.T, a fairlead.Asker, repository string) (fairlead.Lease, error) {
	t.Helper()
	s := r.scope(repository)
	s.Verb = fairlead.Push
	return r.Lease(t.Context(), a, s)
}

// begin begins an upload with a lease, and gives the status.
func (r *room) begin(t *testing.T, l fairlead.Lease, repository string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.reg.Host()+"/v2/"+repository+"/blobs/uploads/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+string(l.Bearer.Reveal()))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// TestPushLease holds a lease to push against the registry: it begins an upload in its
// repository and in no other, and a lease to pull begins none. Each is in the record under
// its own action.
func TestPushLease(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.add(t, "main", "team/*", pushed)
	l, err := r.leasePush(t, fairlead.Asker{Who: r.ann, Project: r.project}, "team/app")
	if err != nil {
		t.Fatal(err)
	}
	if l.Kind != fairlead.RegistryToken || l.For.Verb != fairlead.Push {
		t.Errorf("the lease: %+v", l)
	}
	pull := r.mustLease(t, "team/app")
	if pull.ID == l.ID || pull.Bearer.Equal(l.Bearer) {
		t.Error("a lease to pull is the one to push")
	}
	got := [3]int{r.begin(t, l, "team/app"), r.begin(t, l, "team/other"), r.begin(t, pull, "team/app")}
	if want := [3]int{http.StatusAccepted, http.StatusUnauthorized, http.StatusUnauthorized}; got != want {
		t.Errorf("beginning uploads: %v, want %v", got, want)
	}
	events := r.events(t, r.project.Organization, fairlead.LeasePush)
	if len(events) != 1 || events[0].Detail["lease"] != l.ID || events[0].Detail["verb"] != "push" || events[0].Project != r.project.ID {
		t.Errorf("events: %+v", events)
	}
}

// TestPushRefused asks for logins to push that nobody may have.
func TestPushRefused(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.add(t, "open", "open/*", pushed)
	r.add(t, "closed", "closed/*")
	r.add(t, "bare", "bare/*", func(req *wire.RegistryRequest) { req.NewConnector = nil })
	r.add(t, "reader", "reader/*", pushed, func(req *wire.RegistryRequest) { req.NewConnector = login("reader", "reader-"+password) })
	own := r.newProject(t, r.Ann, "ann", "own")
	project := fairlead.Asker{Who: r.ann, Project: r.project}
	worker := fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.WorkerSubject, ID: "w"}, Only: r.project.Organization}
	for name, c := range map[string]struct {
		asker      fairlead.Asker
		repository string
		kind       fairlead.Kind
		code       fairlead.Code
		remedy     string
	}{
		"no entry":              {project, "none/app", fairlead.Denied, fairlead.CodeNoEntry, "--push"},
		"an entry for pulling":  {project, "closed/app", fairlead.Denied, fairlead.CodePush, "fairlead registry update closed --push"},
		"no connector":          {project, "bare/app", fairlead.Denied, fairlead.CodePush, "--connector NAME --push"},
		"an account that reads": {project, "reader/app", fairlead.Denied, fairlead.CodeNoRight, "connector reader"},
		"a personal project":    {fairlead.Asker{Who: r.ann, Project: own}, "open/app", fairlead.Denied, fairlead.CodePersonalProject, "transfer"},
		"a worker with a run":   {fairlead.Asker{Who: worker, Project: r.project, Run: "run"}, "open/app", fairlead.Denied, "", ""},
	} {
		l, err := r.leasePush(t, c.asker, c.repository)
		e := fairlead.AsError("", err)
		if err == nil || e.Kind != c.kind || e.Code != c.code || !strings.Contains(e.Remedy, c.remedy) || e.Remedy == "" || !l.Bearer.IsZero() {
			t.Errorf("%s: %+v", name, e)
		}
		if c.code != fairlead.CodePersonalProject && c.asker.Who.Kind == fairlead.UserSubject && c.repository != "none/app" {
			if _, err := r.lease(t, c.repository); err != nil {
				t.Errorf("%s: it can't be pulled from either: %v", name, err)
			}
		}
	}
	scoped := r.ann
	scoped.Scopes = []fairlead.Action{fairlead.LeasePull}
	if _, err := r.leasePush(t, fairlead.Asker{Who: scoped, Project: r.project}, "open/app"); fairlead.KindOf(err) != fairlead.Denied {
		t.Errorf("a token with the scope lease.pull pushes: %v", err)
	}
}

// TestPushStored has a registry without tokens: to push, as to pull, there is only the
// stored secret, which needs the administrator's leave.
func TestPushStored(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Basic)
	r.add(t, "kept", "kept/*", pushed)
	r.add(t, "told", "told/*", pushed, disclosed)
	a := fairlead.Asker{Who: r.ann, Project: r.project}
	if _, err := r.leasePush(t, a, "kept/app"); fairlead.CodeOf(err) != fairlead.CodeDisclosure {
		t.Errorf("without leave: %v", err)
	}
	l, err := r.leasePush(t, a, "told/app")
	if err != nil || l.Kind != fairlead.SecretItself || string(l.Password.Reveal()) != password {
		t.Errorf("with leave: %v %v", l.Kind, err)
	}
}

// TestPushWithoutConnector finds an entry that could never be pushed to.
func TestPushWithoutConnector(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	req := wire.RegistryRequest{OrganizationPath: acme(), Name: "n", Pattern: r.reg.Host() + "/*", PlainHTTP: true, Push: true}
	_, err := client.Do(t.Context(), r.Ann, wire.AddRegistry, req)
	if e := fairlead.AsError("", err); e.Kind != fairlead.Invalid || e.Field != "push" {
		t.Errorf("%+v", e)
	}
}
