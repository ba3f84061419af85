package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// signsFor is how long a key signs before the next one does.
	signsFor = 30 * 24 * time.Hour
	// publishedBefore is how long a key is in the JWKS document before it signs: clouds
	// keep the document for up to a day.
	publishedBefore = 25 * time.Hour
	// keptAfter is how long a key stays there after its successor began to sign: until
	// the last token is over, and clocks are off.
	keptAfter = time.Hour
	// rsaBits is the size of RSA keys. All clouds take 2048, and not all more.
	rsaBits = 2048
)

// keyset is the keys as they are kept, oldest first.
type keyset struct {
	Keys []key `json:"keys"`
}

// key is one signing key.
type key struct {
	ID        string                  `json:"id"`
	Algorithm jose.SignatureAlgorithm `json:"algorithm"`
	// Private is PKCS #8 (RFC 5208).
	Private []byte `json:"private"`
	// Published is since when it is public, From from when it signs.
	Published time.Time `json:"published"`
	From      time.Time `json:"from"`
}

// tend adds the first key, or the next one in time, and drops those that are over.
func (s *keyset) tend(now time.Time) error {
	if len(s.Keys) == 0 {
		return s.add(jose.RS256, now, now)
	}
	last := s.Keys[len(s.Keys)-1]
	if end := last.From.Add(signsFor); !now.Before(end.Add(-publishedBefore)) {
		from := now.Add(publishedBefore)
		if end.After(from) {
			from = end
		}
		if err := s.add(last.Algorithm, now, from); err != nil {
			return err
		}
	}
	for len(s.Keys) > 1 && !now.Before(s.Keys[1].From.Add(keptAfter)) {
		s.Keys = s.Keys[1:]
	}
	return nil
}

// add makes a key and adds it. One that was to sign later than it is put behind it.
func (s *keyset) add(a jose.SignatureAlgorithm, now, from time.Time) error {
	private, err := generate(a)
	if err != nil {
		return err
	}
	b, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	thumb, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return err
	}
	s.Keys = append(s.Keys, key{ID: base64.RawURLEncoding.EncodeToString(thumb), Algorithm: a, Private: b, Published: now.UTC(), From: from.UTC()})
	slices.SortStableFunc(s.Keys, func(a, b key) int { return a.From.Compare(b.From) })
	return nil
}

func generate(a jose.SignatureAlgorithm) (crypto.Signer, error) {
	if a == jose.ES256 {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	return rsa.GenerateKey(rand.Reader, rsaBits)
}

// signing is the key that signs at t.
func (s *keyset) signing(t time.Time) (key, bool) {
	for _, k := range slices.Backward(s.Keys) {
		if !t.Before(k.From) {
			return k, true
		}
	}
	return key{}, false
}

func (s *keyset) ids() []string {
	ids := make([]string, 0, len(s.Keys))
	for _, k := range s.Keys {
		ids = append(ids, k.ID)
	}
	return ids
}

// public is the JWK set.
func (s *keyset) public() (jose.JSONWebKeySet, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range s.Keys {
		private, err := k.signerKey()
		if err != nil {
			return set, err
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: private.Public(), KeyID: k.ID, Algorithm: string(k.Algorithm), Use: "sig"})
	}
	return set, nil
}

func (k key) signerKey() (crypto.Signer, error) {
	private, err := x509.ParsePKCS8PrivateKey(k.Private)
	if err != nil {
		return nil, err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, x509.ErrUnsupportedAlgorithm
	}
	return signer, nil
}

func (k key) signer() (jose.Signer, error) { //nolint:ireturn // It is go-jose's.
	private, err := k.signerKey()
	if err != nil {
		return nil, err
	}
	return jose.NewSigner(jose.SigningKey{Algorithm: k.Algorithm, Key: jose.JSONWebKey{Key: private, KeyID: k.ID}}, (&jose.SignerOptions{}).WithType("JWT"))
}
