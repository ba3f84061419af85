package control

import (
	"context"
	"net/mail"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/identity"
)

// SetUpDraft is the first organization and its administrator.
type SetUpDraft struct {
	Link               fairlead.Secret
	Organization, Name fairlead.Name
	Email              string
	Password           fairlead.Secret
	From, Request      string
}

// SetUp makes the first organization and its administrator, with the link that the
// server printed, and begins a session. [fairlead.Conflict] (CodeAlreadySetUp) the
// second time, [fairlead.Unauthenticated] with another link.
func (c *Control) SetUp(ctx context.Context, d SetUpDraft) (identity.Session, error) {
	if err := checkEmail(d.Email); err != nil {
		return identity.Session{}, err
	}
	if d.Organization == d.Name {
		return identity.Session{}, sameName(d.Name)
	}
	if err := c.maySetUp(ctx, d.Link); err != nil {
		return identity.Session{}, err
	}
	encoded, err := c.identity.Hash(ctx, d.Password)
	if err != nil {
		return identity.Session{}, err
	}
	org, user, err := c.firstTwo(d, encoded)
	if err != nil {
		return identity.Session{}, err
	}
	var s identity.Session
	err = c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		if done, err := w.IsSetUp(ctx); err != nil || done {
			return fairlead.Event{}, either(err, identity.AlreadySetUp())
		}
		if _, err := c.identity.TakeLink(ctx, w, d.Link, fairlead.SetUpLink); err != nil {
			return fairlead.Event{}, err
		}
		if err := w.AddUser(ctx, user); err != nil {
			return fairlead.Event{}, err
		}
		if err := c.addOrganization(ctx, w, org, user.ID); err != nil {
			return fairlead.Event{}, err
		}
		var err error
		s, err = c.identity.BeginSession(ctx, w, user)
		who := fairlead.System()
		who.From, who.Request = d.From, d.Request
		return who.Event(fairlead.SetUp, fairlead.Place{Organization: org.ID}, organizationObject(org)).With("administrator", string(user.Name)), err
	})
	if err != nil {
		return identity.Session{}, err
	}
	return s, nil
}

// maySetUp asks beforehand what the write then decides: to hash a password takes much,
// and anybody can ask for it.
func (c *Control) maySetUp(ctx context.Context, link fairlead.Secret) error {
	if done, err := c.store.IsSetUp(ctx); err != nil || done {
		return either(err, identity.AlreadySetUp())
	}
	return c.identity.KnowLink(ctx, link, fairlead.SetUpLink)
}

func (c *Control) firstTwo(d SetUpDraft, encoded string) (fairlead.Organization, fairlead.User, error) {
	org, err := c.newOrganization(d.Organization)
	if err != nil {
		return fairlead.Organization{}, fairlead.User{}, err
	}
	user, err := c.newUser(d.Name, d.Email)
	user.Password = encoded
	return org, user, err
}

func (c *Control) newUser(name fairlead.Name, email string) (fairlead.User, error) {
	id, err := newID()
	return fairlead.User{ID: fairlead.UserID(id), Name: name, Email: email, Created: c.now()}, err
}

func checkEmail(s string) error {
	if s == "" {
		return nil
	}
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
		return &fairlead.Error{
			Kind: fairlead.Invalid, Field: "email", What: "reading e-mail address", Why: "this is not one", Remedy: "write it like ann@example.com, or leave it out",
		}
	}
	return nil
}

func sameName(name fairlead.Name) error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Field: "name", What: "choosing names", Why: "the organization and the user can't both be called " + string(name),
		Remedy: "give them different names: projects are named after their owner",
	}
}

func either(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
