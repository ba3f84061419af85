package broker_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// TestLife remembers a lease until 80 % of its life is over.
func TestLife(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults registrytest.Faults
		life   time.Duration
	}{
		"as the reply says":     {registrytest.Faults{Opaque: true}, 5 * time.Minute},
		"as the token says":     {registrytest.Faults{ExpiresIn: "-"}, 5 * time.Minute},
		"nobody says":           {registrytest.Faults{ExpiresIn: "-", Opaque: true}, time.Minute},
		"issued earlier":        {registrytest.Faults{Opaque: true, IssuedAt: -time.Minute}, 4 * time.Minute},
		"in the other field":    {registrytest.Faults{Opaque: true, TokenField: "access_token"}, 5 * time.Minute},
		"as Azure writes it":    {registrytest.Faults{Opaque: true, ExpiresIn: `"120"`}, 2 * time.Minute},
		"shorter than a minute": {registrytest.Faults{Opaque: true, ExpiresIn: "5"}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, registrytest.Bearer)
			r.reg.Set(func(f *registrytest.Faults) { *f = c.faults })
			r.add(t, "main", "*")
			first := r.mustLease(t, "team/app")
			if want := r.clock.Now().Add(c.life); !first.Expires.Equal(want) {
				t.Errorf("it lives until %s, want %s", first.Expires, want)
			}
			r.clock.Move(c.life*8/10 - 1)
			if l := r.mustLease(t, "team/app"); l.ID != first.ID || !l.Bearer.Equal(first.Bearer) {
				t.Error("another lease before 80 % of its life is over")
			}
			r.clock.Move(1)
			if l := r.mustLease(t, "team/app"); l.ID == first.ID || l.Bearer.Equal(first.Bearer) || !l.Live(r.clock.Now().Add(c.life/2)) {
				t.Error("the same lease after 80 % of its life")
			}
			if n := r.trades.count.Load(); n != 2 {
				t.Errorf("%d trades, want 2", n)
			}
		})
	}
}

// TestStoredSecretIsOpenedAnew has a lease without an end, or with one that is far
// away: its connector is opened, and that recorded, every ten minutes.
func TestStoredSecretIsOpenedAnew(t *testing.T) {
	t.Parallel()
	for name, expires := range map[string]time.Time{"no end": {}, "in a year": time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, registrytest.Basic)
			r.add(t, "main", "*", disclosed, func(req *wire.RegistryRequest) { req.NewConnector.Expires = expires })
			for i, step := range []time.Duration{0, 10*time.Minute - 1, 1, 10*time.Minute - 1, 1} {
				r.clock.Move(step)
				r.mustLease(t, "team/app")
				if got := len(r.events(t, r.project.Organization, fairlead.ConnectorOpen)); got != 1+i/2 {
					t.Errorf("after step %d it was opened %d times", i, got)
				}
			}
		})
	}
}

// TestEachKeyItsOwn has leases of what differs in one thing be different.
func TestEachKeyItsOwn(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.add(t, "main", "*")
	seen := map[string]string{}
	for _, repository := range []string{"team/app", "team/apple", "team", "team/app/sub"} {
		l := r.mustLease(t, repository)
		if was, twice := seen[l.ID]; twice {
			t.Errorf("%s and %s share a lease", was, repository)
		}
		seen[l.ID] = repository
		if l.For.Resource.Repository != repository {
			t.Errorf("the lease for %s is for %s", repository, l.For.Resource.Repository)
		}
	}
}

// TestRefusalsAreRemembered asks again and again with a login that isn't good.
func TestRefusalsAreRemembered(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.add(t, "main", "*", func(req *wire.RegistryRequest) { req.NewConnector = login("robot", "wrong") })
	ask := func(trades int64) {
		t.Helper()
		for range 20 {
			if _, err := r.lease(t, "team/app"); fairlead.CodeOf(err) != fairlead.CodeLoginRefused {
				t.Fatal(err)
			}
		}
		if n := r.trades.count.Load(); n != trades {
			t.Errorf("%d trades, want %d", n, trades)
		}
	}
	ask(1)
	r.clock.Move(5*time.Second - 1)
	ask(1)
	r.clock.Move(1)
	ask(2)
	// A new login is another version: nobody waits.
	fairleadtest.Must(t, r.Ann, wire.UpdateConnector, wire.ConnectorUpdate{
		ConnectorTrial: untried(), ConnectorPath: wire.ConnectorPath{OrganizationPath: acme(), Connector: "main"}, Secrets: map[string]wire.Clear{"password": hidden(password)},
	})
	r.mustLease(t, "team/app")
}

// TestBackOff has the token endpoint say that there were too many requests.
func TestBackOff(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		retryAfter string
		at         time.Time     // what the caller is told
		pause      time.Duration // when the registry is asked again
	}{
		"in seconds":  {"30", start.Add(30 * time.Second), 30 * time.Second},
		"as a date":   {"Sun, 01 Mar 2026 12:02:00 GMT", start.Add(2 * time.Minute), 2 * time.Minute},
		"at once":     {"0", start, 5 * time.Second},
		"not said":    {"", time.Time{}, 5 * time.Second},
		"in one week": {"604800", start.Add(24 * time.Hour), 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, registrytest.Bearer)
			header := map[string]string{}
			if c.retryAfter != "" {
				header["Retry-After"] = c.retryAfter
			}
			r.reg.Set(func(f *registrytest.Faults) {
				f.Fail = []registrytest.Failure{{Server: registrytest.Tokens, Status: http.StatusTooManyRequests, Header: header}}
			})
			r.add(t, "main", "*")
			ask := func(trades int64) {
				t.Helper()
				for range 5 {
					_, err := r.lease(t, "team/app")
					e := fairlead.AsError("", err)
					if e.Kind != fairlead.Limited || e.Code != fairlead.CodeRateLimited {
						t.Fatal(err)
					}
					if !c.at.IsZero() && !e.RetryAt.Equal(c.at) && c.retryAfter != "0" {
						t.Errorf("told to come again at %s, want %s", e.RetryAt, c.at)
					}
				}
				if n := r.trades.count.Load(); n != trades {
					t.Errorf("%d trades, want %d", n, trades)
				}
			}
			ask(1)
			r.clock.Move(c.pause - 1)
			ask(1)
			r.reg.Set(func(f *registrytest.Faults) { f.Fail = nil })
			r.clock.Move(1)
			r.mustLease(t, "team/app")
		})
	}
}

// TestUnreachable has the registry be away: that is remembered for a second.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.add(t, "main", "*")
	r.reg.Set(func(f *registrytest.Faults) {
		f.Fail = []registrytest.Failure{{Server: registrytest.Tokens, Status: http.StatusBadGateway}}
	})
	for _, step := range []struct {
		move   time.Duration
		trades int64
	}{{0, 1}, {time.Second - 1, 1}, {1, 2}} {
		r.clock.Move(step.move)
		if _, err := r.lease(t, "team/app"); fairlead.KindOf(err) != fairlead.Unavailable {
			t.Fatal(err)
		}
		if n := r.trades.count.Load(); n != step.trades {
			t.Errorf("%d trades, want %d", n, step.trades)
		}
	}
}

// TestOneFlight has many ask at once, and the first of them go away: one trade, which
// goes on without the caller who began it, and its lease for all the others.
func TestOneFlight(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.add(t, "main", "*")
	r.trades.entered, r.trades.release = make(chan struct{}, 100), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := r.Lease(ctx, fairlead.Asker{Who: r.ann, Project: r.project}, r.scope("team/app"))
		first <- err
	}()
	<-r.trades.entered
	cancel()
	if err := <-first; fairlead.KindOf(err) != fairlead.Unavailable {
		t.Errorf("who went away is told %v", err)
	}
	var all sync.WaitGroup
	ids := make(chan string, 50)
	for range cap(ids) {
		all.Go(func() {
			l, err := r.lease(t, "team/app")
			if err != nil {
				t.Error(err)
			}
			ids <- l.ID
		})
	}
	close(r.trades.release)
	all.Wait()
	close(ids)
	one := <-ids
	for id := range ids {
		if id != one || id == "" {
			t.Errorf("leases %q and %q", one, id)
		}
	}
	if n := r.trades.count.Load(); n != 1 {
		t.Errorf("%d trades, want 1", n)
	}
}

// TestRefused has a lease be refused by its registry: it isn't handed out again. Who
// says so again and again doesn't make the broker ask the registry as often.
func TestRefused(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.add(t, "main", "*")
	first, aside := r.mustLease(t, "team/app"), r.mustLease(t, "team/other")
	r.Refused("")
	r.Refused("no-such-lease")
	if l := r.mustLease(t, "team/app"); l.ID != first.ID {
		t.Error("a lease that nobody refused is gone")
	}
	r.Refused(first.ID)
	second := r.mustLease(t, "team/app")
	if second.ID == first.ID || second.Bearer.Equal(first.Bearer) {
		t.Error("a refused lease is handed out again")
	}
	r.Refused(first.ID) // by another who had it
	if l := r.mustLease(t, "team/app"); l.ID != second.ID {
		t.Error("the lease that came after is gone with the first")
	}
	if l := r.mustLease(t, "team/other"); l.ID != aside.ID {
		t.Error("another repository's lease is gone too")
	}
	before := r.trades.count.Load()
	for range 1000 {
		r.Refused(r.mustLease(t, "team/app").ID)
	}
	if n := r.trades.count.Load() - before; n > 3 {
		t.Errorf("a thousand refusals made %d trades", n)
	}
	r.clock.Move(time.Minute)
	last := r.mustLease(t, "team/app")
	r.Refused(last.ID)
	if l := r.mustLease(t, "team/app"); l.ID == last.ID {
		t.Error("a minute later a refused lease is handed out again")
	}
}

// TestRecordedOnce writes one event for each who was handed a lease, however often.
func TestRecordedOnce(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, options ...fairleadtest.Option) {
		t.Helper()
		r := newRoom(t, registrytest.Bearer, options...)
		r.add(t, "main", "*")
		bob := callerOf(t, r.User(r.Ann, "acme", "bob", fairlead.Member), r.project)
		side := r.newProject(t, r.Ann, "acme", "side")
		worker := fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.WorkerSubject, ID: "01999999-9999-7999-8999-999999999999", Name: "w"}, Only: r.project.Organization}
		askers := map[string]fairlead.Asker{
			"ann": {Who: r.ann, Project: r.project}, "bob": {Who: bob, Project: r.project}, "ann elsewhere": {Who: r.ann, Project: side},
			"a run": {Who: worker, Project: r.project, Run: "01999999-9999-7999-8999-999999999991"}, "another run": {Who: worker, Project: r.project, Run: "01999999-9999-7999-8999-999999999992"},
		}
		var all sync.WaitGroup
		for name, a := range askers {
			for range 10 {
				all.Go(func() {
					if _, err := r.Lease(t.Context(), a, r.scope("team/app")); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
		}
		all.Wait()
		list := r.events(t, r.project.Organization, fairlead.LeasePull)
		if len(list) != len(askers) {
			t.Errorf("%d events of %d askers", len(list), len(askers))
		}
		seen := map[string]bool{}
		for _, ev := range list {
			seen[fmt.Sprint(ev.By, ev.Project, ev.Detail["run"])] = true
			if ev.On.Name != "main" || ev.Detail["for"] != r.reg.Host()+"/team/app" || ev.Detail["connector"] != "main" || ev.Detail["lease"] == "" || !ev.Allowed {
				t.Errorf("an event says %+v", ev)
			}
		}
		if len(seen) != len(askers) {
			t.Errorf("the events tell %d askers apart", len(seen))
		}
		if n := len(r.events(t, r.project.Organization, fairlead.ConnectorOpen)); n != 1 {
			t.Errorf("the connector was opened %d times", n)
		}
	})
}
