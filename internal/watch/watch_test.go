package watch_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/wire"
)

const password = "c4nary-password-of-the-robot"

// world is a plane that tries connectors every six hours, and a registry.
type world struct {
	*fairleadtest.Plane
	reg   *registrytest.Registry
	clock *fairleadtest.Clock
}

func every(d time.Duration) fairleadtest.Option {
	return func(o *server.Options) { o.VerifyEvery = d }
}

func newWorld(t *testing.T, options ...fairleadtest.Option) *world {
	t.Helper()
	clock := fairleadtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	w := &world{clock: clock, reg: registrytest.New(t, registrytest.Config{Auth: registrytest.Bearer, Now: clock.Now, Accounts: []registrytest.Account{
		{Name: "robot", Password: password, Rights: registrytest.Everything()}, {Name: "other", Password: "other-" + password, Rights: registrytest.Everything()},
	}})}
	w.Plane = fairleadtest.Start(t, append(options, fairleadtest.WithClock(clock), every(6*time.Hour))...)
	return w
}

func acme() wire.OrganizationPath { return wire.OrganizationPath{Organization: "acme"} }

func hidden(s string) wire.Clear { return wire.Clear{Secret: fairlead.SecretText(s)} }

func path(name fairlead.Name) wire.ConnectorPath {
	return wire.ConnectorPath{OrganizationPath: acme(), Connector: name}
}

func (w *world) add(t *testing.T, name, path string) {
	t.Helper()
	fairleadtest.Must(t, w.Ann, wire.AddRegistry, wire.RegistryRequest{
		OrganizationPath: acme(), Name: name, Pattern: w.reg.Host() + "/" + path, PlainHTTP: true,
		NewConnector: &wire.ConnectorFields{
			Family: "docker", Method: "basic", Public: map[string]string{"username": "robot"}, Secrets: map[string]wire.Clear{"password": hidden(password)},
		},
		ConnectorTrial: wire.ConnectorTrial{NoVerify: true},
	})
}

func (w *world) round(t *testing.T, after time.Duration) {
	t.Helper()
	w.clock.Move(after)
	if err := w.Watch.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *world) health(t *testing.T, name fairlead.Name) fairlead.Health {
	t.Helper()
	return fairleadtest.Must(t, w.Ann, wire.DescribeConnector, path(name)).Health
}

// told lists what was told of connectors, oldest first.
func (w *world) told(t *testing.T) []string {
	t.Helper()
	var list []string
	events := fairleadtest.Must(t, w.Ann, wire.ListEvents, wire.EventsRequest{OrganizationPath: acme(), Action: fairlead.ConnectorState, Limit: 100})
	for _, ev := range events.Events {
		list = append([]string{ev.On.Name + ": " + ev.Detail["from"] + " to " + ev.Detail["to"]}, list...)
		if ev.By.Kind != fairlead.SystemSubject || strings.Contains(ev.Detail["why"], password) {
			t.Errorf("the event is %+v", ev)
		}
	}
	return list
}

// TestSchedule follows a connector through what can become of it.
func TestSchedule(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add(t, "main", "*")
	w.round(t, 30*time.Second)
	if h := w.health(t, "main"); h.State != fairlead.Unverified || !h.Checked.IsZero() {
		t.Errorf("at once it is %+v", h)
	}
	w.round(t, time.Minute)
	if h := w.health(t, "main"); h.State != fairlead.Working || !h.Checked.Equal(w.clock.Now()) || h.Why != "" {
		t.Errorf("after its first trial it is %+v", h)
	}
	checked := w.clock.Now()
	w.round(t, 5*time.Hour)
	if h := w.health(t, "main"); !h.Checked.Equal(checked) {
		t.Errorf("it was tried again after five hours")
	}
	w.reg.CloseAccount("robot")
	w.round(t, 2*time.Hour)
	if h := w.health(t, "main"); h.State != fairlead.Failing || !strings.Contains(h.Why, "step registry failed") || strings.Contains(h.Why, password) {
		t.Errorf("with an account that is closed it is %+v", h)
	}
	end := w.clock.Now().Add(20 * 24 * time.Hour)
	fairleadtest.Must(t, w.Ann, wire.RotateConnector, wire.RotateRequest{
		ConnectorPath: path("main"), Public: map[string]string{"username": "other"}, Secrets: map[string]wire.Clear{"password": hidden("other-" + password)}, Expires: &end,
	})
	if h := w.health(t, "main"); h.State != fairlead.Working {
		t.Errorf("after its rotation it is %+v", h)
	}
	for range 25 * 4 { // 25 days
		w.round(t, 6*time.Hour)
		h := w.health(t, "main")
		want := fairlead.Working
		switch now := w.clock.Now(); {
		case !now.Before(end):
			want = fairlead.Failing
		case !now.Before(end.Add(-14 * 24 * time.Hour)):
			want = fairlead.Expiring
		}
		if h.State != want {
			t.Fatalf("at %s it is %+v, want %s", w.clock.Now(), h, want)
		}
	}
	want := []string{"main: unverified to working", "main: working to failing", "main: failing to working", "main: working to expiring", "main: expiring to failing"}
	if diff := cmp.Diff(want, w.told(t)); diff != "" {
		t.Errorf("what was told (-want +got):\n%s", diff)
	}
}

// TestShared has two replicas do a round at once: each connector is tried once.
func TestShared(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	w := newWorld(t, fairleadtest.WithDatabase(url))
	data := t.TempDir()
	fairleadtest.CopyKeys(t, w.Plane, data)
	two := fairleadtest.Open(t, fairleadtest.WithDatabase(url), fairleadtest.WithData(data), fairleadtest.WithClock(w.clock), every(6*time.Hour))
	const connectors = 20
	for i := range connectors {
		w.add(t, "c"+string(rune('a'+i)), "r"+string(rune('a'+i))+"/*")
	}
	w.clock.Move(2 * time.Minute)
	var all sync.WaitGroup
	for _, p := range []*fairleadtest.Plane{w.Plane, two} {
		all.Go(func() {
			if err := p.Watch.Round(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	events := fairleadtest.Must(t, w.Ann, wire.ListEvents, wire.EventsRequest{OrganizationPath: acme(), Action: fairlead.ConnectorVerify, Limit: 100}).Events
	if len(events) != connectors || len(w.told(t)) != connectors {
		t.Errorf("%d trials and %d tellings of %d connectors", len(events), len(w.told(t)), connectors)
	}
}

// TestOff tries nothing.
func TestOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	quiet := fairleadtest.Start(t, fairleadtest.WithClock(w.clock), every(0))
	w.Plane = quiet
	w.add(t, "main", "*")
	w.round(t, 48*time.Hour)
	if h := w.health(t, "main"); h.State != fairlead.Unverified || len(w.reg.Requests()) != 0 {
		t.Errorf("it is %+v after %d requests", h, len(w.reg.Requests()))
	}
	fairleadtest.Must(t, w.Ann, wire.VerifyConnector, wire.VerifyRequest{ConnectorPath: path("main")})
	if h := w.health(t, "main"); h.State != fairlead.Working {
		t.Errorf("after it was verified by hand it is %+v", h)
	}
}

// TestBeforeSaving registers, updates and rotates with what the registry doesn't take:
// nothing is saved, and the reply has the steps.
func TestBeforeSaving(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add(t, "main", "*")
	wrong := map[string]wire.Clear{"password": hidden("wrong-" + password)}
	fields := wire.ConnectorFields{Family: "docker", Method: "basic", Public: map[string]string{"hosts": w.reg.Host(), "username": "robot"}, Secrets: wrong}
	skip := wire.ConnectorTrial{NoVerify: true}
	for name, act := range map[string]func(t wire.ConnectorTrial) error{
		"register": func(trial wire.ConnectorTrial) error {
			_, err := client.Do(t.Context(), w.Ann, wire.RegisterConnector, wire.ConnectorRequest{OrganizationPath: acme(), Name: "new", ConnectorFields: fields, ConnectorTrial: trial})
			return err
		},
		"update": func(trial wire.ConnectorTrial) error {
			_, err := client.Do(t.Context(), w.Ann, wire.UpdateConnector, wire.ConnectorUpdate{ConnectorPath: path("main"), Secrets: wrong, ConnectorTrial: trial})
			return err
		},
		"rotate": func(trial wire.ConnectorTrial) error {
			_, err := client.Do(t.Context(), w.Ann, wire.RotateConnector, wire.RotateRequest{ConnectorPath: path("main"), Secrets: wrong, ConnectorTrial: trial})
			return err
		},
	} {
		before := fairleadtest.Must(t, w.Ann, wire.DescribeConnector, path("main")).Version
		err := act(wire.ConnectorTrial{})
		r, ok := err.(*client.Refusal) //nolint:errorlint // It is what the client gives.
		if !ok || fairlead.CodeOf(err) != fairlead.CodeUnproved || r.Reply.Proof == nil || !r.Reply.Proof.Failed() {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), password) {
			t.Errorf("%s shows the secret: %v", name, err)
		}
		if now := fairleadtest.Must(t, w.Ann, wire.DescribeConnector, path("main")); now.Version != before || now.Previous != nil && name == "rotate" && before == 1 {
			t.Errorf("%s: it has version %d, and had %d", name, now.Version, before)
		}
		if err := act(skip); err != nil {
			t.Errorf("%s without a trial: %v", name, err)
		}
		if name == "register" {
			continue
		}
		if h := w.health(t, "main"); h.State != fairlead.Unverified {
			t.Errorf("%s without a trial: it is %+v", name, h)
		}
	}
	if h := w.health(t, "new"); h.State != fairlead.Unverified {
		t.Errorf("registered without a trial it is %+v", h)
	}
	// With nothing to try it on, it is saved, and nobody says that it works.
	fields.Public = map[string]string{"hosts": "*.example.com", "username": "robot"}
	saved := fairleadtest.Must(t, w.Ann, wire.RegisterConnector, wire.ConnectorRequest{OrganizationPath: acme(), Name: "many", ConnectorFields: fields})
	if h := w.health(t, "many"); h.State != fairlead.Unverified || h.Checked.IsZero() || saved.Proof == nil || saved.Proof.Failed() {
		t.Errorf("it is %+v, %+v", h, saved.Proof)
	}
}

// TestUses shows who pulled with a connector, and keeps it from being deleted unasked.
func TestUses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add(t, "main", "*")
	fairleadtest.Must(t, w.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "models"})
	fairleadtest.Must(t, w.Ann, wire.LeaseLogin, wire.LeaseRequest{ProjectPath: wire.ProjectPath{Owner: "acme", Project: "models"}, Image: w.reg.Host() + "/team/app:v1"})
	d := fairleadtest.Must(t, w.Ann, wire.DescribeConnector, path("main"))
	if len(d.Uses) != 1 || d.Uses[0].ProjectName != "acme/models" || !d.Uses[0].At.Equal(w.clock.Now()) || !d.Health.Used.Equal(w.clock.Now()) {
		t.Fatalf("%+v, %+v", d.Uses, d.Health)
	}
	remove := func(force bool) error {
		_, err := client.Do(t.Context(), w.Ann, wire.DeleteConnector, wire.ConnectorRemoval{ConnectorPath: path("main"), Force: force})
		return err
	}
	for _, force := range []bool{false, true} {
		err := remove(force)
		if e := fairlead.AsError("", err); e.Code != fairlead.CodeInUse || !strings.Contains(e.Why, "registries main") || !strings.Contains(e.Why, "acme/models") {
			t.Errorf("forced %t, in use: %v", force, err)
		}
	}
	fairleadtest.Must(t, w.Ann, wire.RemoveRegistry, wire.RegistryRemoval{RegistryPath: wire.RegistryPath{OrganizationPath: acme(), Registry: "main"}})
	err := remove(false)
	if e := fairlead.AsError("", err); e.Code != fairlead.CodeRecentlyUsed || !strings.Contains(e.Why, "acme/models") || !strings.Contains(e.Remedy, "--yes") {
		t.Errorf("used not long ago: %v", err)
	}
	w.clock.Move(31 * 24 * time.Hour)
	again := fairleadtest.Must(t, w.Anybody(), wire.Login, wire.LoginRequest{Name: "ann", Password: hidden(fairleadtest.Password)})
	w.Ann = w.As(again.Token.Secret)
	if err := remove(false); err != nil {
		t.Errorf("after a month: %v", err)
	}
}
