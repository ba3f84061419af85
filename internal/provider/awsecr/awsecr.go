// Package awsecr is the family of Amazon's Elastic Container Registry, private and
// public.
//
// A login to ECR is the user name AWS with a password that ECR's API gives to whoever
// signs the request (Amazon ECR API reference, GetAuthorizationToken). The password can
// do what the asking session can, in the region where it was asked for, for twelve hours
// or until the session ends. So the one way to narrow it is to ask from a session that a
// session policy has narrowed (IAM User Guide, "Session policies"), which the methods
// that assume a role do: each login is for one repository and one verb.
//
// Nothing is read from the environment, from files or from the metadata service, but for
// what the operator has allowed ([provider.Tools], Instance).
package awsecr

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/ref"
)

// Family is the family's name.
const Family fairlead.Family = "aws-ecr"

// Provider is the family.
type Provider struct{ tools provider.Tools }

// New makes the family.
func New(t provider.Tools) Provider { return Provider{tools: t} }

// ExternalID makes an external ID for a connector of the organization, for whoever makes
// the connector: the role at AWS asks for it, so that nobody else who can use the same
// AWS identity can assume the role (IAM User Guide, "The confused deputy problem"). It
// names the organization, and where roles are assumed with the server's own identity no
// other organization can use it.
func ExternalID(o fairlead.OrganizationID) string { return externalPrefix(o) + rand.Text() }

// Generate makes the external ID of a new connector.
func (Provider) Generate(field string, o fairlead.OrganizationID) string {
	if field == externalField {
		return ExternalID(o)
	}
	return ""
}

func externalPrefix(o fairlead.OrganizationID) string { return "fairlead:" + string(o) + ":" }

// Owns is true of ECR's hosts in all partitions, in their FIPS and dual-stack forms too,
// and of ECR Public's.
func (Provider) Owns(host string) bool {
	_, ok := parseHost(host)
	return ok
}

// Accepts takes ECR's hosts in the partition of the connector's role.
func (Provider) Accepts(c fairlead.Connector, host string) error {
	wrong := func(why, remedy string) error {
		return &fairlead.Error{Kind: fairlead.Invalid, Field: "pattern", What: "checking registry host", Why: why, Remedy: remedy}
	}
	at, ok := parseHost(host)
	if !ok {
		return wrong(host+" is not a registry of Amazon ECR",
			"write ACCOUNT.dkr.ecr.REGION.amazonaws.com/* (ACCOUNT has twelve digits) or public.ecr.aws/ALIAS/*, or use family docker for another registry")
	}
	if why := at.sound(); why != "" {
		return wrong(host+" can't be: "+why, "copy the host from the repository's URI in the AWS console")
	}
	role, isRole := parseRole(c.Public[roleField])
	if isRole && role.partition != at.partition.id {
		return wrong("role "+role.arn+" is of partition "+role.partition+", and "+host+" of "+at.partition.id+": no identity of AWS reaches from one into another",
			"use a connector with a role of partition "+at.partition.id)
	}
	return nil
}

// Login gives a password for the scope's registry: [fairlead.Invalid] for a connector
// that isn't whole, [fairlead.Denied] (CodeLoginRefused, CodeNoRight),
// [fairlead.Limited], [fairlead.Unavailable].
func (p Provider) Login(ctx context.Context, c provider.Opened, s fairlead.Scope) (provider.Login, error) {
	host := s.Resource.Host
	if err := p.Accepts(c.Connector, host); err != nil {
		return provider.Login{}, err
	}
	at, _ := parseHost(host)
	if err := plain(s.Resource); err != nil {
		return provider.Login{}, err
	}
	t := p.task(c, at, s, "logging in to "+host)
	if err := t.whole(); err != nil {
		return provider.Login{}, err
	}
	from, err := t.session(ctx, scopePolicy(at, s))
	if err != nil {
		return provider.Login{}, err
	}
	return t.password(ctx, from)
}

// plain keeps wildcards out of session policies: a scope is one repository, and in a
// policy a * would be many.
func plain(r ref.Resource) error {
	err := ref.CheckRepository(r.Repository)
	if r.Repository == "" {
		err = nil // a login that is good for nothing, to see whether there is one
	}
	if err == nil && strings.Contains(r.Host, "*") {
		_, err = ref.CanonicalHost(r.Host)
	}
	if err != nil {
		return fairlead.Misread("resource", err)
	}
	return nil
}

// whole says what the connector lacks, before anything is asked of anybody.
func (t task) whole() error {
	m, err := provider.MethodOf(t.provider.Info(), t.c.Method)
	if err != nil {
		return err
	}
	if err := provider.Check(m, provider.Given{Public: t.c.Public, Secret: t.c.Secret}); err != nil {
		return err
	}
	return t.provider.Check(t.c.Method, t.c.Public)
}

// Power says what a login can do.
func (Provider) Power(c fairlead.Connector) string {
	switch c.Method {
	case federation, assumeRole:
		return "pulls (or pushes to) the one repository that the lease is for, for at most an hour: a session of role " +
			c.Public[roleField] + ", narrowed by a session policy"
	case instanceRole:
		return "does in one region whatever the role of the server's own instance may do in ECR, for hours: " +
			"AWS can't narrow it, neither to a repository nor to pulling, so give that role no more than that"
	case sessionToken:
		return "does in one region whatever the session of access key " + c.Public[keyField] +
			" may do in ECR, pushing too, until it ends (at most 12 hours): AWS can't narrow it; method federation or assume-role can"
	default:
		return "does in one region whatever the user of access key " + c.Public[keyField] +
			" may do in ECR, pushing too, for 12 hours: AWS can't narrow it; method federation or assume-role can"
	}
}

func quoted(s string) string { return strconv.Quote(fairlead.Clip(s)) }
