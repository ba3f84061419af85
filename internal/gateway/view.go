package gateway

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/ref"
)

// view is what one login may see of one repository: nothing of it is ever shown to
// another. When the entry or the connector changes, it is another view.
type view struct {
	room  *room
	cover fairlead.Coverage
	// image is one that the entry covers, with which its login is leased.
	image  ref.Image
	flight singleflight.Group
	count  *count

	mu sync.RWMutex
	// proved is when the upstream last said yes to the login; zero if it has said no since.
	proved time.Time
	tags   map[string]tagged
	// docs are the manifests that the login has fetched, blobs those of which the upstream
	// has told it that they are there, with their sizes.
	docs  map[fairlead.Digest]*doc
	blobs map[fairlead.Digest]int64
	lists map[string]*listing
	// uses is where the use of a manifest by its digest is noted.
	uses map[fairlead.Digest]*atomic.Int64
	// handed is until when a reader doesn't lease again.
	handed map[reader]time.Time
	// told says that it was recorded that the upstream doesn't answer.
	told bool
}

// tagged is what a tag stood for at a time.
type tagged struct {
	oci.Descriptor
	checked time.Time
	used    *atomic.Int64 // where its use is noted
}

func newView(r *room, c fairlead.Coverage, i ref.Image) *view {
	v := &view{
		room: r, cover: c, image: i, count: r.gateway.counts.of(r.tenant.organization, r.resource.Host),
		uses: map[fairlead.Digest]*atomic.Int64{}, tags: map[string]tagged{}, docs: map[fairlead.Digest]*doc{}, blobs: map[fairlead.Digest]int64{},
		lists: map[string]*listing{}, handed: map[reader]time.Time{},
	}
	if c.Registry != "" {
		v.count.covered.Store(true)
	}
	return v
}

func (v *view) gateway() *Gateway { return v.room.gateway }

// granted reports whether the upstream's last yes still holds; usable whether it may be
// held on to while the upstream doesn't answer. Under v.mu.
func (v *view) granted(now time.Time) bool {
	return !v.proved.IsZero() && now.Sub(v.proved) < v.gateway().opts.GrantLife
}

func (v *view) usable(now time.Time) bool {
	return !v.proved.IsZero() && now.Sub(v.proved) < v.gateway().opts.StaleLimit
}

// allow notes that the upstream has said yes.
func (v *view) allow() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.proved, v.told = v.gateway().opts.Now(), false
}

// forbid ends the grant, and if the login may read nothing here any more, all that was
// remembered of it.
func (v *view) forbid(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.proved = time.Time{}
	clear(v.lists)
	clear(v.handed)
	if fairlead.KindOf(err) != fairlead.NotFound {
		clear(v.tags)
		clear(v.docs)
		clear(v.blobs)
	}
}

// put remembers one thing more, and forgets all of its sort if they are too many.
func put[K comparable, V any](m map[K]V, k K, value V) {
	if len(m) >= mostOfView {
		clear(m)
	}
	m[k] = value
}

// asker is the session's, for the view's image.
func (v *view) asker(s *session) fairlead.Asker {
	a := s.asker
	a.Image = v.image
	a.Who.From, a.Who.Request = withoutPort(a.Who.From), v.gateway().request()
	return a
}

// hand leases for the reader, unless that was done within the grant's life: it is where
// the reader's rights, the entry and the connector are asked, and what is recorded.
func (v *view) hand(ctx context.Context, s *session) error {
	g := v.gateway()
	now := g.opts.Now()
	v.mu.RLock()
	until, usable := v.handed[s.reader], v.usable(now)
	v.mu.RUnlock()
	if now.Before(until) {
		return nil
	}
	if usable {
		budget := g.opts.Budget
		if g.hostOf(v).failing(now) {
			budget = shortBudget
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, budget)
		defer cancel()
	}
	_, err := g.opts.Leases.Lease(ctx, v.asker(s), v.scope())
	switch {
	case err == nil:
		v.mu.Lock()
		put(v.handed, s.reader, now.Add(g.opts.GrantLife))
		v.mu.Unlock()
		return nil
	case passing(err) && usable:
		v.mu.Lock()
		put(v.handed, s.reader, now.Add(failLife))
		v.mu.Unlock()
		g.hostOf(v).late(now)
		return nil
	case !passing(err):
		v.forbid(err)
	}
	return err
}

func (v *view) scope() fairlead.Scope {
	return fairlead.Scope{Resource: v.room.resource, Verb: fairlead.Pull}
}

// keychain leases for the view on a reader's behalf.
type keychain struct {
	leases Leases
	asker  fairlead.Asker
	view   *view
}

// Lease is the broker's.
func (k keychain) Lease(ctx context.Context, s fairlead.Scope) (fairlead.Lease, error) {
	return k.leases.Lease(ctx, k.asker, s)
}

// Refused is the broker's.
func (k keychain) Refused(_ context.Context, l fairlead.Lease) { k.leases.Refused(l.ID) }

func (v *view) keychain(s *session) keychain {
	return keychain{v.gateway().opts.Leases, v.asker(s), v}
}

// passing reports whether an error says nothing about the right to read: then what was
// granted stays so.
func passing(err error) bool {
	switch fairlead.KindOf(err) {
	case fairlead.Limited, fairlead.Unavailable, fairlead.Internal:
		return true
	default:
		return false
	}
}

// flightTime is the longest that asking an upstream takes that nobody waits for.
const flightTime = 90 * time.Second

// ask asks the upstream something, once for all who want to know it at that time, and in
// a time of its own. A yes to a question for content grants it to the view.
func (v *view) ask(ctx context.Context, s *session, what string, content bool, do func(context.Context, keychain) error) <-chan singleflight.Result {
	g, kc := v.gateway(), v.keychain(s)
	return v.flight.DoChan(what, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flightTime)
		defer cancel()
		h := g.hostOf(v)
		if err := h.closed(g.opts.Now()); err != nil {
			return nil, err
		}
		begun := g.opts.Now()
		err := do(ctx, kc)
		if isSparing(err) {
			return nil, err
		}
		v.count.upstream(&v.count.asks, g.opts.Now().Sub(begun), err)
		err = h.learn(g.opts.Now(), err)
		switch {
		case err == nil && content:
			v.allow()
		case err != nil && !passing(err):
			v.forbid(err)
		}
		return nil, err
	})
}

// errLate is for an upstream that takes longer than somebody waits for it.
var errLate = errors.New("the upstream didn't answer in time")

// await waits for an answer: for as long as the budget is where there is an older one
// (not at all if the upstream is known not to answer), and otherwise for as long as the
// client does.
func (v *view) await(ctx context.Context, answer <-chan singleflight.Result, older bool) error {
	g := v.gateway()
	var late <-chan time.Time
	if older {
		budget := g.opts.Budget
		if g.hostOf(v).failing(g.opts.Now()) {
			budget = 0
		}
		timer := time.NewTimer(budget)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case r := <-answer:
		return r.Err
	case <-late:
		g.hostOf(v).late(g.opts.Now())
		return &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeTimeout, What: "asking " + v.room.resource.Host, Why: errLate.Error(), Remedy: "try again"}
	case <-ctx.Done():
		return &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeTimeout, What: "asking " + v.room.resource.Host, Why: "the client has left", Remedy: "try again"}
	}
}

type hostKey struct {
	organization fairlead.OrganizationID
	connector    fairlead.ConnectorID
	host         string
}

// host is what is known of an upstream, for one login.
type host struct {
	mu     sync.Mutex
	failed time.Time
	// paused is until when it isn't asked, since it has said so.
	paused time.Time
	// quota is what it said last of how much may be pulled, at quoted.
	quota  oci.RateLimit
	quoted time.Time
}

const (
	// failLife is how long an upstream that didn't answer isn't waited for where there is
	// an older answer.
	failLife = 30 * time.Second
	// shortBudget is what a lease may take then: one that is there takes no time.
	shortBudget = 50 * time.Millisecond
	// shortPause is how long it isn't asked after a 429 that doesn't say for how long.
	shortPause = 5 * time.Second
	longPause  = 15 * time.Minute
)

func (g *Gateway) hostOf(v *view) *host {
	key := hostKey{v.room.tenant.organization, v.cover.Connector, v.room.resource.Host}
	g.mu.RLock()
	h := g.hosts[key]
	g.mu.RUnlock()
	if h != nil {
		return h
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if h = g.hosts[key]; h == nil {
		if len(g.hosts) >= mostRooms {
			clear(g.hosts)
		}
		h = &host{}
		g.hosts[key] = h
	}
	return h
}

func (h *host) failing(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return now.Before(h.paused) || !h.failed.IsZero() && now.Sub(h.failed) < failLife
}

// late notes that it was waited for in vain.
func (h *host) late(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed = now
}
