package broker_test

import (
	"context"
	"sync"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/broker"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/wire"
)

// TestChangesTakeEffect changes a connector and its entry in every way on one replica:
// the very next lease of the other one follows.
func TestChangesTakeEffect(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		r := newRoom(t, registrytest.Basic)
		testChanges(t, r, r.another(newTrades(t, r.clock)))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		url := pgtest.URL(t)
		r := newRoom(t, registrytest.Basic, fairleadtest.WithDatabase(url))
		data := t.TempDir()
		fairleadtest.CopyKeys(t, r.Plane, data)
		two := fairleadtest.Open(t, fairleadtest.WithDatabase(url), fairleadtest.WithData(data), fairleadtest.WithClock(r.clock))
		testChanges(t, r, broker.New(two.Store, server.Providers(provider.Tools{}), two.Vault, newTrades(t, r.clock), r.clock.Now))
	})
}

func testChanges(t *testing.T, r *room, replica *broker.Broker) {
	t.Helper()
	entry := wire.RegistryPath{OrganizationPath: acme(), Registry: "main"}
	connector := wire.ConnectorPath{OrganizationPath: acme(), Connector: "main"}
	secrets := map[string]wire.Clear{"password": hidden("rotated")}
	r.add(t, "main", "*", disclosed)
	for _, step := range []struct {
		name   string
		change func()
		want   string // the login, or the code
	}{
		{"as it was added", func() {}, "robot:" + password},
		{"a rotated password", func() {
			fairleadtest.Must(t, r.Ann, wire.UpdateConnector, wire.ConnectorUpdate{ConnectorPath: connector, ConnectorTrial: untried(), Secrets: secrets})
		}, "robot:rotated"},
		{"another user", func() {
			fairleadtest.Must(t, r.Ann, wire.UpdateRegistry, wire.RegistryUpdate{RegistryPath: entry, Public: map[string]string{"username": "other"}, ConnectorTrial: untried()})
		}, "other:rotated"},
		{"no disclosure", func() {
			fairleadtest.Must(t, r.Ann, wire.UpdateRegistry, wire.RegistryUpdate{RegistryPath: entry, Disclosure: fairlead.Scoped})
		}, string(fairlead.CodeDisclosure)},
		{"disclosure again", func() {
			fairleadtest.Must(t, r.Ann, wire.UpdateRegistry, wire.RegistryUpdate{RegistryPath: entry, Disclosure: fairlead.StoredSecret})
		}, "other:rotated"},
		{"a better entry", func() {
			r.add(t, "better", "team/*", disclosed)
		}, "robot:" + password},
		{"that has gone with its connector", func() {
			fairleadtest.Must(t, r.Ann, wire.RemoveRegistry, wire.RegistryRemoval{
				RegistryPath: wire.RegistryPath{OrganizationPath: acme(), Registry: "better"}, WithConnector: true,
			})
		}, "other:rotated"},
		{"another pattern", func() {
			fairleadtest.Must(t, r.Ann, wire.UpdateRegistry, wire.RegistryUpdate{RegistryPath: entry, Pattern: r.reg.Host() + "/side/*"})
		}, string(fairlead.CodeNoEntry)},
		{"the pattern again", func() {
			fairleadtest.Must(t, r.Ann, wire.UpdateRegistry, wire.RegistryUpdate{RegistryPath: entry, Pattern: r.reg.Host() + "/*"})
		}, "other:rotated"},
		{"no connector", func() {
			none := ""
			fairleadtest.Must(t, r.Ann, wire.UpdateRegistry, wire.RegistryUpdate{RegistryPath: entry, Connector: &none})
		}, "anonymous"},
		{"no entry", func() {
			fairleadtest.Must(t, r.Ann, wire.RemoveRegistry, wire.RegistryRemoval{RegistryPath: entry})
			fairleadtest.Must(t, r.Ann, wire.DeleteConnector, wire.ConnectorRemoval{ConnectorPath: connector, Force: true})
		}, string(fairlead.CodeNoEntry)},
	} {
		step.change()
		for name, b := range map[string]*broker.Broker{"the same": r.Broker, "another": replica} {
			for range 2 { // made, and remembered
				l, err := b.Lease(t.Context(), fairlead.Asker{Who: r.ann, Project: r.project}, r.scope("team/app"))
				if got := told(l, err); got != step.want {
					t.Errorf("%s: %s replica gives %s, want %s", step.name, name, got, step.want)
				}
			}
		}
	}
}

// told is what a lease comes to.
func told(l fairlead.Lease, err error) string {
	switch {
	case err != nil:
		return string(fairlead.CodeOf(err))
	case l.Note != nil:
		return string(l.Note.Code)
	case l.Kind == fairlead.Anonymous:
		return string(l.Kind)
	default:
		return l.Username + ":" + string(l.Password.Reveal())
	}
}

// meddler is a store in which something happens between two readings.
type meddler struct {
	fairlead.Store
	mu     sync.Mutex
	before func() // the entries are read
	after  func() // they were read
}

func (m *meddler) take(f *func()) func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := *f
	*f = nil
	if now == nil {
		return func() {}
	}
	return now
}

func (m *meddler) RegistriesOf(ctx context.Context, org fairlead.OrganizationID) ([]fairlead.Registry, error) {
	m.take(&m.before)()
	list, err := m.Store.RegistriesOf(ctx, org)
	m.take(&m.after)()
	return list, err
}

// TestChangedMeanwhile has a connector be changed, replaced or removed between a lease's
// steps: the lease is of what there is now, and nobody is told to ask again.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	connector := wire.ConnectorPath{OrganizationPath: acme(), Connector: "main"}
	entry := wire.RegistryPath{OrganizationPath: acme(), Registry: "main"}
	for name, c := range map[string]struct {
		change func(t *testing.T, r *room)
		want   string
	}{
		"rotated": {func(t *testing.T, r *room) {
			t.Helper()
			fairleadtest.Must(t, r.Ann, wire.UpdateConnector, wire.ConnectorUpdate{ConnectorPath: connector, ConnectorTrial: untried(), Secrets: map[string]wire.Clear{"password": hidden("rotated")}})
		}, "robot:rotated"},
		"replaced": {func(t *testing.T, r *room) {
			t.Helper()
			r.add(t, "next", "next/*", disclosed, func(req *wire.RegistryRequest) { req.NewConnector = login("next", "next") })
			next := "next"
			fairleadtest.Must(t, r.Ann, wire.UpdateRegistry, wire.RegistryUpdate{RegistryPath: entry, Connector: &next})
			fairleadtest.Must(t, r.Ann, wire.DeleteConnector, wire.ConnectorRemoval{ConnectorPath: connector, Force: true})
		}, "next:next"},
		"removed": {func(t *testing.T, r *room) {
			t.Helper()
			fairleadtest.Must(t, r.Ann, wire.RemoveRegistry, wire.RegistryRemoval{RegistryPath: entry, WithConnector: true})
		}, string(fairlead.CodeNoEntry)},
	} {
		for _, when := range []string{"before", "after"} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				r := newRoom(t, registrytest.Basic)
				r.add(t, "main", "*", disclosed)
				m := &meddler{Store: r.Store}
				change := func() { c.change(t, r) }
				if when == "before" {
					m.before = change
				} else {
					m.after = change
				}
				b := broker.New(m, server.Providers(provider.Tools{}), r.Vault, r.trades, r.clock.Now)
				l, err := b.Lease(t.Context(), fairlead.Asker{Who: r.ann, Project: r.project}, r.scope("team/app"))
				if got := told(l, err); got != c.want {
					t.Errorf("%s, want %s (%v)", got, c.want, err)
				}
			})
		}
	}
}

// deaf is a store that can't record some events.
type deaf struct {
	fairlead.Store
	to fairlead.Action
}

func (d *deaf) Write(ctx context.Context, change func(context.Context, fairlead.Writer) (fairlead.Event, error)) error {
	return d.Store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		ev, err := change(ctx, w)
		if err == nil && ev.Action == d.to {
			err = &fairlead.Error{Kind: fairlead.Unavailable, What: "recording event", Why: "the test wants it so"}
		}
		return ev, err
	})
}

// TestUnrecorded has a lease's event not be written: nothing is handed out, the first
// time nor the second.
func TestUnrecorded(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Basic)
	r.add(t, "main", "*", disclosed)
	d := &deaf{Store: r.Store, to: fairlead.LeasePull}
	b := broker.New(d, server.Providers(provider.Tools{}), r.Vault, r.trades, r.clock.Now)
	ask := func() (fairlead.Lease, error) {
		return b.Lease(t.Context(), fairlead.Asker{Who: r.ann, Project: r.project}, r.scope("team/app"))
	}
	for range 2 {
		l, err := ask()
		if fairlead.KindOf(err) != fairlead.Unavailable || l.ID != "" || l.Username != "" || !l.Password.IsZero() || !l.Bearer.IsZero() {
			t.Errorf("without its event: %+v, %v", l, err)
		}
	}
	d.to = ""
	if l, err := ask(); err != nil || l.Password.IsZero() {
		t.Errorf("with its event: %+v, %v", l, err)
	}
}
