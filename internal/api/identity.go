package api

import (
	"context"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/control"
	"fairlead.dev/fairlead/internal/identity"
	"fairlead.dev/fairlead/wire"
)

func (a *API) identityRoutes() {
	serve(a, wire.SetUp, a.setUp)
	serve(a, wire.Login, a.login)
	serve(a, wire.Join, a.join)
	serve(a, wire.Logout, func(ctx context.Context, who fairlead.Caller, _ wire.None) (wire.None, error) {
		return wire.None{}, a.Identity.Logout(ctx, who)
	})
	serve(a, wire.Whoami, a.whoami)
	serve(a, wire.SetPassword, func(ctx context.Context, who fairlead.Caller, in wire.PasswordRequest) (wire.None, error) {
		return wire.None{}, a.Identity.SetPassword(ctx, who, in.Old.Secret, in.New.Secret)
	})
	serve(a, wire.CreateToken, a.createToken)
	serve(a, wire.ListTokens, func(ctx context.Context, who fairlead.Caller, _ wire.None) (wire.Tokens, error) {
		list, err := a.Identity.Tokens(ctx, who)
		return wire.Tokens{Tokens: filled(list)}, err
	})
	serve(a, wire.RevokeToken, func(ctx context.Context, who fairlead.Caller, in wire.TokenPath) (wire.None, error) {
		return wire.None{}, a.Identity.RevokeToken(ctx, who, in.Token)
	})
}

func (a *API) setUp(ctx context.Context, who fairlead.Caller, in wire.SetUpRequest) (wire.Session, error) {
	org, err := fairlead.ParseName("organization", in.Organization)
	if err != nil {
		return wire.Session{}, err
	}
	name, err := fairlead.ParseName("name", in.Name)
	if err != nil {
		return wire.Session{}, err
	}
	s, err := a.Control.SetUp(ctx, control.SetUpDraft{
		Link: in.Link.Secret, Organization: org, Name: name, Email: in.Email, Password: in.Password.Secret,
		From: who.From, Request: who.Request,
	})
	out := session(s)
	out.Organization = org
	return out, err
}

func (a *API) login(ctx context.Context, who fairlead.Caller, in wire.LoginRequest) (wire.Session, error) {
	s, err := a.Identity.Login(ctx, fairlead.Name(in.Name), in.Password.Secret, who.From, who.Request)
	return session(s), err
}

func (a *API) join(ctx context.Context, who fairlead.Caller, in wire.JoinRequest) (wire.Session, error) {
	s, err := a.Identity.Join(ctx, in.Link.Secret, in.Password.Secret, who.From, who.Request)
	return session(s), err
}

func session(s identity.Session) wire.Session {
	return wire.Session{Token: wire.Clear{Secret: s.Text}, Expires: s.Expires, User: s.User}
}

func (a *API) whoami(ctx context.Context, who fairlead.Caller, _ wire.None) (wire.WhoAmI, error) {
	out := wire.WhoAmI{Subject: who.Subject, Memberships: []wire.NamedMembership{}, Scopes: who.Scopes}
	list, err := a.Control.Organizations(ctx, who)
	for _, o := range list {
		out.Memberships = append(out.Memberships, wire.NamedMembership{Organization: o.Name, Role: o.Role})
		if o.ID == who.Only {
			out.Only = o.Name
		}
	}
	return out, err
}

func (a *API) createToken(ctx context.Context, who fairlead.Caller, in wire.TokenRequest) (wire.NewToken, error) {
	scopes, err := fairlead.ParseScopes(in.Scopes)
	if err != nil {
		return wire.NewToken{}, err
	}
	draft := identity.TokenDraft{Name: in.Name, Scopes: scopes, Days: in.Days}
	if in.Organization != "" {
		o, err := a.Control.Organization(ctx, who, fairlead.Name(in.Organization), fairlead.OrganizationRead)
		if err != nil {
			return wire.NewToken{}, err
		}
		draft.Organization = o.ID
	}
	info, text, err := a.Identity.CreateToken(ctx, who, draft)
	return wire.NewToken{Token: wire.Clear{Secret: text}, Info: info}, err
}

// filled makes an empty list an empty JSON array, which clients in every language can
// walk.
func filled[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
