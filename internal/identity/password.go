package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"

	"fairlead.dev/fairlead"
)

// The bounds of a password, in bytes. NIST SP 800-63B-4, section 3.1.1.2: at least 15
// characters where it is the only factor would be better still, and no rules on what
// they are; 10 is what a single administrator at a prompt accepts.
const (
	minPassword = 10
	maxPassword = 1024
)

// hasher makes and compares argon2id hashes (RFC 9106). Each takes 64 MiB while it
// runs, so only as many run at once as there are processors.
type hasher struct {
	params *argon2id.Params
	turn   chan struct{}
	// create and compare are argon2id's own, but in tests that count them.
	create  func(password string, p *argon2id.Params) (string, error)
	compare func(password, hash string) (bool, error)
	// decoy is the hash that is compared when there is no such user, so that a name
	// that isn't known takes as long as one that is.
	decoy string
}

func newHasher() *hasher {
	h := &hasher{
		params: &argon2id.Params{Memory: 64 << 10, Iterations: 1, Parallelism: 4, SaltLength: 16, KeyLength: 32},
		turn:   make(chan struct{}, runtime.NumCPU()),
		create: argon2id.CreateHash, compare: argon2id.ComparePasswordAndHash,
	}
	h.decoy = decoy(h.params)
	return h
}

// decoy is a hash as [argon2id.CreateHash] encodes it, of no password: random bytes, which
// cost nothing to make and as much to compare.
func decoy(p *argon2id.Params) string {
	salt, key := make([]byte, p.SaltLength), make([]byte, p.KeyLength)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	_, _ = rand.Read(key)
	text := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.Memory, p.Iterations, p.Parallelism, text(salt), text(key))
}

// done ends a turn. What hashing took is given back to the machine when nobody hashes any
// more: it is more than all else that a server needs.
func (h *hasher) done() {
	<-h.turn
	if len(h.turn) == 0 {
		debug.FreeOSMemory()
	}
}

func (h *hasher) wait(ctx context.Context) error {
	select {
	case h.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &fairlead.Error{Kind: fairlead.Unavailable, What: "checking password", Why: "too many are being checked", Remedy: "try again"}
	}
}

// hash checks a new password's length and gives its encoded hash.
func (h *hasher) hash(ctx context.Context, p fairlead.Secret) (string, error) {
	if p.Len() < minPassword || p.Len() > maxPassword {
		return "", &fairlead.Error{
			Kind: fairlead.Invalid, Field: "password", What: "setting password",
			Why: fmt.Sprintf("it has %d characters", p.Len()), Remedy: fmt.Sprintf("use %d to %d; a few random words are easy to remember", minPassword, maxPassword),
		}
	}
	if err := h.wait(ctx); err != nil {
		return "", err
	}
	defer h.done()
	encoded, err := h.create(string(p.Reveal()), h.params)
	if err != nil {
		return "", fmt.Errorf("hashing password: %w", err)
	}
	return encoded, nil
}

// matches compares a password with an encoded hash; with an empty one it takes as long
// and is false.
func (h *hasher) matches(ctx context.Context, p fairlead.Secret, encoded string) (bool, error) {
	if p.Len() > maxPassword {
		return false, nil
	}
	if err := h.wait(ctx); err != nil {
		return false, err
	}
	defer h.done()
	against := encoded
	if against == "" {
		against = h.decoy
	}
	ok, err := h.compare(string(p.Reveal()), against)
	if err != nil {
		return false, fmt.Errorf("comparing password: %w", err)
	}
	return ok && encoded != "", nil
}
