package broker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

// rotation is to the other account's login.
func rotation() wire.RotateRequest {
	return wire.RotateRequest{
		ConnectorPath: wire.ConnectorPath{OrganizationPath: acme(), Connector: "main"},
		Public:        map[string]string{"username": "other"}, Secrets: map[string]wire.Clear{"password": hidden("other-" + password)},
	}
}

// TestOldSecretIsNotHandedOut rotates a connector while a lease is made that has opened
// the old secret already: what is handed out after the switch is from the new one.
func TestOldSecretIsNotHandedOut(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, r *room){
		"rotated": func(t *testing.T, r *room) {
			t.Helper()
			fairleadtest.Must(t, r.Ann, wire.RotateConnector, rotation())
		},
		"rolled back": func(t *testing.T, r *room) {
			t.Helper()
			fairleadtest.Must(t, r.Ann, wire.RotateConnector, rotation())
			fairleadtest.Must(t, r.Ann, wire.RollbackConnector, wire.RollbackRequest{ConnectorPath: rotation().ConnectorPath})
			fairleadtest.Must(t, r.Ann, wire.RollbackConnector, wire.RollbackRequest{ConnectorPath: rotation().ConnectorPath})
		},
		"another connector for the entry": func(t *testing.T, r *room) {
			t.Helper()
			fairleadtest.Must(t, r.Ann, wire.RegisterConnector, wire.ConnectorRequest{
				OrganizationPath: acme(), Name: "second", ConnectorTrial: untried(), ConnectorFields: wire.ConnectorFields{
					Family: "docker", Method: "basic", Public: map[string]string{"username": "other", "hosts": r.reg.Host()},
					Secrets: map[string]wire.Clear{"password": hidden("other-" + password)},
				},
			})
			second := "second"
			fairleadtest.Must(t, r.Ann, wire.UpdateRegistry, wire.RegistryUpdate{
				RegistryPath: wire.RegistryPath{OrganizationPath: acme(), Registry: "main"}, Connector: &second,
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStores(t, func(t *testing.T, options ...fairleadtest.Option) {
				t.Helper()
				r := newRoom(t, registrytest.Bearer, options...)
				r.add(t, "main", "*")
				r.trades.entered, r.trades.release = make(chan struct{}), make(chan struct{})
				type answer struct {
					lease fairlead.Lease
					err   error
				}
				handed := make(chan answer, 1)
				go func() {
					l, err := r.Lease(t.Context(), fairlead.Asker{Who: r.ann, Project: r.project}, r.scope("team/app"))
					handed <- answer{l, err}
				}()
				<-r.trades.entered // the old secret is open
				change(t, r)
				go func() { // from here on every trade passes
					for {
						select {
						case r.trades.release <- struct{}{}:
						case <-r.trades.entered:
						case <-t.Context().Done():
							return
						}
					}
				}()
				got := <-handed
				if got.err != nil {
					t.Fatal(got.err)
				}
				if who := subject(t, got.lease.Bearer); who != "other" {
					t.Errorf("it was handed out after the switch, and is from the login of %s", who)
				}
				for _, ev := range r.events(t, r.project.Organization, fairlead.LeasePull) {
					if ev.Detail["lease"] != got.lease.ID {
						t.Errorf("lease %s is recorded as handed out", ev.Detail["lease"])
					}
				}
			})
		})
	}
}

// TestSettle has a change wait for what is being made from the old secret.
func TestSettle(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.add(t, "main", "*")
	r.trades.entered, r.trades.release = make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = r.Lease(t.Context(), fairlead.Asker{Who: r.ann, Project: r.project}, r.scope("team/app"))
	}()
	<-r.trades.entered
	c := fairleadtest.Must(t, r.Ann, wire.DescribeConnector, rotation().ConnectorPath)
	r.Settle(t.Context(), c.ID, c.Version) // what is made is not older
	r.Settle(t.Context(), "another", c.Version+1)
	short, cancel := context.WithCancel(t.Context())
	cancel()
	r.Settle(short, c.ID, c.Version+1) // doesn't outlast who waits
	settled := make(chan struct{})
	go func() {
		r.Settle(t.Context(), c.ID, c.Version+1)
		close(settled)
	}()
	select {
	case <-settled:
		t.Error("it has settled, and a trade is under way")
	default:
	}
	r.trades.release <- struct{}{}
	<-settled
}

// TestRotationUnderLoad pulls in several loops while the login is rotated and the old one
// then ended at the registry: no pull fails, and once the switch is acknowledged the
// registry sees the old login never again.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, options ...fairleadtest.Option) {
		t.Helper()
		const loops, repositories, before = 8, 40, 6
		plane := fairleadtest.Start(t, options...)
		reg := registrytest.New(t, registrytest.Config{Auth: registrytest.Bearer, Accounts: robots()})
		r := &room{Plane: plane, reg: reg}
		r.add(t, "main", "*")
		image := registrytest.RandomImage(t, 100)
		for i := range repositories {
			registrytest.Push(t, reg, image, fmt.Sprintf("team/app%d:v1", i), robots()[0])
		}
		fairleadtest.Must(t, plane.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "models"})
		registries, err := oci.New(oci.Options{Now: time.Now, Egress: oci.Egress{Allow: []string{"127.0.0.0/8"}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(registries.Close)
		stop := make(chan struct{})
		var all, warm sync.WaitGroup
		for i := range loops {
			warm.Add(1)
			p := &puller{r: r, registries: registries}
			all.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					// Each begins elsewhere, so that there is always one to be leased anew.
					p.pull(t, fmt.Sprintf("team/app%d", (n+i*repositories/loops)%repositories))
					if p.count++; p.count == before {
						warm.Done()
					}
				}
			})
		}
		warm.Wait()
		fairleadtest.Must(t, plane.Ann, wire.RotateConnector, rotation())
		acknowledged := len(reg.Requests())
		reg.CloseAccount("robot")
		for i := range repositories { // each is leased anew, beside the loops
			(&puller{r: r, registries: registries}).pull(t, fmt.Sprintf("team/app%d", i))
		}
		close(stop)
		all.Wait()
		for _, q := range reg.Requests()[acknowledged:] {
			if q.Server == registrytest.Tokens && (q.Account == "robot" || q.Holds("robot:"+password)) {
				t.Errorf("after the switch was acknowledged: %s %s as %q", q.Method, q.Path, q.Account)
			}
		}
		logins := 0
		for _, q := range reg.Requests()[acknowledged:] {
			if q.Server == registrytest.Tokens && q.Account == "other" {
				logins++
			}
		}
		if logins == 0 {
			t.Error("nobody logged in with the new secret")
		}
	})
}

// puller leases and reads manifests.
type puller struct {
	r          *room
	registries *oci.Client
	count      int
}

// pull leases a login and reads a manifest with it.
func (p *puller) pull(t *testing.T, repository string) {
	t.Helper()
	image := p.r.reg.Host() + "/" + repository + ":v1"
	l := fairleadtest.Must(t, p.r.Ann, wire.LeaseLogin, wire.LeaseRequest{ProjectPath: wire.ProjectPath{Owner: "acme", Project: "models"}, Image: image})
	i, err := ref.Parse(image)
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := p.registries.Resolve(t.Context(), leased(l.Lease()), i); err != nil {
		t.Errorf("pulling %s: %v", image, err)
	}
}

// leased is a keychain of one lease.
type leased fairlead.Lease

func (l leased) Lease(context.Context, fairlead.Scope) (fairlead.Lease, error) {
	return fairlead.Lease(l), nil
}
