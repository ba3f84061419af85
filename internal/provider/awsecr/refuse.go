package awsecr

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"fairlead.dev/fairlead"
)

// call is what AWS was asked to do.
type call string

const (
	callAssume   call = "sts:AssumeRole"
	callFederate call = "sts:AssumeRoleWithWebIdentity"
	callIdentity call = "sts:GetCallerIdentity"
	getPassword  call = "GetAuthorizationToken"
	callList     call = "DescribeRepositories"
	callCreate   call = "CreateRepository"
	callDelete   call = "DeleteRepository"
)

// action is the call as IAM names it.
func (t task) action(c call) string {
	switch {
	case strings.Contains(string(c), ":"):
		return string(c)
	case t.at.public && c == getPassword:
		return "ecr-public:GetAuthorizationToken (with sts:GetServiceBearerToken)"
	case t.at.public:
		return "ecr-public:" + string(c)
	default:
		return "ecr:" + string(c)
	}
}

// service is who is called, for people.
func (t task) service(c call) string {
	switch {
	case strings.HasPrefix(string(c), "sts:"):
		return "AWS STS in " + t.at.region
	case t.at.public:
		return "Amazon ECR Public"
	default:
		return "Amazon ECR in " + t.at.region
	}
}

// refusal is an error of AWS, read.
type refusal struct {
	call call
	from session
	code string
	// message is AWS' own. It isn't shown: it holds what was sent.
	message string
	res     *smithyhttp.Response
}

func (r refusal) says(words ...string) bool {
	for _, w := range words {
		if strings.Contains(r.message, w) {
			return true
		}
	}
	return false
}

// explain says what an error of the SDK means.
func (t task) explain(ctx context.Context, c call, from session, err error) error {
	if err == nil {
		return t.broken("AWS' reply is empty")
	}
	res := responseOf(err)
	_, garbled := errors.AsType[*smithy.DeserializationError](err)
	switch {
	case ctx.Err() != nil:
		return t.unreached(t.service(c), ctx.Err())
	case res == nil && garbled, res != nil && res.StatusCode < 300:
		return t.broken(t.service(c) + " answers " + t.action(c) + " with what can't be read")
	case res == nil:
		return t.unreached(t.service(c), err)
	}
	r := refusal{call: c, from: from, res: res}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		r.code, r.message = api.ErrorCode(), api.ErrorMessage()
	}
	for _, read := range []func(refusal) *fairlead.Error{t.limited, t.skewed, t.refusedKeys, t.refusedToken, t.denied, t.notPossible} {
		if e := read(r); e != nil {
			e.What = t.what
			return e
		}
	}
	e := &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: t.what,
		Why:    t.service(c) + " answers " + t.action(c) + " with " + r.word(),
		Remedy: "try again; if it stays, look into the AWS Health Dashboard",
	}
	e.RetryAt = t.retryAt(res)
	return e
}

var wordForm = regexp.MustCompile(`^[A-Za-z]{1,80}$`)

// word is the code, if it is one, and the status.
func (r refusal) word() string {
	status := "status " + strconv.Itoa(r.res.StatusCode)
	if wordForm.MatchString(r.code) && r.code != "UnknownError" {
		return r.code + " (" + status + ")"
	}
	return status
}

func responseOf(err error) *smithyhttp.Response {
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return e.Response
	}
	return nil
}

// refusedKeys is about keys that AWS doesn't take.
func (t task) refusedKeys(r refusal) *fairlead.Error {
	e := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused}
	who := r.from.who
	switch r.code {
	case "UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "NotAuthorized", "AuthFailure":
		switch {
		case r.from.stored && r.from.token != "":
			e.Why = "AWS doesn't take the session token with " + who + ": it was revoked, or the two are of different sessions"
			e.Remedy = "get temporary keys anew, and give all three"
		case r.from.stored:
			e.Why = "AWS doesn't know " + who + ": it was deleted or deactivated, or it is of another partition than region " + t.at.region
			e.Remedy = "make a new access key in the IAM console, and give both of its parts"
		default:
			e.Why = "AWS no longer takes the session of " + who + ": it was revoked, or the region " + t.at.region + " isn't switched on for the account"
			e.Remedy = "look at the role's sessions in the IAM console, and at the account's regions"
		}
	case "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException":
		if r.says("scoped to a valid region") {
			e.Kind, e.Code = fairlead.Invalid, ""
			e.Why, e.Remedy = "AWS' services of region "+t.at.region+" are of another region", "check the region in the registry's host"
			break
		}
		e.Why = "the secret access key is not the one of " + who
		e.Remedy = "give both parts of the access key again, or make a new one in the IAM console"
	case "ExpiredToken", "ExpiredTokenException":
		e.Why, e.Remedy = "the session of "+who+" has ended", "get temporary keys anew, or use method federation, whose sessions are renewed by themselves"
	case "MissingAuthenticationToken", "MissingAuthenticationTokenException":
		e.Why, e.Remedy = "the request came to AWS without its signature", "check that no proxy on the way takes the Authorization header off"
	default:
		return nil
	}
	return e
}

// refusedToken is about subject tokens that AWS doesn't take (STS API reference,
// AssumeRoleWithWebIdentity).
func (t task) refusedToken(r refusal) *fairlead.Error {
	if r.call != callFederate {
		return nil
	}
	role, _ := parseRole(t.c.Public[roleField])
	issuer := t.provider.tools.Issuer.URL()
	e := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused, Remedy: "set it up as `fairlead connector guide " + string(t.c.Name) + "` prints"}
	switch {
	case r.code == "InvalidIdentityToken" && r.says("No OpenIDConnect provider"):
		e.Why = "account " + role.account + " has no identity provider for " + issuer
	case r.code == "InvalidIdentityToken" && r.says("audience"):
		e.Why = "the identity provider for " + issuer + " in account " + role.account + " doesn't list the audience " + audience
		e.Remedy = "add it: aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn arn:" + role.partition + ":iam::" + role.account +
			":oidc-provider/" + strings.TrimPrefix(issuer, "https://") + " --client-id " + audience
	case r.code == "IDPCommunicationError", r.code == "InvalidIdentityToken" && r.says("verification key"):
		e.Kind, e.Code = fairlead.Unavailable, fairlead.CodeConnect
		e.Why = "AWS couldn't fetch the keys of this server as an identity provider from " + issuer
		e.Remedy = "make " + issuer + "/.well-known/openid-configuration reachable from the internet, with a certificate that everybody trusts"
	case r.code == "InvalidIdentityToken", r.code == "IDPRejectedClaim":
		e.Why = "AWS doesn't take the subject token of " + issuer + " for role " + role.arn
	case strings.HasPrefix(r.code, "AccessDenied"):
		e.Code = fairlead.CodeNoRight
		e.Why = "role " + role.arn + " doesn't trust " + r.from.who + " of " + issuer + ", or there is no such role"
	default:
		return nil
	}
	return e
}

// denied is about rights.
func (t task) denied(r refusal) *fairlead.Error {
	if !strings.HasPrefix(r.code, "AccessDenied") {
		return nil
	}
	e := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeNoRight}
	guide := "`fairlead connector guide " + string(t.c.Name) + "` prints"
	if r.call == callAssume {
		e.Why = r.from.who + " may not assume role " + t.c.Public[roleField] + ": there is no such role, or it doesn't trust that identity with this external ID, or the identity lacks sts:AssumeRole"
		e.Remedy = "set the role's trust policy and the identity's policy as " + guide
		return e
	}
	e.Why = r.from.who + " may not call " + t.action(r.call)
	e.Remedy = "give it the policy that " + guide
	if r.says("explicit deny") {
		e.Why += ", since a policy denies it explicitly"
		e.Remedy = "look for the statement with Deny: in its own policies, its permissions boundary, and the organization's service control policies"
	}
	return e
}

// notPossible is about what can't be done as it was asked for.
func (t task) notPossible(r refusal) *fairlead.Error {
	e := &fairlead.Error{Kind: fairlead.Invalid}
	switch r.code {
	case "RegionDisabledException", "RegionDisabled":
		e.Kind, e.Code = fairlead.Denied, fairlead.CodeNoRight
		e.Why = "STS isn't switched on in " + t.at.region + " for the account"
		e.Remedy = "switch the region on (IAM console, Account settings, STS endpoints)"
	case "MalformedPolicyDocument", "PackedPolicyTooLarge":
		e.Kind, e.Why, e.Remedy = fairlead.Internal, "AWS doesn't take the session policy for this repository ("+r.code+")", "report it"
	case "ValidationError":
		if !r.says("MaxSessionDuration", "DurationSeconds", "durationSeconds") {
			return nil
		}
		e.Why, e.Remedy = "role "+t.c.Public[roleField]+" allows no sessions of an hour", "raise the role's maximum session duration to at least one hour"
	case "RepositoryAlreadyExistsException":
		e.Kind, e.Code, e.Why, e.Remedy = fairlead.Conflict, fairlead.CodeExists, "there is such a repository already", "use it as it is, or choose another name"
	case "RepositoryNotFoundException":
		e.Kind, e.Why, e.Remedy = fairlead.NotFound, "there is no such repository", "check the account, the region and the name"
	case "RepositoryNotEmptyException":
		e.Kind, e.Code, e.Why, e.Remedy = fairlead.Conflict, fairlead.CodeInUse, "images are in it", "delete them first (aws ecr batch-delete-image), if that is meant"
	case "LimitExceededException":
		e.Kind, e.Why, e.Remedy = fairlead.Conflict, "the account has as many repositories in "+t.at.region+" as its quota allows", "delete one, or ask AWS for a higher quota (Service Quotas, Amazon ECR)"
	case "InvalidParameterException":
		e.Why, e.Remedy = "ECR doesn't take the repository's name", "use lower-case letters, digits and - _ . / between them, at least two characters"
	default:
		return nil
	}
	return e
}

func (t task) broken(why string) error {
	return &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: t.what, Why: why,
		Remedy: "try again; if it stays, check that nothing stands between this server and AWS",
	}
}
