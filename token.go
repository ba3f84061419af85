package fairlead

import "time"

// TokenKind is what a token proves.
type TokenKind string

// The kinds of tokens.
const (
	SessionToken TokenKind = "session" // a user who logged in
	APIToken     TokenKind = "api"     // a user, within the token's scopes
	WorkerToken  TokenKind = "worker"  // a worker
	SetUpLink    TokenKind = "setup"   // whoever may create the first administrator, once
	InviteLink   TokenKind = "invite"  // the user who may set their first password, once
)

// TokenHash is the SHA-256 of a token's text. Only it is stored: the text has 256
// random bits, so a fast hash can't be searched.
type TokenHash [32]byte

// Token is what the house knows of a token: all but the token.
type Token struct {
	ID   TokenID   `json:"id"`
	Kind TokenKind `json:"kind" enum:"session,api,worker,setup,invite"`
	Name string    `json:"name,omitempty"`
	Hash TokenHash `json:"-"`
	User UserID    `json:"user_id,omitempty"`
	// Worker is set for a worker's token.
	Worker WorkerID `json:"worker_id,omitempty"`
	// Organization limits what the token may touch; empty is no limit.
	Organization OrganizationID `json:"organization_id,omitempty" doc:"The one organization that the token may touch; empty is all of the user's."`
	Scopes       []Action       `json:"scopes,omitempty" doc:"The actions that the token is limited to; empty is no limit."`
	Created      time.Time      `json:"created"`
	// Expires is zero for a token that doesn't.
	Expires  time.Time `json:"expires,omitzero"`
	LastUsed time.Time `json:"last_used,omitzero" doc:"To the minute."`
}

// Expired reports whether the token's time is over.
func (t Token) Expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// Worker claims runs and performs them. It holds a token and nothing else.
type Worker struct {
	ID   WorkerID `json:"id"`
	Name Name     `json:"name" doc:"Unique in its organization."`
	// Organization is whose runs it performs; empty means everybody's, which only the
	// worker inside the server may.
	Organization OrganizationID `json:"organization_id,omitempty"`
	Created      time.Time      `json:"created"`
	LastSeen     time.Time      `json:"last_seen,omitzero"`
	Engine       string         `json:"engine,omitempty" doc:"What starts its containers: docker or runc."`
	Platform     string         `json:"platform,omitempty" doc:"OS and architecture, such as linux/amd64."`
	Version      string         `json:"version,omitempty" doc:"The worker's build."`
	// Queues are those from which it takes runs; none is the default one.
	Queues []Name `json:"queues,omitempty" doc:"The queues from which it takes runs; none is the queue called default."`
}
