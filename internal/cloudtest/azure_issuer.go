package cloudtest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// AzureIssuer is an OpenID Connect issuer in an [Internet], as Fairlead is one itself: it
// publishes its keys, and its keys can change.
type AzureIssuer struct {
	url string

	mu   sync.Mutex
	now  func() time.Time
	keys []jose.JSONWebKey // private; the last one signs
}

// NewAzureIssuer puts an issuer there under a host's name.
func NewAzureIssuer(n *Internet, host string) *AzureIssuer {
	i := &AzureIssuer{url: "https://" + host, now: n.Now}
	n.Handle(host, http.HandlerFunc(i.serve))
	return i
}

// Rotate makes a key that signs from now on, and keeps so many older ones published.
func (i *AzureIssuer) Rotate(keep int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.need()
	i.rotate(keep)
}

// need makes the first key, which takes longer than most tests. The lock is held.
func (i *AzureIssuer) need() {
	if len(i.keys) == 0 {
		i.rotate(0)
	}
}

func (i *AzureIssuer) rotate(keep int) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	i.keys = append(i.keys[max(0, len(i.keys)-keep):], jose.JSONWebKey{Key: key, KeyID: rand.Text(), Algorithm: string(jose.RS256), Use: "sig"})
}

// SetClock gives the issuer a time of its own.
func (i *AzureIssuer) SetClock(now func() time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = now
}

// URL is the issuer's identifier.
func (i *AzureIssuer) URL() string { return i.url }

// Sign gives a subject token as [provider.Issuer] has it, which lives for five minutes.
func (i *AzureIssuer) Sign(_ context.Context, s provider.Subject) (fairlead.Secret, error) {
	return i.Token(provider.SubjectName(s.Organization, s.Connector), s.Audience), nil
}

// Token gives a subject token for any subject.
func (i *AzureIssuer) Token(subject, audience string) fairlead.Secret {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.need()
	key, now := i.keys[len(i.keys)-1], i.now()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		panic(err)
	}
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: i.url, Subject: subject, Audience: jwt.Audience{audience}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(5 * time.Minute)),
	}).Serialize()
	if err != nil {
		panic(err)
	}
	return fairlead.SecretText(token)
}

// serve publishes what OpenID Connect Discovery 1.0 asks for.
func (i *AzureIssuer) serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		azureJSON(w, http.StatusOK, map[string]any{
			"issuer": i.url, "jwks_uri": i.url + "/.well-known/jwks.json", "response_types_supported": []string{"id_token"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
		})
	case "/.well-known/jwks.json":
		i.mu.Lock()
		defer i.mu.Unlock()
		i.need()
		var set jose.JSONWebKeySet
		for _, k := range i.keys {
			set.Keys = append(set.Keys, k.Public())
		}
		azureJSON(w, http.StatusOK, set)
	default:
		http.NotFound(w, r)
	}
}
