package awsecr

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	smithy "github.com/aws/smithy-go/middleware"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// session is what requests are signed with.
type session struct {
	key, secret, token string
	// ends is by this machine's clock; zero for keys that don't end.
	ends time.Time
	// theirs says that ends is by AWS' clock still.
	theirs bool
	// who is what it is called in errors.
	who string
	// stored says that the keys are the connector's own, and not minted.
	stored bool
}

// Retrieve is for the SDK.
func (s session) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: s.key, SecretAccessKey: s.secret, SessionToken: s.token}, nil
}

// sessionLife is as long as every role allows and chained roles may (STS API reference,
// AssumeRole), so that the pull of a large image doesn't outlive its login.
const sessionLife int32 = 3600

// Audience is whom subject tokens are for: what AWS' own clients and documents use.
const audience = "sts.amazonaws.com"

// session gives the connector's session, narrowed by the policy where the method can.
func (t task) session(ctx context.Context, p policy) (session, error) {
	switch t.c.Method {
	case federation:
		return t.federated(ctx, p)
	case assumeRole:
		from, err := t.source(ctx)
		if err != nil {
			return session{}, err
		}
		return t.assumed(ctx, from, p)
	case instanceRole:
		return t.instance(ctx)
	default:
		return t.storedKeys(), nil
	}
}

// storedKeys are the connector's own.
func (t task) storedKeys() session {
	id := t.c.Public[keyField]
	return session{
		key: id, secret: string(t.c.Secret[secretField].Reveal()), token: string(t.c.Secret[tokenField].Reveal()),
		ends: t.c.Expires, who: "access key " + id, stored: true,
	}
}

// source is who assumes the role.
func (t task) source(ctx context.Context) (session, error) {
	if t.c.Public[sourceField] == sourceKeys {
		return t.storedKeys(), nil
	}
	// The instance's identity serves all organizations. That the external ID is the own
	// one of the organization is what keeps one from assuming the role of another.
	if id := t.c.Public[externalField]; !strings.HasPrefix(id, externalPrefix(t.c.Organization)) {
		return session{}, &fairlead.Error{
			Kind: fairlead.Invalid, Field: externalField, What: t.what, Why: "the external ID " + quoted(id) + " wasn't generated for this organization",
			Remedy: "leave the external ID out when the connector is registered, so that one is generated, and put that into the role's trust policy",
		}
	}
	return t.instance(ctx)
}

func (t task) assumed(ctx context.Context, from session, p policy) (session, error) {
	out, err := t.sts(from).AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: aws.String(t.c.Public[roleField]), RoleSessionName: aws.String(t.name()), ExternalId: aws.String(t.c.Public[externalField]),
		Policy: aws.String(p.text()), DurationSeconds: aws.Int32(sessionLife),
	})
	if err != nil {
		return session{}, t.explain(ctx, callAssume, from, err)
	}
	return t.minted(out.Credentials, out.ResultMetadata)
}

// federated trades a subject token for a session. The request isn't signed.
func (t task) federated(ctx context.Context, p policy) (session, error) {
	from := session{who: "subject " + provider.SubjectName(t.c.Owner, t.c.Name)}
	issuer := t.provider.tools.Issuer
	if issuer == nil {
		return session{}, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "method", What: t.what, Why: "this server is no identity provider, since it has no public https address",
			Remedy: "have its operator give it a public URL, or use another method",
		}
	}
	token, err := issuer.Sign(ctx, provider.Subject{
		Organization: t.c.Owner, Connector: t.c.Name, Audience: audience, Project: t.c.Project, Run: t.c.Run,
		Scope: t.scope,
	})
	if err != nil {
		return session{}, err
	}
	out, err := t.sts(aws.AnonymousCredentials{}).AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String(t.c.Public[roleField]), RoleSessionName: aws.String(t.name()), WebIdentityToken: aws.String(string(token.Reveal())),
		Policy: aws.String(p.text()), DurationSeconds: aws.Int32(sessionLife),
	})
	if err != nil {
		return session{}, t.explain(ctx, callFederate, from, err)
	}
	return t.minted(out.Credentials, out.ResultMetadata)
}

func (t task) minted(c *types.Credentials, meta smithy.Metadata) (session, error) {
	if c == nil || aws.ToString(c.AccessKeyId) == "" || aws.ToString(c.SessionToken) == "" || c.Expiration == nil {
		return session{}, t.broken("STS gave a session that isn't whole")
	}
	return session{
		key: *c.AccessKeyId, secret: aws.ToString(c.SecretAccessKey), token: *c.SessionToken,
		ends: t.here(*c.Expiration, meta), who: "role " + t.c.Public[roleField],
	}, nil
}

// name is the session's, which AWS shows in its logs (CloudTrail) and in its errors.
func (t task) name() string {
	const most = 64
	s := "fairlead-" + string(t.c.Owner) + "-" + string(t.c.Name)
	return strings.TrimRight(s[:min(len(s), most)], "-")
}
