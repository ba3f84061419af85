package api_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/wire"
)

// deaf is a store that can't add events of some actions.
type deaf struct {
	fairlead.Store
	mu   sync.Mutex
	deaf func(fairlead.Event) bool
	met  []fairlead.Action
}

// to says which events can't be added.
func (d *deaf) to(which func(fairlead.Event) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deaf, d.met = which, nil
}

// refused lists which weren't.
func (d *deaf) refused() []fairlead.Action {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.met)
}

func (d *deaf) Write(ctx context.Context, change func(context.Context, fairlead.Writer) (fairlead.Event, error)) error {
	return d.Store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		ev, err := change(ctx, w)
		if err != nil {
			return ev, err
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.deaf != nil && d.deaf(ev) {
			d.met = append(d.met, ev.Action)
			return fairlead.Event{}, &fairlead.Error{Kind: fairlead.Unavailable, What: "recording event", Why: "the test wants it so"}
		}
		return ev, nil
	})
}

func newDeafWorld(t *testing.T) (*world, *deaf) {
	t.Helper()
	d := &deaf{}
	w := newWorld(t, fairleadtest.WithStoreBetween(func(s fairlead.Store) fairlead.Store {
		d.Store = s
		return d
	}))
	return w, d
}

func everything(fairlead.Event) bool { return true }

// pulses are acts without an event: they decide nothing that lasts.
func pulses() []string {
	return []string{wire.Renew.ID, wire.AppendLog.ID, wire.SetPassword.ID, wire.GuideNewConnector.ID}
}

// TestNoActWithoutItsEvent does everything while no event can be recorded: nothing
// happens, and no login comes back.
func TestNoActWithoutItsEvent(t *testing.T) {
	t.Parallel()
	w, d := newDeafWorld(t)
	before := w.dump(t)
	d.to(everything)
	for _, r := range rows() {
		if r.route.Method == http.MethodGet || r.otherwise != 0 && r.variant == "" || slices.Contains(pulses(), r.route.ID) && r.variant == "" {
			continue
		}
		if r.variant == "/personal" && r.route.ID == wire.LeaseLogin.ID {
			continue // an anonymous lease hands out nothing
		}
		token := map[by]fairlead.Secret{byAnn: w.ann, byBob: w.bob, byHolder: w.holder}[r.by]
		got := w.ask(t, r, w.names, token)
		if want := http.StatusServiceUnavailable; got.status != want && got.status != r.otherwise {
			t.Errorf("%s: status %d, want %d: %s", r, got.status, want, got.body)
		}
		for _, word := range []string{`"token"`, `"bearer"`, `"password"`, `"link"`} {
			if strings.Contains(string(got.body), word) {
				t.Errorf("%s: the reply has %s: %s", r, word, got.body)
			}
		}
	}
	d.to(nil)
	if diff := cmp.Diff(before, w.dump(t)); diff != "" {
		t.Errorf("something has changed (-before +after):\n%s", diff)
	}
}

// TestNoLeaseWithoutItsEvents has each of a lease's two events fail: the opening of the
// connector, and the handing-out.
func TestNoLeaseWithoutItsEvents(t *testing.T) {
	t.Parallel()
	w, d := newDeafWorld(t)
	held := func(c *client.Client) (wire.Lease, error) {
		return client.Do(t.Context(), c, wire.LeaseHeld, wire.HeldLeaseRequest{HeldPath: wire.HeldPath{Run: w.run, Fence: w.fence}, Host: w.host, Repository: "team/app"})
	}
	asked := func(c *client.Client) (wire.Lease, error) {
		return client.Do(t.Context(), c, wire.LeaseLogin, wire.LeaseRequest{ProjectPath: w.path(), Image: w.host + "/team/app"})
	}
	pushes := func(c *client.Client) (wire.Lease, error) {
		return client.Do(t.Context(), c, wire.LeasePush, wire.PushLeaseRequest{ProjectPath: w.path(), Image: w.host + "/team/app"})
	}
	for _, action := range []fairlead.Action{fairlead.ConnectorOpen, fairlead.LeasePull, fairlead.LeasePush} {
		for name, lease := range map[string]func() (wire.Lease, error){
			"asked for": func() (wire.Lease, error) { return asked(w.As(w.bob)) },
			"for a run": func() (wire.Lease, error) { return held(w.As(w.holder)) },
			"to push":   func() (wire.Lease, error) { return pushes(w.As(w.bob)) },
		} {
			if action != fairlead.ConnectorOpen && (action == fairlead.LeasePush) != (name == "to push") {
				continue // the event of another sort of lease
			}
			d.to(func(ev fairlead.Event) bool { return ev.Action == action })
			for range 2 { // the second time too, when the lease may be remembered
				l, err := lease()
				if fairlead.KindOf(err) != fairlead.Unavailable || !l.Bearer.IsZero() || !l.Password.IsZero() || l.ID != "" {
					t.Errorf("without the event %s, the lease %s is %+v, %v", action, name, l, err)
				}
				w.clock.Move(10e9) // refusals are remembered for seconds
			}
			d.to(nil)
			if l, err := lease(); err != nil || l.Bearer.IsZero() {
				t.Errorf("with its events, the lease %s is %+v, %v", name, l, err)
			}
			w.clock.Move(24 * 3600e9) // no lease lives that long
		}
	}
}

// TestNoProofWithoutItsEvent logs in, joins and sets up while no event can be recorded.
func TestNoProofWithoutItsEvent(t *testing.T) {
	t.Parallel()
	d := &deaf{}
	p := fairleadtest.Open(t, fairleadtest.WithStoreBetween(func(s fairlead.Store) fairlead.Store {
		d.Store = s
		return d
	}))
	link, err := p.Identity.NewSetUpLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	setUp := func() (wire.Session, error) {
		return client.Do(t.Context(), p.Anybody(), wire.SetUp, wire.SetUpRequest{Link: wire.Clear{Secret: link}, Organization: "acme", Name: "ann", Password: hidden("a good password")})
	}
	login := func(password string) (wire.Session, error) {
		return client.Do(t.Context(), p.Anybody(), wire.Login, wire.LoginRequest{Name: "ann", Password: hidden(password)})
	}
	refused := func(what string, action fairlead.Action, do func() (wire.Session, error)) {
		t.Helper()
		d.to(everything)
		s, err := do()
		if fairlead.KindOf(err) != fairlead.Unavailable || !s.Token.IsZero() || !slices.Contains(d.refused(), action) {
			t.Errorf("%s without its event: %v, a session: %v, events: %v", what, err, !s.Token.IsZero(), d.refused())
		}
		d.to(nil)
	}
	refused("setting up", fairlead.SetUp, setUp)
	s, err := setUp()
	if err != nil {
		t.Fatal(err)
	}
	refused("logging in", fairlead.SessionBegin, func() (wire.Session, error) { return login("a good password") })
	refused("being refused", fairlead.SessionBegin, func() (wire.Session, error) { return login("a wrong password") })
	ann := p.As(s.Token.Secret)
	m := fairleadtest.Must(t, ann, wire.AddMember, wire.MemberRequest{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Name: "bob", Role: fairlead.Member})
	join := func() (wire.Session, error) {
		return client.Do(t.Context(), p.Anybody(), wire.Join, wire.JoinRequest{Link: m.Link, Password: hidden("another password")})
	}
	refused("joining", fairlead.PasswordSet, join)
	if _, err := join(); err != nil {
		t.Errorf("joining with its event: %v", err)
	}
	d.to(everything)
	if _, err := client.Do(t.Context(), p.As(s.Token.Secret), wire.SetPassword, wire.PasswordRequest{Old: hidden("a good password"), New: hidden("a newer password")}); fairlead.KindOf(err) != fairlead.Unavailable {
		t.Errorf("setting a password without its event: %v", err)
	}
	d.to(nil)
	if _, err := login("a good password"); err != nil {
		t.Errorf("the password has changed: %v", err)
	}
}

// TestDeniedWithoutItsEvent has the record of a denial fail: it stays a denial.
func TestDeniedWithoutItsEvent(t *testing.T) {
	t.Parallel()
	w, d := newDeafWorld(t)
	d.to(everything)
	_, err := client.Do(t.Context(), w.As(w.bob), wire.AddWorker, wire.WorkerRequest{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Name: "w"})
	if fairlead.KindOf(err) != fairlead.Denied || !slices.Contains(d.refused(), fairlead.WorkerAdd) {
		t.Errorf("a member adds a worker: %v, events %v", err, d.refused())
	}
}
