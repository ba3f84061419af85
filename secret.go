package fairlead

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Redacted is what a secret shows of itself.
const Redacted = "[secret]"

// errSecret is what every marshaller is answered.
var errSecret = errors.New("a secret can't be marshalled")

// Secret holds bytes that must not be seen. However it is printed or logged it shows
// [Redacted], and it refuses to be marshalled. It holds a function and not a pointer:
// fmt doesn't ask the methods of an unexported field, and follows a pointer in one to
// the bytes (%s of a struct). Of a function it shows the address. The zero Secret is
// empty.
type Secret struct{ open func() []byte }

// NewSecret takes ownership of b: the caller must not use it any more.
func NewSecret(b []byte) Secret {
	if len(b) == 0 {
		return Secret{}
	}
	return Secret{open: func() []byte { return b }}
}

// SecretText makes a secret of s.
func SecretText(s string) Secret { return NewSecret([]byte(s)) }

// Reveal gives the bytes, which stay the secret's: don't change or keep them. Only the
// rooms that the lint file names may call it.
func (s Secret) Reveal() []byte {
	if s.open == nil {
		return nil
	}
	return s.open()
}

// IsZero reports whether nothing is in it.
func (s Secret) IsZero() bool { return s.Len() == 0 }

// Len is the number of bytes, which may be told: it is what "the file is empty" and
// "this is longer than a token can be" are said of.
func (s Secret) Len() int { return len(s.Reveal()) }

// Equal compares in constant time.
func (s Secret) Equal(t Secret) bool {
	return subtle.ConstantTimeCompare(s.Reveal(), t.Reveal()) == 1
}

// Format writes [Redacted] for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// String is [Redacted].
func (s Secret) String() string { return Redacted }

// GoString is [Redacted].
func (s Secret) GoString() string { return Redacted }

// LogValue is [Redacted].
func (s Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText refuses, and with it encoding/json, encoding/xml and YAML.
func (s Secret) MarshalText() ([]byte, error) { return nil, errSecret }

// MarshalBinary refuses, and with it encoding/gob.
func (s Secret) MarshalBinary() ([]byte, error) { return nil, errSecret }

// UnmarshalText takes a secret in: requests carry them inwards as JSON strings.
func (s *Secret) UnmarshalText(b []byte) error {
	*s = NewSecret(append([]byte(nil), b...))
	return nil
}

// LooksOwn reports whether a secret has the form of one of our own tokens or links. Such
// a secret belongs nowhere else.
func LooksOwn(s Secret) bool {
	b := s.Reveal()
	return len(b) == ownLength && b[0] == 'f' && b[1] == 'l' && strings.IndexByte("stwxi", b[2]) >= 0 && b[3] == '_'
}

// ownLength is that of a prefix and 256 bits in base64url.
const ownLength = 4 + 43
