package watch

import (
	"context"
	"sync"
	"time"

	"fairlead.dev/fairlead"
)

// How the schedule is kept.
const (
	// settle is how long a connector is left alone that was just made or changed: its
	// registry entry comes after it.
	settle = time.Minute
	// trialTime is the longest that one trial takes; hold is how long a replica keeps
	// others from a connector that it tries, which is longer.
	trialTime = time.Minute
	hold      = 5 * time.Minute
	// atOnce is how many connectors one replica tries at the same time.
	atOnce = 4
	// usesKept is how long it is remembered for whom a connector was used.
	usesKept = 31 * 24 * time.Hour
)

// Round tries every connector that is due, and removes what has had its time. Several
// replicas share the work: each connector is claimed in the store.
func (w *Watch) Round(ctx context.Context) error {
	now := w.opts.Now()
	if err := w.store.SweepConnectors(ctx, now, now.Add(-usesKept)); err != nil {
		return err
	}
	if w.opts.Every <= 0 {
		return nil
	}
	var all sync.WaitGroup
	defer all.Wait()
	free := make(chan struct{}, atOnce)
	for ctx.Err() == nil {
		free <- struct{}{}
		now := w.opts.Now()
		c, err := w.store.ClaimTrial(ctx, now.Add(-settle), now.Add(hold))
		if fairlead.KindOf(err) == fairlead.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		all.Go(func() {
			defer func() { <-free }()
			if err := w.try(ctx, c); err != nil && ctx.Err() == nil {
				w.opts.Log.WarnContext(ctx, "trying connector", "connector", string(c.ID), "error", err.Error())
			}
		})
	}
	return nil
}

// try proves one connector on behalf of the house.
func (w *Watch) try(ctx context.Context, c fairlead.Connector) error {
	o, err := w.store.Organization(ctx, c.Organization)
	if err != nil {
		return err
	}
	trial, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	p, err := w.prover.Verify(trial, fairlead.System(), o, c, "")
	if ctx.Err() != nil {
		return nil // the server ends: that says nothing about the connector
	}
	switch {
	case fairlead.CodeOf(err) == fairlead.CodeStale || fairlead.KindOf(err) == fairlead.NotFound:
		return nil // it was changed, or deleted, meanwhile: it is due again, or gone
	case fairlead.KindOf(err) == fairlead.Unavailable:
		return err
	case err != nil: // it can't even be opened
		p = fairlead.Proof{Connector: c.Name, At: w.opts.Now(), Steps: []fairlead.ProofStep{{
			Name: fairlead.FieldsStep, Outcome: fairlead.StepFailed, Error: fairlead.AsError("opening connector "+string(c.Name), err),
		}}}
	}
	return w.note(ctx, c, p)
}
