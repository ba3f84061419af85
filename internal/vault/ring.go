package vault

import (
	"context"
	"sync"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/seal"
)

// Ring is the key-encryption keys that this process has, and where they came from: when
// a key is met that it doesn't hold, another process may have rotated them, and they
// are read again.
type Ring struct {
	read func() (*seal.Ring, error)

	mu   sync.Mutex
	ring *seal.Ring
}

// NewRing reads the keys for the first time.
func NewRing(read func() (*seal.Ring, error)) (*Ring, error) {
	ring, err := read()
	if err != nil {
		return nil, err
	}
	return &Ring{read: read, ring: ring}, nil
}

// latest reads the keys again. Whatever is wrapped for the first time is wrapped with
// the primary one as it is now: one that was taken out of the file meanwhile would open
// nothing after the next start.
func (r *Ring) latest() (*seal.Ring, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ring, err := r.read()
	if err != nil {
		return nil, err
	}
	r.ring = ring
	return ring, nil
}

// holding gives keys that hold the one with the identifier, reading them again if need
// be.
func (r *Ring) holding(id string) (*seal.Ring, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ring.Has(id) {
		return r.ring, nil
	}
	ring, err := r.read()
	if err != nil {
		return nil, err
	}
	r.ring = ring
	if !ring.Has(id) {
		return nil, seal.WrongKey(id, ring)
	}
	return ring, nil
}

// lockedKeys are those that a rotation can't take away before the write ends.
func (v *Vault) lockedKeys(ctx context.Context, w fairlead.Writer, org fairlead.OrganizationID) (*seal.DataKeys, error) {
	wrapped, err := w.LockKeys(ctx, org)
	if err != nil {
		return nil, err
	}
	return v.unwrap(wrapped)
}

func (v *Vault) unwrap(wrapped fairlead.WrappedKeys) (*seal.DataKeys, error) {
	ring, err := v.ring.holding(wrapped.KEK)
	if err != nil {
		return nil, err
	}
	return seal.Unwrap(ring, wrapped)
}

// AddKeys makes the data keys of a new organization, in the write that makes it.
func (v *Vault) AddKeys(ctx context.Context, w fairlead.Writer, org fairlead.OrganizationID) error {
	keys, err := seal.NewDataKeys(org)
	if err != nil {
		return err
	}
	ring, err := v.ring.latest()
	if err != nil {
		return err
	}
	wrapped, err := keys.Wrap(ring, 0)
	if err != nil {
		return err
	}
	return w.PutWrappedKeys(ctx, wrapped)
}

// Check opens every organization's data keys. A server calls it before it begins: a
// lost or wrong key is told then, and never met as an empty secret.
func (v *Vault) Check(ctx context.Context) error {
	all, err := v.store.AllWrappedKeys(ctx)
	if err != nil {
		return err
	}
	for _, wrapped := range all {
		if _, err := v.unwrap(wrapped); err != nil {
			return err
		}
	}
	own, err := v.store.HouseSecrets(ctx)
	if err != nil {
		return err
	}
	for _, s := range own {
		if _, err := v.openOwn(s); err != nil {
			return err
		}
	}
	return nil
}
