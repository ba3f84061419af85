package identity

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
)

// NewSetUpLink makes the token of the set-up link, which replaces any earlier one.
// [fairlead.Conflict] (CodeAlreadySetUp) once there is a user.
func (i *Identity) NewSetUpLink(ctx context.Context) (fairlead.Secret, error) {
	done, err := i.store.IsSetUp(ctx)
	if err != nil {
		return fairlead.Secret{}, err
	}
	if done {
		return fairlead.Secret{}, AlreadySetUp()
	}
	t, text, err := newToken(fairlead.SetUpLink, i.now())
	if err != nil {
		return fairlead.Secret{}, err
	}
	t.Expires = t.Created.Add(linkLife)
	err = i.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		if err := w.RemoveTokensOf(ctx, "", fairlead.SetUpLink); err != nil {
			return fairlead.Event{}, err
		}
		return fairlead.System().Event(fairlead.TokenCreate, fairlead.Place{}, fairlead.Object{Kind: "token", ID: string(t.ID), Name: "set-up link"}),
			w.AddToken(ctx, t)
	})
	if err != nil {
		return fairlead.Secret{}, err
	}
	return text, nil
}

// AlreadySetUp is what is answered when there is an administrator.
func AlreadySetUp() error {
	return &fairlead.Error{
		Kind: fairlead.Conflict, Code: fairlead.CodeAlreadySetUp, What: "setting up", Why: "there is an administrator already",
		Remedy: "log in with `fairlead login`",
	}
}

// NewInvitation makes the token of a new user's link, within a write, and ends earlier
// ones of the same user.
func (i *Identity) NewInvitation(ctx context.Context, w fairlead.Writer, user fairlead.UserID) (fairlead.Secret, time.Time, error) {
	t, text, err := newToken(fairlead.InviteLink, i.now())
	if err != nil {
		return fairlead.Secret{}, time.Time{}, err
	}
	t.User, t.Expires = user, t.Created.Add(linkLife)
	if err := w.RemoveTokensOf(ctx, user, fairlead.InviteLink); err != nil {
		return fairlead.Secret{}, time.Time{}, err
	}
	return text, t.Expires, w.AddToken(ctx, t)
}

// TakeLink uses a link up, within a write. It holds once, for 72 hours:
// [fairlead.Unauthenticated] otherwise.
func (i *Identity) TakeLink(ctx context.Context, w fairlead.Writer, link fairlead.Secret, k fairlead.TokenKind) (fairlead.Token, error) {
	return i.link(link, k, func(hash fairlead.TokenHash) (fairlead.Token, error) { return w.TakeLink(ctx, hash) })
}

// KnowLink asks, before anything is made ready for it, whether a link still holds:
// [fairlead.Unauthenticated] if not. Only [Identity.TakeLink] decides.
func (i *Identity) KnowLink(ctx context.Context, link fairlead.Secret, k fairlead.TokenKind) error {
	_, err := i.link(link, k, func(hash fairlead.TokenHash) (fairlead.Token, error) { return i.store.TokenByHash(ctx, hash) })
	return err
}

func (i *Identity) link(
	link fairlead.Secret, k fairlead.TokenKind, find func(fairlead.TokenHash) (fairlead.Token, error),
) (fairlead.Token, error) {
	gone := &fairlead.Error{
		Kind: fairlead.Unauthenticated, Field: "link", What: "using the one-time link", Why: "it isn't known: it was used, has been replaced, or is another server's",
		Remedy: "take the newest one; a restarted server prints a new set-up link, and an administrator can invite again",
	}
	hash, ok := hashOf(fromLink(link))
	if !ok {
		return fairlead.Token{}, gone
	}
	t, err := find(hash)
	switch {
	case fairlead.KindOf(err) == fairlead.NotFound:
		return fairlead.Token{}, gone
	case err != nil:
		return fairlead.Token{}, err
	case t.Kind != k || t.Expired(i.now()):
		return fairlead.Token{}, gone
	}
	return t, nil
}

// Join sets the first password of an invited user and begins a session.
func (i *Identity) Join(ctx context.Context, link, password fairlead.Secret, from, request string) (Session, error) {
	done, err := i.tries.begin(ctx, "", from)
	if err != nil {
		return Session{}, err
	}
	s, err := i.join(ctx, link, password, from, request)
	switch fairlead.KindOf(err) {
	case "":
		done(right)
	case fairlead.Unauthenticated:
		done(wrong)
	default:
		done(unknown)
	}
	return s, err
}

func (i *Identity) join(ctx context.Context, link, password fairlead.Secret, from, request string) (Session, error) {
	// To hash a password takes much, and anybody can ask for it: not without a link.
	if err := i.KnowLink(ctx, link, fairlead.InviteLink); err != nil {
		return Session{}, err
	}
	encoded, err := i.hasher.hash(ctx, password)
	if err != nil {
		return Session{}, err
	}
	var s Session
	err = i.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		t, err := i.TakeLink(ctx, w, link, fairlead.InviteLink)
		if err != nil {
			return fairlead.Event{}, err
		}
		u, err := w.User(ctx, t.User)
		if err != nil {
			return fairlead.Event{}, err
		}
		u.Password = encoded
		if err := w.UpdateUser(ctx, u); err != nil {
			return fairlead.Event{}, err
		}
		s, err = i.BeginSession(ctx, w, u)
		who := fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.UserSubject, ID: string(u.ID), Name: string(u.Name)}, From: from, Request: request}
		return who.Event(fairlead.PasswordSet, fairlead.Place{}, userObject(u)), err
	})
	if err != nil {
		return Session{}, err
	}
	return s, nil
}
