package cloudtest

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Lifetimes of Azure's tokens: Entra's access tokens live 60 to 90 minutes, a managed
// identity's 24 hours; the registry's are those that Azure/acr's documents show.
const (
	azureAppLife     = 3599 * time.Second
	azureMachineLife = 24 * time.Hour
	azureRefreshLife = 3 * time.Hour
	azureAccessLife  = 75 * time.Minute
	azureSkew        = 5 * time.Minute
)

// azureClaims are those of Entra's access tokens (version 1.0, as these resources ask
// for them).
type azureClaims struct {
	jwt.Claims
	AppID    string `json:"appid"`
	ObjectID string `json:"oid"`
	Tenant   string `json:"tid"`
	Version  string `json:"ver"`
}

// azureAccess is an entry of a registry token's claim "access".
type azureAccess struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// azureRegistryClaims are those of a registry's tokens.
type azureRegistryClaims struct {
	jwt.Claims
	Version     string        `json:"version"`
	GrantType   string        `json:"grant_type"`
	Tenant      string        `json:"tenant,omitempty"`
	Access      []azureAccess `json:"access,omitempty"`
	Permissions any           `json:"permissions,omitempty"`
	Roles       []string      `json:"roles"`
}

func (a *Azure) sign(claims any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: a.key},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "entra-1"))
	if err != nil {
		panic(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		panic(err)
	}
	return token
}

func azureTimes(now time.Time, life time.Duration) jwt.Claims {
	return jwt.Claims{
		ID: rand.Text(), IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(life)),
	}
}

// entraToken makes an access token of an application for an audience.
func (a *Azure) entraToken(app AzureApp, audience string, life time.Duration) string {
	c := azureClaims{Claims: azureTimes(a.n.Now(), life), AppID: app.ClientID, ObjectID: app.ObjectID, Tenant: app.Tenant, Version: "1.0"}
	c.Issuer, c.Subject, c.Audience = "https://sts.windows.net/"+app.Tenant+"/", app.ObjectID, jwt.Audience{audience}
	return a.sign(c)
}

var errAzureToken = errors.New("not a token of ours")

// readEntra recognises an access token, whatever its audience; errAzureToken, or
// [jwt.ErrExpired].
func (a *Azure) readEntra(token string) (azureClaims, error) {
	var c azureClaims
	if err := a.read(token, &c); err != nil {
		return c, err
	}
	if !strings.HasPrefix(c.Issuer, "https://sts.windows.net/") {
		return c, errAzureToken
	}
	return c, c.ValidateWithLeeway(jwt.Expected{Time: a.n.Now()}, azureSkew)
}

func (a *Azure) read(token string, claims any) error {
	t, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return errAzureToken
	}
	if t.Claims(&a.key.PublicKey, claims) != nil {
		return errAzureToken
	}
	return nil
}

const azureRegistryIssuer = "Azure Container Registry"

// registryToken makes a refresh token or an access token of a registry.
func (h *AzureHost) registryToken(who azureWho, grant string, access []azureAccess) string {
	life := azureAccessLife
	if grant == "refresh_token" {
		life = azureRefreshLife
	}
	c := azureRegistryClaims{
		Claims: azureTimes(h.azure.n.Now(), life), Version: "1.0", GrantType: grant, Tenant: who.tenant, Access: access, Roles: []string{},
	}
	c.Issuer, c.Subject, c.Audience = azureRegistryIssuer, who.name, jwt.Audience{h.loginServer}
	return h.azure.sign(c)
}

// readRegistry recognises a token of this registry.
func (h *AzureHost) readRegistry(token string) (azureRegistryClaims, error) {
	var c azureRegistryClaims
	if err := h.azure.read(token, &c); err != nil {
		return c, err
	}
	return c, c.ValidateWithLeeway(jwt.Expected{
		Issuer: azureRegistryIssuer, AnyAudience: jwt.Audience{h.loginServer}, Time: h.azure.n.Now(),
	}, time.Minute)
}

func (c azureRegistryClaims) may(kind, name, action string) bool {
	return slices.ContainsFunc(c.Access, func(a azureAccess) bool {
		return a.Type == kind && a.Name == name && (slices.Contains(a.Actions, action) || slices.Contains(a.Actions, "*"))
	})
}
