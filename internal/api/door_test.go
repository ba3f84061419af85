package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/wire"
)

// head is what stands before a reply's body.
type head struct {
	StatusCode int
	Header     http.Header
}

// knock sends a request as it stands and gives the reply with its body.
func knock(t *testing.T, p *fairleadtest.Plane, token fairlead.Secret, method, path, kind, body string) (head, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	// The path goes out as it is written.
	if req.URL, err = url.Parse(p.URL + path); err != nil {
		req.URL = &url.URL{Scheme: "http", Host: strings.TrimPrefix(p.URL, "http://"), Opaque: path}
	}
	if !token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+string(token.Reveal()))
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return head{resp.StatusCode, resp.Header}, string(b)
}

// refusal reads an error reply, which has to be one.
func refusal(t *testing.T, what string, resp head, body string) fairlead.Error {
	t.Helper()
	var reply wire.ErrorReply
	if err := json.Unmarshal([]byte(body), &reply); err != nil || reply.Error.Kind == "" || reply.Error.What == "" {
		t.Errorf("%s: status %d with %q", what, resp.StatusCode, body)
	}
	if got := wire.Status(reply.Error.Kind); got != resp.StatusCode {
		t.Errorf("%s: status %d for an error of kind %s", what, resp.StatusCode, reply.Error.Kind)
	}
	if reply.Request == "" || resp.Header.Get("X-Request-Id") != reply.Request {
		t.Errorf("%s: request %q in the body, %q in the header", what, reply.Request, resp.Header.Get("X-Request-Id"))
	}
	return reply.Error
}

// TestBodies sends what isn't the JSON that an operation takes.
func TestBodies(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Start(t)
	token := fairleadtest.Must(t, p.Anybody(), wire.Login, wire.LoginRequest{Name: "ann", Password: hidden(fairleadtest.Password)}).Token.Secret
	const jsonType, path = "application/json", "/api/v1/tokens"
	for name, c := range map[string]struct {
		kind, body string
		field, why string
	}{
		"empty":               {jsonType, "", "", "isn't JSON"},
		"cut":                 {jsonType, `{"name": "x"`, "", "isn't JSON"},
		"two":                 {jsonType, `{"name": "x"} {"name": "y"}`, "", "isn't JSON"},
		"no object":           {jsonType, `["name"]`, "", "expected object"},
		"null":                {jsonType, `null`, "", "expected object"},
		"a text":              {jsonType, `"name"`, "", "expected object"},
		"nothing given":       {jsonType, `{}`, "", "name"},
		"unknown field":       {jsonType, `{"name": "x", "c4nary": "c4nary-value"}`, "c4nary", "unexpected"},
		"another case":        {jsonType, `{"NAME": "x"}`, "NAME", "no such field"},
		"both cases":          {jsonType, `{"name": "x", "days": 1, "DAYS": 999999}`, "DAYS", "no such field"},
		"wrong type":          {jsonType, `{"name": 7}`, "name", "expected string"},
		"fraction":            {jsonType, `{"name": "x", "days": 1.5}`, "days", "expected integer"},
		"too great":           {jsonType, `{"name": "x", "days": 3651}`, "days", "3650"},
		"negative":            {jsonType, `{"name": "x", "days": -1}`, "days", "0"},
		"beyond an int":       {jsonType, `{"name": "x", "days": 92233720368547758080}`, "days", ""},
		"beyond a float":      {jsonType, `{"name": "x", "days": 1e999}`, "", ""},
		"deep":                {jsonType, strings.Repeat("[", 100_000), "", "isn't JSON"},
		"deep in a field":     {jsonType, `{"scopes": ` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`, "", ""},
		"too long":            {jsonType, `{"name": "` + strings.Repeat("x", 3<<20) + `"}`, "", "more than"},
		"a long name":         {jsonType, `{"name": "` + strings.Repeat("x", 1<<20) + `"}`, "name", "1 to 63"},
		"a form":              {"application/x-www-form-urlencoded", "name=x", "", "isn't marked as JSON"},
		"no type":             {"", `{"name": "x"}`, "", "isn't marked as JSON"},
		"plain text":          {"text/plain", `{"name": "x"}`, "", "isn't marked as JSON"},
		"a strange type":      {"application/json; charset", `{"name": "x"}`, "", "isn't marked as JSON"},
		"a scope there isn't": {jsonType, `{"name": "x", "scopes": ["everything"]}`, "scopes", "no action"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, body := knock(t, p, token, http.MethodPost, path, c.kind, c.body)
			e := refusal(t, name, resp, body)
			if e.Kind != fairlead.Invalid || c.field != "" && e.Field != c.field || !strings.Contains(e.Why+e.Field, c.why) || e.Remedy == "" {
				t.Errorf("%+v", e)
			}
			if strings.Contains(body, "c4nary-value") || len(body) > 2000 {
				t.Errorf("the reply has what was sent: %d bytes", len(body))
			}
		})
	}
	if list := fairleadtest.Must(t, p.As(token), wire.ListTokens, wire.None{}); len(list.Tokens) != 2 {
		t.Errorf("there are %d tokens", len(list.Tokens))
	}
	for _, kind := range []string{"application/json; charset=utf-8", "Application/JSON"} {
		if resp, body := knock(t, p, token, http.MethodPost, path, kind, `{"name": "x"}`); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d: %s", kind, resp.StatusCode, body)
		}
	}
}

// TestSecretsInTheWrongPlace sends secrets where none belongs: no reply and no log shows
// them.
func TestSecretsInTheWrongPlace(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Start(t)
	token := fairleadtest.Must(t, p.Anybody(), wire.Login, wire.LoginRequest{Name: "ann", Password: hidden(fairleadtest.Password)}).Token.Secret
	const canary = "c4nary-0123456789"
	connectors, registries := "/api/v1/organizations/acme/connectors", "/api/v1/organizations/acme/registries"
	for _, c := range []struct{ method, path, body string }{
		{"POST", connectors, `{"name": "x", "family": "docker", "method": "basic", "password": "c4nary-0123456789"}`},
		{"POST", connectors, `{"name": "x", "family": "docker", "method": "basic", "secrets": "c4nary-0123456789"}`},
		{"POST", connectors, `{"name": "x", "family": "docker", "method": "basic", "secrets": {"password": {"value": "c4nary-0123456789"}}}`},
		{"POST", connectors, `{"name": "x", "family": "docker", "method": "basic", "public": {"hosts": "a.example.com", "username": "u", "password": "c4nary-0123456789"}}`},
		{"POST", connectors, `{"name": "x", "family": "docker", "method": "basic", "public": {"hosts": "a.example.com"}, "secrets": {"username": "c4nary-0123456789"}}`},
		{"POST", connectors, `{"name": "x", "family": "docker", "method": "basic", "public": {"hosts": "a.example.com", "username": "u"}, "secrets": {"c": "c4nary-0123456789"}}`},
		{"POST", registries, `{"name": "x", "pattern": "robot:c4nary-0123456789@reg.example.com/*"}`},
		{"POST", registries, `{"name": "x", "pattern": "https://robot:c4nary-0123456789@reg.example.com/*"}`},
		{"POST", "/api/v1/sessions", `{"name": "ann", "password": ["c4nary-0123456789"]}`},
		{"POST", "/api/v1/sessions?password=c4nary-0123456789", `{"name": "ann", "password": "c4nary-0123456789"}`},
		{"POST", "/api/v1/setup", `{"link": {"token": "c4nary-0123456789"}}`},
		{"POST", "/api/v1/setup", `{"link": "c4nary-0123456789", "name": "x", "organization": "y", "password": "c4nary-0123456789"}`},
		{"PUT", "/api/v1/session/password", `{"old": "c4nary-0123456789", "new": "c4nary-0123456789"}`},
		{"PUT", "/api/v1/session/password", `{"old": 7, "new": {"c4nary-0123456789": 1}}`},
		{"GET", "/api/v1/session?token=c4nary-0123456789", ""},
	} {
		resp, body := knock(t, p, token, c.method, c.path, "application/json", c.body)
		if resp.StatusCode == http.StatusInternalServerError || strings.Contains(body, canary) {
			t.Errorf("%s %s %s: status %d: %s", c.method, c.path, c.body, resp.StatusCode, body)
		}
	}
	for _, authorization := range []string{canary, "Bearer " + canary, "Bearer flt_" + canary, "Basic " + canary} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/api/v1/session", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", authorization)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized || strings.Contains(string(b), canary) || resp.Header.Get("WWW-Authenticate") != `Bearer realm="fairlead"` {
			t.Errorf("%s: status %d: %s", authorization, resp.StatusCode, b)
		}
	}
	if strings.Contains(p.Log.String(), canary) {
		t.Error("the log has the canary")
	}
}

// TestHeaders asks everything, well and badly: every reply forbids that a browser takes
// it for something else, or keeps it.
func TestHeaders(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Start(t)
	token := fairleadtest.Must(t, p.Anybody(), wire.Login, wire.LoginRequest{Name: "ann", Password: hidden(fairleadtest.Password)}).Token.Secret
	fill := regexp.MustCompile(`\{[^}]*\}`)
	asked := []string{"GET /api/", "GET /api/v1/nothing", "DELETE /api/v1/projects", "GET /openapi.json", "GET /healthz", "GET /readyz"}
	for _, r := range wire.Routes() {
		asked = append(asked, r.Method+" "+fill.ReplaceAllString(r.Path, "1"))
	}
	for _, a := range asked {
		method, path, _ := strings.Cut(a, " ")
		for _, who := range []fairlead.Secret{{}, token} {
			if a == "DELETE /api/v1/session" && !who.IsZero() {
				continue
			}
			resp, body := knock(t, p, who, method, path, "application/json", "{}")
			h := resp.Header
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "default-src 'none'; frame-ancestors 'none'" {
				t.Errorf("%s: status %d with %v", a, resp.StatusCode, h)
			}
			if strings.HasPrefix(path, "/api/") && (h.Get("Cache-Control") != "no-store" || h.Get("X-Request-Id") == "") {
				t.Errorf("%s: status %d with %v", a, resp.StatusCode, h)
			}
			if body != "" && h.Get("Content-Type") == "" || h.Get("Access-Control-Allow-Origin") != "" || h.Get("Set-Cookie") != "" {
				t.Errorf("%s: status %d with %v", a, resp.StatusCode, h)
			}
			if resp.StatusCode >= 500 {
				t.Errorf("%s: status %d: %s", a, resp.StatusCode, body)
			}
		}
	}
}

// TestNoSuchRoute asks what isn't served.
func TestNoSuchRoute(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Start(t)
	for _, a := range []string{
		"GET /api/", "GET /api/v2/projects", "DELETE /api/v1/projects", "PUT /api/v1/tokens", "TRACE /api/v1/session", "OPTIONS /api/v1/session", "WRONG /api/v1/session",
		"GET /api/v1/organizations/", "GET /api/v1/organizations/a/b/c/d",
	} {
		method, path, _ := strings.Cut(a, " ")
		resp, body := knock(t, p, fairlead.Secret{}, method, path, "", "")
		if e := refusal(t, a, resp, body); e.Kind != fairlead.NotFound || !strings.Contains(e.Why, a) || e.Remedy == "" {
			t.Errorf("%s: %+v", a, e)
		}
	}
}

// nasty are values that no path parameter has.
func nasty() []string {
	return []string{
		"%00", "a%00b", "%ff%fe", "%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "a%2fb", "%2f", "%0d%0aX-Injected:%20yes", "%25", "%20", "%3c%73cript%3e",
		"%F0%9F%98%80", "'%20OR%201=1--", "%22;DROP%20TABLE%20users;--", strings.Repeat("a", 8000), strings.Repeat("%41", 3000), "-1", "0", "9223372036854775807", "9223372036854775808",
		strings.Repeat("9", 500), "1e3", "0x10", "+1", "1%20", "NaN", "sha256:zz", "*", "_", "%25%25",
	}
}

// TestPaths puts into every path what doesn't belong there: whoever asks is told so, and
// nothing breaks.
func TestPaths(t *testing.T) {
	t.Parallel()
	for _, store := range []string{"sqlite", "postgres"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			var options []fairleadtest.Option
			if store == "postgres" {
				options = append(options, fairleadtest.WithDatabase(pgtest.URL(t)))
			}
			p := fairleadtest.Start(t, options...)
			token := fairleadtest.Must(t, p.Anybody(), wire.Login, wire.LoginRequest{Name: "ann", Password: hidden(fairleadtest.Password)}).Token.Secret
			fairleadtest.Must(t, p.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "models"})
			for _, r := range wire.Routes() {
				for _, value := range nasty() {
					for _, path := range spoiled(r.Path, value) {
						resp, body := knock(t, p, token, r.Method, path, "application/json", "{}")
						if resp.StatusCode >= 500 || resp.StatusCode < 300 || resp.Header.Get("X-Injected") != "" {
							t.Errorf("%s %.120s: status %d: %.300s", r.Method, path, resp.StatusCode, body)
						}
						if len(body) > 4000 {
							t.Errorf("%s %.120s: a reply of %d bytes", r.Method, path, len(body))
						}
					}
				}
			}
			if strings.Contains(p.Log.String(), `"level":"ERROR"`) {
				t.Error("the log has errors of the server's own")
			}
		})
	}
}

// spoiled puts a value in the place of each wildcard of a path, and what there is in the
// others'.
func spoiled(path, value string) []string {
	wild := regexp.MustCompile(`\{[^}]*\}`)
	names := wild.FindAllString(path, -1)
	there := map[string]string{"{organization}": "acme", "{owner}": "acme", "{project}": "models", "{user}": "ann"}
	var list []string
	for i := range names {
		n := -1
		list = append(list, wild.ReplaceAllStringFunc(path, func(name string) string {
			if n++; n == i {
				return value
			}
			if known := there[name]; known != "" {
				return known
			}
			return "1"
		}))
	}
	return list
}

// TestQueries puts into every query what doesn't belong there.
func TestQueries(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Start(t)
	token := fairleadtest.Must(t, p.Anybody(), wire.Login, wire.LoginRequest{Name: "ann", Password: hidden(fairleadtest.Password)}).Token.Secret
	fairleadtest.Must(t, p.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "models"})
	events, runs := "/api/v1/organizations/acme/events?", "/api/v1/projects/acme/models/runs?"
	for query, want := range map[string]int{
		events + "limit=5": 200, events + "limit=": 422, events + "limit=x": 422, events + "limit=-1": 422, events + "limit=1001": 422, events + "limit=99999999999999999999": 422,
		events + "action=%00": 200, events + "subject=%ff": 200, events + "before=nothing": 200, events + "project=nothing": 404, events + "project=acme/none": 404,
		events + "unknown=1": 200, events + "limit=1&limit=x": 200, events + "limit=5;x": 200,
		runs + "before=-1": 422, runs + "before=9223372036854775807&limit=1": 200, runs + "before=1.0": 422, runs + "limit=1000": 200,
	} {
		resp, body := knock(t, p, token, http.MethodGet, query, "", "")
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d: %s", query, resp.StatusCode, want, body)
		}
	}
}

// TestDocumentIsOpen reads the document and the health pages without a proof.
func TestDocumentIsOpen(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Open(t)
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		if resp, body := knock(t, p, fairlead.Secret{}, http.MethodGet, path, "", ""); resp.StatusCode != http.StatusOK || body != want {
			t.Errorf("%s: status %d: %s", path, resp.StatusCode, body)
		}
	}
	if err := p.Store.Close(); err != nil {
		t.Fatal(err)
	}
	if resp, body := knock(t, p, fairlead.Secret{}, http.MethodGet, "/readyz", "", ""); resp.StatusCode != http.StatusServiceUnavailable || body != "not ready\n" {
		t.Errorf("without a store: status %d: %s", resp.StatusCode, body)
	}
	if resp, _ := knock(t, p, fairlead.Secret{}, http.MethodGet, "/healthz", "", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("healthy without a store: status %d", resp.StatusCode)
	}
}

// TestEmptyListsAreLists shows clients in every language lists that they can walk.
func TestEmptyListsAreLists(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Start(t)
	token := fairleadtest.Must(t, p.Anybody(), wire.Login, wire.LoginRequest{Name: "ann", Password: hidden(fairleadtest.Password)}).Token.Secret
	fairleadtest.Must(t, p.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "models"})
	var seen []string
	for _, r := range wire.Routes() {
		if r.Method != http.MethodGet || strings.Contains(r.Path, "{number}") || strings.Contains(r.Path, "{run}") {
			continue
		}
		path := strings.NewReplacer("{organization}", "acme", "{owner}", "acme", "{project}", "models").Replace(r.Path)
		if strings.Contains(path, "{") || r.ID == wire.ListImages.ID { // that one is about a registry's repository
			continue
		}
		if r.ID == wire.Explain.ID {
			path += "?image=registry.example.com/team/app"
		}
		resp, body := knock(t, p, token, http.MethodGet, path, "", "")
		// The pages of Valohai's form have null where there is no next one, as there.
		body = strings.Replace(body, `"next":null,"previous":null`, "", 1)
		if resp.StatusCode != http.StatusOK || strings.Contains(body, ":null") {
			t.Errorf("%s: status %d: %s", r.ID, resp.StatusCode, body)
		}
		seen = append(seen, r.ID)
	}
	if slices.Sort(seen); len(seen) < 10 {
		t.Errorf("only %v were asked", seen)
	}
}
