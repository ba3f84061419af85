package wire

import (
	"time"

	"fairlead.dev/fairlead"
)

// Session is what a log-in gives.
type Session struct {
	Token        Clear         `json:"token" doc:"Present it as Authorization: Bearer."`
	Expires      time.Time     `json:"expires"`
	User         fairlead.User `json:"user"`
	Organization fairlead.Name `json:"organization,omitempty" doc:"The organization that was made or joined."`
}

// SetUpRequest makes the first organization and its administrator.
type SetUpRequest struct {
	Link         Clear  `json:"link" doc:"The one-time link, or the token in it, that the server printed."`
	Organization string `json:"organization" doc:"The first organization's name."`
	Name         string `json:"name" doc:"The administrator's name."`
	Email        string `json:"email,omitempty"`
	Password     Clear  `json:"password"`
}

// LoginRequest is a name and its password.
type LoginRequest struct {
	Name     string `json:"name"`
	Password Clear  `json:"password"`
}

// JoinRequest takes up an invitation.
type JoinRequest struct {
	Link     Clear `json:"link" doc:"The one-time link, or the token in it, that the administrator was given."`
	Password Clear `json:"password"`
}

// PasswordRequest changes one's own password and ends one's other sessions.
type PasswordRequest struct {
	Old Clear `json:"old"`
	New Clear `json:"new"`
}

// WhoAmI is the caller, as the server sees it.
type WhoAmI struct {
	Subject     fairlead.Subject  `json:"subject"`
	Memberships []NamedMembership `json:"memberships"`
	Scopes      []fairlead.Action `json:"scopes,omitempty"`
	// Only is the organization that the token is limited to.
	Only fairlead.Name `json:"only,omitempty" doc:"The organization that the token is limited to."`
}

// NamedMembership is a role in an organization.
type NamedMembership struct {
	Organization fairlead.Name `json:"organization"`
	Role         fairlead.Role `json:"role" enum:"admin,member"`
}

// TokenRequest asks for an API token.
type TokenRequest struct {
	Name         string   `json:"name" doc:"What it is for."`
	Organization string   `json:"organization,omitempty" doc:"Limit it to one organization."`
	Scopes       []string `json:"scopes,omitempty" doc:"Limit it to actions: noun.verb, or noun.* for a whole noun."`
	// Days is the life; 0 takes the default, 90.
	Days int `json:"days,omitempty" minimum:"0" maximum:"3650" doc:"Days until it expires; 0 is 90."`
}

// NewToken is a token with its text, which is shown this once.
type NewToken struct {
	Token Clear          `json:"token"`
	Info  fairlead.Token `json:"info"`
}

// Tokens is a list of tokens.
type Tokens struct {
	Tokens []fairlead.Token `json:"tokens"`
}

// TokenPath names a token.
type TokenPath struct {
	Token fairlead.TokenID `path:"token" json:"-"`
}

// The operations about who asks.
var (
	SetUp = Operation[SetUpRequest, Session]{
		ID: "set-up", Method: "POST", Path: "/setup", Open: true,
		Summary: "Create the first organization and its administrator, once",
	}
	Login = Operation[LoginRequest, Session]{
		ID: "login", Method: "POST", Path: "/sessions", Open: true, Summary: "Log in with name and password",
	}
	Join = Operation[JoinRequest, Session]{
		ID: "join", Method: "POST", Path: "/invitations/accept", Open: true, Summary: "Take up an invitation",
	}
	Logout = Operation[None, None]{
		ID: "logout", Method: "DELETE", Path: "/session", Action: fairlead.SessionEnd, Summary: "End the session",
	}
	Whoami = Operation[None, WhoAmI]{
		ID: "whoami", Method: "GET", Path: "/session", Summary: "Who the caller is, and in which organizations",
	}
	SetPassword = Operation[PasswordRequest, None]{
		ID: "set-password", Method: "PUT", Path: "/session/password", Action: fairlead.PasswordSet, Summary: "Change one's own password",
	}
	CreateToken = Operation[TokenRequest, NewToken]{
		ID: "create-token", Method: "POST", Path: "/tokens", Action: fairlead.TokenCreate, Summary: "Create an API token",
	}
	ListTokens = Operation[None, Tokens]{
		ID: "list-tokens", Method: "GET", Path: "/tokens", Action: fairlead.TokenRead, Summary: "List one's own tokens and sessions",
	}
	RevokeToken = Operation[TokenPath, None]{
		ID: "revoke-token", Method: "DELETE", Path: "/tokens/{token}", Action: fairlead.TokenRevoke, Summary: "Revoke a token",
	}
)
