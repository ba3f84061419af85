package cloudtest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// JFrogIssuer is an OpenID Connect provider for tests of federation: the part that
// Fairlead plays, with keys that can be changed and a clock that can be wrong.
type JFrogIssuer struct {
	host string
	now  func() time.Time

	mu   sync.Mutex
	keys []*rsa.PrivateKey // the last one signs
	ids  []string
}

// NewJFrogIssuer puts an issuer there. now is its clock.
func NewJFrogIssuer(tb testing.TB, n *Internet, host string, now func() time.Time) *JFrogIssuer {
	tb.Helper()
	i := &JFrogIssuer{host: host, now: now}
	i.Rotate()
	n.Handle(host, i)
	return i
}

// Rotate takes another key that signs from now on; the old ones stay known.
func (i *JFrogIssuer) Rotate() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys, i.ids = append(i.keys, jfrogIssuerKeys.get(len(i.keys))), append(i.ids, rand.Text())
}

// jfrogIssuerKeys are the keys of all issuers, by their turn: making one takes longer than
// most tests, and issuers are told apart by their URLs.
var jfrogIssuerKeys jfrogKeyPool

type jfrogKeyPool struct {
	mu   sync.Mutex
	keys []*rsa.PrivateKey
}

func (p *jfrogKeyPool) get(turn int) *rsa.PrivateKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.keys) <= turn {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		p.keys = append(p.keys, key)
	}
	return p.keys[turn]
}

// URL is the issuer's identifier.
func (i *JFrogIssuer) URL() string { return "https://" + i.host }

// ServeHTTP is the discovery document and the keys.
func (i *JFrogIssuer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch req.URL.Path {
	case "/.well-known/openid-configuration":
		replyJSON(w, http.StatusOK, map[string]string{"issuer": i.URL(), "jwks_uri": i.URL() + "/jwks"})
	case "/jwks":
		var set jose.JSONWebKeySet
		for at, k := range i.keys {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: &k.PublicKey, KeyID: i.ids[at], Algorithm: "RS256", Use: "sig"})
		}
		replyJSON(w, http.StatusOK, set)
	default:
		http.NotFound(w, req)
	}
}

// Sign gives a subject token that lives for five minutes.
func (i *JFrogIssuer) Sign(_ context.Context, s provider.Subject) (fairlead.Secret, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	last := len(i.keys) - 1
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: i.keys[last], KeyID: i.ids[last]},
	}, nil)
	if err != nil {
		return fairlead.Secret{}, err
	}
	now := i.now()
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: i.URL(), Subject: provider.SubjectName(s.Organization, s.Connector), Audience: jwt.Audience{s.Audience},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(5 * time.Minute)), ID: rand.Text(),
	}).Serialize()
	return fairlead.SecretText(token), err
}
