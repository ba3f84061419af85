package broker

import (
	"context"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"fairlead.dev/fairlead"
)

// How the cache behaves.
const (
	// refusalLife is how long a refusal is remembered: long enough that a hundred
	// workers which start at once ask the registry once, short enough that whoever
	// mends the login doesn't wait.
	refusalLife = 5 * time.Second
	// mostBackoff is the longest that a Retry-After is believed without asking again.
	mostBackoff = 10 * time.Minute
	// flightTime is the longest that making a lease may take.
	flightTime = 60 * time.Second
	// unboundedLife is how long a stored secret, and any lease without an end, is kept
	// before its connector is opened again.
	unboundedLife = 10 * time.Minute
	// mostSlots bounds the cache; beyond it what has ended is swept, then the rest.
	mostSlots = 100_000
	// mostRefusals is how many leases of one key can be refused within refusalsOf.
	mostRefusals = 3
	refusalsOf   = time.Minute
)

// key holds everything that can change the answer.
type key struct {
	scope            fairlead.Scope
	registry         fairlead.RegistryID
	registryVersion  int64
	connector        fairlead.ConnectorID
	connectorVersion int64
	organization     fairlead.OrganizationID
}

func keyOf(s fairlead.Scope, e *entry) key {
	return key{
		scope: s, registry: e.ID, registryVersion: e.Version, organization: e.Organization,
		connector: e.connector.ID, connectorVersion: e.connector.Version,
	}
}

// slot is one remembered answer, and who was handed it.
type slot struct {
	lease  fairlead.Lease
	err    error
	until  time.Time // when it is asked for anew
	handed sync.Map  // asker's key -> *handing

	// refusals counts the leases of the key that were refused since a time.
	refusals int
	since    time.Time
}

// handing serialises the first handing-out of a lease to one asker.
type handing struct {
	mu   sync.Mutex
	done bool
}

// once runs f for an asker until it succeeds, and then not again.
func (s *slot) once(asker string, f func() error) error {
	v, ok := s.handed.Load(asker)
	if !ok {
		v, _ = s.handed.LoadOrStore(asker, &handing{})
	}
	h, ok := v.(*handing)
	if !ok {
		return f()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done {
		return nil
	}
	if err := f(); err != nil {
		return err
	}
	h.done = true
	return nil
}

// cache remembers leases until 80 % of their life is over, and refusals for seconds.
// Of several who ask for the same at once, one makes the lease: in a flight of its own
// that goes on when the one that began it has left.
type cache struct {
	now    func() time.Time
	flight singleflight.Group

	mu    sync.RWMutex
	slots map[key]*slot
	byID  map[string]key
	// flights are the leases that are being made; each is closed when it is.
	flights map[key]chan struct{}
}

func newCache(now func() time.Time) *cache {
	return &cache{now: now, slots: map[key]*slot{}, byID: map[string]key{}, flights: map[key]chan struct{}{}}
}

// begin notes that a lease is being made; what it gives is called when it is. Of one key
// there is one flight at a time.
func (c *cache) begin(k key) (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := make(chan struct{})
	c.flights[k] = done
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.flights, k)
		close(done)
	}
}

// making gives what is closed when the leases are made that are being made now from a
// connector as it was before a version.
func (c *cache) making(id fairlead.ConnectorID, version int64) []<-chan struct{} {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var list []<-chan struct{}
	for k, done := range c.flights {
		if k.connector == id && k.connectorVersion < version {
			list = append(list, done)
		}
	}
	return list
}

// get gives the remembered answer or has make give one.
func (c *cache) get(ctx context.Context, k key, mint func(context.Context) (fairlead.Lease, error)) (*slot, error) {
	if s := c.live(k); s != nil {
		return s, s.err
	}
	flight := c.flight.DoChan(k.String(), func() (any, error) {
		if s := c.live(k); s != nil { // somebody was quicker
			return s, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flightTime)
		defer cancel()
		defer c.begin(k)()
		begun := c.now()
		lease, err := mint(ctx)
		s := &slot{lease: lease, err: err, until: c.until(begun, lease, err)}
		c.put(k, s)
		return s, nil
	})
	select {
	case <-ctx.Done():
		return nil, &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeTimeout, What: "leasing a login for " + k.scope.Resource.Host + "/" + k.scope.Resource.Repository,
			Why: "no answer came in the time that there was", Remedy: "try again",
		}
	case r := <-flight:
		s, ok := r.Val.(*slot)
		if !ok {
			return nil, fairlead.AsError("leasing a login", r.Err)
		}
		return s, s.err
	}
}

// until says how long an answer is good.
func (c *cache) until(begun time.Time, l fairlead.Lease, err error) time.Time {
	switch {
	case err == nil && l.Expires.IsZero():
		return begun.Add(unboundedLife)
	case err == nil:
		life := l.Expires.Sub(begun) * 8 / 10
		if l.Kind == fairlead.SecretItself {
			life = min(life, unboundedLife)
		}
		return begun.Add(life)
	}
	switch fairlead.KindOf(err) {
	case fairlead.Limited:
		at := fairlead.AsError("", err).RetryAt
		if most := begun.Add(mostBackoff); at.After(most) {
			return most
		}
		return maxTime(at, c.now().Add(refusalLife))
	case fairlead.Denied, fairlead.NotFound, fairlead.Invalid:
		return c.now().Add(refusalLife)
	case fairlead.Unavailable:
		return c.now().Add(time.Second)
	default:
		return time.Time{} // not remembered
	}
}

func (c *cache) live(k key) *slot {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := c.slots[k]
	if s == nil || !c.now().Before(s.until) {
		return nil
	}
	return s
}

func (c *cache) put(k key, s *slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.slots[k]; old != nil {
		delete(c.byID, old.lease.ID)
		s.refusals, s.since = old.refusals, old.since
	}
	if len(c.slots) >= mostSlots {
		c.sweep()
	}
	c.slots[k] = s
	if s.lease.ID != "" {
		c.byID[s.lease.ID] = k
	}
}

// sweep forgets what has ended, or everything if nothing has.
func (c *cache) sweep() {
	now := c.now()
	for k, s := range c.slots {
		if !now.Before(s.until) {
			delete(c.slots, k)
			delete(c.byID, s.lease.ID)
		}
	}
	if len(c.slots) >= mostSlots {
		clear(c.slots)
		clear(c.byID)
	}
}

// drop ends the lease with the identifier, unless too many of its key were refused just
// now.
func (c *cache) drop(id string) {
	if id == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.byID[id]
	if !ok {
		return
	}
	s, now := c.slots[k], c.now()
	if now.Sub(s.since) >= refusalsOf {
		s.refusals, s.since = 0, now
	}
	if s.refusals == mostRefusals {
		return
	}
	s.refusals++
	s.until = time.Time{}
	delete(c.byID, id)
}

func (k key) String() string {
	return string(k.organization) + "\x00" + string(k.registry) + "\x00" + string(k.connector) + "\x00" +
		strconv.FormatInt(k.registryVersion, 10) + "\x00" + strconv.FormatInt(k.connectorVersion, 10) + "\x00" + k.scope.Resource.Host + "\x00" + k.scope.String()
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
