package oci

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"time"

	"fairlead.dev/fairlead"
)

// visit is one request to a registry, for which it leases a login, shows it in the way
// that the registry asks for, and asks for another one once if it is refused.
type visit struct {
	c     *Client
	kc    fairlead.Keychain
	scope fairlead.Scope
	what  string
	send  sender
	// explain sends a HEAD as a GET: only that says why it is refused.
	explain sender

	lease    fairlead.Lease
	leased   bool
	endpoint Endpoint
	host     host // as it asked for a login; zero challenge: it hasn't

	told    bool // the keychain was told of a refusal
	retried bool // a token out of the memory was traded anew
	renewed bool // a storage that refused was asked for anew
	forced  bool // Basic is shown without having been asked for
}

// sender sends a request with a login: an Authorization header, which may be zero.
type sender func(ctx context.Context, e Endpoint, login fairlead.Secret) (*followed, error)

// proof is what a request shows.
type proof struct {
	login  fairlead.Secret // the Authorization header; zero for none
	traded bool            // it is a token that this client has traded
	fresh  bool            // it was traded just now
	bearer Bearer
	key    tokenKey
}

// maxVisits bounds the requests of one visit, whatever the registry answers.
const maxVisits = 6

// do gives the reply to the request, unless the registry refuses the login or the
// request: then the error says which.
func (v *visit) do(ctx context.Context) (*followed, error) {
	for range maxVisits {
		if err := v.take(ctx); err != nil {
			return nil, err
		}
		p, err := v.prove(ctx)
		if err != nil {
			if err := v.tradeRefused(ctx, err); err != nil {
				return nil, err
			}
			continue
		}
		res, err := v.send(ctx, v.endpoint, p.login)
		if err != nil {
			return nil, err
		}
		again, err := v.judge(ctx, p, res)
		if err != nil {
			return nil, err
		}
		if !again {
			return res, nil
		}
	}
	return nil, broken(v.what, v.endpoint.Host+" asks for a login again and again, each time in another way")
}

// take leases, unless that was done.
func (v *visit) take(ctx context.Context) error {
	if v.leased {
		return nil
	}
	l, err := v.kc.Lease(ctx, v.scope)
	if err != nil {
		return err
	}
	if got := l.For.Resource.Host; got != "" && got != v.scope.Resource.Host {
		return &fairlead.Error{
			Kind: fairlead.Internal, What: v.what,
			Why: "the lease is for " + quote(got) + ", not for " + v.scope.Resource.Host,
		}
	}
	v.lease, v.leased = l, true
	v.endpoint = endpointOf(l, v.scope.Resource.Host)
	v.host = v.c.remembered(v.endpoint)
	return nil
}

func (v *visit) anonymous() bool { return v.lease.Bearer.IsZero() && loginOf(v.lease).anonymous() }

// prove makes the proof that the registry asks for out of the lease.
func (v *visit) prove(ctx context.Context) (proof, error) {
	if !v.lease.Bearer.IsZero() {
		if !isBearerToken(string(v.lease.Bearer.Reveal())) {
			return proof{}, &fairlead.Error{
				Kind: fairlead.Invalid, Code: fairlead.CodeLoginRefused, What: v.what,
				Why:    "the token has a character that can't be sent, such as a line break",
				Remedy: "update the connector with the token alone",
			}
		}
		return bearerProof(Bearer{Token: v.lease.Bearer, Expires: v.lease.Expires, claims: readClaims(v.lease.Bearer.Reveal())}), nil
	}
	login := loginOf(v.lease)
	if v.host.at.IsZero() && !login.anonymous() {
		h, err := v.c.learn(ctx, v.what, v.endpoint)
		if err != nil {
			return proof{}, err
		}
		v.host = h
	}
	switch {
	case v.host.challenge.Scheme == bearerScheme:
		return v.trade(ctx, login)
	case !login.anonymous() && (v.forced || v.host.challenge.Scheme == basicScheme):
		if err := login.check(v.what); err != nil {
			return proof{}, err
		}
		return proof{login: login.basic()}, nil
	default:
		return proof{}, nil
	}
}

func bearerProof(b Bearer) proof {
	return proof{login: fairlead.SecretText("Bearer " + string(b.Token.Reveal())), bearer: b}
}

// tokenKey is what a traded token is remembered by: which registry, how it asked, the
// scope, and whose login. Of the login it holds a keyed hash.
type tokenKey struct {
	endpoint Endpoint
	realm    string
	service  string
	scope    fairlead.Scope
	login    [sha256.Size]byte
}

func (v *visit) trade(ctx context.Context, l Login) (proof, error) {
	c, h := v.c, v.host
	h.endpoint = v.endpoint
	key := tokenKey{v.endpoint, h.challenge.Realm(), h.challenge.Service(), v.scope, c.hash(l)}
	live := func(b Bearer) bool { return c.now().Add(early).Before(b.Expires) }
	b, fresh, err := c.tokens.get(ctx, key, live, func(ctx context.Context) (Bearer, error) {
		return c.trade(ctx, v.what, h, l, v.scope)
	})
	if err != nil {
		return proof{}, unreachable(v.what, v.endpoint.Host, err, c.now())
	}
	p := bearerProof(b)
	p.traded, p.fresh, p.key = true, fresh, key
	return p, nil
}

// early is how long before its end a token isn't used any more.
const early = 5 * time.Second

func (c *Client) hash(l Login) [sha256.Size]byte {
	h := hmac.New(sha256.New, c.salt)
	for _, part := range [][]byte{[]byte(l.Username), l.Password.Reveal(), l.Identity.Reveal()} {
		sum := sha256.Sum256(part)
		_, _ = h.Write(sum[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// judge says whether the request is worth sending again: after a refusal, if there is
// something else to show. A reply that has nothing to do with logins is the caller's.
func (v *visit) judge(ctx context.Context, p proof, res *followed) (again bool, err error) {
	status := res.StatusCode
	refused := status == http.StatusUnauthorized || status == http.StatusForbidden
	switch {
	case refused && res.foreign != "":
		return v.storageRefused(res)
	case refused:
		return v.refused(ctx, p, res)
	case status == http.StatusBadRequest && res.foreign == "" && !p.login.IsZero() && !p.traded:
		return v.badRequest(ctx, p, res)
	case status == http.StatusNotFound && v.mayForce(p):
		drain(res.Body)
		v.forced = true
		return true, nil
	default:
		return false, nil
	}
}

// badRequest is for a 400 to a login. ECR answers so, without a challenge, to a password
// that has ended or is of another region (aws-cli#4962, #5317); from others it may be
// about the request. The front door, of which nothing was asked, says which.
func (v *visit) badRequest(ctx context.Context, p proof, res *followed) (again bool, err error) {
	good, err := v.c.accepts(ctx, v.what, v.endpoint, p.login)
	if good || err != nil {
		return false, err
	}
	no := v.read(ctx, p, res)
	again, err = v.again(ctx)
	if again || err != nil {
		return again, err
	}
	return false, v.loginRefused(no, "the login that was leased for it")
}

// mayForce reports whether there is a login that the registry hasn't asked for. Some
// say "not found" or "forbidden" to whoever doesn't log in unasked.
func (v *visit) mayForce(p proof) bool {
	return p.login.IsZero() && !v.anonymous() && loginOf(v.lease).Identity.IsZero() && !v.forced
}

// storageRefused is for a signed URL that has grown old: the registry gives another.
func (v *visit) storageRefused(res *followed) (again bool, err error) {
	drain(res.Body)
	if !v.renewed {
		v.renewed = true
		return true, nil
	}
	return false, storage(broken(v.what, "the storage "+res.foreign+" to which "+v.endpoint.Host+" sends refuses ("+statusText(res.StatusCode)+")"))
}

// refused is for a 401 or 403 of the registry itself.
func (v *visit) refused(ctx context.Context, p proof, res *followed) (again bool, err error) {
	status := res.StatusCode
	no := v.read(ctx, p, res)
	list := ParseChallenges(res.Header.Values("WWW-Authenticate"))
	asked := choose(list)
	changed := status == http.StatusUnauthorized && asked.Scheme != "" && v.newChallenge(asked, res)
	switch {
	case p.login.IsZero():
		if changed && (asked.Scheme == bearerScheme || !v.anonymous()) {
			return true, nil
		}
		if v.mayForce(p) {
			v.forced = true
			return true, nil
		}
		return false, v.denied(no)
	case p.traded:
		return v.tradedRefused(p, no, changed)
	case p.bearer.Token.IsZero():
		if changed && asked.Scheme == bearerScheme {
			return true, nil
		}
		return v.basicRefused(ctx, p, no)
	default:
		return v.leaseRefused(ctx, no)
	}
}

// newChallenge remembers how the registry asks, and reports whether that is another
// way than before.
func (v *visit) newChallenge(asked Challenge, res *followed) bool {
	old := v.host.challenge
	v.host = host{endpoint: v.endpoint, challenge: asked, asked: res.Request.URL, private: res.private, at: v.c.now()}
	v.c.hosts.put(v.endpoint, v.host)
	return old.Scheme != asked.Scheme || old.Realm() != asked.Realm() || old.Service() != asked.Service()
}
