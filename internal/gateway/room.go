package gateway

import (
	"context"
	"strings"
	"sync"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// Bounds of what is remembered. Beyond them it is forgotten, and asked for again.
const (
	mostRooms   = 20_000
	mostAliases = 50_000
	// mostCovered bounds the tags of a room whose entry is known.
	mostCovered = 4096
	// mostOfView bounds what a view remembers of each sort.
	mostOfView = 20_000
	// entriesLife is how long the entries of an organization aren't looked up again.
	entriesLife = time.Second
)

// tenant is for whom something is remembered: an organization, or a user whose personal
// project a run is of.
type tenant struct {
	organization fairlead.OrganizationID
	owner        fairlead.UserID
}

func tenantOf(a fairlead.Asker) tenant {
	return tenant{a.Project.Organization, a.Project.User}
}

type roomKey struct {
	tenant
	resource ref.Resource
}

type nameKey struct {
	tenant
	space, name string
}

// alias is a name that a client uses, and which room it leads to.
type alias struct {
	room *room
	// until is when it is looked up again: a name of an entry can come to mean another
	// host. Zero is never.
	until time.Time
}

// room is one repository, for one tenant.
type room struct {
	gateway  *Gateway
	tenant   tenant
	resource ref.Resource

	mu      sync.RWMutex
	covered map[string]covered // by tag
	views   map[fairlead.Coverage]*view
}

// covered is which view a tag belongs to, as it was at a time.
type covered struct {
	view *view
	at   time.Time
}

// enter finds the room that a client's name leads to.
func (g *Gateway) enter(ctx context.Context, s *session, t target) (*room, *refusal) {
	key := nameKey{tenantOf(s.asker), t.space, t.name}
	g.mu.RLock()
	a := g.names[key]
	g.mu.RUnlock()
	if a != nil && (a.until.IsZero() || g.opts.Now().Before(a.until)) {
		return a.room, nil
	}
	resource, fixed, no := g.resolve(ctx, key)
	if no != nil {
		return nil, no
	}
	a = &alias{room: g.roomOf(key.tenant, resource)}
	if !fixed {
		a.until = g.opts.Now().Add(entriesLife)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.names) >= mostAliases {
		clear(g.names)
	}
	g.names[key] = a
	return a.room, nil
}

// resolve says what a client's name means. fixed is false where that is up to the
// organization's entries.
func (g *Gateway) resolve(ctx context.Context, k nameKey) (r ref.Resource, fixed bool, no *refusal) {
	if k.space != "" {
		r, no = resourceOf(k.space, k.name)
		return r, true, no
	}
	first, rest, several := strings.Cut(k.name, "/")
	host, isHost, no := hostOf(first)
	switch {
	case no != nil:
		return ref.Resource{}, true, no
	case isHost:
		if isHubAlias(host) {
			host = hub
		}
		r, no = resourceOf(host, rest)
		return r, true, no
	}
	if several && k.organization != "" {
		host, ok, err := g.opts.Leases.HostOf(ctx, k.organization, fairlead.Name(first))
		if err != nil {
			return ref.Resource{}, false, refuse(err, nothing)
		}
		if ok {
			r, no = resourceOf(host, rest)
			return r, false, no
		}
	}
	if g.opts.Hub {
		r, no = resourceOf(hub, k.name)
		return r, false, no
	}
	return ref.Resource{}, false, badName("its first part is neither a registry's host nor the name of a registry entry of your organization that is for one host")
}

func (g *Gateway) roomOf(of tenant, r ref.Resource) *room {
	key := roomKey{of, r}
	g.mu.Lock()
	defer g.mu.Unlock()
	if known := g.rooms[key]; known != nil {
		return known
	}
	if len(g.rooms) >= mostRooms {
		clear(g.rooms)
		clear(g.names)
	}
	fresh := &room{gateway: g, tenant: of, resource: r, covered: map[string]covered{}, views: map[fairlead.Coverage]*view{}}
	g.rooms[key] = fresh
	return fresh
}

// anyTag is the tag that a request without one is taken to be for.
const anyTag = "latest"

// image is the name that a request is about, as entries' patterns see it: what a worker
// asks for by a digest is of the image of its run.
func (s *session) image(r *room, t target) ref.Image {
	switch {
	case t.kind == manifests && !t.isDigest():
		return ref.Image{Resource: r.resource, Tag: t.reference}
	case s.pass.Kind == heldPass && s.asker.Image.Resource == r.resource:
		return s.asker.Image
	default:
		return ref.Image{Resource: r.resource, Tag: anyTag}
	}
}

// view gives the view that an image belongs to, by the entries as they are now.
func (r *room) view(ctx context.Context, i ref.Image) (*view, error) {
	now := r.gateway.opts.Now()
	r.mu.RLock()
	c := r.covered[i.Tag]
	r.mu.RUnlock()
	if c.view != nil && now.Sub(c.at) < entriesLife {
		return c.view, nil
	}
	var cover fairlead.Coverage
	if r.tenant.organization != "" {
		var err error
		if cover, err = r.gateway.opts.Leases.Coverage(ctx, r.tenant.organization, i); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.views[cover]
	if v == nil {
		v = newView(r, cover, i)
		r.views[cover] = v
	}
	if len(r.covered) >= mostCovered {
		clear(r.covered)
	}
	r.covered[i.Tag] = covered{v, now}
	return v, nil
}

// viewsOf lists the views in which a digest may be looked for: that of a name without a
// tag first, and those that other tags have made, as long as entries are as they were.
func (r *room) viewsOf(ctx context.Context, i ref.Image) ([]*view, error) {
	first, err := r.view(ctx, i)
	if err != nil {
		return nil, err
	}
	r.mu.RLock()
	alone := len(r.views) == 1
	r.mu.RUnlock()
	if alone {
		return []*view{first}, nil
	}
	r.mu.RLock()
	others := make([]*view, 0, len(r.views))
	for _, v := range r.views {
		if v != first {
			others = append(others, v)
		}
	}
	r.mu.RUnlock()
	list := []*view{first}
	for _, v := range others {
		now, err := r.view(ctx, v.image)
		if err != nil {
			return nil, err
		}
		if now == v {
			list = append(list, v)
			continue
		}
		r.mu.Lock()
		delete(r.views, v.cover) // the entry isn't what it was
		r.mu.Unlock()
	}
	return list, nil
}
