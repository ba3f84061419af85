package docker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// federation is Quay's: a robot without a stored token.
const (
	federation    = "federation"
	fieldAudience = "audience"
)

// robotLife is how long Quay's passwords for a subject token are good, if they don't say
// (Red Hat Quay, "Keyless authentication with robot accounts": one hour).
const robotLife = time.Hour

func federationMethod() fairlead.Method {
	return fairlead.Method{
		Name: federation, Title: "Federation (Quay), no stored secret", Keyless: true,
		Help: "Quay 3.13 and later: a robot account trusts this server's issuer, and gets a password of one hour for a subject token.",
		Fields: []fairlead.Field{
			{
				Name: hosts, Title: "Host", Kind: fairlead.TextField, Required: true, Binds: true,
				Help: "The host of one Quay, with its port if it has one: quay.io.",
			},
			{
				Name: fieldUsername, Title: "Robot", Kind: fairlead.TextField, Required: true,
				Help: "The robot's name, with its namespace and the +: acme+fairlead.",
			},
			{
				Name: fieldAudience, Title: "Audience", Kind: fairlead.TextField,
				Help: "The audience of subject tokens. Default: https:// and the host.",
			},
		},
	}
}

// checkFederation refuses what isn't one robot of one Quay.
func checkFederation(public map[string]string) error {
	if strings.ContainsAny(public[hosts], ",*") {
		return wrong(hosts, "a robot is of one Quay, and there are several hosts", "write one host, such as quay.io")
	}
	if of := presetHosts()[public[hosts]]; of != "" && of != quay {
		return wrong(hosts, public[hosts]+" is "+title(of)+", which knows no such federation", "use method basic")
	}
	if !strings.Contains(public[fieldUsername], "+") || strings.Contains(public[fieldUsername], ":") {
		return wrong(fieldUsername, "it isn't a robot's name, and people have no federation", "write namespace, + and name, as Quay shows them: acme+fairlead")
	}
	return checkName(quay, public[fieldUsername])
}

// exchange trades a subject token for a password of the robot.
func (p Provider) exchange(ctx context.Context, c provider.Opened, s fairlead.Scope) (provider.Login, error) {
	ctx, cancel := context.WithTimeout(ctx, catalogLimit)
	defer cancel()
	host, robot := c.Public[hosts], c.Public[fieldUsername]
	b := browser{p: p, what: "exchanging a subject token for a password of Quay", host: host}
	if p.tools.Issuer == nil {
		return provider.Login{}, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "method", What: b.what, Why: "this server is no issuer of tokens: it has no public address",
			Remedy: "have the operator set its public URL, or use method basic",
		}
	}
	audience := c.Public[fieldAudience]
	if audience == "" {
		audience = "https://" + host
	}
	subject, err := p.tools.Issuer.Sign(ctx, provider.Subject{Organization: c.Owner, Connector: c.Name, Audience: audience, Scope: s})
	if err != nil {
		return provider.Login{}, err
	}
	res, err := b.get(ctx, host, "/oauth2/federation/robot/token", basicHeader(provider.Login{Username: robot, Password: subject}))
	if err != nil {
		return provider.Login{}, err
	}
	var reply struct {
		Token fairlead.Secret `json:"token"`
	}
	switch {
	case res.status != http.StatusOK:
		return provider.Login{}, b.unexchanged(res, c)
	case json.Unmarshal(res.body, &reply) != nil || reply.Token.IsZero():
		return provider.Login{}, &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: b.what, Why: host + " answers, but not as Quay: its reply has no token",
			Remedy: "check that the host is a Quay of 3.13 or later",
		}
	}
	now := p.tools.Now()
	l := provider.Login{Username: robot, Password: reply.Token, Expires: now.Add(lifeOf(reply.Token, res, now))}
	if !c.Expires.IsZero() && c.Expires.Before(l.Expires) {
		l.Expires = c.Expires
	}
	return l, nil
}

// lifeOf is how long a password is good, by the clock of who gave it.
func lifeOf(token fairlead.Secret, res answer, now time.Time) time.Duration {
	date, err := http.ParseTime(res.header.Get("Date"))
	if err != nil {
		date = now
	}
	parts := strings.Split(string(token.Reveal()), ".")
	if len(parts) != 3 {
		return robotLife
	}
	var c struct {
		Exp int64 `json:"exp"`
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(b, &c) != nil || c.Exp <= 0 {
		return robotLife
	}
	return min(max(0, time.Unix(c.Exp, 0).Sub(date)), robotLife)
}

// unexchanged says why a federation is refused.
func (b *browser) unexchanged(res answer, c provider.Opened) error {
	e := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused, What: b.what}
	date, err := http.ParseTime(res.header.Get("Date"))
	skew := b.p.tools.Now().Sub(date).Round(time.Second)
	switch {
	case res.status == http.StatusTooManyRequests || res.status >= http.StatusInternalServerError:
		return b.refused(res)
	case res.status == http.StatusNotFound:
		e.Kind, e.Code, e.Field = fairlead.Invalid, "", hosts
		e.Why, e.Remedy = b.host+" knows no federation of robots", "check the host; it has to be a Quay of 3.13 or later"
	case err == nil && skew.Abs() >= time.Minute:
		e.Why = "this server's clock and that of " + b.host + " are " + skew.Abs().String() + " apart, so that subject tokens aren't valid there"
		e.Remedy = "have the operator set this server's clock by NTP"
	default:
		e.Why = "robot " + fairlead.Clip(c.Public[fieldUsername]) + " of " + b.host + " trusts no such subject token"
		e.Remedy = "add issuer " + b.p.tools.Issuer.URL() + " and subject " + provider.SubjectName(c.Owner, c.Name) + " to its robot federation: `fairlead connector guide " + string(c.Name) + "`"
	}
	return e
}
