package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// What the robot logs in with.
const password = "c4nary-password-of-the-robot"

// room is a plane with its gateway, and a registry that the organization acme has an
// entry for. The clock stands until it is moved.
type room struct {
	*fairleadtest.Plane
	clock *fairleadtest.Clock
	reg   *registrytest.Registry
	// token is ann's, of acme.
	token string
}

func robot() registrytest.Account {
	return registrytest.Account{Name: "robot", Password: password, Rights: registrytest.Everything()}
}

func newRoom(t testing.TB, auth registrytest.Auth, options ...fairleadtest.Option) *room {
	t.Helper()
	r := &room{clock: fairleadtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	r.Plane = fairleadtest.Start(t, append([]fairleadtest.Option{fairleadtest.WithClock(r.clock)}, options...)...)
	r.reg = registrytest.New(t, registrytest.Config{Auth: auth, Accounts: []registrytest.Account{
		robot(), {Name: "side", Password: "side-" + password, Rights: registrytest.Reads("side/")},
	}, Now: r.clock.Now})
	r.add(t, r.Ann, "acme", "main", "*", "robot", password)
	r.token = r.tokenOf(t, r.Ann)
	return r
}

// add adds an entry for what is below the registry's host.
func (r *room) add(t testing.TB, by *client.Client, org fairlead.Name, name, path, account, secret string) {
	t.Helper()
	req := wire.RegistryRequest{
		OrganizationPath: wire.OrganizationPath{Organization: org}, Name: name, Pattern: r.reg.Host() + "/" + path, PlainHTTP: true,
	}
	if account != "" {
		req.NewConnector = &wire.ConnectorFields{
			Family: "docker", Method: "basic", Public: map[string]string{"username": account},
			Secrets: map[string]wire.Clear{"password": {Secret: fairlead.SecretText(secret)}},
		}
	}
	fairleadtest.Must(t, by, wire.AddRegistry, req)
}

func (r *room) tokenOf(t testing.TB, by *client.Client, scopes ...string) string {
	t.Helper()
	made := fairleadtest.Must(t, by, wire.CreateToken, wire.TokenRequest{Name: "pull", Scopes: scopes})
	return string(made.Token.Reveal())
}

// at is the name of a repository of the registry behind the gateway.
func (r *room) at(repository string) string {
	return strings.Replace(r.reg.Host(), ":", "__", 1) + "/" + repository
}

// gatewayHost is the gateway's, as it stands in an image's name.
func (r *room) gatewayHost() string { return strings.TrimPrefix(r.URL, "http://") }

// reply is a reply that was read.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a request with a token as the password, and headers as "Name: value".
func (r *room) ask(t testing.TB, method, path, token string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.SetBasicAuth("any", token)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return reply{res.StatusCode, res.Header, string(b)}
}

func (r *room) get(t testing.TB, path string, headers ...string) reply {
	t.Helper()
	return r.ask(t, http.MethodGet, path, r.token, headers...)
}

// push pushes an image and gives its digest.
func (r *room) push(t testing.TB, image v1.Image, name string) string {
	t.Helper()
	return registrytest.Push(t, r.reg, image, name, robot())
}

// fronts counts what the registry itself was asked, by method and part of the path.
func (r *room) fronts(method, part string) int {
	n := 0
	for _, q := range r.reg.Requests() {
		if q.Server == registrytest.Front && q.Method == method && strings.Contains(q.Path, part) {
			n++
		}
	}
	return n
}

// layerOf gives the digest and the bytes of an image's n-th layer.
func layerOf(t testing.TB, image v1.Image, n int) (digest string, body []byte) {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	d, err := layers[n].Digest()
	if err != nil {
		t.Fatal(err)
	}
	rc, err := layers[n].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	b, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	return d.String(), b
}

// serve serves at an address of this machine.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return strings.TrimPrefix(s.URL, "http://")
}

// askCut asks for what may be cut off, and gives what came of it.
func (r *room) askCut(t testing.TB, path, token string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+path, nil)
	if err != nil {
		t.Error(err)
		return reply{}
	}
	req.SetBasicAuth("any", token)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return reply{} // cut off before its beginning
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, string(b)}
}
