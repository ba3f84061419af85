package awsecr

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithy "github.com/aws/smithy-go/middleware"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// task is one thing that is done with a connector at one place.
type task struct {
	provider Provider
	c        provider.Opened
	at       place
	scope    fairlead.Scope
	what     string // a gerund phrase, for errors
}

func (p Provider) task(c provider.Opened, at place, s fairlead.Scope, what string) task {
	return task{provider: p, c: c, at: at, scope: s, what: what}
}

// config is made by hand: the SDK's own loader would fall back on the environment, on
// files and on the metadata service, and a connector without keys would have the
// server's.
func (t task) config(keys aws.CredentialsProvider) aws.Config {
	return aws.Config{
		Region: t.at.region, Credentials: keys, HTTPClient: t.provider.tools.HTTP, AppID: "fairlead",
		Retryer: func() aws.Retryer { return retryer() },
	}
}

// retryer tries once more where that helps at once: after a clock's difference was
// learned (the SDK signs again by the server's time), a cut connection, or a server's own
// trouble. What is throttled is told to the caller, who knows what else waits.
func retryer() *retry.Standard {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = 2, 200*time.Millisecond
		o.RateLimiter = ratelimit.None
		o.Retryables = []retry.IsErrorRetryable{
			retry.NoRetryCanceledError{},
			retry.IsErrorRetryableFunc(notThrottled),
			retry.RetryableError{},
			retry.RetryableConnectionError{},
			retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{500: {}, 502: {}, 503: {}, 504: {}}},
		}
	})
}

func notThrottled(err error) aws.Ternary {
	if throttled(err) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

func (t task) sts(keys aws.CredentialsProvider) *sts.Client {
	return sts.NewFromConfig(t.config(keys), func(o *sts.Options) {
		o.EndpointOptions.UseFIPSEndpoint, o.EndpointOptions.UseDualStackEndpoint = t.endpoints()
	})
}

func (t task) ecr(s session) *ecr.Client {
	return ecr.NewFromConfig(t.config(s), func(o *ecr.Options) {
		o.EndpointOptions.UseFIPSEndpoint, o.EndpointOptions.UseDualStackEndpoint = t.endpoints()
	})
}

func (t task) public(s session) *ecrpublic.Client {
	return ecrpublic.NewFromConfig(t.config(s), func(o *ecrpublic.Options) {
		_, o.EndpointOptions.UseDualStackEndpoint = t.endpoints()
	})
}

// endpoints are of the sort that the registry's host is: whoever must keep to validated
// cryptography, or has no IPv4, must do so on the whole way.
func (t task) endpoints() (aws.FIPSEndpointState, aws.DualStackEndpointState) {
	fips, dual := aws.FIPSEndpointStateDisabled, aws.DualStackEndpointStateDisabled
	if t.at.fips {
		fips = aws.FIPSEndpointStateEnabled
	}
	if t.at.dual {
		dual = aws.DualStackEndpointStateEnabled
	}
	return fips, dual
}

// password asks for a login to the registries of the region.
func (t task) password(ctx context.Context, from session) (provider.Login, error) {
	token, ends, meta, err := t.authorization(ctx, from)
	if err != nil {
		return provider.Login{}, t.explain(ctx, getPassword, from, err)
	}
	// The password may hold colons: the first one ends the name.
	text, err := base64.StdEncoding.DecodeString(token)
	name, password, ok := strings.Cut(string(text), ":")
	if err != nil || !ok || name != "AWS" || password == "" {
		return provider.Login{}, t.broken("ECR gave a login that can't be read")
	}
	if from.theirs {
		from.ends = t.here(from.ends, meta)
	}
	expires := earliest(t.here(ends, meta), from.ends, t.c.Expires)
	switch {
	case ends.IsZero():
		return provider.Login{}, t.broken("ECR gave a login and didn't say when it ends")
	case !t.now().Before(expires):
		return provider.Login{}, t.broken("ECR gave a login that has ended already")
	}
	return provider.Login{Username: name, Password: fairlead.SecretText(password), Expires: expires}, nil
}

func (t task) authorization(ctx context.Context, from session) (token string, ends time.Time, meta smithy.Metadata, err error) {
	if t.at.public {
		out, err := t.public(from).GetAuthorizationToken(ctx, &ecrpublic.GetAuthorizationTokenInput{})
		if err != nil || out.AuthorizationData == nil {
			return "", time.Time{}, meta, err
		}
		return aws.ToString(out.AuthorizationData.AuthorizationToken), aws.ToTime(out.AuthorizationData.ExpiresAt), out.ResultMetadata, nil
	}
	out, err := t.ecr(from).GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil || len(out.AuthorizationData) == 0 {
		return "", time.Time{}, meta, err
	}
	// The endpoint beside it is that of the caller's own account: the login is good for
	// every registry of the region that the session reaches.
	datum := out.AuthorizationData[0]
	return aws.ToString(datum.AuthorizationToken), aws.ToTime(datum.ExpiresAt), out.ResultMetadata, nil
}

func (t task) now() time.Time { return t.provider.tools.Now() }

// here gives a time that AWS said by this machine's clock, which may be off: what counts
// is how long it is until then.
func (t task) here(at time.Time, meta smithy.Metadata) time.Time {
	server, ok := middleware.GetServerTime(meta)
	if !ok || at.IsZero() {
		return at
	}
	// The header has whole seconds, and the reply took a while.
	const blur = 2 * time.Second
	if off := server.Sub(t.now()); off > blur || off < -blur {
		return at.Add(-off)
	}
	return at
}

// earliest gives the first of several ends; zero is none.
func earliest(ends ...time.Time) (first time.Time) {
	for _, end := range ends {
		if first.IsZero() || !end.IsZero() && end.Before(first) {
			first = end
		}
	}
	return first
}
