package issuer_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/issuer"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/ref"
)

// keep is a store of one secret.
type keep struct {
	mu      sync.Mutex
	secret  fairlead.Secret
	version int64
	// before is called once before the next PutOwn, as by another replica.
	before func()
}

func (k *keep) Own(context.Context, string) (fairlead.Secret, int64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.version == 0 {
		return fairlead.Secret{}, 0, &fairlead.Error{Kind: fairlead.NotFound}
	}
	return k.secret, k.version, nil
}

func (k *keep) PutOwn(_ context.Context, _ fairlead.Caller, _ string, s fairlead.Secret, version int64) error {
	k.mu.Lock()
	before := k.before
	k.before = nil
	k.mu.Unlock()
	if before != nil {
		before()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if version != k.version {
		return &fairlead.Error{Kind: fairlead.Conflict, Code: fairlead.CodeStale}
	}
	k.secret, k.version = s, version+1
	return nil
}

// clock is a clock that is set.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func begin() *clock { return &clock{time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }

func newIssuer(t *testing.T, k *keep, c *clock) *issuer.Issuer {
	t.Helper()
	i, err := issuer.New("https://fairlead.acme.example", k, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func subject() provider.Subject {
	return provider.Subject{
		Organization: "acme", Connector: "aws", Audience: "sts.amazonaws.com", Project: "acme/rings", Run: "r1",
		Scope: fairlead.Scope{Resource: ref.Resource{Host: "registry.acme.example", Repository: "team/app"}, Verb: fairlead.Pull},
	}
}

func sign(t *testing.T, i *issuer.Issuer) string {
	t.Helper()
	s, err := i.Sign(t.Context(), subject())
	if err != nil {
		t.Fatal(err)
	}
	return string(s.Reveal())
}

func keys(t *testing.T, i *issuer.Issuer) []byte {
	t.Helper()
	b, err := i.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// verify is what a cloud does: with the keys that it has, at its own time.
func verify(t *testing.T, token string, jwks []byte, at time.Time) (map[string]any, error) {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return nil, err
	}
	var standard jwt.Claims
	var all map[string]any
	if err := parsed.Claims(set, &standard, &all); err != nil {
		return nil, err
	}
	return all, standard.Validate(jwt.Expected{Issuer: "https://fairlead.acme.example", AnyAudience: jwt.Audience{"sts.amazonaws.com"}, Time: at})
}

func TestSign(t *testing.T) {
	t.Parallel()
	c := begin()
	i := newIssuer(t, &keep{}, c)
	token := sign(t, i)
	got, err := verify(t, token, keys(t, i), c.t)
	if err != nil {
		t.Fatal(err)
	}
	if got["jti"] == "" || strings.Contains(string(keys(t, i)), `"d"`) {
		t.Error("no identifier, or a private key that is public")
	}
	delete(got, "jti")
	want := map[string]any{
		"iss": "https://fairlead.acme.example", "sub": "org:acme:connector:aws", "aud": "sts.amazonaws.com",
		"iat": float64(c.t.Unix()), "nbf": float64(c.t.Unix()), "exp": float64(c.t.Add(issuer.TokenLife).Unix()),
		"organization": "acme", "connector": "aws", "registry": "registry.acme.example", "repository": "team/app", "verb": "pull",
		"project": "acme/rings", "run": "r1",
	}
	// One audience is a text and not a list of one: not every cloud reads lists.
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := verify(t, token, keys(t, i), c.t.Add(issuer.TokenLife+2*time.Minute)); err == nil {
		t.Error("the token is still good after its end")
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	b, err := newIssuer(t, &keep{}, begin()).Discovery()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if got["issuer"] != "https://fairlead.acme.example" || got["jwks_uri"] != "https://fairlead.acme.example/.well-known/jwks.json" {
		t.Error(got)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://fairlead.acme.example", "https://", "https://a?b", "https://a#b", "https://u:p@a", "://"} {
		if _, err := issuer.New(url, &keep{}, begin().now); fairlead.KindOf(err) != fairlead.Invalid {
			t.Errorf("%s: %v", url, err)
		}
	}
	i, err := issuer.New("https://a.example/", &keep{}, begin().now)
	if err != nil || i.URL() != "https://a.example" {
		t.Error(i.URL(), err)
	}
}

// TestRotation lives through four months, with a cloud that fetches the keys once a
// day: each token is good there at once.
func TestRotation(t *testing.T) {
	t.Parallel()
	c := begin()
	i := newIssuer(t, &keep{}, c)
	cached := keys(t, i)
	signers := map[string]bool{}
	for hour := 0; hour < 120*24; hour += 5 {
		if hour%24 < 5 {
			cached = keys(t, i)
		}
		if _, err := verify(t, sign(t, i), cached, c.t); err != nil {
			t.Fatalf("hour %d: %v", hour, err)
		}
		infos, err := i.Infos(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(infos) > 3 {
			t.Fatalf("hour %d: %d keys are kept", hour, len(infos))
		}
		for _, k := range infos {
			signers[k.ID] = signers[k.ID] || k.Signs
		}
		c.t = c.t.Add(5 * time.Hour)
	}
	if len(signers) < 4 || len(signers) > 5 {
		t.Errorf("%d keys in four months", len(signers))
	}
}

// TestRotate rotates by hand: a cloud that cached the keys the moment before still
// takes each token, and then the new one signs.
func TestRotate(t *testing.T) {
	t.Parallel()
	c := begin()
	i := newIssuer(t, &keep{}, c)
	first := sign(t, i)
	cached := keys(t, i)
	if err := i.Rotate(t.Context(), "ES256", false); err != nil {
		t.Fatal(err)
	}
	for range 24 {
		if _, err := verify(t, sign(t, i), cached, c.t); err != nil {
			t.Fatal(err)
		}
		c.t = c.t.Add(time.Hour)
	}
	cached = keys(t, i)
	c.t = c.t.Add(time.Hour)
	second := sign(t, i)
	if _, err := verify(t, second, cached, c.t); err != nil {
		t.Error(err)
	}
	if algorithm(t, first) != "RS256" || algorithm(t, second) != "ES256" {
		t.Errorf("%s, then %s", algorithm(t, first), algorithm(t, second))
	}
	if err := i.Rotate(t.Context(), "none", false); fairlead.KindOf(err) != fairlead.Invalid {
		t.Error(err)
	}
}

// TestRotateAtOnce drops a stolen key: what it signs is good nowhere any more.
func TestRotateAtOnce(t *testing.T) {
	t.Parallel()
	c := begin()
	i := newIssuer(t, &keep{}, c)
	stolen := sign(t, i)
	if err := i.Rotate(t.Context(), "RS256", true); err != nil {
		t.Fatal(err)
	}
	if _, err := verify(t, stolen, keys(t, i), c.t); err == nil {
		t.Error("the old key is still public")
	}
	if _, err := verify(t, sign(t, i), keys(t, i), c.t); err != nil {
		t.Error(err)
	}
}

// TestReplicas has two issuers over one store: what one signs the other's keys verify,
// and the first key is made once.
func TestReplicas(t *testing.T) {
	t.Parallel()
	c := begin()
	k := &keep{}
	a, b := newIssuer(t, k, c), newIssuer(t, k, c)
	k.before = func() { sign(t, b) } // b comes first
	if _, err := verify(t, sign(t, a), keys(t, b), c.t); err != nil {
		t.Error(err)
	}
	if err := a.Rotate(t.Context(), "RS256", false); err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(26 * time.Hour)
	if _, err := verify(t, sign(t, b), keys(t, a), c.t); err != nil {
		t.Error(err)
	}
	if infos, err := b.Infos(t.Context()); err != nil || len(infos) != 1 {
		t.Errorf("%v, %v", infos, err)
	}
}

func algorithm(t *testing.T, token string) string {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Headers[0].Algorithm
}
