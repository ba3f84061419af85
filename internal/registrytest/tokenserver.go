package registrytest

import (
	"context"
	"fmt"
	"net/http"
)

// TokenServer is a token endpoint by itself, for a registry that isn't ours.
type TokenServer struct {
	config Config
	ca     *authority
	issuer *issuer
	record record
	server *server
}

// StartTokens starts a token endpoint for c's accounts, at c.TokensAddress. ctx is for
// the start only; Close ends it.
func StartTokens(ctx context.Context, c Config) (*TokenServer, error) {
	t, err := newTokens(c)
	if err != nil {
		return nil, err
	}
	t.server, err = serve(ctx, t.config.TokensAddress, http.HandlerFunc(t.serveHTTP), t.config, t.ca)
	return t, err
}

// newTokens makes a token endpoint without a server.
func newTokens(c Config) (*TokenServer, error) {
	c = c.orDefault()
	ca, err := newAuthority(c.Now())
	if err != nil {
		return nil, fmt.Errorf("making an authority: %w", err)
	}
	return &TokenServer{config: c, ca: ca, issuer: newIssuer(c, ca)}, nil
}

func (t *TokenServer) serveHTTP(w http.ResponseWriter, req *http.Request) {
	note := t.record.add(Tokens, req)
	t.record.recognise(note, t.issuer.serve(w, req, t.config.Faults))
}

// Close ends it.
func (t *TokenServer) Close() {
	if t.server != nil {
		_ = t.server.http.Close()
	}
}

// URL is the realm; empty if it has no server of its own.
func (t *TokenServer) URL() string {
	if t.server == nil {
		return ""
	}
	scheme := "http"
	if t.config.TLS != NoTLS {
		scheme = "https"
	}
	return scheme + "://" + t.server.address + tokenPath
}

// Issuer and Service are what its tokens say.
func (t *TokenServer) Issuer() string { return t.issuer.name }

// Service is what the registry has to call itself.
func (t *TokenServer) Service() string { return t.issuer.service }

// Certificate (PEM) is what its tokens are signed with.
func (t *TokenServer) Certificate() string { return t.ca.pem() }

// Requests lists what was asked, in order.
func (t *TokenServer) Requests() []Request { return t.record.all() }

// Token issues a token for the account, without being asked.
func (t *TokenServer) Token(account string, scopes ...string) string {
	token, err := t.issuer.issue(account, t.issuer.grant(account, scopes), false)
	if err != nil {
		panic(err)
	}
	return token
}
