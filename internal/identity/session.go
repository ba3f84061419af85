package identity

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
)

// Session is a log-in that holds.
type Session struct {
	Text    fairlead.Secret
	Expires time.Time
	User    fairlead.User
}

// Login checks a name and password and begins a session. [fairlead.Unauthenticated]
// says nothing of which of the two was wrong; [fairlead.Limited] after too many tries.
func (i *Identity) Login(ctx context.Context, name fairlead.Name, password fairlead.Secret, from, request string) (Session, error) {
	if _, err := fairlead.ParseName("name", string(name)); err != nil {
		name = "" // nobody has it, and it may be as long as a request
	}
	done, err := i.tries.begin(ctx, string(name), from)
	if err != nil {
		return Session{}, err
	}
	u, ok, err := i.checked(ctx, name, password)
	switch {
	case err != nil:
		done(unknown)
		return Session{}, err
	case !ok:
		done(wrong)
	default:
		done(right)
	}
	who := fairlead.Caller{
		Subject: fairlead.Subject{Kind: fairlead.UserSubject, ID: string(u.ID), Name: string(name)}, From: from, Request: request,
	}
	if !ok {
		return Session{}, i.refuse(ctx, who)
	}
	var s Session
	err = i.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		var err error
		s, err = i.BeginSession(ctx, w, u)
		return who.Event(fairlead.SessionBegin, fairlead.Place{}, userObject(u)), err
	})
	if err != nil {
		return Session{}, err
	}
	return s, nil
}

// checked finds the user of that name, and says whether the password is theirs: false
// too, and no sooner, if nobody has the name.
func (i *Identity) checked(ctx context.Context, name fairlead.Name, password fairlead.Secret) (fairlead.User, bool, error) {
	u, err := i.store.UserByName(ctx, name)
	if err != nil && fairlead.KindOf(err) != fairlead.NotFound {
		return u, false, err
	}
	ok, err := i.hasher.matches(ctx, password, u.Password)
	return u, ok, err
}

// refuse records the refusal and gives the error.
func (i *Identity) refuse(ctx context.Context, who fairlead.Caller) error {
	err := i.store.Write(ctx, func(context.Context, fairlead.Writer) (fairlead.Event, error) {
		ev := who.Event(fairlead.SessionBegin, fairlead.Place{}, fairlead.Object{Kind: "user", Name: who.Name})
		ev.Allowed = false
		return ev, nil
	})
	if err != nil {
		return err
	}
	return &fairlead.Error{
		Kind: fairlead.Unauthenticated, What: "logging in", Why: "the name or the password is wrong",
		Remedy: "try again; an administrator can invite you anew if you forgot it",
	}
}

// BeginSession adds a session of a user whose proof was checked, within a write.
func (i *Identity) BeginSession(ctx context.Context, w fairlead.Writer, u fairlead.User) (Session, error) {
	now := i.now()
	t, text, err := newToken(fairlead.SessionToken, now)
	if err != nil {
		return Session{}, err
	}
	t.User, t.Expires = u.ID, now.Add(sessionLife)
	return Session{Text: text, Expires: t.Expires, User: u}, w.AddToken(ctx, t)
}

// Logout ends the caller's session.
func (i *Identity) Logout(ctx context.Context, who fairlead.Caller) error {
	if err := who.May(fairlead.SessionEnd, fairlead.Place{}); err != nil {
		return err
	}
	defer i.Forget()
	return i.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		ev := who.Event(fairlead.SessionEnd, fairlead.Place{}, fairlead.Object{Kind: "token", ID: string(who.Token)})
		return ev, w.RemoveToken(ctx, fairlead.UserID(who.ID), who.Token)
	})
}

// SetPassword changes the caller's password and ends all of their sessions.
func (i *Identity) SetPassword(ctx context.Context, who fairlead.Caller, old, fresh fairlead.Secret) error {
	if err := who.May(fairlead.PasswordSet, fairlead.Place{}); err != nil {
		return err
	}
	done, err := i.tries.begin(ctx, who.Name, who.From)
	if err != nil {
		return err
	}
	u, ok, err := i.checked(ctx, fairlead.Name(who.Name), old)
	switch {
	case err != nil:
		done(unknown)
		return err
	case ok && string(u.ID) == who.ID:
		done(right)
	default:
		done(wrong)
		return &fairlead.Error{
			Kind: fairlead.Denied, Field: "old", What: "setting password", Why: "the old password is wrong", Remedy: "try again",
		}
	}
	if u.Password, err = i.hasher.hash(ctx, fresh); err != nil {
		return err
	}
	defer i.Forget()
	return i.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		if err := w.UpdateUser(ctx, u); err != nil {
			return fairlead.Event{}, err
		}
		return who.Event(fairlead.PasswordSet, fairlead.Place{}, userObject(u)),
			w.RemoveTokensOf(ctx, u.ID, fairlead.SessionToken)
	})
}

// Hash gives the encoded hash of a new password, or why it can't be one.
func (i *Identity) Hash(ctx context.Context, p fairlead.Secret) (string, error) {
	return i.hasher.hash(ctx, p)
}

func userObject(u fairlead.User) fairlead.Object {
	return fairlead.Object{Kind: "user", ID: string(u.ID), Name: string(u.Name)}
}
