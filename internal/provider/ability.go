package provider

import (
	"context"
	"net/http"
	"time"

	"fairlead.dev/fairlead"
)

// Tools are what families work with. None of them looks at the environment, the home
// directory or the metadata service of the machine by itself: what is there belongs to
// the operator, and a connector belongs to an organization.
type Tools struct {
	// HTTP reaches the providers' services, by the operator's proxy and under the rules
	// for addresses. It follows no redirect to another host.
	HTTP *http.Client
	Now  func() time.Time
	// Issuer signs subject tokens, for methods that need no stored secret. It is nil
	// where the server has no public address.
	Issuer Issuer
	// Instance reaches the metadata service of the server's own machine, and nothing
	// else, for methods that use what that machine is at its cloud. It is nil unless the
	// operator allows them.
	Instance *http.Client
}

// Issuer is Fairlead as an OpenID Connect provider (OpenID Connect Core 1.0).
type Issuer interface {
	// URL is the issuer's identifier, without a slash at its end.
	URL() string
	// Sign gives a subject token (a JWT, RS256): who asks is its subject. It lives for
	// minutes.
	Sign(ctx context.Context, s Subject) (fairlead.Secret, error)
}

// Subject is whom a subject token is about.
type Subject struct {
	Organization fairlead.Name
	Connector    fairlead.Name
	Audience     string
	// Scope is what the login is for, and Project (owner/name) and Run for whom it was
	// asked for first; they become claims. Others get the same login as long as it lives.
	Scope   fairlead.Scope
	Project string
	Run     fairlead.RunID
}

// SubjectName is the subject of a connector's tokens: org:<organization>:connector:<name>.
func SubjectName(organization, connector fairlead.Name) string {
	return "org:" + string(organization) + ":connector:" + string(connector)
}

// The abilities that a family may have beside those of a [Provider].
type (
	// Inspector looks at secrets when they are given, without a network.
	Inspector interface {
		// Inspect says what a method's values are, for people; [fairlead.Invalid] with the
		// field says what is wrong with them. No fact and no error holds a secret.
		Inspect(method string, g Given, now time.Time) ([]fairlead.Fact, error)
	}
	// Generator makes the values of fields that are [fairlead.Field] Generated.
	Generator interface {
		// Generate gives a value for a field of a new connector of the organization.
		Generate(field string, organization fairlead.OrganizationID) string
	}
	// Describer says how little a login gives away.
	Describer interface {
		// Power says in one line what a login of the connector can do, and for how long.
		Power(c fairlead.Connector) string
	}
	// Verifier says what a provider can verify.
	Verifier interface {
		// Verifies lists the algorithms of subject tokens that the provider takes with a
		// method; nil is all that Fairlead signs with.
		Verifies(method string) []string
	}
	// Renewer replaces secrets that end by new ones that the provider gives for them.
	Renewer interface {
		// Term says when the connector's secret should be renewed, and when it ends. Zero
		// is never: it has no end, or can't be renewed.
		Term(c Opened) (renew, end time.Time)
		// Renew asks the provider for new secrets and hands them to keep, which stores all
		// of them or none, durably, and only if the connector is still as it was. An error
		// of keep that is [fairlead.Conflict] or [fairlead.NotFound] says that nothing was
		// stored; after any other, they may have been.
		Renew(ctx context.Context, c Opened, keep func(ctx context.Context, fresh map[string]fairlead.Secret) error) error
	}
	// Reader reads addresses as people paste them.
	Reader interface {
		// Read gives the match pattern that pasted stands for (a console's URL, a resource
		// name, https:// in front, a slash at the end), and notes that whoever pasted it
		// should see. ok is false if it isn't an address of this family;
		// [fairlead.Invalid] says what is wrong with one that is, and shows the right form.
		Read(pasted string) (pattern string, notes []string, ok bool, err error)
	}
	// Guider says how a connector is set up at the provider.
	Guider interface {
		// Guide is filled in with the connector's fields as far as they are known, and for
		// methods without a stored secret with the issuer's URL and the subject.
		Guide(c fairlead.Connector, issuer, subject string) fairlead.Guide
	}
	// Lister lists what a connector reaches.
	Lister interface {
		Resources(ctx context.Context, c Opened) ([]fairlead.FoundResource, error)
	}
	// Deployer makes and removes repositories at the provider. address is as an image's
	// name begins.
	Deployer interface {
		// Plan says in sentences what Deploy will do.
		Plan(c fairlead.Connector, address string) ([]string, error)
		Deploy(ctx context.Context, c Opened, address string) error
		Destroy(ctx context.Context, c Opened, address string) error
	}
)
