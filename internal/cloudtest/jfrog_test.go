package cloudtest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/registrytest"
)

// newJFrog is a platform with a reader, a writer and an administrator.
func newJFrog(t *testing.T, n *cloudtest.Internet, change func(*cloudtest.JFrogConfig)) *cloudtest.JFrog {
	t.Helper()
	c := cloudtest.JFrogConfig{
		Host: "acme.jfrog.io",
		Users: []cloudtest.JFrogUser{
			{Name: "ci", Password: "ci-password", Rights: registrytest.Reads("docker-local/")},
			{Name: "writer", Password: "writer-password", Rights: []registrytest.Right{{Prefix: "docker-local/", Actions: []string{"pull", "push"}}}},
			{Name: "admin", Password: "admin-password", Admin: true},
		},
		Repositories: []cloudtest.JFrogRepository{
			{Key: "docker-local", Type: "LOCAL", PackageType: "Docker"},
			{Key: "docker-secret", Type: "LOCAL", PackageType: "Docker"},
			{Key: "npm-local", Type: "LOCAL", PackageType: "Npm"},
		},
	}
	if change != nil {
		change(&c)
	}
	return cloudtest.NewJFrog(t, n, c)
}

// asked is one request and what was answered.
type asked struct {
	status int
	body   map[string]any
	raw    string
}

// send sends a request with a bearer, if there is one.
func send(t *testing.T, n *cloudtest.Internet, method, address, bearer, kind, body string) asked {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if user, password, ok := strings.Cut(bearer, ":"); ok {
		req.SetBasicAuth(user, password)
	} else if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	client := n.Client()
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := asked{status: res.StatusCode, raw: string(b)}
	if err := json.Unmarshal(b, &a.body); err != nil && !bytes.HasPrefix(b, []byte("[")) && len(b) > 0 && b[0] == '{' {
		t.Fatal(err)
	}
	return a
}

// payload reads the claims of a JWT.
func payload(t *testing.T, token string, into any) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

const formType = "application/x-www-form-urlencoded"

// TestJFrogClients has clients that aren't ours pull and push by every path method.
func TestJFrogClients(t *testing.T) {
	t.Parallel()
	for row, c := range map[string]struct {
		change func(*cloudtest.JFrogConfig)
		image  string
	}{
		"path":                    {nil, "acme.jfrog.io/docker-local/team/app"},
		"subdomain in the cloud":  {func(c *cloudtest.JFrogConfig) { c.Subdomains = true }, "acme-docker-local.jfrog.io/team/app"},
		"subdomain, self-hosted":  {func(c *cloudtest.JFrogConfig) { c.Host, c.Subdomains = "art.example.com", true }, "docker-local.art.example.com/team/app"},
		"subdomain, other domain": {func(c *cloudtest.JFrogConfig) { c.Subdomains, c.Domain = true, "docker.example.com" }, "docker-local.docker.example.com/team/app"},
		"port":                    {func(c *cloudtest.JFrogConfig) { c.Ports = map[string]string{"docker-local": "5001"} }, "acme.jfrog.io:5001/team/app"},
	} {
		t.Run(row, func(t *testing.T) {
			t.Parallel()
			n := cloudtest.New(t)
			j := newJFrog(t, n, c.change)
			digest := j.Push(t, registrytest.RandomImage(t, 1000), "docker-local/team/app:v1")
			token := j.Issue(cloudtest.JFrogTokenSpec{User: "ci", Life: time.Hour})
			for _, login := range []string{"ci-password", token.Access, token.Reference} {
				cmd := exec.CommandContext(t.Context(), "skopeo", "inspect", "--creds", "ci:"+login, "docker://"+c.image+":v1")
				cmd.Env = append(n.Env(), "PATH=/usr/bin:/bin", "HOME="+t.TempDir())
				out, err := cmd.CombinedOutput()
				if err != nil || !strings.Contains(string(out), digest) {
					t.Errorf("skopeo: %v\n%s", err, out)
				}
			}
			to, err := name.ParseReference(c.image + ":v2")
			if err != nil {
				t.Fatal(err)
			}
			image := registrytest.RandomImage(t, 500)
			write := func(user, password string) error {
				client := n.Client()
				defer client.CloseIdleConnections()
				return remote.Write(to, image, remote.WithContext(t.Context()), remote.WithTransport(client.Transport),
					remote.WithAuth(&authn.Basic{Username: user, Password: password}))
			}
			if err := write("ci", "ci-password"); err == nil || !strings.Contains(err.Error(), "DENIED") && !strings.Contains(err.Error(), "403") {
				t.Errorf("a reader pushes: %v", err)
			}
			if err := write("writer", "writer-password"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestJFrogDockerLogin checks who is let in at the Docker token endpoint.
func TestJFrogDockerLogin(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	j := newJFrog(t, n, nil)
	good := j.Issue(cloudtest.JFrogTokenSpec{User: "ci", Life: time.Hour})
	revoked := j.Issue(cloudtest.JFrogTokenSpec{User: "ci"})
	j.Revoke(revoked.ID)
	expired := j.Issue(cloudtest.JFrogTokenSpec{User: "ci", Life: time.Nanosecond})
	elsewhere := j.Issue(cloudtest.JFrogTokenSpec{User: "ci", Audience: "jfxr@*"})
	for name, c := range map[string]struct {
		method, login string
		status        int
		says          string
	}{
		"password":         {"GET", "ci:ci-password", 200, ""},
		"access token":     {"GET", "ci:" + good.Access, 200, ""},
		"reference token":  {"GET", "ci:" + good.Reference, 200, ""},
		"wrong user":       {"GET", "admin:" + good.Access, 401, "Wrong username was used"},
		"wrong user, ref":  {"GET", "admin:" + good.Reference, 401, "Wrong username was used"},
		"wrong password":   {"GET", "ci:nonsense", 401, "Bad credentials"},
		"revoked":          {"GET", "ci:" + revoked.Access, 401, "Token failed verification: revoked"},
		"expired":          {"GET", "ci:" + expired.Access, 401, "Token failed verification: expired"},
		"another audience": {"GET", "ci:" + elsewhere.Access, 401, "Token failed verification: audience"},
		"nobody":           {"GET", "", 401, "Authentication is required"},
		"POST":             {"POST", "ci:ci-password", 401, "Authentication is required"},
	} {
		a := send(t, n, c.method, "https://acme.jfrog.io/v2/token?service=acme.jfrog.io:443&scope=repository:docker-local/app:pull", c.login, "", "")
		if a.status != c.status || !strings.Contains(a.raw, c.says) {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	ping := send(t, n, "GET", "https://acme.jfrog.io/v2/", "", "", "")
	if ping.status != 401 {
		t.Error(ping.raw)
	}
	j.Set(func(f *cloudtest.JFrogFaults) { f.Anonymous = true })
	if ping := send(t, n, "GET", "https://acme.jfrog.io/v2/", "", "", ""); ping.status != 200 {
		t.Error(ping.raw)
	}
	j.Set(func(f *cloudtest.JFrogFaults) { *f = cloudtest.JFrogFaults{Disabled: []string{"ci"}} })
	if a := send(t, n, "GET", "https://acme.jfrog.io/v2/token", "ci:"+good.Access, "", ""); a.status != 401 {
		t.Error(a.raw)
	}
}

// TestJFrogTokens makes, refreshes and revokes tokens.
func TestJFrogTokens(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	j := newJFrog(t, n, nil)
	ci := j.Issue(cloudtest.JFrogTokenSpec{User: "ci", Refreshable: true})
	admin := j.Issue(cloudtest.JFrogTokenSpec{User: "admin"})
	const tokens = "https://acme.jfrog.io/access/api/v1/tokens"
	made := send(t, n, "POST", tokens, ci.Access, formType, "scope=applied-permissions/user&expires_in=900&refreshable=true&include_reference_token=true")
	if made.status != 200 || made.body["expires_in"] != 900.0 || made.body["token_type"] != "Bearer" || made.body["refresh_token"] == nil || made.body["reference_token"] == nil {
		t.Fatal(made.raw)
	}
	var claims struct {
		Sub string `json:"sub"`
	}
	if payload(t, made.body["access_token"].(string), &claims); !strings.HasSuffix(claims.Sub, "/users/ci") {
		t.Error(claims)
	}
	for name, c := range map[string]struct {
		login, kind, body string
		status            int
	}{
		"for another":       {ci.Access, formType, "username=admin", 403},
		"of another, admin": {admin.Access, formType, "username=ci", 200},
		"scope":             {ci.Access, "application/json", `{"scope":"applied-permissions/admin"}`, 403},
		"for ever":          {ci.Access, formType, "expires_in=0", 403},
		"for ever, admin":   {admin.Access, formType, "expires_in=0", 200},
		"too long":          {ci.Access, formType, "expires_in=999999999", 403},
		"password":          {"ci:ci-password", formType, "", 401},
		"nobody":            {"", formType, "", 401},
		"XML":               {ci.Access, "text/xml", "<a/>", 415},
		"grant":             {ci.Access, formType, "grant_type=password", 400},
		"refresh, wrong":    {ci.Access, formType, "grant_type=refresh_token&refresh_token=x", 400},
		"refresh, other":    {admin.Access, formType, "grant_type=refresh_token&refresh_token=" + ci.Refresh, 403},
	} {
		if a := send(t, n, "POST", tokens, c.login, c.kind, c.body); a.status != c.status {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {ci.Refresh}}.Encode()
	fresh := send(t, n, "POST", tokens, ci.Access, formType, form)
	if fresh.status != 200 || fresh.body["refresh_token"] == ci.Refresh || fresh.body["access_token"] == ci.Access {
		t.Fatal(fresh.raw)
	}
	if again := send(t, n, "POST", tokens, ci.Access, formType, form); again.status != 401 {
		t.Errorf("the old pair still works: %s", again.raw)
	}
	access := fresh.body["access_token"].(string)
	if a := send(t, n, "DELETE", tokens+"/"+fresh.body["token_id"].(string), access, "", ""); a.status != 200 {
		t.Error(a.raw)
	}
	if a := send(t, n, "POST", tokens, access, formType, ""); a.status != 401 || !strings.Contains(a.raw, "revoked") {
		t.Error(a.raw)
	}
	if a := send(t, n, "DELETE", tokens+"/"+made.body["token_id"].(string), admin.Access, "", ""); a.status != 404 {
		t.Errorf("a token below the persistency threshold can be revoked: %s", a.raw)
	}
}

// TestJFrogOIDC exchanges subject tokens.
func TestJFrogOIDC(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	j := newJFrog(t, n, nil)
	skew := time.Duration(0)
	issuer := cloudtest.NewJFrogIssuer(t, n, "fairlead.example.com", func() time.Time { return time.Now().Add(skew) })
	stranger := cloudtest.NewJFrogIssuer(t, n, "stranger.example.com", time.Now)
	j.Trust(cloudtest.JFrogOIDC{
		Name: "fairlead", Issuer: issuer.URL(), Audience: "https://acme.jfrog.io",
		Mappings: []cloudtest.JFrogMapping{{Name: "one", Claims: map[string]string{"sub": "org:acme:connector:jf"}, Username: "ci", ExpiresIn: 900}},
	})
	exchange := func(by *cloudtest.JFrogIssuer, s provider.Subject, change func(map[string]string)) asked {
		t.Helper()
		token, err := by.Sign(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		form := map[string]string{
			"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
			"subject_token": string(token.Reveal()), "provider_name": "fairlead",
		}
		if change != nil {
			change(form)
		}
		b, err := json.Marshal(form)
		if err != nil {
			t.Fatal(err)
		}
		return send(t, n, "POST", "https://acme.jfrog.io/access/api/v1/oidc/token", "", "application/json", string(b))
	}
	right := provider.Subject{Organization: "acme", Connector: "jf", Audience: "https://acme.jfrog.io"}
	good := exchange(issuer, right, nil)
	if good.status != 200 || good.body["username"] != "ci" || good.body["expires_in"] != 900.0 {
		t.Fatal(good.raw)
	}
	issuer.Rotate()
	if a := exchange(issuer, right, nil); a.status != 200 {
		t.Errorf("after a rotation of keys: %s", a.raw)
	}
	other := right
	other.Connector = "evil"
	elsewhere := right
	elsewhere.Audience = "https://other.jfrog.io"
	var got []string
	for _, a := range []asked{
		exchange(issuer, other, nil),
		exchange(issuer, elsewhere, nil),
		exchange(stranger, right, nil),
		exchange(issuer, right, func(f map[string]string) { f["provider_name"] = "nobody" }),
		exchange(issuer, right, func(f map[string]string) { f["subject_token"] += "x" }),
		exchange(issuer, right, func(f map[string]string) { f["subject_token"] = "garbage" }),
		exchange(issuer, right, func(f map[string]string) { f["grant_type"] = "password" }),
		exchange(issuer, right, func(f map[string]string) { f["identity_mapping_name"] = "two" }),
	} {
		got = append(got, a.raw)
	}
	skew = -time.Hour
	got = append(got, exchange(issuer, right, nil).raw)
	skew = time.Hour
	got = append(got, exchange(issuer, right, nil).raw)
	says := func(code, message string) string {
		return `{"errors":[{"code":"` + code + `","message":"` + message + `"}]}`
	}
	want := []string{
		says("FORBIDDEN", "No matching identity mapping was found"),
		says("BAD_REQUEST", "Invalid audience"),
		says("UNAUTHORIZED", "Invalid issuer"),
		says("NOT_FOUND", "OIDC provider not found"),
		says("UNAUTHORIZED", "Invalid token signature"),
		says("BAD_REQUEST", "Invalid subject token"),
		says("BAD_REQUEST", "Unsupported grant_type"),
		says("FORBIDDEN", "No matching identity mapping was found"),
		says("UNAUTHORIZED", "Token has expired"),
		says("UNAUTHORIZED", "Token used before issued"),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestJFrogRepositories lists, makes and removes repositories.
func TestJFrogRepositories(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	j := newJFrog(t, n, nil)
	ci := j.Issue(cloudtest.JFrogTokenSpec{User: "ci", Audience: "jfrt@*"})
	admin := j.Issue(cloudtest.JFrogTokenSpec{User: "admin"})
	const api = "https://acme.jfrog.io/artifactory/api/repositories"
	keys := func(login string) (list []string) {
		var rows []cloudtest.JFrogRepository
		if err := json.Unmarshal([]byte(send(t, n, "GET", api+"?packageType=docker", login, "", "").raw), &rows); err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			list = append(list, r.Key)
		}
		slices.Sort(list)
		return list
	}
	if d := cmp.Diff([]string{"docker-local"}, keys(ci.Access)); d != "" {
		t.Error(d)
	}
	const body = `{"key":"docker-new","rclass":"local","packageType":"docker"}`
	if a := send(t, n, "PUT", api+"/docker-new", ci.Access, "application/json", body); a.status != 403 {
		t.Error(a.raw)
	}
	if a := send(t, n, "PUT", api+"/docker-new", admin.Access, "application/json", body); a.status != 200 {
		t.Error(a.raw)
	}
	if a := send(t, n, "PUT", api+"/docker-new", admin.Access, "application/json", body); a.status != 400 {
		t.Error(a.raw)
	}
	if d := cmp.Diff([]string{"docker-local", "docker-new", "docker-secret"}, keys(admin.Access)); d != "" {
		t.Error(d)
	}
	for _, want := range []int{200, 404} {
		if a := send(t, n, "DELETE", api+"/docker-new", admin.Access, "", ""); a.status != want {
			t.Error(a.raw)
		}
	}
	if a := send(t, n, "GET", api, "", "", ""); a.status != 401 {
		t.Error(a.raw)
	}
}
