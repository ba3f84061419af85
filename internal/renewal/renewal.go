// Package renewal stands in front of the vault and renews what it opens: a connector
// whose secret nears its end gets a new one from its provider, once, whoever opens it and
// on however many replicas.
package renewal

import (
	"context"
	"errors"
	"sync"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// Vault opens connectors, and stores what they were renewed with.
type Vault interface {
	Open(ctx context.Context, a fairlead.Asker, c fairlead.Connector, s fairlead.Scope) (provider.Opened, error)
	OpenFor(
		ctx context.Context, who fairlead.Caller, act fairlead.Action, o fairlead.Organization, c fairlead.Connector, s fairlead.Scope,
	) (provider.Opened, error)
	Renewed(ctx context.Context, o provider.Opened, fresh map[string]fairlead.Secret, end, until time.Time) (provider.Opened, error)
}

// Store is where a renewal is claimed, so that one replica does it.
type Store interface {
	Write(ctx context.Context, change func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error)) error
}

// How long things may take.
const (
	// atWork is the longest that a renewal may take.
	atWork = 45 * time.Second
	// claimed is the least that a claim holds, longer than the work: a process that
	// stopped in it is waited for no longer.
	claimed = time.Minute
	// longest is the most that a claim holds. After a renewal that failed it is how long
	// nobody tries again: a tenth of what is left of the secret's life.
	longest = time.Hour
	// mostKeeps is how often new secrets are tried to be stored, with keepPause between.
	mostKeeps = 5
	keepPause = 300 * time.Millisecond
)

// Renewal opens connectors as the vault does. It is safe for concurrent use.
type Renewal struct {
	store     Store
	providers provider.Set
	vault     Vault
	now       func() time.Time

	mu      sync.Mutex
	flights map[fairlead.ConnectorID]*flight
}

// flight is a renewal that this process does.
type flight struct {
	done    chan struct{}
	renewed provider.Opened
	err     error
}

// New makes a renewal.
func New(store Store, providers provider.Set, vault Vault, now func() time.Time) *Renewal {
	return &Renewal{store: store, providers: providers, vault: vault, now: now, flights: map[fairlead.ConnectorID]*flight{}}
}

// Open is the vault's, with the secret renewed if it is time.
func (r *Renewal) Open(ctx context.Context, a fairlead.Asker, c fairlead.Connector, s fairlead.Scope) (provider.Opened, error) {
	o, err := r.vault.Open(ctx, a, c, s)
	if err != nil {
		return o, err
	}
	return r.fresh(ctx, o)
}

// OpenFor is the vault's, with the secret renewed if it is time.
func (r *Renewal) OpenFor(
	ctx context.Context, who fairlead.Caller, act fairlead.Action, org fairlead.Organization, c fairlead.Connector, s fairlead.Scope,
) (provider.Opened, error) {
	o, err := r.vault.OpenFor(ctx, who, act, org, c, s)
	if err != nil {
		return o, err
	}
	return r.fresh(ctx, o)
}

// fresh gives the connector renewed if it is time. As long as its secret is good, a
// renewal that goes wrong, or that somebody else does, keeps nobody from using it.
func (r *Renewal) fresh(ctx context.Context, o provider.Opened) (provider.Opened, error) {
	p, err := r.providers.Family(o.Family)
	if err != nil {
		return o, err
	}
	renewer, ok := p.(provider.Renewer)
	if !ok {
		return o, nil
	}
	at, end := renewer.Term(o)
	now := r.now()
	if at.IsZero() || now.Before(at) {
		return o, nil
	}
	good := now.Before(end)
	f, mine := r.begin(o.ID)
	switch {
	case mine:
		go r.fly(context.WithoutCancel(ctx), f, renewer, o)
	case good:
		return o, nil
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return o, &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeTimeout, What: "renewing connector " + string(o.Name),
			Why: "no answer came in the time that there was", Remedy: "try again",
		}
	}
	switch {
	case f.err == nil:
		o.Connector, o.Secret = f.renewed.Connector, f.renewed.Secret
		return o, nil
	case good && fairlead.KindOf(f.err) != fairlead.Conflict:
		return o, nil
	case errors.Is(f.err, fairlead.ErrUnchanged):
		return o, &fairlead.Error{
			Kind: fairlead.Unavailable, What: "opening connector " + string(o.Name), Why: "its secret has ended, and a new one is just being fetched, or couldn't be a moment ago",
			Remedy: "try again; if it lasts, `fairlead events --action connector.renew` says why",
		}
	}
	return o, f.err
}

// begin gives the flight that is under way, or a new one that is the caller's to do.
func (r *Renewal) begin(id fairlead.ConnectorID) (f *flight, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.flights[id]; f != nil {
		return f, false
	}
	f = &flight{done: make(chan struct{})}
	r.flights[id] = f
	return f, true
}

func (r *Renewal) fly(ctx context.Context, f *flight, renewer provider.Renewer, o provider.Opened) {
	ctx, cancel := context.WithTimeout(ctx, atWork)
	defer cancel()
	f.renewed, f.err = r.renew(ctx, renewer, o)
	r.mu.Lock()
	delete(r.flights, o.ID)
	r.mu.Unlock()
	close(f.done)
}

// renew does it, if nobody else holds the claim ([fairlead.ErrUnchanged]).
func (r *Renewal) renew(ctx context.Context, renewer provider.Renewer, o provider.Opened) (provider.Opened, error) {
	now := r.now()
	_, end := renewer.Term(o)
	hold := min(max(end.Sub(now)/10, claimed), longest)
	err := r.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return event(o, "begun"), w.ClaimRenewal(ctx, o.Connector, now, now.Add(hold))
	})
	if err != nil {
		return o, err
	}
	var renewed provider.Opened
	err = renewer.Renew(ctx, o, func(ctx context.Context, fresh map[string]fairlead.Secret) error {
		renewed, err = r.keep(ctx, renewer, o, fresh)
		return err
	})
	if err != nil {
		r.failed(context.WithoutCancel(ctx), o, err)
	}
	return renewed, err
}

// keep stores the new secrets. What a database that doesn't answer for a moment lost
// would be lost for good, so it is tried again.
func (r *Renewal) keep(ctx context.Context, renewer provider.Renewer, o provider.Opened, fresh map[string]fairlead.Secret) (provider.Opened, error) {
	next := o
	next.Secret = fresh
	_, end := renewer.Term(o)
	_, until := renewer.Term(next)
	for try := 1; ; try++ {
		renewed, err := r.vault.Renewed(ctx, o, fresh, end, until)
		if fairlead.KindOf(err) != fairlead.Unavailable || try == mostKeeps {
			return renewed, err
		}
		pause := time.NewTimer(time.Duration(try) * keepPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return renewed, err
		}
	}
}

// failed records that a renewal came to nothing. That it can't be recorded changes
// nothing any more.
func (r *Renewal) failed(ctx context.Context, o provider.Opened, why error) {
	ctx, cancel := context.WithTimeout(ctx, atWork)
	defer cancel()
	_ = r.store.Write(ctx, func(context.Context, fairlead.Writer) (fairlead.Event, error) {
		return event(o, "failed").With("why", why.Error()), nil
	})
}

func event(o provider.Opened, stage string) fairlead.Event {
	return fairlead.System().Event(fairlead.ConnectorRenew, fairlead.Place{Organization: o.Organization},
		fairlead.Object{Kind: "connector", ID: string(o.ID), Name: string(o.Name)}).With("stage", stage)
}
