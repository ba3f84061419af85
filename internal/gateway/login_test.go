package gateway_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

// tokens is what the token endpoint gives.
type tokens struct {
	Token     string `json:"token"`
	Access    string `json:"access_token"`
	Refresh   string `json:"refresh_token"`
	Scope     string `json:"scope"`
	ExpiresIn int    `json:"expires_in"`
	IssuedAt  string `json:"issued_at"`
	Error     string `json:"error"`
}

func (r *room) trade(t *testing.T, user, token, query string) (tokens, int) {
	t.Helper()
	h := "X: y"
	if token != "" {
		h = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+token))
	}
	got := r.ask(t, http.MethodGet, wire.GatewayTokenPath+"?service=fairlead-gateway"+query, "", h)
	var into tokens
	if err := json.Unmarshal([]byte(got.body), &into); err != nil {
		t.Fatalf("%d %s: %v", got.status, got.body, err)
	}
	return into, got.status
}

func (r *room) post(t *testing.T, form url.Values) (tokens, int) {
	t.Helper()
	res, err := http.PostForm(r.URL+wire.GatewayTokenPath, form)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // It was read.
	var into tokens
	if err := json.NewDecoder(res.Body).Decode(&into); err != nil {
		t.Fatal(err)
	}
	return into, res.StatusCode
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// TestTokenFlow goes the way that clients of registries go.
func TestTokenFlow(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.push(t, registrytest.RandomImage(t, 10), "team/app:v1")
	name := r.at("team/app")
	path := "/v2/" + name + "/manifests/v1"
	scope := "&scope=repository:" + name + ":pull,push"

	ping := r.ask(t, "GET", "/v2/", "")
	want := `Bearer realm="` + r.URL + wire.GatewayTokenPath + `",service="fairlead-gateway"`
	if ping.status != 401 || ping.header.Get("Www-Authenticate") != want || codeOf(ping) != wire.Unauthorized {
		t.Fatalf("%d %v", ping.status, ping.header)
	}
	got := r.ask(t, "GET", path, "")
	if got.status != 401 || got.header.Get("Www-Authenticate") != want+`,scope="repository:`+name+`:pull"` {
		t.Fatalf("%d %v", got.status, got.header)
	}
	for what, f := range map[string]func() (tokens, int){
		"GET": func() (tokens, int) { return r.trade(t, "ann", r.token, scope) },
		"password": func() (tokens, int) {
			return r.post(t, url.Values{"grant_type": {"password"}, "username": {"x"}, "password": {r.token}, "scope": {"repository:" + name + ":pull"}, "service": {"s"}})
		},
		"refresh_token": func() (tokens, int) {
			first, _ := r.post(t, url.Values{"grant_type": {"password"}, "username": {"x"}, "password": {r.token}, "access_type": {"offline"}})
			return r.post(t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.Refresh}, "scope": {"repository:" + name + ":pull"}})
		},
		"offline_token": func() (tokens, int) {
			first, _ := r.trade(t, "x", r.token, "&offline_token=true")
			return r.trade(t, "<token>", first.Refresh, scope)
		},
	} {
		x, status := f()
		if status != 200 || x.Token == "" || x.Token != x.Access || x.ExpiresIn != 300 || x.Scope != "repository:"+name+":pull" || x.IssuedAt == "" {
			t.Errorf("%s: %d %+v", what, status, x)
		}
		if got := r.ask(t, "GET", path, "", bearer(x.Token)); got.status != 200 {
			t.Errorf("%s: with the token %d %s", what, got.status, got.body)
		}
		if got := r.ask(t, "GET", "/v2/"+r.at("team/other")+"/manifests/v1", "", bearer(x.Token)); got.status != 401 || !strings.Contains(got.header.Get("Www-Authenticate"), `error="insufficient_scope"`) {
			t.Errorf("%s: for another repository %d %v", what, got.status, got.header)
		}
	}
	for what, c := range map[string]struct {
		user, token string
		status      int
	}{
		"no login": {"", "", 401}, "wrong": {"ann", "wrong", 401}, "unknown": {"ann", "flt_" + strings.Repeat("A", 43), 401},
		"not ours": {"ann", "flg_e30.e30", 401},
	} {
		if x, status := r.trade(t, c.user, c.token, scope); status != c.status || x.Token != "" || x.Error == "" {
			t.Errorf("%s: %d %+v", what, status, x)
		}
	}
	if x, status := r.post(t, url.Values{"grant_type": {"client_credentials"}}); status != 400 || x.Error != "unsupported_grant_type" {
		t.Errorf("another grant: %d %+v", status, x)
	}
	x, _ := r.trade(t, "ann", r.token, scope)
	if got := r.ask(t, "GET", path, "", bearer(x.Token+"x")); got.status != 401 || !strings.Contains(got.header.Get("Www-Authenticate"), `error="invalid_token"`) {
		t.Errorf("a changed token: %d %v", got.status, got.header)
	}
	if y, status := r.trade(t, "ann", x.Token, scope); status != 401 {
		t.Errorf("a token for a token: %d %+v", status, y)
	}
	if got := r.ask(t, "GET", path, "", bearer(r.token)); got.status != 200 {
		t.Errorf("an API token as a bearer: %d", got.status)
	}
	r.clock.Move(5 * time.Minute)
	if got := r.ask(t, "GET", path, "", bearer(x.Token)); got.status != 401 {
		t.Errorf("after its end: %d", got.status)
	}
}

// TestRevoked has a token be revoked: what was traded for it ends with it, within a
// second also on another replica.
func TestRevoked(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.push(t, registrytest.RandomImage(t, 10), "team/app:v1")
	name := r.at("team/app")
	path := "/v2/" + name + "/manifests/v1"
	made := fairleadtest.Must(t, r.Ann, wire.CreateToken, wire.TokenRequest{Name: "gone"})
	text := string(made.Token.Reveal())
	x, _ := r.trade(t, "x", text, "&offline_token=true&scope=repository:"+name+":pull")
	logins := []string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+text)), bearer(x.Token), bearer(text), bearer(x.Refresh)}
	for _, h := range logins {
		if got := r.ask(t, "GET", path, "", h); got.status != 200 {
			t.Fatalf("before: %d %s", got.status, got.body)
		}
	}
	// As another replica does it: this process hears of it from the store alone.
	err := r.Store.Write(t.Context(), func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return fairlead.System().Event(fairlead.TokenRevoke, fairlead.Place{}, fairlead.Object{}), w.RemoveToken(ctx, made.Info.User, made.Info.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	r.clock.Move(time.Second)
	for _, h := range logins {
		if got := r.ask(t, "GET", path, "", h); got.status != 401 {
			t.Errorf("after a second: %d", got.status)
		}
	}
	if _, status := r.post(t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {x.Refresh}}); status != 401 {
		t.Errorf("the refresh token: %d", status)
	}
}

// TestWho is who may pull, and for which organization.
func TestWho(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.push(t, registrytest.RandomImage(t, 10), "team/app:v1")
	path := "/v2/" + r.at("team/app") + "/manifests/v1"
	as := func(user, token string) reply {
		return r.ask(t, "GET", path, "", "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+token)))
	}
	bob := r.User(r.Ann, "acme", "bob", fairlead.Member)
	if got := as("whatever", r.tokenOf(t, bob)); got.status != 200 {
		t.Errorf("a member: %d %s", got.status, got.body)
	}
	if got := as("x", r.tokenOf(t, bob, "lease.pull")); got.status != 200 {
		t.Errorf("a token for pulling: %d", got.status)
	}
	if got := as("x", r.tokenOf(t, bob, "run.*")); got.status != 403 || codeOf(got) != wire.AccessDenied {
		t.Errorf("a token for runs: %d %s", got.status, got.body)
	}
	fairleadtest.Must(t, bob, wire.CreateOrganization, wire.OrganizationRequest{Name: "second"})
	token := r.tokenOf(t, bob)
	if got := as("x", token); got.status != 401 || !strings.Contains(got.body, "acme, second") {
		t.Errorf("of two organizations: %d %s", got.status, got.body)
	}
	if got := as("acme", token); got.status != 200 {
		t.Errorf("for acme: %d", got.status)
	}
	if got := as("second", token); got.status == 200 {
		t.Errorf("for the other one: %d", got.status)
	}
	limited := fairleadtest.Must(t, bob, wire.CreateToken, wire.TokenRequest{Name: "pull", Organization: "acme"})
	if got := as("second", string(limited.Token.Reveal())); got.status != 200 {
		t.Errorf("a token of acme's alone: %d", got.status)
	}
	w := fairleadtest.Must(t, r.Ann, wire.AddWorker, wire.WorkerRequest{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Name: "w"})
	if got := as("x", string(w.Token.Reveal())); got.status != 403 {
		t.Errorf("a worker's token: %d %s", got.status, got.body)
	}
	fairleadtest.Must(t, r.Ann, wire.RemoveMember, wire.MemberPath{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, User: "bob"})
	r.clock.Move(time.Minute)
	if got := as("acme", token); got.status == 200 {
		t.Errorf("who has left: %d", got.status)
	}
}

const stepFile = `
- step:
    name: train
    image: %s
    command: "true"
`

// TestHeld has a worker pull the image of a run that it holds, and nothing else, for as
// long as it holds it.
func TestHeld(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Basic)
	image := registrytest.RandomImage(t, 1000)
	r.push(t, image, "team/app:v1")
	r.push(t, image, "team/other:v1")
	layer, body := layerOf(t, image, 0)
	full := r.reg.Host() + "/team/app:v1"
	fairleadtest.Must(t, r.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "models"})
	fairleadtest.Must(t, r.Ann, wire.CreateRun, wire.RunRequest{
		ProjectPath: wire.ProjectPath{Owner: "acme", Project: "models"}, Step: "train", File: strings.Replace(stepFile, "%s", full, 1),
	})
	w := r.Worker(r.Ann, "acme", "w")
	held := fairleadtest.Must(t, w, wire.Claim, wire.ClaimRequest{Engine: "docker", Platform: "linux/amd64"})
	if held.Run == nil {
		t.Fatal("there is no run")
	}
	resource := ref.Resource{Host: r.reg.Host(), Repository: "team/app"}
	lease := func(by *client.Client, fence int64, at ref.Resource) (fairlead.Lease, error) {
		return by.HeldGatewayLease(t.Context(), held.Run.ID, fence, at)
	}
	l, err := lease(w, held.Run.Fence, resource)
	if err != nil {
		t.Fatal(err)
	}
	if l.Kind != fairlead.ThroughGateway || l.For.Resource.Host != r.gatewayHost() || l.For.Resource.Repository != r.at("team/app") || !l.PlainHTTP || l.Expires.IsZero() {
		t.Errorf("%+v", l)
	}
	if _, err := lease(w, held.Run.Fence+1, resource); fairlead.CodeOf(err) != fairlead.CodeFence {
		t.Errorf("with another fence: %v", err)
	}
	if _, err := lease(w, held.Run.Fence, ref.Resource{Host: r.reg.Host(), Repository: "team/other"}); fairlead.KindOf(err) != fairlead.Denied {
		t.Errorf("for another image: %v", err)
	}
	if _, err := lease(r.Worker(r.Ann, "acme", "w2"), held.Run.Fence, resource); fairlead.CodeOf(err) != fairlead.CodeFence {
		t.Errorf("by another worker: %v", err)
	}
	shown := string(l.Bearer.Reveal())
	basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("lease:"+shown))
	traded, status := r.trade(t, "lease", shown, "&scope=repository:"+l.For.Resource.Repository+":pull")
	if status != 200 {
		t.Fatalf("%d %+v", status, traded)
	}
	for _, h := range []string{bearer(shown), basic, bearer(traded.Token)} {
		if got := r.ask(t, "GET", "/v2/"+l.For.Resource.Repository+"/manifests/v1", "", h); got.status != 200 {
			t.Errorf("its manifest: %d %s", got.status, got.body)
		}
		if got := r.ask(t, "GET", "/v2/"+l.For.Resource.Repository+"/blobs/"+layer, "", h); got.status != 200 || got.body != string(body) {
			t.Errorf("its layer: %d", got.status)
		}
		if got := r.ask(t, "GET", "/v2/"+r.at("team/other")+"/manifests/v1", "", h); got.status != 401 {
			t.Errorf("another image: %d", got.status)
		}
	}
	code := 0
	fairleadtest.Must(t, w, wire.End, wire.EndRequest{HeldPath: wire.HeldPath{Run: held.Run.ID, Fence: held.Run.Fence}, ExitCode: &code})
	r.clock.Move(time.Second)
	for _, h := range []string{bearer(shown), basic} {
		if got := r.ask(t, "GET", "/v2/"+l.For.Resource.Repository+"/manifests/v1", "", h); got.status != 401 {
			t.Errorf("after the run's end: %d %s", got.status, got.body)
		}
	}
}
