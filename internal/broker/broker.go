// Package broker answers with which login a caller may reach a resource: it chooses
// the registry entry, has the vault open its connector, asks the provider for a login,
// narrows it as far as the registry allows, and remembers the lease.
package broker

import (
	"context"
	"sync"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/ref"
)

// Opener opens connectors: the vault.
type Opener interface {
	Open(ctx context.Context, a fairlead.Asker, c fairlead.Connector, s fairlead.Scope) (provider.Opened, error)
}

// Trader narrows logins at registries' token endpoints: the OCI client.
type Trader interface {
	Trade(ctx context.Context, ep oci.Endpoint, login oci.Login, s fairlead.Scope) (oci.Bearer, error)
}

// Broker hands out leases. It is safe for concurrent use.
type Broker struct {
	store     fairlead.Store
	providers provider.Set
	vault     Opener
	trader    Trader
	now       func() time.Time

	entries *entries
	leases  *cache
	used    sync.Map // connector -> when its use was noted last
	// observed is told of each lease that was asked for.
	observed func(family string, l fairlead.Lease, err error)
}

// Observe has each lease that is asked for be told of: the family of the connector that
// is to open it ("" is none), and what came of it. It is called before the first one.
func (b *Broker) Observe(tell func(family string, l fairlead.Lease, err error)) { b.observed = tell }

// New makes a broker.
func New(store fairlead.Store, providers provider.Set, vault Opener, trader Trader, now func() time.Time) *Broker {
	return &Broker{
		store: store, providers: providers, vault: vault, trader: trader, now: now,
		entries: newEntries(store), leases: newCache(now),
	}
}

// image is what the scope's resource is matched as.
func image(a fairlead.Asker, r ref.Resource) ref.Image {
	if a.Image.Resource == r {
		return a.Image
	}
	return ref.Image{Resource: r, Tag: "latest"}
}

// asking tells askers apart in the record of who was handed what.
func asking(a fairlead.Asker) string {
	return string(a.Who.Kind) + "/" + a.Who.ID + "/" + string(a.Project.ID) + "/" + string(a.Run)
}

// Lease gives an asker a login for the scope: see [fairlead.Keychain] for the errors.
// The login is the broker's: the same for all who may have it.
func (b *Broker) Lease(ctx context.Context, a fairlead.Asker, s fairlead.Scope) (fairlead.Lease, error) {
	family := ""
	l, err := b.lease(ctx, a, s, &family)
	if b.observed != nil {
		b.observed(family, l, err)
	}
	return l, err
}

// lease makes a lease, and says of which family the connector is that opens it.
func (b *Broker) lease(ctx context.Context, a fairlead.Asker, s fairlead.Scope, family *string) (fairlead.Lease, error) {
	if s.Resource.Host == "" || s.Resource.Repository == "" {
		return fairlead.Lease{}, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "image", What: "leasing a login", Why: "it was asked for without a repository",
			Remedy: "name an image, such as registry.example.com/team/train",
		}
	}
	if s.Verb != fairlead.Pull && s.Verb != fairlead.Push {
		return fairlead.Lease{}, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "verb", What: "leasing a login", Why: "a lease is for pulling or for pushing",
			Remedy: "ask for verb pull or push",
		}
	}
	if err := a.May(s.Verb); err != nil {
		return fairlead.Lease{}, err
	}
	if a.Project.Personal() {
		return b.personal(ctx, a, s)
	}
	for try := 1; ; try++ {
		table, err := b.entries.of(ctx, a.Project.Organization)
		if err != nil {
			return fairlead.Lease{}, err
		}
		if e, ok := table.find(image(a, s.Resource)); ok && e.Connector != "" {
			*family = string(e.connector.Family)
		}
		l, err := b.from(ctx, a, s, table)
		if err == nil || try == mostTries || !b.entries.outdated(ctx, a.Project.Organization, table) {
			return l, err
		}
	}
}

// Try makes a lease anew, as Lease does for whoever is the first to ask, and neither gives
// a remembered answer nor remembers its own. It is for a diagnosis, which must not be
// told what was true before something was mended; what it gives must not leave the
// server.
func (b *Broker) Try(ctx context.Context, a fairlead.Asker, s fairlead.Scope) (fairlead.Lease, error) {
	if err := a.May(s.Verb); err != nil {
		return fairlead.Lease{}, err
	}
	if a.Project.Personal() {
		return b.personal(ctx, a, s)
	}
	table, err := b.entries.of(ctx, a.Project.Organization)
	if err != nil {
		return fairlead.Lease{}, err
	}
	e, ok := table.find(image(a, s.Resource))
	if s.Verb == fairlead.Push {
		if err := pushable(e, table, s.Resource); err != nil {
			return fairlead.Lease{}, err
		}
	}
	switch {
	case !ok:
		return fairlead.Lease{For: s, Kind: fairlead.Anonymous, Note: table.uncovered(s.Resource)}, nil
	case e.Connector == "":
		return anonymous(s, e), nil
	case e.connector.Expired(b.now()):
		return fairlead.Lease{}, expired(e)
	default:
		return b.mint(ctx, a, s, e)
	}
}

// mostTries is how often a lease is tried whose entries are changed while it is made:
// what went wrong then may be of an entry or a connector that isn't there any more.
const mostTries = 3

// from gives a lease by the entries of a table.
func (b *Broker) from(ctx context.Context, a fairlead.Asker, s fairlead.Scope, t *table) (fairlead.Lease, error) {
	e, ok := t.find(image(a, s.Resource))
	if s.Verb == fairlead.Push {
		if err := pushable(e, t, s.Resource); err != nil {
			return fairlead.Lease{}, err
		}
	}
	if !ok {
		return fairlead.Lease{For: s, Kind: fairlead.Anonymous, Note: t.uncovered(s.Resource)}, nil
	}
	if e.Connector == "" {
		return anonymous(s, e), nil
	}
	return b.opened(ctx, a, s, e)
}

// Refused drops a lease that the registry didn't take before its time, so that the
// next one is fresh. Who refuses one lease after the other is given the same again for
// a while: a registry that takes none must not be asked for one as often as it is met.
func (b *Broker) Refused(id string) { b.leases.drop(id) }

// opened gives the remembered lease of an entry with a connector, or makes one.
func (b *Broker) opened(ctx context.Context, a fairlead.Asker, s fairlead.Scope, e *entry) (fairlead.Lease, error) {
	if e.connector.Expired(b.now()) {
		return fairlead.Lease{}, expired(e)
	}
	slot, err := b.leases.get(ctx, keyOf(a, s, e), func(ctx context.Context) (fairlead.Lease, error) {
		return b.mint(ctx, a, s, e)
	})
	if err != nil {
		return fairlead.Lease{}, err
	}
	if err := b.record(ctx, a, s, e, slot); err != nil {
		return fairlead.Lease{}, err
	}
	return slot.lease, b.touch(ctx, e.connector)
}

// touchEvery is how often a connector's use is noted at most.
const touchEvery = time.Minute

// touch notes that a login from a connector was handed out.
func (b *Broker) touch(ctx context.Context, c fairlead.Connector) error {
	now := b.now()
	if last, ok := b.used.Load(c.ID); ok {
		if at, ok := last.(time.Time); ok && now.Sub(at) < touchEvery {
			return nil
		}
	}
	b.used.Store(c.ID, now)
	err := b.store.TouchConnector(ctx, c.Organization, c.ID, now)
	if fairlead.KindOf(err) == fairlead.NotFound {
		return nil // it was deleted just now
	}
	return err
}

// Settle waits until no lease is being made any more from a connector as it was before a
// version. A change of the connector calls it when it is stored: what begins after that
// opens it as it is now, so that once Settle has returned, nothing of this process logs in
// with what was replaced.
func (b *Broker) Settle(ctx context.Context, id fairlead.ConnectorID, version int64) {
	for _, done := range b.leases.making(id, version) {
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}

// current asks, within the write that hands out a lease, that its entry and connector are
// what it was made from, and keeps them so until the write ends: what is changed before
// is not handed out after. [fairlead.Conflict] (CodeStale) if they were changed.
func current(ctx context.Context, w fairlead.Writer, e *entry) error {
	registry, connector, err := w.HoldEntry(ctx, e.Organization, e.ID)
	if err != nil && fairlead.KindOf(err) != fairlead.NotFound {
		return err
	}
	if err == nil && registry == e.Version && connector == e.connector.Version {
		return nil
	}
	return &fairlead.Error{
		Kind: fairlead.Conflict, Code: fairlead.CodeStale, What: "leasing a login", Why: "registry entry " + string(e.Name) + " or its connector was changed meanwhile", Remedy: "ask again",
	}
}

// record writes the event of an asker's being handed a lease, the first time that it
// is: to be given the same one again tells nothing new.
func (b *Broker) record(ctx context.Context, a fairlead.Asker, s fairlead.Scope, e *entry, slot *slot) error {
	return slot.once(asking(a), func() error {
		return b.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
			if err := current(ctx, w, e); err != nil {
				return fairlead.Event{}, err
			}
			l := slot.lease
			use := fairlead.ConnectorUse{Organization: e.Organization, Connector: l.Connector, Project: a.Project.ID, Run: a.Run, At: b.now()}
			if err := w.NoteUse(ctx, use); err != nil {
				return fairlead.Event{}, err
			}
			ev := a.Who.Event(s.Verb.Leased(), a.Project.Place(), fairlead.Object{Kind: "registry", ID: string(l.Registry), Name: string(l.RegistryName)}).
				With("for", s.Resource.Host+"/"+s.Resource.Repository).With("verb", string(s.Verb)).
				With("kind", string(l.Kind)).With("connector", string(l.ConnectorName)).With("lease", l.ID)
			if !l.Expires.IsZero() {
				ev = ev.With("expires", l.Expires.UTC().Format(time.RFC3339))
			}
			if a.Run != "" {
				ev = ev.With("run", string(a.Run))
			}
			if a.Inside {
				ev = ev.With("through", "gateway")
			}
			ev.Project = a.Project.ID
			return ev, nil
		})
	})
}

// anonymous is the lease of an entry without a connector.
func anonymous(s fairlead.Scope, e *entry) fairlead.Lease {
	l := e.lease(s)
	l.Kind = fairlead.Anonymous
	return l
}

func expired(e *entry) error {
	return &fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodeConnectorExpired, What: "opening connector " + string(e.connector.Name),
		Why:    "it expired at " + e.connector.Expires.UTC().Format("2006-01-02 15:04 MST"),
		Remedy: "an administrator renews it: `fairlead connector update " + string(e.connector.Name) + "` with the new secret and --expires",
	}
}
