package registrytest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

const tokenPath = "/token"

// serveTokens is the token endpoint of a registry.
func (r *Registry) serveTokens(w http.ResponseWriter, req *http.Request) {
	note := r.record.add(Tokens, req)
	r.date(w)
	if !r.pass(w, req, Tokens) {
		return
	}
	f := r.current()
	if f.TokenRedirect != "" && !strings.HasSuffix(req.URL.Path, "/redirected") {
		w.Header().Set("Location", f.TokenRedirect+"?"+req.URL.RawQuery)
		w.WriteHeader(cmp.Or(f.TokenRedirectStatus, http.StatusTemporaryRedirect))
		return
	}
	account := r.issuer.serve(w, req, f)
	r.record.recognise(note, account)
}

// serve answers a token request and gives the account that it recognised.
func (i *issuer) serve(w http.ResponseWriter, req *http.Request, f Faults) string {
	account, ok := i.login(w, req)
	if !ok {
		return ""
	}
	var scopes []string
	for _, s := range req.Form["scope"] {
		scopes = append(scopes, strings.Fields(s)...)
	}
	access := i.grant(account, scopes)
	if f.DenyScope != 0 && lacking(access) {
		answer(w, f.DenyScope, "DENIED", "requested access to the resource is denied")
		return account
	}
	token, err := i.issue(account, access, f.Opaque)
	if err != nil {
		answer(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
		return account
	}
	w.Header().Set("Content-Type", "application/json")
	if f.TokenBody != "" {
		_, _ = w.Write([]byte(f.TokenBody))
		return account
	}
	_, _ = w.Write(i.reply(token, f))
	return account
}

func lacking(access []Access) bool {
	for _, a := range access {
		if len(a.Actions) == 0 {
			return true
		}
	}
	return false
}

// login finds out who asks: GET with Basic or nothing, POST as OAuth 2.0 has it.
func (i *issuer) login(w http.ResponseWriter, req *http.Request) (string, bool) {
	if err := req.ParseForm(); err != nil {
		answer(w, http.StatusBadRequest, "UNSUPPORTED", "that is not a form")
		return "", false
	}
	if req.Form.Get("service") != i.service && req.Form.Get("service") != "" {
		answer(w, http.StatusBadRequest, "UNSUPPORTED", "there is no such service")
		return "", false
	}
	var a Account
	var ok bool
	switch {
	case req.Method == http.MethodPost:
		a, ok = i.oauth(w, req)
		if !ok {
			return "", false
		}
	case req.Header.Get("Authorization") == "":
		return "", true
	default:
		name, password, _ := req.BasicAuth()
		a, ok = i.byPassword(name, password)
	}
	if !ok {
		w.Header().Set("WWW-Authenticate", `Basic realm="tokens"`)
		answer(w, http.StatusUnauthorized, "UNAUTHORIZED", "incorrect username or password")
	}
	return a.Name, ok
}

func (i *issuer) oauth(w http.ResponseWriter, req *http.Request) (Account, bool) {
	refuse := func(status int, code string) (Account, bool) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"error":"` + code + `"}`))
		return Account{}, false
	}
	if req.PostForm.Get("client_id") == "" {
		return refuse(http.StatusBadRequest, "invalid_request")
	}
	var a Account
	var ok bool
	switch req.PostForm.Get("grant_type") {
	case "refresh_token":
		a, ok = i.byIdentity(req.PostForm.Get("refresh_token"))
	case "password":
		a, ok = i.byPassword(req.PostForm.Get("username"), req.PostForm.Get("password"))
	default:
		return refuse(http.StatusBadRequest, "unsupported_grant_type")
	}
	if !ok {
		return refuse(http.StatusBadRequest, "invalid_grant")
	}
	return a, true
}

// reply is the body that has the token.
func (i *issuer) reply(token string, f Faults) []byte {
	body := map[string]any{"token": token, "access_token": token, "expires_in": int(i.life.Seconds())}
	switch f.TokenField {
	case "token":
		delete(body, "access_token")
	case "access_token":
		delete(body, "token")
	}
	switch f.ExpiresIn {
	case "":
	case "-":
		delete(body, "expires_in")
	default:
		body["expires_in"] = json.RawMessage(f.ExpiresIn)
	}
	if f.IssuedAt != 0 {
		body["issued_at"] = i.now().Add(f.IssuedAt).UTC().Format(time.RFC3339)
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return b
}
