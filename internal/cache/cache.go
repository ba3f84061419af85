// Package cache is what administrators and operators see and do of what the gateway
// keeps: how it does, what is kept of which image, pruning, pins, and fetching ahead of
// time. An organization is shown its own account and nothing else: what others keep or do
// makes no difference to what it is told.
package cache

import (
	"context"
	"sync"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/depot"
	"fairlead.dev/fairlead/ref"
)

// Traffic is what was asked for of one registry, for one organization.
type Traffic struct {
	Organization fairlead.OrganizationID
	Host         string
	fairlead.GatewayTraffic
	// Own is the traffic as it is told to the organization: bytes that others had fetched
	// before count as fetched, and requests for them as misses. The requests that fetch
	// blobs, which others may have saved it, aren't in it.
	Own fairlead.GatewayTraffic
	// Took is how long the registry took to answer, altogether, and OwnTook to what is in
	// Own.
	Took, OwnTook time.Duration
}

// Login is how a registry stands to one login of an organization.
type Login struct {
	Organization fairlead.OrganizationID
	Connector    fairlead.ConnectorID
	Host         string
	fairlead.GatewayLimit
}

// Door is the gateway.
type Door interface {
	// Traffic gives what was counted, and since when.
	Traffic() ([]Traffic, time.Time)
	// Logins gives how the registries stand to the logins.
	Logins() []Login
	// Prefetch fetches an image as a pull does, and tells how far it is. No platforms are
	// all.
	Prefetch(ctx context.Context, a fairlead.Asker, i ref.Image, platforms []string, tell func(fairlead.PrefetchProgress)) error
	// Forget has a repository be asked for anew.
	Forget(org fairlead.OrganizationID, r ref.Resource)
}

// Store is what is read of the house's, and where events go.
type Store interface {
	Organization(ctx context.Context, id fairlead.OrganizationID) (fairlead.Organization, error)
	ConnectorsOf(ctx context.Context, org fairlead.OrganizationID) ([]fairlead.Connector, error)
	Write(ctx context.Context, change func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error)) error
}

// Options are what the room stands on.
type Options struct {
	Depot   *depot.Depot
	Door    Door
	Catalog *Catalog
	Store   Store
	// Quota is how many bytes count for an organization at most; 0 is no limit.
	Quota func(fairlead.OrganizationID) int64
	Now   func() time.Time
	// Address is the host that stands in front of an image's name.
	Address string
}

// Cache is the room. It is safe for concurrent use.
type Cache struct {
	Options

	mu        sync.Mutex
	manifests map[fairlead.Digest]*manifest
	swept     time.Time
}

// New makes a room.
func New(o Options) *Cache {
	return &Cache{Options: o, manifests: map[fairlead.Digest]*manifest{}}
}

// scope is on whose account something is done: an organization, or all.
type scope struct {
	organization fairlead.Organization // zero: of all
	place        fairlead.Place
}

func scopeOf(org *fairlead.Organization) scope {
	if org == nil {
		return scope{}
	}
	return scope{*org, fairlead.Place{Organization: org.ID}}
}

func (s scope) all() bool { return s.organization.ID == "" }

// SweepEvery is how often names are looked through of which nothing is kept any more, and
// after how long they go.
const sweepEvery, forgetAfter = time.Hour, 24 * time.Hour

// Round writes down what was used: manifests that are served out of memory are used in
// the depot too.
func (c *Cache) Round(context.Context) error {
	used, err := c.Catalog.round()
	for _, k := range used {
		c.Depot.Touch(k.digest, depot.Owner(k.organization))
	}
	if now := c.Now(); now.Sub(c.swept) >= sweepEvery {
		c.swept = now
		c.sweep(now)
	}
	return err
}

// sweep forgets names of which nothing is kept.
func (c *Cache) sweep(now time.Time) {
	held := map[fairlead.OrganizationID]map[fairlead.Digest]depot.Held{}
	var gone []name
	for _, k := range c.Catalog.all("", true) {
		if held[k.organization] == nil {
			held[k.organization] = c.Depot.Account(depot.Owner(k.organization))
		}
		if _, there := held[k.organization][k.digest]; !there && now.Sub(k.used) > forgetAfter {
			gone = append(gone, k.name)
		}
	}
	c.Catalog.mu.Lock()
	defer c.Catalog.mu.Unlock()
	c.Catalog.forget(gone...)
}

// record writes the event of an act.
func (c *Cache) record(ctx context.Context, ev fairlead.Event) error {
	return c.Store.Write(ctx, func(context.Context, fairlead.Writer) (fairlead.Event, error) { return ev, nil })
}
