package renewal_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/renewal"
	"fairlead.dev/fairlead/internal/server"
)

// databases run a test on both; second opens the database once more, as another replica.
func databases(t *testing.T, test func(t *testing.T, w *world, second func(t *testing.T) fairlead.Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		test(t, w, func(*testing.T) fairlead.Store { return w.plane.Store })
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		url := pgtest.URL(t)
		w := newWorld(t, fairleadtest.WithDatabase(url))
		test(t, w, func(t *testing.T) fairlead.Store {
			t.Helper()
			s, err := server.OpenStore(t.Context(), server.Options{Database: url, Now: w.clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			return s
		})
	})
}

// all opens on each replica, many at once, and gives what they got.
func all(t *testing.T, replicas ...*replica) (got []provider.Opened, errs []error) {
	t.Helper()
	var mu sync.Mutex
	var open sync.WaitGroup
	for _, r := range replicas {
		for range 10 {
			open.Go(func() {
				o, err := r.open(t.Context())
				mu.Lock()
				defer mu.Unlock()
				got, errs = append(got, o), append(errs, err)
			})
		}
	}
	open.Wait()
	return got, errs
}

// TestOnce: whoever opens it at once, the pair is renewed once, and everybody is let in.
func TestOnce(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, w *world, second func(*testing.T) fairlead.Store) {
		t.Helper()
		a, b := w.replica(t, w.plane.Store, nil), w.replica(t, second(t), nil)
		asked := w.asked()
		if o, err := a.open(t.Context()); err != nil || o.Version != 1 || asked.Load() != 0 {
			t.Fatalf("before its time: version %d, %d requests, %v", o.Version, asked.Load(), err)
		}
		w.clock.Move(life / 2)
		_, errs := all(t, a, b)
		for _, err := range errs {
			// Who read the connector before it was renewed, and opens it after, reads again.
			if err != nil && fairlead.CodeOf(err) != fairlead.CodeStale {
				t.Error(err)
			}
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("%d pairs were asked for", n)
		}
		if got := w.stages(t); got != "begun kept" {
			t.Errorf("the events say %q", got)
		}
		for _, r := range []*replica{a, b} {
			o, err := r.open(t.Context())
			if err != nil || o.Version != 2 || !w.works(t.Context(), o) {
				t.Errorf("afterwards: version %d, %v", o.Version, err)
			}
			if !o.Expires.Equal(w.clock.Now().Add(life)) {
				t.Errorf("the connector's date is %s", o.Expires)
			}
		}
		if w.works(t.Context(), w.first) {
			t.Error("the old token is still good")
		}
	})
}

// TestEnded: a pair that has ended is refreshed once, though a refresh token is good for
// one time only and everybody needs it.
func TestEnded(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, w *world, second func(*testing.T) fairlead.Store) {
		t.Helper()
		w.jfrog.Set(func(f *cloudtest.JFrogFaults) { f.Grace = 24 * time.Hour })
		a, b := w.replica(t, w.plane.Store, nil), w.replica(t, second(t), nil)
		w.clock.Move(life + time.Hour)
		asked := w.asked()
		got, errs := all(t, a, b)
		in := 0
		for i, err := range errs {
			switch kind := fairlead.KindOf(err); {
			case err == nil:
				in++
				if got[i].Version != 2 {
					t.Errorf("somebody got version %d", got[i].Version)
				}
			case kind != fairlead.Unavailable && kind != fairlead.Conflict:
				t.Error(err)
			}
		}
		if n := asked.Load(); n != 1 || in == 0 {
			t.Errorf("%d refreshes, and %d were let in", n, in)
		}
		o, err := b.open(t.Context())
		if err != nil || !w.works(t.Context(), o) {
			t.Error(err)
		}
	})
}

var errStopped = errors.New("the process has stopped")

// stopped is a vault whose process stops when it is to store what was renewed.
type stopped struct{ renewal.Vault }

func (stopped) Renewed(context.Context, provider.Opened, map[string]fairlead.Secret, time.Time, time.Time) (provider.Opened, error) {
	return provider.Opened{}, errStopped
}

// TestCrash: a process that stops between the platform's answer and its own storing costs
// nobody the account; another one renews when the claim is over.
func TestCrash(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, w *world, second func(*testing.T) fairlead.Store) {
		t.Helper()
		a := w.replica(t, w.plane.Store, func(v renewal.Vault) renewal.Vault { return stopped{v} })
		b := w.replica(t, second(t), nil)
		w.clock.Move(life / 2)
		asked := w.asked()
		for _, r := range []*replica{a, b} {
			if o, err := r.open(t.Context()); err != nil || o.Version != 1 || !w.works(t.Context(), o) {
				t.Errorf("while the claim holds: version %d, %v", o.Version, err)
			}
		}
		if n := asked.Load() - 2; n != 1 { // the two logins
			t.Errorf("%d pairs were asked for", n)
		}
		w.clock.Move(time.Hour)
		if o, err := b.open(t.Context()); err != nil || o.Version != 2 || !w.works(t.Context(), o) {
			t.Errorf("afterwards: version %d, %v", o.Version, err)
		}
	})
}

// deaf is a store that does what it is asked and loses the answer.
type deaf struct{ fairlead.Store }

func (d deaf) Write(ctx context.Context, change func(context.Context, fairlead.Writer) (fairlead.Event, error)) error {
	kept := false
	err := d.Store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		ev, err := change(ctx, w)
		kept = ev.Detail["stage"] == "kept"
		return ev, err
	})
	if kept && err == nil {
		return &fairlead.Error{Kind: fairlead.Unavailable, What: "writing", Why: "the answer was lost", Remedy: "try again"}
	}
	return err
}

// TestLostAnswer: what was stored is what is good, though the database's answer was lost.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica(t, deaf{w.plane.Store}, nil)
	w.clock.Move(life / 2)
	o, err := r.open(t.Context())
	if err != nil || o.Version != 2 || !w.works(t.Context(), o) {
		t.Errorf("version %d, %v", o.Version, err)
	}
	if o, err := w.replica(t, w.plane.Store, nil).open(t.Context()); err != nil || o.Version != 2 || !w.works(t.Context(), o) {
		t.Errorf("to others: version %d, %v", o.Version, err)
	}
}

// TestPlatformDown: as long as the old token is good, a platform that renews none keeps
// nobody out, isn't asked at each pull, and is asked again.
func TestPlatformDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica(t, w.plane.Store, nil)
	w.clock.Move(life / 2)
	asked := w.asked()
	w.net.Break(cloudtest.Fault{Host: host, Status: 503, Body: "eyJ"})
	for range 3 {
		if o, err := r.open(t.Context()); err != nil || o.Version != 1 {
			t.Errorf("version %d, %v", o.Version, err)
		}
	}
	if n := asked.Load(); n == 0 {
		t.Error("the platform wasn't asked")
	}
	if got := w.stages(t); got != "begun failed" {
		t.Errorf("the events say %q", got)
	}
	w.clock.Move(life)
	if _, err := r.open(t.Context()); fairlead.KindOf(err) != fairlead.Unavailable {
		t.Errorf("with a token that has ended: %v", err)
	}
	if _, err := r.open(t.Context()); fairlead.KindOf(err) != fairlead.Unavailable {
		t.Errorf("while nobody may try again: %v", err)
	}
}

// changing is a vault before which an administrator is quicker.
type changing struct {
	renewal.Vault
	w *world
}

func (c changing) Renewed(ctx context.Context, o provider.Opened, fresh map[string]fairlead.Secret, end, until time.Time) (provider.Opened, error) {
	if _, err := c.w.plane.Vault.Update(ctx, c.w.ann, c.w.org.ID, "jf", provider.Change{Given: provider.Given{Public: map[string]string{"username": "ci"}}}, nil); err != nil {
		return provider.Opened{}, err
	}
	return c.Vault.Renewed(ctx, o, fresh, end, until)
}

// TestChangedMeanwhile: an administrator's change isn't overwritten, and the pair that
// nobody needs is revoked.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.clock.Move(life / 2)
	r := w.replica(t, w.plane.Store, func(v renewal.Vault) renewal.Vault { return changing{v, w} })
	live := w.jfrog.Live()
	if _, err := r.open(t.Context()); fairlead.CodeOf(err) != fairlead.CodeStale {
		t.Error(err)
	}
	if got := w.jfrog.Live(); got != live {
		t.Errorf("there are %d tokens, and there were %d", got, live)
	}
	w.clock.Move(time.Hour)
	o, err := w.replica(t, w.plane.Store, nil).open(t.Context())
	if err != nil || o.Version != 3 || o.Public["username"] != "ci" || !w.works(t.Context(), o) {
		t.Errorf("version %d: %v", o.Version, err)
	}
}

// telling is a vault that tells when it has stored what was renewed.
type telling struct {
	renewal.Vault
	kept chan struct{}
}

func (v telling) Renewed(ctx context.Context, o provider.Opened, fresh map[string]fairlead.Secret, end, until time.Time) (provider.Opened, error) {
	defer close(v.kept)
	return v.Vault.Renewed(ctx, o, fresh, end, until)
}

// TestImpatient: who leaves doesn't end the renewal that they began.
func TestImpatient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kept := make(chan struct{})
	r := w.replica(t, w.plane.Store, func(v renewal.Vault) renewal.Vault { return telling{v, kept} })
	w.clock.Move(life / 2)
	ctx, cancel := context.WithCancel(t.Context())
	begun, goOn := make(chan struct{}), make(chan struct{})
	w.net.Break(cloudtest.Fault{Host: host, Path: "/access/api/v1/tokens", Match: waiting(begun, goOn)})
	came := make(chan error, 1)
	go func() { _, err := r.open(ctx); came <- err }()
	<-begun
	if o, err := r.open(t.Context()); err != nil || o.Version != 1 {
		t.Errorf("meanwhile: version %d, %v", o.Version, err)
	}
	cancel()
	if err := <-came; fairlead.KindOf(err) != fairlead.Unavailable {
		t.Error(err)
	}
	close(goOn)
	<-kept
	if o, err := r.open(t.Context()); err != nil || o.Version != 2 {
		t.Errorf("afterwards: version %d, %v", o.Version, err)
	}
}
