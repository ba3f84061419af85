package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/wire"
)

// accessLife is how long an access pass is taken. A pull that takes longer gets another.
const accessLife = 5 * time.Minute

const (
	maxForm   = 64 << 10
	mostNames = 64
)

// service is what the gateway calls itself in challenges.
const service = "fairlead-gateway"

// realm is where the token endpoint is: beside where the client has come to, since that
// it can reach. A login never goes to plain HTTP where people come by https.
func (g *Gateway) realm(r *http.Request) string {
	switch {
	case r.TLS != nil && plainHost(r.Host):
		return "https://" + r.Host + wire.GatewayTokenPath
	case strings.HasPrefix(g.opts.PublicURL, "https://") || !plainHost(r.Host):
		return g.opts.PublicURL + wire.GatewayTokenPath
	default:
		return "http://" + r.Host + wire.GatewayTokenPath
	}
}

// plainHost reports whether a Host header can be repeated within quotation marks.
func plainHost(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") == ""
}

// challenge asks for a login. Bearer alone: a client that knows only Basic sends it
// unasked, and dockerd, offered both, shows both.
func (g *Gateway) challenge(h http.Header, r *http.Request, t target, reason string) {
	line := `Bearer realm="` + g.realm(r) + `",service="` + service + `"`
	if t.name != "" {
		line += `,scope="repository:` + strings.Map(quotable, t.name) + `:pull"`
	}
	if reason != "" {
		line += `,error="` + reason + `"`
	}
	h["Www-Authenticate"] = []string{line}
}

func quotable(r rune) rune {
	if r < ' ' || r > '~' || r == '"' || r == '\\' {
		return -1
	}
	return r
}

// tokenReply is what a token endpoint answers (Distribution, "Token Authentication
// Specification" and "OAuth2 Token Authentication").
type tokenReply struct {
	Token        wire.Clear `json:"token"`
	AccessToken  wire.Clear `json:"access_token"`
	RefreshToken wire.Clear `json:"refresh_token,omitzero"`
	Scope        string     `json:"scope,omitempty"`
	ExpiresIn    int        `json:"expires_in"`
	IssuedAt     string     `json:"issued_at"`
}

// tokenError is both what Docker and what OAuth 2.0 (RFC 6749, section 5.2) answer.
type tokenError struct {
	wire.DistributionErrors
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// tokenRequest is what is asked of the token endpoint.
type tokenRequest struct {
	header  string // the login, as an Authorization header
	user    string
	secret  string
	scopes  []string
	offline bool
}

// ServeToken answers at the token endpoint.
func (g *Gateway) ServeToken(w http.ResponseWriter, r *http.Request) {
	ask, ok := readTokenRequest(w, r)
	if !ok {
		g.tokenRefused(w, r, "unsupported_grant_type", &fairlead.Error{
			Kind: fairlead.Invalid, What: "trading a login for a token", Why: "the request isn't one of the two that there are",
			Remedy: "send GET with Basic, or POST with grant_type=password or refresh_token",
		})
		return
	}
	reply, err := g.trade(r, ask)
	if err != nil {
		g.tokenRefused(w, r, "invalid_grant", err)
		return
	}
	h := w.Header()
	h["Cache-Control"] = noStore
	h["Content-Type"] = jsonType
	_ = json.NewEncoder(w).Encode(reply) // whoever has left needs no reply
}

func readTokenRequest(w http.ResponseWriter, r *http.Request) (tokenRequest, bool) {
	ask := tokenRequest{header: r.Header.Get("Authorization")}
	var form url.Values
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		q, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return ask, false
		}
		form, ask.offline = q, q.Get("offline_token") == "true"
	case http.MethodPost:
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if r.ParseForm() != nil {
			return ask, false
		}
		form, ask.offline = r.PostForm, r.PostForm.Get("access_type") == "offline"
		switch form.Get("grant_type") {
		case "password":
			ask.user, ask.secret = form.Get("username"), form.Get("password")
		case "refresh_token":
			ask.secret = form.Get("refresh_token")
		default:
			return ask, false
		}
	default:
		return ask, false
	}
	for _, s := range form["scope"] {
		ask.scopes = append(ask.scopes, strings.Fields(s)...)
	}
	return ask, true
}

// trade gives a pass for a login. What the pass is then good for is asked at each use.
func (g *Gateway) trade(r *http.Request, ask tokenRequest) (tokenReply, error) {
	ctx, from, request := r.Context(), fromOf(r), g.request()
	var p *proof
	var err error
	if ask.secret != "" {
		p, err = g.logins.credential(ctx, ask.user, ask.secret, from, request)
	} else if ask.header != "" {
		p, err = g.logins.read(ctx, ask.header, from, request)
	} else {
		return tokenReply{}, unauthenticated("the request carries no login")
	}
	if err != nil {
		return tokenReply{}, err
	}
	s, err := g.logins.prove(ctx, p, from, request)
	if err != nil {
		return tokenReply{}, err
	}
	if err := s.asker.May(fairlead.Pull); err != nil {
		return tokenReply{}, err
	}
	now := g.opts.Now()
	reply := tokenReply{IssuedAt: now.UTC().Format(time.RFC3339), ExpiresIn: int(accessLife / time.Second)}
	switch p.pass.Kind {
	case heldPass: // as narrow as it can be already
		return heldReply(reply, p.pass, g.logins.passes, now)
	case accessPass:
		return tokenReply{}, unauthenticated("a token isn't traded for another one")
	default:
	}
	access := pass{Kind: accessPass, Organization: p.organization, Token: p.hash[:], Expires: now.Add(accessLife).Unix()}
	access.Names, reply.Scope = namesIn(ask.scopes)
	text, err := g.logins.passes.make(access)
	if err != nil {
		return tokenReply{}, err
	}
	reply.Token.Secret, reply.AccessToken.Secret = text, text
	if ask.offline || p.pass.Kind == refreshPass {
		refresh, err := g.logins.passes.make(pass{Kind: refreshPass, Organization: p.organization, Token: p.hash[:]})
		if err != nil {
			return tokenReply{}, err
		}
		reply.RefreshToken.Secret = refresh
	}
	return reply, nil
}

func heldReply(reply tokenReply, p pass, by passes, now time.Time) (tokenReply, error) {
	text, err := by.make(p)
	reply.Token.Secret, reply.AccessToken.Secret = text, text
	reply.ExpiresIn = max(1, min(reply.ExpiresIn, int(p.Expires-now.Unix())))
	return reply, err
}

// namesIn gives the repositories of scopes, and the scopes as they were granted: to pull.
func namesIn(scopes []string) (names []string, granted string) {
	var out []string
	for _, s := range scopes {
		rest, ok := strings.CutPrefix(s, "repository:")
		last := strings.LastIndexByte(rest, ':')
		if !ok || last <= 0 || len(names) == mostNames || !strings.Contains(","+rest[last+1:]+",", ",pull,") {
			continue
		}
		names = append(names, rest[:last])
		out = append(out, "repository:"+rest[:last]+":pull")
	}
	return names, strings.Join(out, " ")
}

func (g *Gateway) tokenRefused(w http.ResponseWriter, r *http.Request, word string, err error) {
	e := fairlead.AsError("trading a login for a token", err)
	no := refuse(e, root)
	h := w.Header()
	if no.code == wire.Unauthorized {
		h["Www-Authenticate"] = []string{`Basic realm="` + service + `"`}
	}
	status := wire.DistributionStatus(no.code)
	switch e.Kind {
	case fairlead.Invalid:
		status = http.StatusBadRequest
	case fairlead.Unavailable, fairlead.Internal:
		word = "temporarily_unavailable"
	default:
	}
	h["Cache-Control"] = noStore
	h["Content-Type"] = jsonType
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(tokenError{
			DistributionErrors: wire.DistributionErrors{Errors: []wire.DistributionError{{Code: no.code, Message: no.message, Detail: no.remedy}}},
			Error:              word, Description: no.message,
		})
	}
	g.note(r, target{}, session{}, status, no)
}
