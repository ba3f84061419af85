package vault

import (
	"context"
	"errors"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/seal"
)

// Rewrap wraps every organization's data keys with the primary key-encryption key,
// each in a write of its own. Servers go on meanwhile: they read the keys again when
// they meet one that they don't hold. It gives how many were wrapped anew.
func (v *Vault) Rewrap(ctx context.Context, who fairlead.Caller) (int, error) {
	if err := who.May(fairlead.KeyRotate, fairlead.Place{}); err != nil {
		return 0, err
	}
	ring, err := v.ring.latest()
	if err != nil {
		return 0, err
	}
	all, err := v.store.AllWrappedKeys(ctx)
	if err != nil {
		return 0, err
	}
	count := 0
	for _, old := range all {
		err := v.rotate(ctx, who, ring, old.Organization, func(wrapped fairlead.WrappedKeys, keys *seal.DataKeys) (*seal.DataKeys, error) {
			if wrapped.KEK == ring.Primary() {
				return nil, fairlead.ErrUnchanged
			}
			return keys, nil
		}, nil)
		switch {
		case err == nil:
			count++
		case !errors.Is(err, fairlead.ErrUnchanged):
			return count, err
		}
	}
	return count, v.rewrapOwn(ctx, who, ring)
}

// RotateDataKeys gives an organization a new data key, seals all of its secret fields
// with it, and drops the old one: all in one write.
func (v *Vault) RotateDataKeys(ctx context.Context, who fairlead.Caller, org fairlead.OrganizationID) error {
	if err := who.May(fairlead.KeyRotate, fairlead.Place{}); err != nil {
		return err
	}
	ring, err := v.ring.latest()
	if err != nil {
		return err
	}
	return v.rotate(ctx, who, ring, org, func(_ fairlead.WrappedKeys, keys *seal.DataKeys) (*seal.DataKeys, error) {
		return keys.Fresh()
	}, v.reseal)
}

// rotate replaces an organization's wrapped keys with what next makes of them, after
// reseal has done its part and old keys have gone. They are wrapped with ring.
func (v *Vault) rotate(
	ctx context.Context, who fairlead.Caller, ring *seal.Ring, org fairlead.OrganizationID,
	next func(fairlead.WrappedKeys, *seal.DataKeys) (*seal.DataKeys, error),
	reseal func(context.Context, fairlead.Writer, fairlead.OrganizationID, *seal.DataKeys) (*seal.DataKeys, error),
) error {
	return v.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		wrapped, err := w.LockKeys(ctx, org)
		if err != nil {
			return fairlead.Event{}, err
		}
		keys, err := v.unwrap(wrapped)
		if err != nil {
			return fairlead.Event{}, err
		}
		if keys, err = next(wrapped, keys); err != nil {
			return fairlead.Event{}, err
		}
		if reseal != nil {
			if keys, err = reseal(ctx, w, org, keys); err != nil {
				return fairlead.Event{}, err
			}
		}
		again, err := keys.Wrap(ring, wrapped.Version)
		if err != nil {
			return fairlead.Event{}, err
		}
		at := fairlead.Place{Organization: org}
		return who.Event(fairlead.KeyRotate, at, fairlead.Object{Kind: "organization", ID: string(org)}).
			With("key", again.KEK), w.PutWrappedKeys(ctx, again)
	})
}

// reseal seals every secret field of the organization with the newest data key, those
// that are only kept and the keys of its webhooks too, and gives the keys without the
// others. The keys are locked: nobody seals meanwhile.
func (v *Vault) reseal(
	ctx context.Context, w fairlead.Writer, org fairlead.OrganizationID, keys *seal.DataKeys,
) (*seal.DataKeys, error) {
	connectors, err := w.ConnectorsOf(ctx, org)
	if err != nil {
		return nil, err
	}
	for _, c := range connectors {
		fields, err := w.SealedFields(ctx, org, c.ID)
		if err == nil {
			err = again(keys, c.ID, fields)
		}
		if err == nil {
			err = w.ResealFields(ctx, org, c.ID, fields)
		}
		if err != nil {
			return nil, err
		}
		// What has had its time is read by nobody any more: it goes with the old key.
		kept, err := w.PreviousFields(ctx, org, c.ID, v.now())
		if err == nil {
			err = again(keys, c.ID, kept)
		}
		if err == nil {
			err = w.ResealPrevious(ctx, org, c.ID, kept)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := resealWebhooks(ctx, w, org, keys); err != nil {
		return nil, err
	}
	return keys.Only()
}

// again seals a connector's fields again, in place.
func again(keys *seal.DataKeys, id fairlead.ConnectorID, fields []fairlead.SealedField) error {
	for i, f := range fields {
		name := seal.Field{Connector: id, Version: f.Version, Name: f.Field}
		secret, err := keys.Open(name, f.Sealed)
		if err != nil {
			return err
		}
		if fields[i].Sealed, err = keys.Seal(name, secret); err != nil {
			return err
		}
	}
	return nil
}
