package azurecontainerregistry

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
)

// realm is where a registry exchanges and gives out tokens, and as what.
type realm struct {
	host    string // of the registry as it was asked for
	at      string // the host of the token endpoint
	service string
}

// challenge asks a registry without a login where its tokens are, as `az acr login`
// does. The answer counts only if it is the registry's own: a token of Entra goes
// nowhere else.
func (p Provider) challenge(ctx context.Context, address string) (realm, error) {
	what := "logging in to " + address
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/v2/", nil)
	if err != nil {
		return realm{}, fairlead.AsError(what, err)
	}
	r, err := p.call(ctx, what, address, req)
	if err != nil {
		return realm{}, err
	}
	if r.status == http.StatusForbidden {
		return realm{}, walled(what, address, r)
	}
	if err := p.unwell(what, address, r); err != nil {
		return realm{}, err
	}
	if r.status != http.StatusUnauthorized {
		return realm{}, broken(what, address+" doesn't answer as a registry of Azure ("+statusText(r.status)+")")
	}
	own, _ := parseHost(address)
	for _, c := range oci.ParseChallenges(r.header.Values("WWW-Authenticate")) {
		if !strings.EqualFold(c.Scheme, "Bearer") {
			continue
		}
		u, err := url.Parse(c.Realm())
		if err != nil || u.Scheme != "https" || u.User != nil || u.Host != address && u.Host != own.server {
			place := "a place that is no web address"
			switch {
			case err == nil && u.User != nil:
				place = "a web address with a login in it"
			case err == nil && u.Host != "":
				place = quoted(u.Scheme + "://" + u.Host)
			}
			return realm{}, &fairlead.Error{
				Kind: fairlead.Denied, Code: fairlead.CodeRealm, What: what,
				Why:    address + " wants the login sent to " + place + ", and not to https://" + own.server,
				Remedy: "look whether something between this server and Azure answers in the registry's place",
			}
		}
		service := c.Service()
		if service != address && service != own.server {
			return realm{}, broken(what, address+" calls itself "+quoted(service))
		}
		return realm{host: address, at: u.Host, service: service}, nil
	}
	return realm{}, broken(what, address+" doesn't say where it gives out tokens")
}

// walled is a registry that refuses this server's network: it answers everything with
// 403, and mostly says to which address.
func walled(what, address string, r reply) error {
	from := "this server in"
	if m := regexp.MustCompile(`client with IP '([0-9A-Fa-f.:]{2,45})'`).FindSubmatch(r.body); m != nil {
		if ip, err := netip.ParseAddr(string(m[1])); err == nil {
			from = "this server in, which comes from " + ip.String()
		}
	}
	return &fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodeEgress, What: what,
		Why:    "the network rules of " + address + " don't let " + from,
		Remedy: "allow it in the registry's Networking settings (`az acr network-rule add`), or reach the registry through a private endpoint",
	}
}

// refresh is a refresh token of one registry.
type refresh struct {
	token   fairlead.Secret
	expires time.Time
}

// exchange gives a refresh token of the registry for a token of Entra.
func (p Provider) exchange(ctx context.Context, at realm, token fairlead.Secret) (refresh, error) {
	what := "logging in to " + at.host
	req, err := form(ctx, "https://"+at.at+"/oauth2/exchange", url.Values{
		"grant_type": {"access_token"}, "service": {at.service}, "access_token": {string(token.Reveal())},
	})
	if err != nil {
		return refresh{}, fairlead.AsError(what, err)
	}
	r, err := p.call(ctx, what, at.host, req)
	if err != nil {
		return refresh{}, err
	}
	if err := p.unwell(what, at.host, r); err != nil {
		return refresh{}, err
	}
	if r.status != http.StatusOK {
		return refresh{}, exchangeRefused(what, at.host, r)
	}
	var body struct {
		Token fairlead.Secret `json:"refresh_token"`
	}
	if json.Unmarshal(r.body, &body) != nil || !isToken(body.Token) {
		return refresh{}, broken(what, at.host+" exchanged the login for nothing that can be used")
	}
	return refresh{token: body.Token, expires: p.end(body.Token, r.date)}, nil
}

// unread is how long a refresh token is taken to live whose end can't be read: the
// kubelet plugin of Azure keeps them so long.
const unread = time.Hour

// end gives when a token ends by our clock. Its claim is by the registry's, so it is
// counted from what that clock showed.
func (p Provider) end(token fairlead.Secret, date time.Time) time.Time {
	life := unread
	if c, ok := readJWT(string(token.Reveal())); ok && !c.expires.IsZero() {
		life = min(max(c.expires.Sub(date), 0), 24*time.Hour)
	}
	return p.tools.Now().Add(life).UTC()
}

// exchangeRefused makes a sentence of a refusal: the login was good at Entra a moment
// ago, so it is the registry that doesn't know the identity.
func exchangeRefused(what, address string, r reply) error {
	e := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeNoRight, What: what}
	switch {
	case r.status == http.StatusForbidden:
		return walled(what, address, r)
	case r.status == http.StatusUnauthorized && strings.Contains(string(r.body), "token validation failed"):
		e.Why = "Microsoft Entra accepts the login, but " + address + " doesn't accept Entra's token: the registry may belong to another tenant"
		e.Remedy = "check that the registry's subscription is in the connector's tenant: `az acr show` and `az account show --query tenantId`"
	case r.status == http.StatusUnauthorized:
		e.Why = "Microsoft Entra accepts the login, but the identity has no role that counts at " + address
		e.Remedy = "assign AcrPull at the registry (Container Registry Repository Reader if it has ABAC repository permissions, which take no notice of AcrPull); a new role takes some minutes"
	default:
		return broken(what, address+" doesn't exchange the login ("+statusText(r.status)+")")
	}
	return e
}
