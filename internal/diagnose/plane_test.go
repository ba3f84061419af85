package diagnose_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/oci"
	rt "fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// whole is a plane with a registry, an entry and a project, asked over its doors.
type whole struct {
	*fairleadtest.Plane
	t   *testing.T
	reg *rt.Registry
	at  wire.ProjectPath
}

func newWhole(t *testing.T, options ...fairleadtest.Option) *whole {
	t.Helper()
	w := &whole{Plane: fairleadtest.Start(t, options...), t: t, at: wire.ProjectPath{Owner: "acme", Project: "models"}}
	w.reg = rt.New(t, rt.Config{Auth: rt.Bearer, Accounts: []rt.Account{robot()}})
	rt.Push(t, w.reg, anImage(t), "team/app:v1", robot())
	fairleadtest.Must(t, w.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "models"})
	fairleadtest.Must(t, w.Ann, wire.AddRegistry, wire.RegistryRequest{
		OrganizationPath: acme(), Name: "main", Pattern: w.reg.Host() + "/team/*", PlainHTTP: true, NewConnector: login("robot", password),
	})
	return w
}

func (w *whole) request(image string) wire.RunRequest {
	return wire.RunRequest{ProjectPath: w.at, File: fmt.Sprintf("- step:\n    name: train\n    image: %s\n    command: echo hello\n", image), Step: "train"}
}

func (w *whole) claim(k *client.Client, platform string) wire.Assignment {
	w.t.Helper()
	return fairleadtest.Must(w.t, k, wire.Claim, wire.ClaimRequest{Engine: "docker", Platform: platform, Version: "test"})
}

// TestPreflight queues runs whose images can't be pulled: what would fail on every worker
// fails at once, and what may be otherwise there is queued with a note.
func TestPreflight(t *testing.T) {
	t.Parallel()
	w := newWhole(t, fairleadtest.WithPreflight())
	create := func(image string) (fairlead.Run, error) {
		return client.Do(t.Context(), w.Ann, wire.CreateRun, w.request(image))
	}
	stopped := func(image string, code fairlead.Code, says string) {
		t.Helper()
		run, err := create(image)
		e := fairlead.AsError("", err)
		if err == nil || e.Code != code || !strings.Contains(e.Why, says) || !strings.Contains(e.Remedy, "`fairlead doctor --project acme/models "+image+"`") {
			t.Errorf("%s: run %d, %v; %s", image, run.Number, err, e.Remedy)
		}
	}
	stopped(w.reg.Host()+"/team/app:v2", fairlead.CodeNoImage, "has no tag v2")
	if run, err := create(w.reg.Host() + "/team/app:v1"); err != nil || run.Diagnosis != nil {
		t.Errorf("what can be pulled: %v, %+v", err, run.Diagnosis)
	}
	k := w.Worker(w.Ann, "acme", "arm")
	w.claim(k, "linux/arm64")
	stopped(w.reg.Host()+"/team/app:v1", fairlead.CodePlatform, "no image for linux/arm64")
	w.claim(w.Worker(w.Ann, "acme", "amd"), "linux/amd64")
	if _, err := create(w.reg.Host() + "/team/app:v1"); err != nil {
		t.Errorf("what one of the workers can run: %v", err)
	}
	fairleadtest.Must(t, w.Ann, wire.UpdateConnector, wire.ConnectorUpdate{
		ConnectorPath: wire.ConnectorPath{OrganizationPath: acme(), Connector: "main"}, Secrets: map[string]wire.Clear{"password": hidden(mistyped)},
		ConnectorTrial: wire.ConnectorTrial{NoVerify: true},
	})
	stopped(w.reg.Host()+"/team/app:v1", fairlead.CodeLoginRefused, "refuses the login of connector main")

	req := w.request(w.reg.Host() + "/team/app:v1")
	req.NoPreflight = true
	if run := fairleadtest.Must(t, w.Ann, wire.CreateRun, req); run.Diagnosis != nil {
		t.Errorf("without a preflight: %+v", run.Diagnosis)
	}
	// What the server can't reach, a worker may.
	run, err := create("127.0.0.1:1/team/app:v1")
	if err != nil || run.State != fairlead.Queued || run.Diagnosis == nil || run.Diagnosis.Verdict != fairlead.ProbeWarning {
		t.Fatalf("an unreachable registry: %+v, %v", run, err)
	}
	if e := run.Diagnosis.Cause; e.Code != fairlead.CodeConnect || !strings.Contains(e.Why, "nothing listens") {
		t.Errorf("the note: %+v", e)
	}
	shown := fairleadtest.Must(t, w.Ann, wire.ShowRun, wire.RunPath{ProjectPath: w.at, Number: run.Number})
	if diff := cmp.Diff(run.Diagnosis.Cause.Why, shown.Diagnosis.Cause.Why); diff != "" {
		t.Error(diff)
	}
}

// diagnosed waits until a run's diagnosis is there.
func (w *whole) diagnosed(number int64) fairlead.Diagnosis {
	w.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		run := fairleadtest.Must(w.t, w.Ann, wire.ShowRun, wire.RunPath{ProjectPath: w.at, Number: number})
		if run.Diagnosis != nil {
			return *run.Diagnosis
		}
		select {
		case <-tick.C:
		case <-w.t.Context().Done():
			w.t.Fatal("no diagnosis came")
		}
	}
}

// TestFailedRunCarriesItsDiagnosis has runs fail on a worker.
func TestFailedRunCarriesItsDiagnosis(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	k := w.Worker(w.Ann, "acme", "one")
	fail := func(image string, f fairlead.Error) fairlead.Run {
		t.Helper()
		fairleadtest.Must(t, w.Ann, wire.CreateRun, w.request(image))
		run := w.claim(k, "linux/amd64").Run
		fairleadtest.Must(t, k, wire.End, wire.EndRequest{HeldPath: wire.HeldPath{Run: run.ID, Fence: run.Fence}, Failure: &f})
		return *run
	}
	run := fail(w.reg.Host()+"/team/app:v2", fairlead.Error{Kind: fairlead.NotFound, Code: fairlead.CodeNoImage, What: "resolving", Why: "it isn't there"})
	d := w.diagnosed(run.Number)
	if d.Verdict != fairlead.ProbeFailed || d.Cause.Code != fairlead.CodeNoImage || d.Registry != "main" || len(d.Probes) < 10 {
		t.Errorf("%s", show(d))
	}
	// The server reaches what the worker didn't: then it is the worker's network.
	run = fail(w.reg.Host()+"/team/app:v1", fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeDNS, What: "resolving", Why: "the name has no address"})
	d = w.diagnosed(run.Number)
	if d.Verdict != fairlead.ProbeWarning || !strings.Contains(d.Cause.Why, "worker one didn't") || !strings.Contains(d.Cause.Remedy, "--from one") {
		t.Errorf("%s", show(d))
	}
	// What is no pull's failure has none: the clinic has taken all that came before.
	run = fail(w.reg.Host()+"/team/app:v1", fairlead.Error{Kind: fairlead.Limited, Code: fairlead.CodeTimeLimit, What: "running"})
	w.Runs.Close()
	if got := fairleadtest.Must(t, w.Ann, wire.ShowRun, wire.RunPath{ProjectPath: w.at, Number: run.Number}); got.Diagnosis != nil {
		t.Errorf("a command that took too long is diagnosed: %s", show(*got.Diagnosis))
	}
}

// ask reads a diagnosis line by line, as the doors give it.
func lines[In any](t *testing.T, c *client.Client, op wire.Stream[In], in In) (probes []fairlead.Probe, d fairlead.Diagnosis, err error) {
	t.Helper()
	body, _, err := client.Get(t.Context(), c, op, in)
	if err != nil {
		return nil, d, err
	}
	defer func() { _ = body.Close() }()
	for r := json.NewDecoder(body); ; {
		var line wire.DiagnosisLine
		if err := r.Decode(&line); errors.Is(err, io.EOF) {
			return probes, d, nil
		} else if err != nil {
			t.Fatal(err)
		}
		switch {
		case line.Error != nil:
			return probes, d, line.Error
		case line.Probe != nil:
			probes = append(probes, *line.Probe)
		case line.Diagnosis != nil:
			d = *line.Diagnosis
		}
	}
}

// TestFromWorker looks at the network from a worker: another host than the server's is
// found unreachable there, and the login is tried from the server.
func TestFromWorker(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	k := w.Worker(w.Ann, "acme", "one")
	request := wire.DoctorRequest{ProjectPath: w.at, Image: w.reg.Host() + "/team/app:v1", From: "one"}
	// look is what a worker does that may connect to these hosts.
	look := func(allow ...string) {
		for {
			a, err := client.Do(t.Context(), k, wire.Claim, wire.ClaimRequest{Engine: "docker", Platform: "linux/amd64", Version: "test", Wait: 10})
			if err != nil {
				t.Error(err)
				return
			}
			if a.Lookout == nil {
				continue
			}
			c, err := oci.New(oci.Options{Now: time.Now, Egress: oci.Egress{Allow: allow}})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			sight, err := c.Look(t.Context(), oci.Endpoint{Host: a.Lookout.Host, PlainHTTP: a.Lookout.PlainHTTP, CABundle: a.Lookout.CABundle})
			report := oci.Report{Sight: sight}
			if err != nil {
				report.Error = fairlead.AsError("", err)
			}
			raw, err := json.Marshal(report)
			if err == nil {
				_, err = client.Do(t.Context(), k, wire.ReportLookout, wire.LookoutReport{Lookout: a.Lookout.ID, Sight: raw})
			}
			if err != nil {
				t.Error(err)
			}
			return
		}
	}
	done := make(chan struct{})
	go func() { defer close(done); look("127.0.0.0/8"); look() }()
	probes, d, err := lines(t, w.Ann, wire.DiagnoseImage, request)
	if err != nil || d.Verdict != fairlead.ProbeOK || d.From != "one" || len(probes) != len(d.Probes) {
		t.Errorf("%v: %s", err, show(d))
	}
	_, d, err = lines(t, w.Ann, wire.DiagnoseImage, request)
	if err != nil || d.Cause == nil || d.Cause.Code != fairlead.CodeEgress || !strings.Contains(d.Cause.Remedy, "--allow-host") {
		t.Errorf("%v: %s", err, show(d))
	}
	<-done
	for from, kind := range map[string]fairlead.Kind{"nobody": fairlead.NotFound, "not a name": fairlead.Invalid} {
		request.From = from
		if _, _, err := lines(t, w.Ann, wire.DiagnoseImage, request); fairlead.KindOf(err) != kind {
			t.Errorf("from %s: %v", from, err)
		}
	}
}

// TestExplain explains images of a project whose organization has several entries.
func TestExplain(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	host := w.reg.Host()
	add := func(name, pattern string) {
		fairleadtest.Must(t, w.Ann, wire.AddRegistry, wire.RegistryRequest{OrganizationPath: acme(), Name: name, Pattern: pattern, PlainHTTP: true})
	}
	add("wide", host+"/*")
	add("far", "elsewhere.example/*")
	w.reg.Forget()
	x := fairleadtest.Must(t, w.Ann, wire.Explain, wire.ExplainRequest{ProjectPath: w.at, Image: host + "/team/app"})
	if x.Image != host+"/team/app:latest" || x.Lease.Registry != "main" || x.Lease.Connector != "main" || x.Lease.Power == "" || x.Note != nil {
		t.Errorf("%+v", x)
	}
	got := []string{}
	for _, e := range x.Entries {
		got = append(got, fmt.Sprintf("%s %t %t %s", e.Registry, e.Wins, e.Covers, e.Reason))
		if !strings.HasSuffix(e.Why, ".") || !strings.Contains(e.Why, string(e.Registry)) {
			t.Errorf("no sentence about %s: %q", e.Registry, e.Why)
		}
	}
	if diff := cmp.Diff([]string{"main true true wins", "wide false true less_specific", "far false false host_differs"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"members of acme with role admin", "members of acme with role member", "a worker, for a run of the project that it holds"}, x.MayPull); diff != "" {
		t.Error(diff)
	}
	x = fairleadtest.Must(t, w.Ann, wire.Explain, wire.ExplainRequest{ProjectPath: w.at, Image: "elsewhere.test/app:v1"})
	if x.Lease.Kind != fairlead.Anonymous || x.Note == nil || x.Note.Code != fairlead.CodeNoEntry {
		t.Errorf("uncovered: %+v", x)
	}
	fairleadtest.Must(t, w.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "ann", Name: "mine"})
	x = fairleadtest.Must(t, w.Ann, wire.Explain, wire.ExplainRequest{ProjectPath: wire.ProjectPath{Owner: "ann", Project: "mine"}, Image: host + "/team/app"})
	if !x.Personal || x.Organization != "acme" || x.Note == nil || x.Note.Code != fairlead.CodePersonalProject || x.Entries[0].Wins || !x.Entries[0].Covers {
		t.Errorf("personal: %+v", x)
	}
	if asked := w.reg.Requests(); len(asked) > 0 {
		t.Errorf("the registry was asked: %v", asked)
	}
	past := time.Now().Add(-time.Hour)
	fairleadtest.Must(t, w.Ann, wire.UpdateConnector, wire.ConnectorUpdate{ConnectorPath: wire.ConnectorPath{OrganizationPath: acme(), Connector: "main"}, Expires: &past, ConnectorTrial: wire.ConnectorTrial{NoVerify: true}})
	x = fairleadtest.Must(t, w.Ann, wire.Explain, wire.ExplainRequest{ProjectPath: w.at, Image: host + "/team/app"})
	if x.Lease.Error == nil || x.Lease.Error.Code != fairlead.CodeConnectorExpired {
		t.Errorf("expired: %+v", x.Lease)
	}
}

// TestBehindTheGateway has a registry that knows nothing narrower than the password, which
// may not leave the server: through its gateway the image is pulled all the same, so
// nothing stands in the way of a run.
func TestBehindTheGateway(t *testing.T) {
	t.Parallel()
	w := newWhole(t, fairleadtest.WithPreflight())
	r := rt.New(t, rt.Config{Auth: rt.Basic, Accounts: []rt.Account{robot()}})
	rt.Push(t, r, anImage(t), "team/app:v1", robot())
	fairleadtest.Must(t, w.Ann, wire.AddRegistry, wire.RegistryRequest{
		OrganizationPath: acme(), Name: "basic", Pattern: r.Host() + "/team/*", PlainHTTP: true, NewConnector: login("robot", password),
	})
	run := fairleadtest.Must(t, w.Ann, wire.CreateRun, w.request(r.Host()+"/team/app:v1"))
	if run.Diagnosis != nil {
		t.Errorf("before the run: %+v", run.Diagnosis.Cause)
	}
	_, found, err := lines(t, w.Ann, wire.DiagnoseImage, wire.DoctorRequest{ProjectPath: w.at, Image: r.Host() + "/team/app:v1"})
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(found.Probes, func(p fairlead.Probe) bool { return p.Name == "login" })
	if found.Verdict == fairlead.ProbeFailed || at < 0 || !strings.Contains(found.Probes[at].Detail, "it stays in the server") {
		t.Errorf("%+v", found)
	}
}
