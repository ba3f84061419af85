package cloudtest

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// googleMachine is what the machine that asks is at Google.
type googleMachine struct {
	email  string
	life   time.Duration
	scopes []string
}

// serveMetadata is the metadata server
// (docs.cloud.google.com/compute/docs/metadata/querying-metadata).
func (g *Google) serveMetadata(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.Header().Set("Metadata-Flavor", "Google")
	w.Header().Set("Server", "Metadata Server for VM")
	switch {
	case g.machine == nil:
		http.NotFound(w, r)
		return
	case r.Header.Get("Metadata-Flavor") != "Google":
		http.Error(w, "Missing required header \"Metadata-Flavor\": \"Google\"", http.StatusForbidden)
		return
	case r.Header.Get("X-Forwarded-For") != "":
		http.Error(w, "Request has header X-Forwarded-For", http.StatusForbidden)
		return
	}
	path := strings.Replace(r.URL.Path, "/service-accounts/"+g.machine.email+"/", "/service-accounts/default/", 1)
	switch path {
	case "/computeMetadata/v1/instance/service-accounts/default/token":
		g.serveMachineToken(w, r)
	case "/computeMetadata/v1/instance/service-accounts/default/email":
		_, _ = io.WriteString(w, g.machine.email)
	case "/computeMetadata/v1/instance/service-accounts/default/scopes":
		_, _ = io.WriteString(w, strings.Join(g.machine.scopes, "\n")+"\n")
	case "/computeMetadata/v1/project/project-id":
		_, _ = io.WriteString(w, g.accounts[g.machine.email].project)
	case "/computeMetadata/v1/universe/universe-domain", "/computeMetadata/v1/universe/universe_domain":
		_, _ = io.WriteString(w, "googleapis.com")
	default:
		http.NotFound(w, r)
	}
}

func (g *Google) serveMachineToken(w http.ResponseWriter, r *http.Request) {
	scopes := g.machine.scopes
	if asked := r.URL.Query().Get("scopes"); asked != "" {
		scopes = slices.DeleteFunc(strings.Split(asked, ","), func(s string) bool {
			return !slices.Contains(g.machine.scopes, s) && !slices.Contains(g.machine.scopes, GooglePlatform)
		})
	}
	t := googleAccountToken(g.machine.email, scopes, g.internet.Now().Add(g.machine.life))
	googleJSON(w, http.StatusOK, map[string]any{"access_token": g.mint(t), "expires_in": int(g.machine.life.Seconds()), "token_type": "Bearer"})
}
