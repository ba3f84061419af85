package renewal_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/provider/jfrogartifactory"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/internal/renewal"
	"fairlead.dev/fairlead/internal/seal"
	"fairlead.dev/fairlead/internal/vault"
	"fairlead.dev/fairlead/wire"
)

const (
	life = 10 * 24 * time.Hour
	host = "acme.jfrog.io"
)

// world is a platform of JFrog's, a connector with a pair of it, and who opens that.
type world struct {
	clock  *fairleadtest.Clock
	net    *cloudtest.Internet
	jfrog  *cloudtest.JFrog
	family jfrogartifactory.Provider
	plane  *fairleadtest.Plane
	org    fairlead.Organization
	ann    fairlead.Caller
	first  provider.Opened // as it was in the beginning
}

func newWorld(t *testing.T, options ...fairleadtest.Option) *world {
	t.Helper()
	w := &world{clock: fairleadtest.NewClock(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)), net: cloudtest.New(t)}
	w.net.SetClock(w.clock.Now)
	w.jfrog = cloudtest.NewJFrog(t, w.net, cloudtest.JFrogConfig{
		Host: host, Users: []cloudtest.JFrogUser{{Name: "ci", Password: "x", Rights: registrytest.Everything()}},
	})
	web := w.net.Client()
	t.Cleanup(web.CloseIdleConnections)
	w.family = jfrogartifactory.New(provider.Tools{HTTP: web, Now: w.clock.Now})
	w.plane = fairleadtest.Start(t, append(options, fairleadtest.WithClock(w.clock))...)
	w.org = fairleadtest.Must(t, w.plane.Ann, wire.ShowOrganization, wire.OrganizationPath{Organization: "acme"})
	me := fairleadtest.Must(t, w.plane.Ann, wire.Whoami, wire.None{})
	w.ann = fairlead.Caller{Subject: me.Subject, Roles: map[fairlead.OrganizationID]fairlead.Role{w.org.ID: fairlead.Admin}}
	pair := w.jfrog.Issue(cloudtest.JFrogTokenSpec{User: "ci", Life: life, Refreshable: true})
	secrets := map[string]fairlead.Secret{"access_token": fairlead.SecretText(pair.Access), "refresh_token": fairlead.SecretText(pair.Refresh)}
	made, err := w.plane.Vault.Register(t.Context(), w.ann, w.org.ID, provider.Draft{
		Name: "jf", Family: jfrogartifactory.Family, Method: "access-token", Expires: w.clock.Now().Add(life).Truncate(24 * time.Hour),
		Given: provider.Given{Public: map[string]string{"host": host}, Secret: secrets},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.first = provider.Opened{Connector: made.Connector, Secret: secrets}
	return w
}

// replica is one of the processes that use a plane's database.
type replica struct {
	w     *world
	store fairlead.Store
	*renewal.Renewal
}

// vaultOf opens with a plane's keys, and logs in at the platform.
func (w *world) vaultOf(t *testing.T, store fairlead.Store) *vault.Vault {
	t.Helper()
	ring, err := vault.NewRing(func() (*seal.Ring, error) { return seal.ReadKeyFile(filepath.Join(w.plane.Data, "key.json")) })
	if err != nil {
		t.Fatal(err)
	}
	return vault.New(store, provider.Set{w.family}, ring, w.clock.Now)
}

func (w *world) replica(t *testing.T, store fairlead.Store, between func(renewal.Vault) renewal.Vault) *replica {
	t.Helper()
	var v renewal.Vault = w.vaultOf(t, store)
	if between != nil {
		v = between(v)
	}
	return &replica{w, store, renewal.New(store, provider.Set{w.family}, v, w.clock.Now)}
}

// open opens the connector as it is stored now.
func (r *replica) open(ctx context.Context) (provider.Opened, error) {
	c, err := r.store.ConnectorByName(ctx, r.w.org.ID, "jf")
	if err != nil {
		return provider.Opened{}, err
	}
	return r.OpenFor(ctx, r.w.ann, fairlead.ConnectorVerify, r.w.org, c, fairlead.Scope{})
}

// works reports whether the platform takes a connector's token.
func (w *world) works(ctx context.Context, o provider.Opened) bool {
	_, err := w.family.Login(ctx, o, fairlead.Scope{})
	return err == nil
}

// asked counts the requests for a new pair: logins make tokens too, but no refreshable
// ones and none with a description.
func (w *world) asked() *atomic.Int64 {
	var n atomic.Int64
	w.net.Break(cloudtest.Fault{Host: host, Path: "/access/api/v1/tokens", Match: func(r *http.Request) bool {
		if r.Method == http.MethodPost {
			n.Add(1)
		}
		return false
	}})
	return &n
}

// stages lists what the events say of renewals, oldest first.
func (w *world) stages(t *testing.T) string {
	t.Helper()
	page, err := w.plane.Store.EventsWhere(t.Context(), fairlead.EventQuery{Organization: w.org.ID, Action: fairlead.ConnectorRenew, Limit: 1000})
	list := page.Events
	if err != nil {
		t.Fatal(err)
	}
	var stages []string
	for _, e := range list {
		stages = append([]string{e.Detail["stage"]}, stages...)
		for _, v := range e.Detail {
			if strings.Contains(v, "eyJ") {
				t.Errorf("an event holds a token: %+v", e)
			}
		}
	}
	return strings.Join(stages, " ")
}

// waiting stops the first request until it may go on.
func waiting(begun, goOn chan struct{}) func(*http.Request) bool {
	var first atomic.Bool
	return func(*http.Request) bool {
		if first.CompareAndSwap(false, true) {
			close(begun)
			<-goOn
		}
		return false
	}
}
