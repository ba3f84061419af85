// Package issuer is Fairlead as an OpenID Connect provider for machines: it signs
// subject tokens that say which connector of which organization asks, so that a cloud
// that trusts the issuer hands out a short-lived login and nobody stores a secret.
//
// Sources: OpenID Connect Discovery 1.0, section 4; RFC 7517 (JWK), RFC 7519 (JWT).
package issuer

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// The paths of the documents, below the issuer's URL.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	KeysPath      = "/.well-known/jwks.json"
)

// TokenLife is how long a subject token lives: it is traded at once.
const TokenLife = 5 * time.Minute

// reread is how old what a replica knows of the keys may become. It is far shorter than
// the time for which a key is published before it signs.
const reread = time.Minute

// Keep keeps the keys.
type Keep interface {
	// Own gives a secret of the house and its version: [fairlead.NotFound].
	Own(ctx context.Context, name string) (fairlead.Secret, int64, error)
	// PutOwn replaces it: [fairlead.Conflict] (CodeStale) if it was changed meanwhile.
	PutOwn(ctx context.Context, who fairlead.Caller, name string, s fairlead.Secret, version int64) error
}

// Issuer signs subject tokens.
type Issuer struct {
	url  string
	keep Keep
	now  func() time.Time

	mu   sync.Mutex
	keys keyset
	read time.Time
}

// New makes an issuer. Its URL is the server's public one: clouds fetch the keys there,
// so it must be https and reachable for them. [fairlead.Invalid] if it can't be.
func New(publicURL string, keep Keep, now func() time.Time) (*Issuer, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, &fairlead.Error{
			Kind: fairlead.Invalid, What: "setting up the issuer of subject tokens", Why: "clouds trust an https address only, and this server's is " + publicURL,
			Remedy: "give the server's public address with --public-url https://...",
		}
	}
	if u.Path == "/" {
		u.Path = ""
	}
	return &Issuer{url: u.String(), keep: keep, now: now}, nil
}

// Keeper is for the keys alone, on the server's own machine: it has no URL and signs
// nothing.
func Keeper(keep Keep, now func() time.Time) *Issuer { return &Issuer{keep: keep, now: now} }

// URL is the issuer's identifier.
func (i *Issuer) URL() string { return i.url }

// claims are a subject token's.
type claims struct {
	jwt.Claims
	Organization fairlead.Name  `json:"organization"`
	Connector    fairlead.Name  `json:"connector"`
	Registry     string         `json:"registry,omitempty"`
	Repository   string         `json:"repository,omitempty"`
	Verb         fairlead.Verb  `json:"verb,omitempty"`
	Project      string         `json:"project,omitempty"`
	Run          fairlead.RunID `json:"run,omitempty"`
}

// Sign gives a subject token for the audience.
func (i *Issuer) Sign(ctx context.Context, s provider.Subject) (fairlead.Secret, error) {
	if i.url == "" {
		return fairlead.Secret{}, &fairlead.Error{Kind: fairlead.Internal, What: "signing subject token", Why: "the issuer has no URL"}
	}
	keys, err := i.current(ctx)
	if err != nil {
		return fairlead.Secret{}, err
	}
	now := i.now()
	k, ok := keys.signing(now)
	if !ok {
		return fairlead.Secret{}, &fairlead.Error{Kind: fairlead.Internal, What: "signing subject token", Why: "there is no key to sign with"}
	}
	signer, err := k.signer()
	if err != nil {
		return fairlead.Secret{}, fairlead.AsError("signing subject token", err)
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return fairlead.Secret{}, fairlead.AsError("signing subject token", err)
	}
	token, err := jwt.Signed(signer).Claims(claims{
		Claims: jwt.Claims{
			Issuer: i.url, Subject: provider.SubjectName(s.Organization, s.Connector), Audience: jwt.Audience{s.Audience}, ID: id.String(),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(TokenLife)),
		},
		Organization: s.Organization, Connector: s.Connector, Registry: s.Scope.Resource.Host, Repository: s.Scope.Resource.Repository,
		Verb: s.Scope.Verb, Project: s.Project, Run: s.Run,
	}).Serialize()
	if err != nil {
		return fairlead.Secret{}, fairlead.AsError("signing subject token", err)
	}
	return fairlead.SecretText(token), nil
}

// Discovery is the document at [DiscoveryPath].
func (i *Issuer) Discovery() ([]byte, error) {
	return json.Marshal(map[string]any{
		"issuer": i.url, "jwks_uri": i.url + KeysPath,
		"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{string(jose.RS256), string(jose.ES256)},
		"scopes_supported":                      []string{"openid"},
		"claims_supported":                      []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "organization", "connector", "registry", "repository", "verb", "project", "run"},
	})
}

// Keys is the document at [KeysPath]: the public keys that tokens are signed with, and
// those with which they will be.
func (i *Issuer) Keys(ctx context.Context) ([]byte, error) {
	keys, err := i.current(ctx)
	if err != nil {
		return nil, err
	}
	set, err := keys.public()
	if err != nil {
		return nil, fairlead.AsError("publishing keys", err)
	}
	return json.Marshal(set)
}

// KeyInfo is what may be known of a key.
type KeyInfo struct {
	ID        string    `json:"id" doc:"The key's identifier (kid)."`
	Algorithm string    `json:"algorithm" enum:"RS256,ES256"`
	Published time.Time `json:"published" doc:"Since when it is in the JWKS document."`
	From      time.Time `json:"from" doc:"From when it signs."`
	Signs     bool      `json:"signs" doc:"Whether it is the one that signs now."`
}

// Infos lists the keys, oldest first.
func (i *Issuer) Infos(ctx context.Context) ([]KeyInfo, error) {
	keys, err := i.current(ctx)
	return keys.infos(i.now()), err
}

// Stored lists the keys as they are stored, and makes none.
func (i *Issuer) Stored(ctx context.Context) ([]KeyInfo, error) {
	keys, _, err := i.stored(ctx)
	return keys.infos(i.now()), err
}

func (s *keyset) infos(now time.Time) []KeyInfo {
	signs, _ := s.signing(now)
	list := make([]KeyInfo, 0, len(s.Keys))
	for _, k := range s.Keys {
		list = append(list, KeyInfo{ID: k.ID, Algorithm: string(k.Algorithm), Published: k.Published, From: k.From, Signs: k.ID == signs.ID})
	}
	return list
}

// current gives the keys as they are now, read again when what is known is old, and
// seen to: a first key made, the next one published in time, old ones dropped.
func (i *Issuer) current(ctx context.Context) (keyset, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	if len(i.keys.Keys) > 0 && now.Sub(i.read) < reread && !now.Before(i.read) {
		return i.keys, nil
	}
	keys, err := i.change(ctx, func(k *keyset) error { return k.tend(now) })
	if err != nil {
		return keyset{}, err
	}
	i.keys, i.read = keys, now
	return keys, nil
}

// Rotate publishes a new key now, of the algorithm (RS256 or ES256). It signs once
// those who verify have had time to fetch it; at once drops the old keys and signs with
// it immediately, for when a key was stolen: logins may fail until it is fetched.
func (i *Issuer) Rotate(ctx context.Context, algorithm string, atOnce bool) error {
	if !slices.Contains([]string{string(jose.RS256), string(jose.ES256)}, algorithm) {
		return &fairlead.Error{Kind: fairlead.Invalid, Field: "algorithm", What: "rotating the issuer's key", Why: "there is no algorithm " + fairlead.Clip(algorithm), Remedy: "use RS256 or ES256"}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	keys, err := i.change(ctx, func(k *keyset) error {
		from := now.Add(publishedBefore)
		if atOnce {
			k.Keys, from = nil, now
		}
		return k.add(jose.SignatureAlgorithm(algorithm), now, from)
	})
	if err != nil {
		return err
	}
	i.keys, i.read = keys, now
	return nil
}

// name is the keys' among the house's secrets.
const name = "issuer"

// changeTries is how often a change is tried that another replica comes before.
const changeTries = 5

// change reads the keys, changes them and stores them if they are different then.
func (i *Issuer) change(ctx context.Context, change func(*keyset) error) (keyset, error) {
	for try := 1; ; try++ {
		keys, version, err := i.stored(ctx)
		if err != nil {
			return keyset{}, err
		}
		before := keys.ids()
		if err := change(&keys); err != nil {
			return keyset{}, fairlead.AsError("changing the issuer's keys", err)
		}
		if slices.Equal(before, keys.ids()) {
			return keys, nil
		}
		b, err := json.Marshal(keys)
		if err != nil {
			return keyset{}, fairlead.AsError("changing the issuer's keys", err)
		}
		err = i.keep.PutOwn(ctx, fairlead.System(), name, fairlead.NewSecret(b), version)
		if fairlead.CodeOf(err) != fairlead.CodeStale || try == changeTries {
			return keys, err
		}
	}
}

func (i *Issuer) stored(ctx context.Context) (keyset, int64, error) {
	s, version, err := i.keep.Own(ctx, name)
	if fairlead.KindOf(err) == fairlead.NotFound {
		return keyset{}, 0, nil
	}
	if err != nil {
		return keyset{}, 0, err
	}
	var keys keyset
	if err := json.Unmarshal(s.Reveal(), &keys); err != nil {
		return keyset{}, 0, &fairlead.Error{Kind: fairlead.Internal, What: "reading the issuer's keys", Why: "they aren't what was written"}
	}
	return keys, version, nil
}

var _ provider.Issuer = (*Issuer)(nil)
