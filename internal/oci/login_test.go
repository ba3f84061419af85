package oci_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	rt "fairlead.dev/fairlead/internal/registrytest"
)

// step is one pull of a small blob, and what was asked for it.
type step struct {
	do   func(*rt.Registry, *clock)
	code fairlead.Code
	want []string
}

// TestLogin follows logins over several pulls with one client. "D" is the blob.
func TestLogin(t *testing.T) {
	t.Parallel()
	const blob, tokens = "registry GET /v2/team/app/blobs/D", "tokens GET /token"
	nothing := func(*rt.Registry, *clock) {}
	stale := func(r *rt.Registry) *keys { return withPassword(r, "reader", "stale-canary-Ty34") }
	then := func(first, second func(*rt.Registry) *keys) func(*rt.Registry) *keys {
		return func(r *rt.Registry) *keys {
			k := first(r)
			k.leases = append(k.leases, second(r).leases...)
			return k
		}
	}
	for name, c := range map[string]struct {
		auth    rt.Auth
		faults  rt.Faults
		keys    func(*rt.Registry) *keys
		steps   []step
		refused int
	}{
		"bearer": {
			auth: rt.Bearer, keys: asReader,
			steps: []step{
				{nothing, "", []string{"registry GET /v2/", tokens + " basic reader", blob + " bearer reader"}},
				{nothing, "", []string{blob + " bearer reader"}},
				{func(_ *rt.Registry, c *clock) { c.pass(294 * time.Second) }, "", []string{blob + " bearer reader"}},
				{func(_ *rt.Registry, c *clock) { c.pass(2 * time.Second) }, "", []string{tokens + " basic reader", blob + " bearer reader"}},
				{func(r *rt.Registry, _ *clock) { r.Revoke() }, "", []string{blob + " bearer", tokens + " basic reader", blob + " bearer reader"}},
				{func(_ *rt.Registry, c *clock) { c.pass(time.Hour) }, "", []string{"registry GET /v2/", tokens + " basic reader", blob + " bearer reader"}},
			},
		},
		"basic": {
			auth: rt.Basic, keys: asReader,
			steps: []step{
				{nothing, "", []string{"registry GET /v2/", blob + " basic reader"}},
				{nothing, "", []string{blob + " basic reader"}},
			},
		},
		"not there": {
			auth: rt.Basic, keys: asReader, faults: rt.Faults{Fail: []rt.Failure{{Path: "/blobs/", Status: 404}}},
			steps: []step{{nothing, fairlead.CodeNoImage, []string{"registry GET /v2/", blob + " basic"}}},
		},
		"the registry changes its mind": {
			auth: rt.Mixed, keys: asReader, faults: rt.Faults{Challenge: []string{`Basic realm="x"`}},
			steps: []step{
				{nothing, "", []string{"registry GET /v2/", blob + " basic reader"}},
				{
					func(r *rt.Registry, _ *clock) {
						r.Set(func(f *rt.Faults) {
							f.Challenge = nil
							f.Fail = []rt.Failure{{Path: "/blobs/", Status: 401, Header: map[string]string{"Www-Authenticate": `Bearer realm="/token"`}, Times: 1}}
						})
					}, "",
					[]string{blob + " basic", tokens + " basic reader", blob + " bearer reader"},
				},
			},
		},
		"both, bearer is taken": {
			auth: rt.Mixed, keys: asReader,
			steps: []step{{nothing, "", []string{"registry GET /v2/", tokens + " basic reader", blob + " bearer reader"}}},
		},
		"identity token": {
			auth: rt.Bearer, keys: func(r *rt.Registry) *keys { return withPassword(r, "<token>", reader.Identity) },
			steps: []step{{nothing, "", []string{"registry GET /v2/", "tokens POST /token reader", blob + " bearer reader"}}},
		},
		"open": {
			auth: rt.Open, keys: asReader,
			steps: []step{
				{nothing, "", []string{"registry GET /v2/", blob}},
				{nothing, "", []string{blob}},
			},
		},
		"asks only for what is private": {
			auth: rt.Bearer, keys: asReader, faults: rt.Faults{OpenPing: true},
			steps: []step{
				{nothing, "", []string{"registry GET /v2/", blob, tokens + " basic reader", blob + " bearer reader"}},
				{nothing, "", []string{blob + " bearer reader"}},
			},
		},
		"hides what is private": {
			auth: rt.Mixed, keys: asReader, faults: rt.Faults{OpenPing: true, Hide: true},
			steps: []step{{nothing, "", []string{"registry GET /v2/", blob, blob + " basic reader"}}},
		},
		"forbids what is private": {
			auth: rt.Mixed, keys: asReader, faults: rt.Faults{OpenPing: true, Fail: []rt.Failure{{Path: "/blobs/", Status: 403, Times: 1}}},
			steps: []step{{nothing, "", []string{"registry GET /v2/", blob, blob + " basic reader"}}},
		},
		"anonymous token": {
			auth: rt.Bearer, keys: asNobody,
			steps: []step{
				{nothing, fairlead.CodeNoRight, []string{blob, tokens, blob + " bearer"}},
				{nothing, fairlead.CodeNoRight, []string{blob + " bearer", tokens, blob + " bearer"}},
			},
		},
		"a login that is refused, then another": {
			auth: rt.Basic, keys: then(stale, asReader), refused: 1,
			steps: []step{
				{nothing, "", []string{"registry GET /v2/", blob + " basic", "registry GET /v2/ basic", blob + " basic reader"}},
				{nothing, "", []string{blob + " basic reader"}},
			},
		},
		"a login that is refused, then another, bearer": {
			auth: rt.Bearer, keys: then(stale, asReader), refused: 1,
			steps: []step{{nothing, "", []string{"registry GET /v2/", tokens + " basic", tokens + " basic", tokens + " basic reader", blob + " bearer reader"}}},
		},
		"a login that is refused, and no other": {
			auth: rt.Basic, keys: stale, refused: 1,
			steps: []step{{nothing, fairlead.CodeLoginRefused, []string{"registry GET /v2/", blob + " basic", "registry GET /v2/ basic"}}},
		},
		"two logins that are refused": {
			auth: rt.Basic, keys: then(stale, asStranger), refused: 1,
			steps: []step{{nothing, fairlead.CodeLoginRefused, []string{
				"registry GET /v2/", blob + " basic", "registry GET /v2/ basic", blob + " basic", "registry GET /v2/ basic",
			}}},
		},
		"a token that is refused, then another": {
			auth: rt.Bearer, keys: then(func(r *rt.Registry) *keys { return token(r, "stale-canary-Ty34") }, asTokens("team/app")), refused: 1,
			steps: []step{{nothing, "", []string{blob + " bearer", blob + " bearer reader"}}},
		},
		"a token that is refused, and no other": {
			auth: rt.Bearer, keys: func(r *rt.Registry) *keys { return token(r, "stale-canary-Ty34") }, refused: 1,
			steps: []step{{nothing, fairlead.CodeLoginRefused, []string{blob + " bearer"}}},
		},
		"a token for something else": {
			auth: rt.Bearer, keys: asTokens("team/other"),
			steps: []step{{nothing, fairlead.CodeNoRight, []string{blob + " bearer reader"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			config := accounts(c.auth, c.faults)
			config.Now = clock.Now
			s := newShelf(t, 100, config)
			kc, cl := c.keys(s.Registry), client(t, at(clock))
			for i, step := range c.steps {
				step.do(s.Registry, clock)
				s.Forget()
				blob, err := cl.Blob(t.Context(), kc, s.resource, s.blob)
				codeIs(t, err, step.code)
				if err == nil {
					if b, err := io.ReadAll(blob); err != nil || !bytes.Equal(b, s.bytes) {
						t.Errorf("%d bytes, %v", len(b), err)
					}
					_ = blob.Close()
				}
				got := strings.Split(strings.ReplaceAll(strings.Join(asked(s.Registry), "\n"), string(s.blob.Digest), "D"), "\n")
				if d := cmp.Diff(step.want, got); d != "" {
					t.Errorf("step %d: %s", i, d)
				}
				keptAway(t, s.Registry)
			}
			if len(kc.refused) != c.refused {
				t.Errorf("the keychain was told of %d refusals, want %d", len(kc.refused), c.refused)
			}
			for _, a := range kc.asked {
				if a != pullOf(s.Host(), "team/app") {
					t.Errorf("a lease was asked for %v", a)
				}
			}
		})
	}
}

// TestLeaseOfAnotherHost refuses to send a login where it doesn't belong.
func TestLeaseOfAnotherHost(t *testing.T) {
	t.Parallel()
	r := rt.New(t, accounts(rt.Basic, rt.Faults{}))
	_, err := client(t).Resolve(t.Context(), misdirected{with(r, reader)}, image(t, r.Host(), "team/app:v1"))
	if fairlead.KindOf(err) != fairlead.Internal || len(r.Requests()) != 0 {
		t.Errorf("%v, %v", err, asked(r))
	}
}

type misdirected struct{ *keys }

func (m misdirected) Lease(context.Context, fairlead.Scope) (fairlead.Lease, error) {
	l := m.leases[0]
	l.For = pullOf("evil.test", "team/app")
	return l, nil
}

// TestLoginsAreKeptApart gives two logins for one registry to one client.
func TestLoginsAreKeptApart(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 100, accounts(rt.Bearer, rt.Faults{}))
	c := client(t)
	readWhole(t, c, with(s, reader), s.resource, s.blob)
	_, err := c.Blob(t.Context(), withPassword(s, "reader", wrong), s.resource, s.blob)
	codeIs(t, err, fairlead.CodeLoginRefused)
	_, err = c.Blob(t.Context(), without(s, nil), s.resource, s.blob)
	codeIs(t, err, fairlead.CodeNoRight)
	// The same registry reached in another way is another registry.
	other := with(s, reader)
	other.leases[0].PlainHTTP = false
	_, err = c.Blob(t.Context(), other, s.resource, s.blob)
	codeIs(t, err, fairlead.CodeTLS)
}
