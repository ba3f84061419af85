package jfrogartifactory

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// Term says when the stored token should be renewed: at half of its life, so that there
// is time for a second try.
func (p Provider) Term(c provider.Opened) (renew, end time.Time) {
	t := readToken(c.Secret[fieldToken])
	if c.Method != accessToken || c.Secret[fieldRefresh].IsZero() || t.expires.IsZero() || t.issued.IsZero() {
		return time.Time{}, time.Time{}
	}
	return t.issued.Add(t.expires.Sub(t.issued) / 2), t.expires
}

// Renew replaces a refreshable token and its refresh token by a new pair, and hands the
// pair to keep: see [provider.Renewer].
//
// JFrog's own refresh ends the old pair at once: if its reply is lost, or the server
// stops before the new pair is stored, the organization is locked out. So as long as
// the old token is good it isn't refreshed: it makes a second refreshable token, which
// changes nothing about the first. The old one is revoked after the new one is kept; a
// stop in between leaves one token too many, and nobody outside. Only a token that has
// expired is refreshed with its refresh token (possible in the grace period
// refresh-expiry, since 7.59.5).
func (p Provider) Renew(ctx context.Context, c provider.Opened, keep func(ctx context.Context, fresh map[string]fairlead.Secret) error) error {
	if err := p.whole(c); err != nil {
		return err
	}
	if c.Method != accessToken || c.Secret[fieldRefresh].IsZero() {
		return &fairlead.Error{
			Kind: fairlead.Invalid, Field: fieldRefresh, What: "renewing token of JFrog", Why: "the connector has no refresh token",
			Remedy: "make a refreshable token in JFrog and give both of its parts to the connector",
		}
	}
	old := readToken(c.Secret[fieldToken])
	cl := call{
		what: "renewing token of JFrog", method: http.MethodPost, host: c.Public[fieldHost], path: pathTokens, bearer: c.Secret[fieldToken],
		body: createToken{
			Scope: old.scope, Audience: old.audience, Refreshable: true, ExpiresIn: int(old.expires.Sub(old.issued).Seconds()),
			Description: "fairlead " + string(c.Owner) + "/" + string(c.Name) + ", renewed",
		},
	}
	// overlapping: the old pair stays good beside the new one.
	overlapping := !old.expires.IsZero() && !old.issued.IsZero() && p.now().Before(old.expires)
	if !overlapping {
		cl.body = map[string]string{"grant_type": "refresh_token", "refresh_token": string(c.Secret[fieldRefresh].Reveal())}
	}
	var reply tokenReply
	a, err := p.ask(ctx, cl, &reply)
	switch {
	case err != nil && a.status == http.StatusBadRequest:
		return &fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused, What: cl.what, Why: "the refresh token was used before, or isn't the platform's",
			Remedy: "make a new refreshable token in JFrog and give both of its parts to the connector",
		}
	case err != nil:
		return err
	case reply.AccessToken.IsZero() || reply.RefreshToken.IsZero():
		return broken(cl, "its reply lacks a part of the new pair")
	}
	// What the platform has given can't be taken back: the caller's going away must not
	// keep it from being stored.
	ctx = context.WithoutCancel(ctx)
	err = keep(ctx, map[string]fairlead.Secret{fieldToken: reply.AccessToken, fieldRefresh: reply.RefreshToken})
	if kind := fairlead.KindOf(err); overlapping && (kind == fairlead.Conflict || kind == fairlead.NotFound) {
		p.revoke(ctx, cl.host, reply.AccessToken, reply.AccessToken)
	}
	if err != nil {
		return err // maybe it is stored all the same: both stay good
	}
	if overlapping {
		p.revoke(ctx, cl.host, reply.AccessToken, c.Secret[fieldToken])
	}
	return nil
}

// revoke ends a token by its id (Revoke Token by ID). That it fails is no error: the
// token ends by itself.
func (p Provider) revoke(ctx context.Context, host string, with, which fairlead.Secret) {
	id := readToken(which).id
	if id == "" {
		return
	}
	_, _ = p.send(ctx, call{
		what: "revoking token of JFrog", method: http.MethodDelete, host: host, path: pathTokens + "/" + url.PathEscape(id), bearer: with,
	})
}
