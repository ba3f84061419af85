package vault

import (
	"context"
	"maps"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// sameEnd is how far a connector's date may be from its secret's own end, and still be
// meant as that: people write days.
const sameEnd = 24 * time.Hour

// Renewed stores the secrets that an opened connector's provider gave in the place of
// its old ones, and gives the connector with them. end and until are the ends of the old
// and of the new ones: a date that said the old one says the new one then.
// [fairlead.Conflict] (CodeStale) and [fairlead.NotFound] if the connector isn't any more
// as it was opened, and then nothing is stored; after any other error it may be.
func (v *Vault) Renewed(ctx context.Context, o provider.Opened, fresh map[string]fairlead.Secret, end, until time.Time) (provider.Opened, error) {
	who, at := fairlead.System(), fairlead.Place{Organization: o.Organization}
	if err := who.May(fairlead.ConnectorRenew, at); err != nil {
		return provider.Opened{}, err
	}
	next := o
	next.Secret = maps.Clone(o.Secret)
	maps.Copy(next.Secret, fresh)
	next.Secrets, next.Updated = secretNames(next.Secret), v.now()
	if !o.Expires.IsZero() && o.Expires.Sub(end).Abs() < sameEnd {
		next.Expires = until
	}
	err := v.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return who.Event(fairlead.ConnectorRenew, at, object(o.Connector)).With("stage", "kept").With("ends", until.UTC().Format(time.RFC3339)),
			v.Replace(ctx, w, next.Connector, provider.Given{Secret: fresh})
	})
	if err == nil {
		next.Version++
		return next, nil
	}
	// A write whose answer was lost may have been done all the same.
	if stored, e := v.store.Connector(ctx, o.Organization, o.ID); e == nil && stored.Version > o.Version {
		if now, e := v.read(ctx, stored); e == nil && holds(now, fresh) {
			next.Connector, next.Secret = now.Connector, now.Secret
			return next, nil
		}
	}
	return provider.Opened{}, err
}

// holds reports whether these secrets are the connector's.
func holds(o provider.Opened, fresh map[string]fairlead.Secret) bool {
	for name, s := range fresh {
		if !o.Secret[name].Equal(s) {
			return false
		}
	}
	return true
}
