package conform

import (
	"context"
	"crypto/sha256"
	"time"

	"fairlead.dev/fairlead"
)

func hashOf(n int) fairlead.TokenHash {
	return sha256.Sum256([]byte{byte(n), byte(n >> 8)})
}

// newToken adds an API token; with changes it first.
func (h house) newToken(t tester, u fairlead.User, n int, with ...func(*fairlead.Token)) fairlead.Token {
	t.Helper()
	k := fairlead.Token{ID: fairlead.TokenID(newID()), Kind: fairlead.APIToken, Hash: hashOf(n), User: u.ID, Created: at(n)}
	for _, change := range with {
		change(&k)
	}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddToken(ctx, k) })
	return k
}

func testTokens(t tester, h house) {
	o, ada, bob := h.newOrganization(t, "o"), h.newUser(t, "ada"), h.newUser(t, "bob")
	same(t, "TokensOf nobody", ok(h.TokensOf(t.Context(), ada.ID))(t), []fairlead.Token(nil))
	var want []fairlead.Token
	for i, text := range strange() {
		k := h.newToken(t, ada, i, func(k *fairlead.Token) {
			k.Name, k.Organization, k.Expires, k.Created = text, o.ID, fine(at(100+i)), fine(at(i))
			if i%2 == 0 {
				k.Kind, k.Organization, k.Expires = fairlead.SessionToken, "", time.Time{}
			}
		})
		k.Created = at(i)
		if !k.Expires.IsZero() {
			k.Expires = at(100 + i)
		}
		same(t, "TokenByHash", ok(h.TokenByHash(t.Context(), hashOf(i)))(t), k)
		want = append([]fairlead.Token{k}, want...)
	}
	h.newToken(t, ada, 1000, func(k *fairlead.Token) { k.Kind = fairlead.InviteLink })
	other := h.newToken(t, bob, 1001)
	same(t, "TokensOf", ok(h.TokensOf(t.Context(), ada.ID))(t), want)

	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveToken(ctx, ada.ID, want[0].ID) })
	h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error { return w.RemoveToken(ctx, ada.ID, other.ID) })
	h.must(t, func(ctx context.Context, w fairlead.Writer) error {
		return w.RemoveTokensOf(ctx, ada.ID, fairlead.SessionToken)
	})
	h.must(t, func(ctx context.Context, w fairlead.Writer) error {
		return w.RemoveTokensOf(ctx, ada.ID, fairlead.SessionToken)
	})
	for _, k := range ok(h.TokensOf(t.Context(), ada.ID))(t) {
		if k.Kind != fairlead.APIToken || k.ID == want[0].ID {
			t.Errorf("%s %s is still there", k.Kind, k.ID)
		}
	}
	same(t, "TokensOf bob", ok(h.TokensOf(t.Context(), bob.ID))(t), []fairlead.Token{other})
	missing, err := h.TokenByHash(t.Context(), want[0].Hash)
	wantMissing(t, missing, err)

	wantKind(t, h.TouchToken(t.Context(), want[0].ID, at(0)), fairlead.NotFound, "")
	for _, minute := range []int{50, 40} { // the last use counts, in whatever order it is told
		if err := h.TouchToken(t.Context(), other.ID, fine(at(minute))); err != nil {
			t.Fatal(err)
		}
		other.LastUsed = at(50)
		same(t, "after TouchToken", ok(h.TokenByHash(t.Context(), other.Hash))(t), other)
	}
}

func testTokenSweep(t tester, h house) {
	u := h.newUser(t, "ada")
	ends := map[int]time.Time{1: {}, 2: at(10), 3: at(11), 4: at(12)}
	tokens := map[int]fairlead.Token{}
	for n, end := range ends {
		tokens[n] = h.newToken(t, u, n, func(k *fairlead.Token) { k.Expires = end })
	}
	if err := h.SweepTokens(t.Context(), at(11)); err != nil {
		t.Fatal(err)
	}
	for n, k := range tokens {
		found, err := h.TokenByHash(t.Context(), k.Hash)
		if n == 2 {
			wantMissing(t, found, err)
			continue
		}
		same(t, "what has not ended", ok(found, err)(t), k)
	}
}

func testTokenScopes(t tester, h house) {
	u := h.newUser(t, "ada")
	for i, scopes := range [][]fairlead.Action{nil, {}, {fairlead.RunCreate}, {"run.*", fairlead.EventRead}} {
		k := h.newToken(t, u, i, func(k *fairlead.Token) { k.Scopes = scopes }) // nil is no limit, an empty list is no action
		same(t, "Scopes", ok(h.TokenByHash(t.Context(), k.Hash))(t).Scopes, scopes)
	}
	k := h.newToken(t, u, 9)
	add := func(with func(*fairlead.Token)) step {
		return func(ctx context.Context, w fairlead.Writer) error {
			n := fairlead.Token{ID: fairlead.TokenID(newID()), Kind: fairlead.APIToken, Hash: hashOf(10), User: u.ID}
			with(&n)
			return w.AddToken(ctx, n)
		}
	}
	h.refused(t, fairlead.Conflict, "", add(func(n *fairlead.Token) { n.Hash = k.Hash }))
	h.refused(t, fairlead.Conflict, "", add(func(n *fairlead.Token) { n.ID = k.ID }))
	h.refused(t, fairlead.NotFound, "", add(func(n *fairlead.Token) { n.User = fairlead.UserID(newID()) }))
	h.refused(t, fairlead.NotFound, "", add(func(n *fairlead.Token) { n.Worker = fairlead.WorkerID(newID()) }))
	h.refused(t, fairlead.NotFound, "", add(func(n *fairlead.Token) { n.Organization = fairlead.OrganizationID(newID()) }))
}

func testLinks(t tester, h house) {
	u := h.newUser(t, "ada")
	take := func(n int) (k fairlead.Token, err error) {
		err = h.do(t, func(ctx context.Context, w fairlead.Writer) (err error) {
			k, err = w.TakeLink(ctx, hashOf(n))
			return err
		})
		return k, err
	}
	setup := h.newToken(t, fairlead.User{}, 1, func(k *fairlead.Token) { k.Kind = fairlead.SetUpLink })
	invite := h.newToken(t, u, 2, func(k *fairlead.Token) { k.Kind, k.Expires = fairlead.InviteLink, at(5) })
	h.newToken(t, u, 3)
	for n, want := range map[int]fairlead.Token{1: setup, 2: invite} {
		same(t, "link", ok(take(n))(t), want)
		k, err := take(n)
		wantMissing(t, k, err)
	}
	k, err := take(3) // is no link
	wantMissing(t, k, err)
	ok(h.TokenByHash(t.Context(), hashOf(3)))(t)

	// That a link isn't there can be told and recorded.
	before := h.events(t)
	h.must(t, func(ctx context.Context, w fairlead.Writer) error {
		k, err := w.TakeLink(ctx, hashOf(1))
		wantMissing(t, k, err)
		return nil
	})
	same(t, "events", h.events(t), before+1)
}
