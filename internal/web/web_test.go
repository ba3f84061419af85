package web_test

import (
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/wire"
)

// reply is a page as it came.
type reply struct {
	status int
	header http.Header
	body   string
}

func send(t *testing.T, req *http.Request) reply {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(b)}
}

func get(t *testing.T, p *fairleadtest.Plane, path string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, req)
}

// post sends a form as a browser does, from a page of that origin; "" is none that says so.
func post(t *testing.T, p *fairleadtest.Plane, path, origin, site string, form url.Values) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	if site != "" {
		req.Header.Set("Sec-Fetch-Site", site)
	}
	return send(t, req)
}

// TestPages opens every page.
func TestPages(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Open(t)
	for path, c := range map[string]struct {
		status int
		has    string
	}{
		"/":                 {http.StatusOK, "fairlead login " + p.URL},
		"/setup":            {http.StatusOK, `action="/setup"`},
		"/join":             {http.StatusOK, `action="/join"`},
		"/docs":             {http.StatusOK, "OpenAPI 3.1"},
		"/nothing":          {http.StatusNotFound, "There is no such page"},
		"/setup/":           {http.StatusNotFound, "There is no such page"},
		"/%3Cscript%3E":     {http.StatusNotFound, "There is no such page"},
		"/assets/link.js":   {http.StatusOK, "location.hash"},
		"/assets/none.js":   {http.StatusNotFound, ""},
		"/assets/":          {http.StatusNotFound, ""},
		"/assets/%2e%2e/":   {http.StatusNotFound, ""},
		"/assets/../web.go": {http.StatusMovedPermanently, ""},
	} {
		r := get(t, p, path)
		if path == "/assets/../web.go" && r.status/100 == 3 {
			continue // whither its cleaned path leads, where nothing is
		}
		if r.status != c.status || !strings.Contains(r.body, c.has) {
			t.Errorf("%s: status %d: %.300s", path, r.status, r.body)
		}
		for key, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := r.header.Get(key); got != want {
				t.Errorf("%s: %s is %q", path, key, got)
			}
		}
		policy := r.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		// What the policy forbids is not on the page either.
		if m := regexp.MustCompile(`(?i)<script>|<style|\son[a-z]+=|javascript:|style=|src="https?:|href="https?:`).FindString(r.body); m != "" && strings.HasPrefix(r.body, "<!doctype") {
			t.Errorf("%s has %q", path, m)
		}
	}
}

// TestDocs has every operation on the page that people read.
func TestDocs(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Open(t)
	page := get(t, p, "/docs").body
	for _, r := range wire.Routes() {
		path := html.EscapeString(strings.ReplaceAll(r.Path, "...}", "}"))
		if !strings.Contains(page, `id="`+r.ID+`"`) || !strings.Contains(page, path) || !strings.Contains(html.UnescapeString(page), r.Summary) {
			t.Errorf("%s isn't on the page", r.ID)
		}
	}
	if n := strings.Count(page, "<details"); n != len(wire.Routes()) {
		t.Errorf("%d operations on the page, %d routes", n, len(wire.Routes()))
	}
}

const password, link = "a very good password", "link"

func setUp(link fairlead.Secret) url.Values {
	return url.Values{
		"link": {string(link.Reveal())}, "organization": {"acme"}, "name": {"ann"}, "email": {"ann@example.com"}, "password": {password}, "again": {password},
	}
}

func with(form url.Values, key, value string) url.Values {
	changed := maps.Clone(form)
	changed.Set(key, value)
	return changed
}

// TestSetUp fills in the form wrongly in every way, then well, then again.
func TestSetUp(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Open(t)
	token, err := p.Identity.NewSetUpLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	good := setUp(token)
	long := strings.Repeat("x", 100<<10)
	for name, c := range map[string]struct {
		form url.Values
		has  string
	}{
		"nothing":              {url.Values{}, "reading organization: it is empty"},
		"no organization":      {with(good, "organization", ""), "reading organization: it is empty"},
		"a wrong name":         {with(good, "name", "Ann Smith"), "a character that a name can't have"},
		"the same name twice":  {with(good, "name", "acme"), "can't both be called acme"},
		"no e-mail address":    {with(good, "email", "ann"), "reading e-mail address"},
		"another password":     {with(good, "again", "c4nary-password"), "the two are not the same"},
		"a short password":     {with(with(good, "password", "c4nary"), "again", "c4nary"), "password"},
		"a link that isn't":    {with(good, link, "flx_c4nary"), "using the one-time link"},
		"no link":              {with(good, link, ""), "using the one-time link"},
		"markup":               {with(good, "organization", `"><script>alert(1)</script>`), "a character that a name can't have"},
		"more than a form has": {with(good, "name", long), "reading the form"},
	} {
		r := post(t, p, "/setup", p.URL, "same-origin", c.form)
		text := html.UnescapeString(r.body)
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(text, c.has) {
			t.Errorf("%s: status %d: %s", name, r.status, r.body)
		}
		if strings.Contains(r.body, "c4nary") || strings.Contains(r.body, password) || strings.Contains(r.body, string(token.Reveal())) || strings.Contains(r.body, "<script>") {
			t.Errorf("%s: the page shows what it must not: %s", name, r.body)
		}
		if organization := c.form.Get("organization"); organization == "acme" && name != "more than a form has" && !strings.Contains(r.body, `value="acme"`) {
			t.Errorf("%s: what was typed in is gone", name)
		}
		if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %v", name, r.header)
		}
	}
	if done, err := p.Store.IsSetUp(t.Context()); done || err != nil {
		t.Fatalf("set up by none of these: %v, %v", done, err)
	}
	if r := post(t, p, "/setup?"+good.Encode(), p.URL, "same-origin", url.Values{}); r.status != http.StatusUnprocessableEntity {
		t.Errorf("a form in the URL, which is logged: status %d", r.status)
	}
	if r := post(t, p, "/setup", p.URL, "same-origin", good); r.status != http.StatusOK || !strings.Contains(r.body, "Fairlead is set up") || strings.Contains(r.body, password) {
		t.Fatalf("status %d: %s", r.status, r.body)
	}
	if r := post(t, p, "/setup", p.URL, "same-origin", with(good, "organization", "other")); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "there is an administrator already") {
		t.Errorf("again: status %d: %s", r.status, r.body)
	}
	if _, err := client.Do(t.Context(), p.Anybody(), wire.Login, wire.LoginRequest{Name: "ann", Password: wire.Clear{Secret: fairlead.SecretText(password)}}); err != nil {
		t.Errorf("the administrator can't log in: %v", err)
	}
}

// TestJoin takes up an invitation at the page.
func TestJoin(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Start(t)
	m := fairleadtest.Must(t, p.Ann, wire.AddMember, wire.MemberRequest{
		OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Name: "bob", Role: fairlead.Member,
	})
	token := string(m.Link.Reveal())
	if !strings.HasPrefix(token, p.URL+"/join#fli_") {
		t.Errorf("the link is %d long and doesn't lead to the page", len(token))
	}
	form := url.Values{link: {token[strings.IndexByte(token, '#')+1:]}, "password": {password}, "again": {password}}
	for name, f := range map[string]url.Values{
		"another password": with(form, "again", "x"), "no link": with(form, link, ""), "a short password": with(with(form, "password", "x"), "again", "x"),
	} {
		if r := post(t, p, "/join", p.URL, "same-origin", f); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, `role="alert"`) || strings.Contains(r.body, form.Get(link)) {
			t.Errorf("%s: status %d: %s", name, r.status, r.body)
		}
	}
	if r := post(t, p, "/join", p.URL, "same-origin", form); r.status != http.StatusOK || !strings.Contains(r.body, "Welcome") {
		t.Fatalf("status %d: %s", r.status, r.body)
	}
	if r := post(t, p, "/join", p.URL, "same-origin", form); r.status != http.StatusUnprocessableEntity || !strings.Contains(html.UnescapeString(r.body), "it was used") {
		t.Errorf("again: status %d: %s", r.status, r.body)
	}
}

// TestForeignPages has a page of another origin send the form: nothing is done, even
// with the right link.
func TestForeignPages(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Open(t)
	token, err := p.Identity.NewSetUpLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string][2]string{
		"another site": {"https://evil.example.com", "cross-site"}, "an old browser": {"https://evil.example.com", ""},
		"a page beside": {"http://side.127.0.0.1", "same-site"}, "nowhere": {"null", "cross-site"}, "nowhere, an old browser": {"null", ""},
	} {
		r := post(t, p, "/setup", from[0], from[1], setUp(token))
		if r.status != http.StatusForbidden || r.header.Get("Content-Security-Policy") == "" || !strings.Contains(r.body, "another site") {
			t.Errorf("%s: status %d: %s", name, r.status, r.body)
		}
	}
	if done, err := p.Store.IsSetUp(t.Context()); done || err != nil {
		t.Errorf("set up from another site: %v, %v", done, err)
	}
	// What is no browser says nothing of where it comes from.
	if r := post(t, p, "/setup", "", "", setUp(token)); r.status != http.StatusOK {
		t.Errorf("a program: status %d: %s", r.status, r.body)
	}
}

// TestOtherMethods asks for pages as they aren't served.
func TestOtherMethods(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Open(t)
	for path, methods := range map[string][]string{"/": {"POST", "DELETE"}, "/docs": {"POST", "PUT"}, "/setup": {"DELETE", "PUT"}, "/assets/link.js": {"POST"}} {
		for _, method := range methods {
			req, err := http.NewRequestWithContext(t.Context(), method, p.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r := send(t, req); r.status != http.StatusNotFound && r.status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: status %d", method, path, r.status)
			}
		}
	}
}
