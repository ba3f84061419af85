package azurecontainerregistry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// registryAudience is what tokens for registries are for, in all clouds. Registries
// that refuse tokens for Resource Manager take these
// (learn.microsoft.com/azure/container-registry/container-registry-disable-authentication-as-arm).
const registryAudience = "https://containerregistry.azure.net"

// machineHost is the metadata service of a machine at Azure.
const machineHost = "169.254.169.254"

// managerAudience is what tokens for Resource Manager are for.
func (c cloud) managerAudience() string { return "https://" + c.manager }

// entra gives an access token for an audience: of the application, by a client secret
// or a subject token, or of the machine.
func (p Provider) entra(ctx context.Context, c provider.Opened, s fairlead.Scope, audience string) (fairlead.Secret, error) {
	if c.Method == managedIdentity {
		return p.machine(ctx, c, audience)
	}
	at := cloudOf(c.Connector)
	values := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {c.Public[clientID]}, "scope": {audience + "/.default"},
	}
	if c.Method == federation {
		token, err := p.tools.Issuer.Sign(ctx, provider.Subject{Organization: c.Owner, Connector: c.Name, Audience: at.assertion, Scope: s})
		if err != nil {
			return fairlead.Secret{}, err
		}
		values.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		values.Set("client_assertion", string(token.Reveal()))
	} else {
		values.Set("client_secret", string(c.Secret[clientSecret].Reveal()))
	}
	const what = "getting token from Microsoft Entra"
	req, err := form(ctx, "https://"+at.login+"/"+url.PathEscape(c.Public[tenantID])+"/oauth2/v2.0/token", values)
	if err != nil {
		return fairlead.Secret{}, fairlead.AsError(what, err)
	}
	r, err := p.call(ctx, what, "Microsoft Entra", req)
	if err != nil {
		return fairlead.Secret{}, err
	}
	if r.status != http.StatusOK {
		return fairlead.Secret{}, p.entraRefused(what, c, r)
	}
	return accessToken(what, "Microsoft Entra", r)
}

// accessToken takes the token out of a reply (RFC 6749, section 5.1).
func accessToken(what, where string, r reply) (fairlead.Secret, error) {
	var body struct {
		Token fairlead.Secret `json:"access_token"`
	}
	// The error would quote the body.
	if json.Unmarshal(r.body, &body) != nil || !isToken(body.Token) {
		return fairlead.Secret{}, broken(what, where+" answered without a token")
	}
	return body.Token, nil
}

// isToken reports whether a token can stand in a header.
func isToken(s fairlead.Secret) bool {
	for _, b := range s.Reveal() {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return !s.IsZero()
}

// entraRefused makes a sentence of a refusal. Of the body only the codes are used: the
// text has what was sent.
func (p Provider) entraRefused(what string, c provider.Opened, r reply) error {
	var body struct {
		Error string `json:"error"`
		Codes []int  `json:"error_codes"`
	}
	if json.Unmarshal(r.body, &body) == nil {
		for _, code := range body.Codes {
			if e := p.sentence(code, c, r); e != nil {
				e.What = what
				return e
			}
		}
	}
	if err := p.unwell(what, "Microsoft Entra", r); err != nil {
		return err
	}
	why := "Microsoft Entra refuses the login (" + statusText(r.status)
	if len(body.Codes) > 0 {
		why += ", " + aadsts(body.Codes[0])
	}
	return &fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused, What: what, Why: why + ")",
		Remedy: "look the code up at https://login.microsoftonline.com/error, and the sign-in logs of the application in Microsoft Entra",
	}
}

// machine gives a token of the machine's managed identity, from the instance metadata
// service. That is at a fixed address which only the machine itself reaches.
func (p Provider) machine(ctx context.Context, c provider.Opened, audience string) (fairlead.Secret, error) {
	const what, where = "getting token of the machine's managed identity", "the instance metadata service"
	q := url.Values{"api-version": {"2018-02-01"}, "resource": {audience}}
	if id := c.Public[clientID]; id != "" {
		q.Set("client_id", id)
	}
	if id := c.Public[identityID]; id != "" {
		q.Set("msi_res_id", id)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+machineHost+"/metadata/identity/oauth2/token?"+q.Encode(), nil)
	if err != nil {
		return fairlead.Secret{}, fairlead.AsError(what, err)
	}
	req.Header.Set("Metadata", "true")
	r, err := p.call(ctx, what, where, req)
	if err != nil {
		return fairlead.Secret{}, offAzure(err)
	}
	if r.status != http.StatusOK {
		return fairlead.Secret{}, p.machineRefused(what, where, c, r)
	}
	return accessToken(what, where, r)
}

// offAzure gives an unreachable metadata service the remedy that there is.
func offAzure(err error) error {
	e, ok := errors.AsType[*fairlead.Error](err)
	if !ok {
		return err
	}
	switch told := *e; e.Code {
	case fairlead.CodeConnect, fairlead.CodeTimeout, fairlead.CodeDNS:
		told.Remedy = "check that the server runs on a machine of Azure and that its network lets it reach 169.254.169.254; elsewhere use method federation"
		return &told
	default:
		return err
	}
}

func (p Provider) machineRefused(what, where string, c provider.Opened, r reply) error {
	var body struct {
		Error string `json:"error"`
		Text  string `json:"error_description"`
	}
	_ = json.Unmarshal(r.body, &body) // What it doesn't say, the status does.
	e := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused, What: what}
	switch {
	case body.Error == "invalid_request" && strings.Contains(body.Text, "Identity not found"):
		id := c.Public[clientID] + c.Public[identityID]
		if id == "" {
			e.Why = "the machine has no system-assigned managed identity, or several identities and no default one"
			e.Remedy = "assign one with `az vm identity assign`, or name a user-assigned one with --client-id"
			return e
		}
		e.Why = "the machine doesn't have the managed identity " + id
		e.Remedy = "assign it with `az vm identity assign --identities`, or correct --client-id"
		return e
	case r.status == http.StatusGone:
		return &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: what,
			Why: where + " is being updated", Remedy: "try again in a minute",
		}
	}
	if err := p.unwell(what, where, r); err != nil {
		return err
	}
	e.Why = where + " gives no token (" + statusText(r.status) + ")"
	e.Remedy = "check that the server runs on a machine of Azure with a managed identity; elsewhere use method federation"
	return e
}

// Verifies says what Microsoft Entra takes in a client assertion: RS256 alone (Microsoft
// Learn, "Workload identity federation", considerations).
func (Provider) Verifies(method string) []string {
	if method == federation {
		return []string{"RS256"}
	}
	return nil
}
