package cloudtest

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// serveIAMCredentials makes short-lived tokens of service accounts
// (docs.cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken).
func (g *Google) serveIAMCredentials(w http.ResponseWriter, r *http.Request) {
	email, ok := strings.CutPrefix(r.URL.Path, "/v1/projects/-/serviceAccounts/")
	email, action := strings.CutSuffix(email, ":generateAccessToken")
	if !ok || !action || r.Method != http.MethodPost {
		googleFail(http.StatusNotFound, "NOT_FOUND", "Requested entity was not found.").serve(w)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	token, expires, no := g.generate(r, email)
	if no != nil {
		no.serve(w)
		return
	}
	googleJSON(w, http.StatusOK, map[string]string{"accessToken": token, "expireTime": expires.UTC().Format(time.RFC3339)})
}

// googleGeneration is what is asked for.
type googleGeneration struct {
	Scope     []string `json:"scope"`
	Lifetime  string   `json:"lifetime"`
	Delegates []string `json:"delegates"`

	life time.Duration
}

// check looks at what can be wrong with any request.
func (in *googleGeneration) check() *googleStatus {
	in.life = time.Hour
	if in.Lifetime != "" {
		var err error
		if in.life, err = time.ParseDuration(in.Lifetime); err != nil || !strings.HasSuffix(in.Lifetime, "s") {
			return googleFail(http.StatusBadRequest, "INVALID_ARGUMENT", "Invalid value at 'lifetime' (type.googleapis.com/google.protobuf.Duration), Illegal duration format")
		}
	}
	switch {
	case !googleKnows(in.Scope):
		return googleFail(http.StatusBadRequest, "INVALID_ARGUMENT", "Request contains an invalid argument.")
	case in.life <= 0 || in.life > time.Hour:
		return googleFail(http.StatusBadRequest, "INVALID_ARGUMENT", "The token lifetime requested exceeds the maximum allowed of 3600 seconds")
	}
	return nil
}

func (g *Google) generate(r *http.Request, email string) (string, time.Time, *googleStatus) {
	caller, no := g.caller(r, "iamcredentials.googleapis.com", GooglePlatform, googleIAMScope)
	if no != nil {
		return "", time.Time{}, no
	}
	var in googleGeneration
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		return "", time.Time{}, googleFail(http.StatusBadRequest, "INVALID_ARGUMENT", "Invalid JSON payload received.")
	}
	if no := in.check(); no != nil {
		return "", time.Time{}, no
	}
	if no := g.mayGenerate(caller.members, email, in.Delegates); no != nil {
		return "", time.Time{}, no
	}
	expires := g.internet.Now().Add(in.life)
	return g.mint(googleAccountToken(email, in.Scope, expires)), expires, nil
}

// mayGenerate reports who may not make tokens of an account, itself or by way of
// delegates, each of whom may act as the next. The lock is held.
func (g *Google) mayGenerate(members []string, email string, delegates []string) *googleStatus {
	const permission, delegation = "iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.implicitDelegation"
	a := g.accounts[email]
	if a != nil {
		if p := g.projects[a.project]; p.disabled["iamcredentials.googleapis.com"] {
			return googleServiceOff("IAM Service Account Credentials API", "iamcredentials.googleapis.com", p.number)
		}
	}
	for _, d := range delegates {
		if !g.may(members, delegation, d) {
			return googleNoPermission(delegation, d)
		}
		members = []string{"serviceAccount:" + strings.TrimPrefix(d, "projects/-/serviceAccounts/")}
	}
	switch {
	case !g.may(members, permission, "projects/-/serviceAccounts/"+email):
		return googleFail(http.StatusForbidden, "PERMISSION_DENIED", "Permission '%s' denied on resource (or it may not exist).", permission).
			because("IAM_PERMISSION_DENIED", map[string]string{"permission": permission})
	case a == nil:
		return googleFail(http.StatusNotFound, "NOT_FOUND", "Not found; Gaia id not found for email %s", email)
	case a.disabled:
		return googleFail(http.StatusBadRequest, "FAILED_PRECONDITION", "Service account %s is disabled.", email)
	}
	return nil
}

// caller finds out who calls an API, by the Authorization header. The lock is held.
func (g *Google) caller(r *http.Request, service string, scopes ...string) (googleToken, *googleStatus) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return googleToken{}, googleUnauthenticated("CREDENTIALS_MISSING")
	}
	t, reason := g.recognise(token)
	switch {
	case reason != "":
		return googleToken{}, googleUnauthenticated(reason)
	case !t.scoped(scopes...):
		return googleToken{}, googleNoScope(service)
	}
	return t, nil
}
