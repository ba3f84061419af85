package vault_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/seal"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/internal/vault"
	"fairlead.dev/fairlead/wire"
)

// keys is the operator's hand on the key files of servers.
type keys []string

func (k keys) read(t *testing.T) *seal.Ring {
	t.Helper()
	r, err := seal.ReadKeyFile(k[0])
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (k keys) write(t *testing.T, r *seal.Ring, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range k {
		if err := seal.WriteKeyFile(path, r); err != nil {
			t.Fatal(err)
		}
	}
}

// beside gives a vault of another process: what `fairlead keys` uses.
func (k keys) beside(t *testing.T, o server.Options) *vault.Vault {
	t.Helper()
	store, err := server.OpenStore(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	ring, err := vault.NewRing(func() (*seal.Ring, error) { return seal.ReadKeyFile(k[0]) })
	if err != nil {
		t.Fatal(err)
	}
	return vault.New(store, server.Providers(provider.Tools{}), ring, time.Now)
}

// TestRotation rotates beside a server that goes on, prunes, and starts anew.
func TestRotation(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	c := r.register(t, r.acme, "main")
	file := keys{filepath.Join(r.Data, "key.json")}
	old := file.read(t)
	fresh, err := old.WithFresh()
	file.write(t, fresh, err)
	beside := file.beside(t, server.Options{Data: r.Data, Now: time.Now})
	for want := 2; want >= 0; want -= 2 { // acme and side, then none
		if n, err := beside.Rewrap(t.Context(), system()); err != nil || n != want {
			t.Errorf("wrapped %d anew, want %d: %v", n, want, err)
		}
	}
	if _, err := beside.Rewrap(t.Context(), r.ann); fairlead.KindOf(err) != fairlead.Denied {
		t.Errorf("an administrator rotates by asking for it: %v", err)
	}
	if err := beside.RotateDataKeys(t.Context(), r.ann, r.acme); fairlead.KindOf(err) != fairlead.Denied {
		t.Errorf("an administrator rotates data keys by asking for it: %v", err)
	}
	before, err := r.Store.SealedFields(t.Context(), r.acme, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := beside.RotateDataKeys(t.Context(), system(), r.acme); err != nil {
		t.Fatal(err)
	}
	after, err := r.Store.SealedFields(t.Context(), r.acme, c.ID)
	if err != nil || string(before[0].Sealed) == string(after[0].Sealed) || before[0].Version != after[0].Version {
		t.Errorf("the field wasn't sealed anew: %v", err)
	}
	only, err := fresh.Only()
	file.write(t, only, err)
	if opened, err := r.open(t.Context(), c); err != nil || string(opened.Secret["password"].Reveal()) != canary {
		t.Errorf("the server that went on: %v", err)
	}
	page, err := r.Store.EventsWhere(t.Context(), fairlead.EventQuery{Organization: r.acme, Action: fairlead.KeyRotate, Limit: 10})
	events := page.Events
	if err != nil || len(events) != 2 || events[0].Detail["key"] != only.Primary() {
		t.Errorf("the events are %+v, %v", events, err)
	}
	checkAnew(t, file, server.Options{Data: r.Data, Now: time.Now})
}

// checkAnew asks what a server asks that starts: whether it can open everything.
func checkAnew(t *testing.T, file keys, o server.Options) {
	t.Helper()
	if err := file.beside(t, o).Check(t.Context()); err != nil {
		t.Errorf("a server that starts now: %v", err)
	}
}

// TestNewOrganizationAfterRotation makes an organization on a server that has met no
// new key yet, after the old one was taken out of the file: its secrets must not be
// sealed with a key that is only in that server's memory.
func TestNewOrganizationAfterRotation(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	file := keys{filepath.Join(r.Data, "key.json")}
	fresh, err := file.read(t).WithFresh()
	file.write(t, fresh, err)
	o := server.Options{Data: r.Data, Now: time.Now}
	if _, err := file.beside(t, o).Rewrap(t.Context(), system()); err != nil {
		t.Fatal(err)
	}
	only, err := fresh.Only()
	file.write(t, only, err)
	fairleadtest.Must(t, r.Ann, wire.CreateOrganization, wire.OrganizationRequest{Name: "late"})
	checkAnew(t, file, o)
}

// TestNewOrganizationWithoutKeys makes one while the key file is gone: what would be
// lost with the server's memory is refused.
func TestNewOrganizationWithoutKeys(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	c := r.register(t, r.acme, "main")
	if err := os.Remove(filepath.Join(r.Data, "key.json")); err != nil {
		t.Fatal(err)
	}
	if err := r.create(t, "late"); fairlead.CodeOf(err) != fairlead.CodeWrongKey {
		t.Errorf("an organization without keys: %v", err)
	}
	if _, err := r.open(t.Context(), c); err != nil {
		t.Errorf("what was opened before: %v", err)
	}
}

func (r *room) create(t *testing.T, name fairlead.Name) error {
	t.Helper()
	_, err := r.Control.CreateOrganization(t.Context(), r.ann, name, false)
	return err
}

// TestRotationUnderLoad rotates everything, again and again, while two servers on one
// database open, register and change connectors and make organizations.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	one := newRoom(t, fairleadtest.WithDatabase(url))
	data := t.TempDir()
	fairleadtest.CopyKeys(t, one.Plane, data)
	two := &room{
		Plane: fairleadtest.Open(t, fairleadtest.WithDatabase(url), fairleadtest.WithData(data)),
		acme:  one.acme, side: one.side, ann: one.ann, project: one.project,
	}
	shared := one.register(t, one.acme, "shared")
	files := keys{filepath.Join(one.Data, "key.json"), filepath.Join(data, "key.json")}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	done := make(chan struct{}, 100)
	for i, r := range []*room{one, two, one, two} {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				r.load(ctx, t, shared.ID, fmt.Sprintf("c%d-%d", i, n))
				select {
				case done <- struct{}{}:
				default:
				}
			}
		})
	}
	o := server.Options{Database: url, Data: one.Data, Now: time.Now}
	beside := files.beside(t, o)
	for range 5 {
		for len(done) > 0 {
			<-done
		}
		for range 8 { // the load has come to itself
			<-done
		}
		files.rotate(t, beside, one.acme, one.side)
	}
	cancel()
	all.Wait()
	checkAnew(t, files, o)
	for _, r := range []*room{one, two} {
		r.openAll(t)
	}
}

// rotate does what an operator does, in that order.
func (k keys) rotate(t *testing.T, beside *vault.Vault, orgs ...fairlead.OrganizationID) {
	t.Helper()
	fresh, err := k.read(t).WithFresh()
	k.write(t, fresh, err)
	if _, err := beside.Rewrap(t.Context(), system()); err != nil {
		t.Error(err)
	}
	for _, org := range orgs {
		if err := beside.RotateDataKeys(t.Context(), system(), org); err != nil {
			t.Error(err)
		}
	}
	only, err := fresh.Only()
	for pruned := false; !pruned && !t.Failed(); { // what was made meanwhile with the old one
		for n := 1; n > 0; {
			if n, err = beside.Rewrap(t.Context(), system()); err != nil {
				t.Error(err)
				return
			}
		}
		k.write(t, only, err)
		if pruned = beside.Check(t.Context()) == nil; !pruned {
			k.write(t, fresh, nil)
		}
	}
}

// load is what a server does meanwhile. Only a change that met another may fail.
func (r *room) load(ctx context.Context, t *testing.T, shared fairlead.ConnectorID, name string) {
	t.Helper()
	check := func(what string, err error) {
		if err != nil && ctx.Err() == nil && fairlead.CodeOf(err) != fairlead.CodeStale {
			t.Errorf("%s: %v", what, err)
		}
	}
	c, err := r.Vault.Register(ctx, r.ann, r.side, draft(fairlead.Name(name), "reg.example.com"), nil)
	check("registering", err)
	if err == nil {
		opened, err := r.open(ctx, c.Connector)
		check("opening what was registered", err)
		if err == nil && string(opened.Secret["password"].Reveal()) != canary {
			t.Error("another secret opens")
		}
	}
	_, err = r.Vault.Update(ctx, r.ann, r.acme, "shared", provider.Change{Given: provider.Given{
		Public: map[string]string{"username": name}, Secret: map[string]fairlead.Secret{"password": fairlead.SecretText(canary)},
	}}, nil)
	check("changing", err)
	now, err := r.Store.Connector(ctx, r.acme, shared)
	if err == nil {
		_, err = r.open(ctx, now)
	}
	check("opening what others change", err)
	_, err = r.Control.CreateOrganization(ctx, r.ann, fairlead.Name("org-"+name), false)
	check("making an organization", err)
}

// openAll opens every connector.
func (r *room) openAll(t *testing.T) {
	t.Helper()
	for _, org := range []fairlead.OrganizationID{r.acme, r.side} {
		list, err := r.Store.ConnectorsOf(t.Context(), org)
		if err != nil || len(list) == 0 {
			t.Error(len(list), err)
		}
		for _, c := range list {
			if opened, err := r.open(t.Context(), c); err != nil || string(opened.Secret["password"].Reveal()) != canary {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
	}
}
