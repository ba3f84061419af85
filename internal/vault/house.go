package vault

import (
	"context"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/seal"
)

// Own opens a secret of the house itself, and gives its version. [fairlead.NotFound] if
// there is none of the name. It asks for no right: only the server, for its own work,
// gets at it.
func (v *Vault) Own(ctx context.Context, name string) (fairlead.Secret, int64, error) {
	stored, err := v.store.HouseSecret(ctx, name)
	if err != nil {
		return fairlead.Secret{}, 0, err
	}
	s, err := v.openOwn(stored)
	return s, stored.Version, err
}

// PutOwn seals a secret of the house itself and stores it. version is that of the one
// which it replaces, 0 for none; [fairlead.Conflict] (CodeStale) if another is stored.
func (v *Vault) PutOwn(ctx context.Context, who fairlead.Caller, name string, s fairlead.Secret, version int64) error {
	if err := who.May(fairlead.KeyRotate, fairlead.Place{}); err != nil {
		return err
	}
	ring, err := v.ring.latest()
	if err != nil {
		return err
	}
	return v.storeOwn(ctx, who, ring, name, s, version)
}

func (v *Vault) storeOwn(ctx context.Context, who fairlead.Caller, ring *seal.Ring, name string, s fairlead.Secret, version int64) error {
	sealed, err := ring.Seal(name, s)
	if err != nil {
		return err
	}
	return v.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return who.Event(fairlead.KeyRotate, fairlead.Place{}, fairlead.Object{Kind: "secret", ID: name, Name: name}).With("key", ring.Primary()),
			w.PutHouseSecret(ctx, fairlead.HouseSecret{Name: name, KEK: ring.Primary(), Sealed: sealed, Version: version})
	})
}

func (v *Vault) openOwn(s fairlead.HouseSecret) (fairlead.Secret, error) {
	ring, err := v.ring.holding(s.KEK)
	if err != nil {
		return fairlead.Secret{}, err
	}
	return ring.Open(s.Name, s.Sealed)
}

// rewrapOwn seals the secrets of the house itself with the primary key.
func (v *Vault) rewrapOwn(ctx context.Context, who fairlead.Caller, ring *seal.Ring) error {
	all, err := v.store.HouseSecrets(ctx)
	if err != nil {
		return err
	}
	for _, stored := range all {
		if stored.KEK == ring.Primary() {
			continue
		}
		s, err := v.openOwn(stored)
		if err != nil {
			return err
		}
		err = v.storeOwn(ctx, who, ring, stored.Name, s, stored.Version)
		if fairlead.CodeOf(err) == fairlead.CodeStale {
			continue // It was replaced meanwhile, with the latest key.
		}
		if err != nil {
			return err
		}
	}
	return nil
}
