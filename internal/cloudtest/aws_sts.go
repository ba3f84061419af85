package cloudtest

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// awsCredentials are a session's keys in a reply of STS.
type awsCredentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

type awsAssumed struct {
	SubjectFromWebIdentityToken string `xml:",omitempty"`
	Audience                    string `xml:",omitempty"`
	Provider                    string `xml:",omitempty"`
	AssumedRoleUser             struct {
		AssumedRoleID string `xml:"AssumedRoleId"`
		Arn           string
	}
	Credentials      awsCredentials
	PackedPolicySize int `xml:",omitempty"`
}

// sts performs an action of STS. The lock is held.
func (a *AWS) sts(c *awsCall) (any, *awsError) {
	switch c.action {
	case "AssumeRole":
		return a.assumeRole(c)
	case "AssumeRoleWithWebIdentity":
		return a.assumeWithWebIdentity(c)
	case "GetCallerIdentity":
		if wrong := c.sign(); wrong != nil {
			return nil, wrong
		}
		return struct{ Arn, UserId, Account string }{c.who.arn, "AROATESTTESTTESTTEST", c.who.account.ID}, nil
	default:
		return nil, awsInvalid("InvalidAction", "Could not find operation %s for version 2011-06-15", c.action)
	}
}

var (
	awsSessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	awsExternalID  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`) // and at most 1224 characters
)

// assumption is what AssumeRole and AssumeRoleWithWebIdentity have in common.
type assumption struct {
	role     *awsRole // nil if there is none
	arn      string
	name     string
	policy   *awsPolicy
	packed   int
	duration time.Duration
}

func (a *AWS) readAssumption(c *awsCall) (assumption, *awsError) {
	s := assumption{arn: c.form.Get("RoleArn"), name: c.form.Get("RoleSessionName"), duration: time.Hour}
	if !awsSessionName.MatchString(s.name) {
		return s, awsInvalid("ValidationError", "1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*", s.name)
	}
	if text := c.form.Get("Policy"); text != "" {
		if len(text) > 2048 {
			return s, awsInvalid("ValidationError", "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to 2048")
		}
		p, err := readAWSPolicy(text)
		if err != nil {
			return s, awsInvalid("MalformedPolicyDocument", "%s", err)
		}
		s.policy, s.packed = &p, len(text)*100/4096
	}
	if text := c.form.Get("DurationSeconds"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 900 || n > 43200 {
			return s, awsInvalid("ValidationError", "1 validation error detected: Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900", text)
		}
		s.duration = time.Duration(n) * time.Second
	}
	for _, account := range a.accounts {
		s.role = cmp.Or(s.role, account.roles[s.arn])
	}
	if s.role != nil && s.role.account.Partition != c.region.partition {
		s.role = nil
	}
	if s.role != nil && s.role.account.disabled[c.region.name] {
		return s, &awsError{403, "RegionDisabledException", "STS is not activated in this region for account:" + s.role.account.ID +
			". Your account administrator can activate STS in this region using the IAM Console."}
	}
	if s.role != nil && s.duration > s.role.longest {
		return s, awsInvalid("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return s, nil
}

// assumed is the reply.
func (a *AWS) assumed(s assumption) awsAssumed {
	k := a.session(s.role, s.name, s.policy, s.duration)
	r := awsAssumed{PackedPolicySize: s.packed, Credentials: awsCredentials{
		AccessKeyID: k.ID, SecretAccessKey: k.Secret, SessionToken: k.Token, Expiration: k.expires.UTC().Format(time.RFC3339),
	}}
	r.AssumedRoleUser.AssumedRoleID, r.AssumedRoleUser.Arn = "AROATESTTESTTESTTEST:"+s.name, k.who.arn
	return r
}

func (a *AWS) assumeRole(c *awsCall) (any, *awsError) {
	if wrong := c.sign(); wrong != nil {
		return nil, wrong
	}
	s, wrong := a.readAssumption(c)
	if wrong != nil {
		return nil, wrong
	}
	q := awsQuestion{action: "sts:AssumeRole", kind: "AWS", who: c.who.names, context: map[string]string{}}
	if c.form.Has("ExternalId") {
		id := c.form.Get("ExternalId")
		if !awsExternalID.MatchString(id) || len(id) > 1224 {
			return nil, awsInvalid("ValidationError", "1 validation error detected: Value '%s' at 'externalId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@:\\/-]*", id)
		}
		q.context["sts:ExternalId"] = id
	}
	refused := awsDenied("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", c.who.arn, s.arn)
	if s.role == nil {
		return nil, refused
	}
	if trusted, denied := decide([]awsPolicy{s.role.trust}, q); !trusted || denied {
		return nil, refused
	}
	// A trust policy that names the principal itself is enough within its account.
	named := q
	named.who = slices.DeleteFunc(slices.Clone(q.who), func(n string) bool { return n == c.who.account.ID || n == c.who.account.arn("iam", "root") })
	if byName, _ := decide([]awsPolicy{s.role.trust}, named); !byName || s.role.account != c.who.account {
		if wrong := c.who.may("sts:AssumeRole", s.arn, c.who.account, nil); wrong != nil {
			return nil, refused
		}
	}
	if c.who.role != nil && s.duration > time.Hour {
		return nil, awsInvalid("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	return a.assumed(s), nil
}

// assumeWithWebIdentity takes no signature: the token is the proof.
func (a *AWS) assumeWithWebIdentity(c *awsCall) (any, *awsError) {
	s, wrong := a.readAssumption(c)
	if wrong != nil {
		return nil, wrong
	}
	refused := awsDenied("Not authorized to perform sts:AssumeRoleWithWebIdentity")
	if s.role == nil {
		return nil, refused
	}
	id, wrong := a.webIdentity(s.role.account, c.form.Get("WebIdentityToken"))
	if wrong != nil {
		return nil, wrong
	}
	provider := s.role.account.arn("iam", "oidc-provider/"+id.issuer)
	trusted, denied := decide([]awsPolicy{s.role.trust}, awsQuestion{
		action: "sts:AssumeRoleWithWebIdentity", kind: "Federated", who: []string{provider},
		context: map[string]string{id.issuer + ":sub": id.subject, id.issuer + ":aud": id.audience},
	})
	if !trusted || denied {
		return nil, refused
	}
	r := a.assumed(s)
	r.SubjectFromWebIdentityToken, r.Audience, r.Provider = id.subject, id.audience, provider
	return r, nil
}
