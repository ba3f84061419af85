package fairlead

import (
	"context"
	"fmt"
	"time"

	"fairlead.dev/fairlead/ref"
)

// Verb is what a lease allows at the registry.
type Verb string

// The verbs. They are also the actions of a token's scope (Distribution, "Token Scope
// Documentation"): push includes pull there.
const (
	Pull Verb = "pull"
	Push Verb = "push"
)

// Scope is what a lease is for: one resource and one verb.
type Scope struct {
	Resource ref.Resource `json:"resource"`
	Verb     Verb         `json:"verb"`
}

// String is the scope as a token endpoint is asked for it, after the host.
func (s Scope) String() string {
	actions := string(s.Verb)
	if s.Verb == Push {
		actions = "pull,push"
	}
	return fmt.Sprintf("repository:%s:%s", s.Resource.Repository, actions)
}

// LeaseKind is how little a lease gives away.
type LeaseKind string

// The kinds, least first.
const (
	// Anonymous: no login, because no entry covers the image or the entry has none.
	Anonymous LeaseKind = "anonymous"
	// RegistryToken: a bearer token that the registry itself limits to the scope.
	RegistryToken LeaseKind = "registry-token"
	// ShortLogin: a short-lived login from the provider.
	ShortLogin LeaseKind = "short-login"
	// SecretItself: the stored secret, which an administrator has allowed.
	SecretItself LeaseKind = "stored-secret"
	// ThroughGateway: a login to the house's own gateway, for one repository behind it.
	ThroughGateway LeaseKind = "gateway"
)

// Lease is a login for one scope. Either Bearer is set, or Username and Password, or
// neither: then the pull is anonymous.
type Lease struct {
	// ID tells leases apart: the same login handed out again has the same ID.
	ID       string
	For      Scope
	Kind     LeaseKind
	Username string
	Password Secret
	// Bearer is presented to the registry as it is (RFC 6750).
	Bearer Secret
	// Expires is zero for a lease that doesn't end: an anonymous one, or a secret
	// whose end nobody knows.
	Expires time.Time

	// Registry and Connector are the entry that matched and what opened it.
	Registry      RegistryID
	RegistryName  Name
	Connector     ConnectorID
	ConnectorName Name
	// PlainHTTP and CABundle are how the registry is reached.
	PlainHTTP bool
	CABundle  string
	// Note says why the lease is less than the caller may have expected: why it is
	// anonymous, for one. It is an error without having failed anything yet.
	Note *Error
}

// Live reports whether the lease can be used at t.
func (l Lease) Live(t time.Time) bool { return l.Expires.IsZero() || t.Before(l.Expires) }

// Keychain answers the question that runs through the house. It takes a resource, not
// a host: one host can hold what two logins open.
type Keychain interface {
	// Lease gives a login for s, or an error whose code says what stands in the way:
	// [Denied] (CodeDisclosure, CodeLoginRefused, CodeNoRight), [Limited],
	// [Unavailable], [Invalid].
	Lease(ctx context.Context, s Scope) (Lease, error)
}

// Refuser is a [Keychain] that wants to know of a lease that the registry refused
// before its time, so that it isn't handed out again. Whoever met the refusal tells it
// and asks for another lease once.
type Refuser interface {
	Refused(ctx context.Context, l Lease)
}

// Asker is on whose behalf leases are asked for: the caller, the project whose images
// are wanted, the run if there is one, and the image if it is known. A pattern can name
// a tag, and a scope can't: the image's tag helps to choose the entry.
type Asker struct {
	Who     Caller
	Project Project
	Run     RunID
	Image   ref.Image
	// Inside says that the login stays in the house: the gateway pulls with it and hands
	// out none. Then it may be the stored secret, whatever the entry discloses.
	Inside bool
}

// Coverage is the registry entry that opens an image, at the versions at which what was
// found out with it holds. The zero Coverage is none: the image is pulled anonymously.
type Coverage struct {
	Registry         RegistryID
	RegistryVersion  int64
	Connector        ConnectorID
	ConnectorVersion int64
	Name             Name
	ConnectorName    Name
	// PlainHTTP says that the registry is reached without TLS.
	PlainHTTP bool
}

// May answers whether the asker may have a login for the project's images: by the right
// to lease, or for a run by the right to perform it. A worker has only the latter, so
// that it gets logins for the images of runs that it holds and no others. A run pulls:
// nothing is pushed for its sake.
func (a Asker) May(v Verb) error {
	switch {
	case v == Push:
		return a.Who.May(LeasePush, a.Project.Place())
	case a.Run != "":
		return a.Who.May(RunPerform, a.Project.Place())
	default:
		return a.Who.May(LeasePull, a.Project.Place())
	}
}

// Leased is the action that handing out a login for the verb is.
func (v Verb) Leased() Action {
	if v == Push {
		return LeasePush
	}
	return LeasePull
}
