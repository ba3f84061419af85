// Package watch keeps an eye on connectors: each is proved before it is saved, and again
// on a schedule; how it does is kept, and whoever has asked for it is told when that
// changes.
package watch

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// Prover proves: package proof.
type Prover interface {
	Verify(ctx context.Context, who fairlead.Caller, o fairlead.Organization, c fairlead.Connector, image string) (fairlead.Proof, error)
	Try(ctx context.Context, o fairlead.Organization, opened provider.Opened, image string, planned ...fairlead.Registry) (fairlead.Proof, error)
}

// Vault saves connectors, each if prove takes it.
type Vault interface {
	Register(
		ctx context.Context, who fairlead.Caller, org fairlead.OrganizationID, d provider.Draft, prove func(context.Context, provider.Opened) error,
	) (provider.Checked, error)
	Update(
		ctx context.Context, who fairlead.Caller, org fairlead.OrganizationID, name fairlead.Name, ch provider.Change, prove func(context.Context, provider.Opened) error,
	) (provider.Checked, error)
	Rotate(
		ctx context.Context, who fairlead.Caller, org fairlead.OrganizationID, name fairlead.Name, ch provider.Rotation, prove func(context.Context, provider.Opened) error,
	) (provider.Checked, error)
	Rollback(ctx context.Context, who fairlead.Caller, org fairlead.OrganizationID, name fairlead.Name, keep time.Duration) (fairlead.Connector, error)
	Delete(ctx context.Context, who fairlead.Caller, org fairlead.OrganizationID, name fairlead.Name) error
}

// Leases lets go of what was made from a connector before it was changed: the broker.
type Leases interface {
	Settle(ctx context.Context, id fairlead.ConnectorID, version int64)
}

// Options are what can be set.
type Options struct {
	Now func() time.Time
	Log *slog.Logger
	// Every is how often each connector is tried; 0 is never.
	Every time.Duration
	// Notice is how long before its date a connector counts as expiring.
	Notice time.Duration
}

// Watch watches. It is safe for concurrent use.
type Watch struct {
	store  fairlead.Store
	vault  Vault
	prover Prover
	leases Leases
	opts   Options
}

// New makes a watch.
func New(store fairlead.Store, vault Vault, prover Prover, leases Leases, opts Options) *Watch {
	return &Watch{store: store, vault: vault, prover: prover, leases: leases, opts: opts}
}

// Health is how a connector does now.
func (w *Watch) Health(ctx context.Context, c fairlead.Connector) (fairlead.Health, error) {
	h, err := w.store.Health(ctx, c.Organization, c.ID)
	if err != nil {
		return fairlead.Health{}, err
	}
	return h.Of(c, w.opts.Now(), w.opts.Notice), nil
}

// Healths is how connectors of one organization do now, in their order.
func (w *Watch) Healths(ctx context.Context, org fairlead.OrganizationID, list []fairlead.Connector) ([]fairlead.Health, error) {
	all, err := w.store.HealthsOf(ctx, org)
	if err != nil {
		return nil, err
	}
	byID := make(map[fairlead.ConnectorID]fairlead.Health, len(all))
	for _, h := range all {
		byID[h.Connector] = h
	}
	now, found := w.opts.Now(), make([]fairlead.Health, 0, len(list))
	for _, c := range list {
		found = append(found, byID[c.ID].Of(c, now, w.opts.Notice))
	}
	return found, nil
}

// Verify proves what a connector can do, and keeps what came of it.
func (w *Watch) Verify(ctx context.Context, who fairlead.Caller, o fairlead.Organization, c fairlead.Connector, image string) (fairlead.Proof, error) {
	p, err := w.prover.Verify(ctx, who, o, c, image)
	if err != nil {
		return p, err
	}
	return p, w.note(ctx, c, p)
}

// note keeps what a proof came to, and tells of it if it is another state than was told.
func (w *Watch) note(ctx context.Context, c fairlead.Connector, p fairlead.Proof) error {
	h := fairlead.Health{Connector: c.ID, Version: c.Version, Checked: p.At}
	h.Verdict, h.Why = fairlead.VerdictOf(p)
	if err := w.store.NoteTrial(ctx, c.Organization, h, w.next(c)); err != nil {
		return err
	}
	return w.tell(ctx, c)
}

// tell writes the event of a state that wasn't told yet. The event goes to webhooks with
// the same commit.
func (w *Watch) tell(ctx context.Context, c fairlead.Connector) error {
	err := w.store.Write(ctx, func(ctx context.Context, wr fairlead.Writer) (fairlead.Event, error) {
		stored, err := wr.LockHealth(ctx, c.Organization, c.ID)
		if err != nil {
			return fairlead.Event{}, err
		}
		now, err := wr.Connector(ctx, c.Organization, c.ID)
		if err != nil {
			return fairlead.Event{}, err
		}
		h := stored.Of(now, w.opts.Now(), w.opts.Notice)
		if h.State == stored.State {
			return fairlead.Event{}, fairlead.ErrUnchanged
		}
		ev := fairlead.System().Event(fairlead.ConnectorState, fairlead.Place{Organization: c.Organization},
			fairlead.Object{Kind: "connector", ID: string(c.ID), Name: string(now.Name)}).
			With("from", string(stored.State)).With("to", string(h.State))
		if h.Why != "" {
			ev = ev.With("why", h.Why)
		}
		return ev, wr.TellHealth(ctx, c.Organization, c.ID, h.State)
	})
	if ignorable(err) {
		return nil
	}
	return err
}

// next is when a connector is due again: after the interval, more or less, so that
// connectors which were made together aren't tried together for ever; or earlier, when a
// date changes how it does.
func (w *Watch) next(c fairlead.Connector) time.Time {
	now, every := w.opts.Now(), w.opts.Every
	if every <= 0 {
		every = 24 * time.Hour // nobody looks
	}
	at := now.Add(every - every/10 + rand.N(every/5+1)) //nolint:gosec // Nobody gains from guessing it.
	if c.Expires.IsZero() {
		return at
	}
	for _, date := range []time.Time{c.Expires.Add(-w.opts.Notice), c.Expires} {
		if date.After(now) && date.Before(at) {
			at = date
		}
	}
	return at
}
