// Package seal turns secret fields into ciphertext and back: envelope encryption with
// Tink. A ring of key-encryption keys, kept in a file beside the data or handed in by
// the operator, wraps one keyset of data keys per organization; the data keys seal the
// fields. Nothing outside of this package sees ciphertext as anything but bytes.
package seal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"fairlead.dev/fairlead"
)

// Ring holds the key-encryption keys (AES-256-GCM). The primary one wraps; all of them
// unwrap. It is a Tink keyset: its JSON form is what a key file holds.
type Ring struct {
	handle  *keyset.Handle
	cipher  tink.AEAD
	primary string
	ids     []string
}

// NewRing makes a ring with one fresh key.
func NewRing() (*Ring, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("making key-encryption key: %w", err)
	}
	return ringOf(handle)
}

// ParseRing reads the JSON form. The error is [fairlead.Invalid] and quotes nothing of
// the input.
func ParseRing(b []byte) (*Ring, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(b)))
	if err != nil {
		return nil, damaged()
	}
	r, err := ringOf(handle)
	if err != nil {
		return nil, damaged() // the error would quote the file
	}
	return r, nil
}

func damaged() error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Code: fairlead.CodeWrongKey, What: "reading key-encryption keys",
		Why:    "this is not a key file of Fairlead, or it is damaged",
		Remedy: "restore the key file from your backup; don't edit it by hand",
	}
}

func ringOf(handle *keyset.Handle) (*Ring, error) {
	cipher, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("using key-encryption keys: %w", err)
	}
	r := &Ring{handle: handle, cipher: cipher}
	for i := range handle.Len() {
		entry, err := handle.Entry(i)
		if err != nil {
			return nil, fmt.Errorf("listing key-encryption keys: %w", err)
		}
		id := keyID(entry.KeyID())
		r.ids = append(r.ids, id)
		if entry.IsPrimary() {
			r.primary = id
		}
	}
	return r, nil
}

// keyID writes a Tink key id as people see it.
func keyID(id uint32) string { return fmt.Sprintf("%08x", id) }

// Primary is the identifier of the key that wraps: 8 hex digits.
func (r *Ring) Primary() string { return r.primary }

// IDs lists the identifiers of all keys, oldest first.
func (r *Ring) IDs() []string { return slices.Clone(r.ids) }

// Has reports whether the ring holds the key.
func (r *Ring) Has(id string) bool { return slices.Contains(r.ids, id) }

// JSON is the form that a key file holds. It is the secret of secrets.
func (r *Ring) JSON() (fairlead.Secret, error) {
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(r.handle, keyset.NewJSONWriter(&b)); err != nil {
		return fairlead.Secret{}, fmt.Errorf("writing key-encryption keys: %w", err)
	}
	return fairlead.NewSecret(b.Bytes()), nil
}

// WithFresh gives a ring that holds all keys of r and a new one, which is the primary.
func (r *Ring) WithFresh() (*Ring, error) {
	handle, err := withFresh(r.handle)
	if err != nil {
		return nil, err
	}
	return ringOf(handle)
}

// Only gives a ring that holds just the primary key of r.
func (r *Ring) Only() (*Ring, error) {
	handle, err := onlyPrimary(r.handle)
	if err != nil {
		return nil, err
	}
	return ringOf(handle)
}

// withFresh adds a new primary key to a keyset.
func withFresh(old *keyset.Handle) (*keyset.Handle, error) {
	m := keyset.NewManagerFromHandle(old)
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("adding key: %w", err)
	}
	if err := m.SetPrimary(id); err != nil {
		return nil, fmt.Errorf("making key the primary one: %w", err)
	}
	handle, err := m.Handle()
	if err != nil {
		return nil, fmt.Errorf("adding key: %w", err)
	}
	return handle, nil
}

// onlyPrimary removes every other key.
func onlyPrimary(old *keyset.Handle) (*keyset.Handle, error) {
	m := keyset.NewManagerFromHandle(old)
	var failed error
	for i := range old.Len() {
		entry, err := old.Entry(i)
		if err != nil || entry.IsPrimary() {
			failed = errors.Join(failed, err)
			continue
		}
		failed = errors.Join(failed, m.Delete(entry.KeyID()))
	}
	if failed != nil {
		return nil, fmt.Errorf("removing old keys: %w", failed)
	}
	return m.Handle()
}
