// Package identity turns a proof into a caller: a password, a session, an API token, a
// worker's token. It makes those proofs too, and takes them back.
package identity

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"fairlead.dev/fairlead"
)

// How long things hold.
const (
	sessionLife = 30 * 24 * time.Hour
	linkLife    = 72 * time.Hour
	// tokenDays is the life of an API token that isn't given one.
	tokenDays = 90
	// remembered is how long a checked token isn't checked again: what is revoked ends
	// within it, on every replica.
	remembered = time.Second
	// mostRemembered bounds the memory of checked tokens.
	mostRemembered = 50_000
	// touchEvery is how exactly a token's last use is noted.
	touchEvery = time.Minute
)

// Identity checks and makes proofs. It is safe for concurrent use.
type Identity struct {
	store  fairlead.Store
	now    func() time.Time
	hasher *hasher
	tries  *tries

	mu   sync.RWMutex
	seen map[fairlead.TokenHash]checked
}

// checked is a token that was found good, and whose it is.
type checked struct {
	caller fairlead.Caller
	until  time.Time
}

// New makes an identity over a store.
func New(store fairlead.Store, now func() time.Time) (*Identity, error) {
	return &Identity{store: store, now: now, hasher: newHasher(), tries: newTries(now), seen: map[fairlead.TokenHash]checked{}}, nil
}

// HashOf gives the hash that a token is known by, false if the text can't be one of
// Fairlead's. Whether it is good is not said.
func HashOf(text fairlead.Secret) (fairlead.TokenHash, bool) { return hashOf(text) }

// Bound gives whose token it is by its hash, as [Identity.Caller] does. It is for proofs
// that are bound to a token and were checked by whoever made them: knowing a hash proves
// nothing.
func (i *Identity) Bound(ctx context.Context, hash fairlead.TokenHash, from, request string) (fairlead.Caller, error) {
	who, ok := i.remember(hash)
	if !ok {
		var err error
		if who, err = i.check(ctx, hash); err != nil {
			return fairlead.Caller{}, err
		}
	}
	who.From, who.Request = from, request
	return who, nil
}

// Caller gives whose token it is. from is the address that it came from, request
// identifies the request. [fairlead.Unauthenticated] for a token that isn't one, has
// expired or was revoked.
func (i *Identity) Caller(ctx context.Context, text fairlead.Secret, from, request string) (fairlead.Caller, error) {
	hash, ok := hashOf(text)
	if !ok {
		return fairlead.Caller{}, unauthenticated("the token is none of Fairlead's")
	}
	return i.Bound(ctx, hash, from, request)
}

func (i *Identity) remember(hash fairlead.TokenHash) (fairlead.Caller, bool) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	c, ok := i.seen[hash]
	return c.caller, ok && i.now().Before(c.until)
}

// check asks the store, and remembers a good answer for a second.
func (i *Identity) check(ctx context.Context, hash fairlead.TokenHash) (fairlead.Caller, error) {
	now := i.now()
	t, err := i.store.TokenByHash(ctx, hash)
	switch {
	case fairlead.KindOf(err) == fairlead.NotFound:
		return fairlead.Caller{}, unauthenticated("the token isn't known: it was revoked, or is another server's")
	case err != nil:
		return fairlead.Caller{}, err
	case t.Expired(now):
		return fairlead.Caller{}, unauthenticated("the token expired at " + t.Expires.UTC().Format("2006-01-02 15:04 MST"))
	}
	who, err := i.callerOf(ctx, t)
	switch {
	case fairlead.KindOf(err) == fairlead.NotFound: // whose it was has gone just now
		return fairlead.Caller{}, unauthenticated("the token isn't known: it was revoked, or is another server's")
	case err != nil:
		return fairlead.Caller{}, err
	}
	if now.Sub(t.LastUsed) >= touchEvery {
		if err := i.store.TouchToken(ctx, t.ID, now); err != nil {
			return fairlead.Caller{}, err
		}
	}
	until := now.Add(remembered)
	if !t.Expires.IsZero() && t.Expires.Before(until) {
		until = t.Expires
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.seen) >= mostRemembered {
		clear(i.seen)
	}
	i.seen[hash] = checked{caller: who, until: until}
	return who, nil
}

// callerOf gives the subject of a token with its rights.
func (i *Identity) callerOf(ctx context.Context, t fairlead.Token) (fairlead.Caller, error) {
	switch t.Kind {
	case fairlead.SessionToken, fairlead.APIToken:
		u, err := i.store.User(ctx, t.User)
		if err != nil {
			return fairlead.Caller{}, err
		}
		who, err := i.user(ctx, u)
		who.Token, who.Scopes, who.Only = t.ID, t.Scopes, t.Organization
		return who, err
	case fairlead.WorkerToken:
		w, err := i.store.Worker(ctx, t.Worker)
		if err != nil {
			return fairlead.Caller{}, err
		}
		return fairlead.Caller{
			Subject: fairlead.Subject{Kind: fairlead.WorkerSubject, ID: string(w.ID), Name: string(w.Name)},
			Token:   t.ID, Only: w.Organization,
		}, nil
	case fairlead.SetUpLink, fairlead.InviteLink:
		return fairlead.Caller{}, unauthenticated("a one-time link is not a token to work with")
	default:
		return fairlead.Caller{}, unauthenticated("the token is of an unknown kind")
	}
}

// user gives a user as a caller, without a token's limits.
func (i *Identity) user(ctx context.Context, u fairlead.User) (fairlead.Caller, error) {
	memberships, err := i.store.Memberships(ctx, u.ID)
	if err != nil {
		return fairlead.Caller{}, err
	}
	roles := make(map[fairlead.OrganizationID]fairlead.Role, len(memberships))
	for _, m := range memberships {
		roles[m.Organization] = m.Role
	}
	return fairlead.Caller{
		Subject: fairlead.Subject{Kind: fairlead.UserSubject, ID: string(u.ID), Name: string(u.Name)}, Roles: roles,
	}, nil
}

// Forget drops what is remembered of callers, after a change that this process made.
func (i *Identity) Forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.seen)
}

func unauthenticated(why string) error {
	return &fairlead.Error{
		Kind: fairlead.Unauthenticated, What: "checking who you are", Why: why,
		Remedy: "log in with `fairlead login`, or give a token that holds",
	}
}

// Unproven is for a request that carries no proof at all.
func Unproven() error { return unauthenticated("the request carries no token") }

func newToken(k fairlead.TokenKind, now time.Time) (fairlead.Token, fairlead.Secret, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return fairlead.Token{}, fairlead.Secret{}, fairlead.AsError("naming token", err)
	}
	text, hash := newText(k)
	return fairlead.Token{ID: fairlead.TokenID(id.String()), Kind: k, Hash: hash, Created: now}, text, nil
}
