package registrytest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Access is an entry of a token's claim "access" (Distribution, "Docker Registry v2
// Bearer Token Specification").
type Access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

type tokenClaims struct {
	jwt.Claims
	Access []Access `json:"access"`
}

// issuer gives out tokens and recognises them.
type issuer struct {
	accounts
	name, service string
	ca            *authority
	now           func() time.Time
	life          time.Duration

	mu     sync.Mutex
	opaque map[string]tokenClaims
	serial map[string]bool
}

func newIssuer(c Config, ca *authority) *issuer {
	return &issuer{
		accounts: accounts{list: c.Accounts, anonymous: c.Anonymous, closed: &sync.Map{}},
		name:     "registrytest", service: c.Service, ca: ca, now: c.Now, life: c.TokenLife,
		opaque: map[string]tokenClaims{}, serial: map[string]bool{},
	}
}

// grant gives what of the scopes the account may do.
func (i *issuer) grant(account string, scopes []string) []Access {
	list := []Access{}
	rights := i.rights(account)
	for _, s := range scopes {
		kind, rest, _ := strings.Cut(s, ":")
		last := strings.LastIndexByte(rest, ':')
		if kind != "repository" || last < 0 {
			continue
		}
		a := Access{Type: kind, Name: rest[:last], Actions: []string{}}
		for action := range strings.SplitSeq(rest[last+1:], ",") {
			if may(rights, a.Name, action) {
				a.Actions = append(a.Actions, action)
			}
		}
		list = append(list, a)
	}
	return list
}

// issue makes a token: a JWT (ES256), or an opaque one.
func (i *issuer) issue(account string, access []Access, opaque bool) (string, error) {
	now := i.now()
	id := rand.Text()
	c := tokenClaims{Access: access, Claims: jwt.Claims{
		Issuer: i.name, Subject: account, Audience: jwt.Audience{i.service}, ID: id,
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now.Add(-10 * time.Second)),
		Expiry: jwt.NewNumericDate(now.Add(i.life)),
	}}
	i.mu.Lock()
	i.serial[id] = true
	if opaque {
		i.opaque[id] = c
	}
	i.mu.Unlock()
	if opaque {
		return id, nil
	}
	options := (&jose.SignerOptions{}).WithType("JWT").
		WithHeader("x5c", []string{base64.StdEncoding.EncodeToString(i.ca.cert.Raw)})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.ca.key}, options)
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(c).Serialize()
}

var errToken = errors.New("invalid token")

// read recognises a token.
func (i *issuer) read(token string) (tokenClaims, error) {
	c, err := i.open(token)
	if err != nil {
		return tokenClaims{}, err
	}
	i.mu.Lock()
	known := i.serial[c.ID]
	i.mu.Unlock()
	if !known || c.Validate(jwt.Expected{Issuer: i.name, AnyAudience: jwt.Audience{i.service}, Time: i.now()}) != nil {
		return tokenClaims{}, errToken
	}
	return c, nil
}

func (i *issuer) open(token string) (tokenClaims, error) {
	i.mu.Lock()
	c, ok := i.opaque[token]
	i.mu.Unlock()
	if ok {
		return c, nil
	}
	t, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return tokenClaims{}, errToken
	}
	if t.Claims(&i.ca.key.PublicKey, &c) != nil {
		return tokenClaims{}, errToken
	}
	return c, nil
}

// revoke makes the tokens that were issued so far invalid.
func (i *issuer) revoke() {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.serial)
	clear(i.opaque)
}

func (c tokenClaims) may(repository, action string) bool {
	return slices.ContainsFunc(c.Access, func(a Access) bool {
		return a.Type == "repository" && a.Name == repository && slices.Contains(a.Actions, action)
	})
}

// apiError is the body of an error (Distribution specification, "Error Codes").
func apiError(code, message string) []byte {
	type entry struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	b, err := json.Marshal(map[string][]entry{"errors": {{code, message}}})
	if err != nil {
		panic(err)
	}
	return append(b, '\n')
}
