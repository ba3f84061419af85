package seal

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"fairlead.dev/fairlead"
)

// DataKeys seal and open the secret fields of one organization (AES-256-GCM).
type DataKeys struct {
	organization fairlead.OrganizationID
	handle       *keyset.Handle
	cipher       tink.AEAD
}

// NewDataKeys makes a keyset with one fresh key.
func NewDataKeys(org fairlead.OrganizationID) (*DataKeys, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("making data key: %w", err)
	}
	return keysOf(org, handle)
}

func keysOf(org fairlead.OrganizationID, handle *keyset.Handle) (*DataKeys, error) {
	cipher, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("using data keys: %w", err)
	}
	return &DataKeys{organization: org, handle: handle, cipher: cipher}, nil
}

// Wrap encrypts the keyset under the ring's primary key, bound to the organization.
// Version is that of the keyset which it replaces, 0 for none.
func (k *DataKeys) Wrap(r *Ring, version int64) (fairlead.WrappedKeys, error) {
	var b bytes.Buffer
	if err := k.handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&b), r.cipher, wrapContext(k.organization)); err != nil {
		return fairlead.WrappedKeys{}, fmt.Errorf("wrapping data keys: %w", err)
	}
	return fairlead.WrappedKeys{Organization: k.organization, KEK: r.primary, Wrapped: b.Bytes(), Version: version}, nil
}

// Unwrap decrypts a keyset. [fairlead.Invalid] with CodeWrongKey if the ring doesn't
// hold the key that wrapped it, or if it was wrapped for another organization.
func Unwrap(r *Ring, w fairlead.WrappedKeys) (*DataKeys, error) {
	if !r.Has(w.KEK) {
		return nil, WrongKey(w.KEK, r)
	}
	handle, err := keyset.ReadWithAssociatedData(
		keyset.NewBinaryReader(bytes.NewReader(w.Wrapped)), r.cipher, wrapContext(w.Organization))
	if err != nil {
		return nil, &fairlead.Error{
			Kind: fairlead.Invalid, Code: fairlead.CodeWrongKey, What: "opening data keys of organization " + string(w.Organization),
			Why:    "they don't open with key-encryption key " + w.KEK + ": the database or the key file was changed",
			Remedy: "restore the database and the key file from the same backup",
		}
	}
	return keysOf(w.Organization, handle)
}

// WrongKey says that the ring lacks the key with which secrets were sealed.
func WrongKey(id string, r *Ring) error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Code: fairlead.CodeWrongKey, What: "opening secrets",
		Why:    fmt.Sprintf("they were sealed with key-encryption key %s, and the key file holds %v", id, r.ids),
		Remedy: "start with the key file that belongs to this database (--key-file), or restore it from your backup",
	}
}

// Fresh gives keys that seal with a new data key and still open what the old ones
// sealed.
func (k *DataKeys) Fresh() (*DataKeys, error) {
	handle, err := withFresh(k.handle)
	if err != nil {
		return nil, err
	}
	return keysOf(k.organization, handle)
}

// Only gives keys that hold just the one that seals.
func (k *DataKeys) Only() (*DataKeys, error) {
	handle, err := onlyPrimary(k.handle)
	if err != nil {
		return nil, err
	}
	return keysOf(k.organization, handle)
}

// Field says which secret field of which version of which connector is meant. A
// ciphertext opens for no other.
type Field struct {
	Connector fairlead.ConnectorID
	Version   int64
	Name      string
}

// Seal encrypts a secret for its field. An empty one is an error: it would open to a
// login that is none.
func (k *DataKeys) Seal(f Field, s fairlead.Secret) ([]byte, error) {
	if s.IsZero() {
		return nil, fmt.Errorf("sealing field %s: there is no secret", f.Name)
	}
	b, err := k.cipher.Encrypt(s.Reveal(), fieldContext(k.organization, f))
	if err != nil {
		return nil, fmt.Errorf("sealing field %s: %w", f.Name, err)
	}
	return b, nil
}

// Open decrypts what was sealed for that field, and nothing else. The error is
// [fairlead.Internal]; there is never an empty secret instead.
func (k *DataKeys) Open(f Field, sealed []byte) (fairlead.Secret, error) {
	b, err := k.cipher.Decrypt(sealed, fieldContext(k.organization, f))
	if err != nil || len(b) == 0 {
		return fairlead.Secret{}, &fairlead.Error{
			Kind: fairlead.Internal, Code: fairlead.CodeWrongKey, What: "opening secret field " + f.Name,
			Why:    "the stored bytes weren't sealed for this field of this connector",
			Remedy: "restore the database from your backup, or give the secret again (`fairlead connector update`)",
		}
	}
	return fairlead.NewSecret(b), nil
}

// wrapContext is the associated data of a wrapped keyset.
func wrapContext(org fairlead.OrganizationID) []byte {
	return context("fairlead data keys", string(org))
}

// fieldContext is the associated data of a sealed field: organization, connector,
// version and field.
func fieldContext(org fairlead.OrganizationID, f Field) []byte {
	return context("fairlead field", string(org), string(f.Connector), fmt.Sprint(f.Version), f.Name)
}

// context joins parts so that no two lists of parts give the same bytes: each is
// preceded by its length.
func context(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p))) //nolint:gosec // Parts are names and identifiers, far below 4 GiB.
		b = append(b, p...)
	}
	return b
}
