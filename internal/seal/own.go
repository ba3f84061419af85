package seal

import (
	"fmt"

	"fairlead.dev/fairlead"
)

// Seal encrypts a secret of the house itself with the primary key, bound to its name.
func (r *Ring) Seal(name string, s fairlead.Secret) ([]byte, error) {
	if s.IsZero() {
		return nil, fmt.Errorf("sealing %s: there is no secret", name)
	}
	b, err := r.cipher.Encrypt(s.Reveal(), ownContext(name))
	if err != nil {
		return nil, fmt.Errorf("sealing %s: %w", name, err)
	}
	return b, nil
}

// Open decrypts what was sealed under that name, and nothing else.
func (r *Ring) Open(name string, sealed []byte) (fairlead.Secret, error) {
	b, err := r.cipher.Decrypt(sealed, ownContext(name))
	if err != nil || len(b) == 0 {
		return fairlead.Secret{}, &fairlead.Error{
			Kind: fairlead.Invalid, Code: fairlead.CodeWrongKey, What: "opening the house's secret " + name,
			Why:    "it doesn't open with the key that the database names: the database or the key file was changed",
			Remedy: "restore the database and the key file from the same backup",
		}
	}
	return fairlead.NewSecret(b), nil
}

func ownContext(name string) []byte { return context("fairlead own", name) }
