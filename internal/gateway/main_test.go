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
	// database is what servers beside it share with it, in tests of several.
	database fairleadtest.Option
}

func robot() registrytest.Account {
	return registrytest.Account{Name: "robot", Password: password, Rights: registrytest.Everything()}
}

func newRoom(tb testing.TB, auth registrytest.Auth, options ...fairleadtest.Option) *room {
	tb.Helper()
	r := &room{clock: fairleadtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	r.Plane = fairleadtest.Start(tb, append([]fairleadtest.Option{fairleadtest.WithClock(r.clock)}, options...)...)
	r.reg = registrytest.New(tb, registrytest.Config{Auth: auth, Accounts: []registrytest.Account{
		robot(), {Name: "side", Password: "side-" + password, Rights: registrytest.Reads("side/")},
	}, Now: r.clock.Now})
	r.add(tb, r.Ann, "acme", "main", "*", "robot", password)
	r.token = r.tokenOf(tb, r.Ann)
	return r
}

// add adds an entry for what is below the registry's host.
func (r *room) add(tb testing.TB, by *client.Client, org fairlead.Name, name, path, account, secret string) {
	tb.Helper()
	req := wire.RegistryRequest{
		OrganizationPath: wire.OrganizationPath{Organization: org}, Name: name, Pattern: r.reg.Host() + "/" + path, PlainHTTP: true,
	}
	if account != "" {
		req.NewConnector = &wire.ConnectorFields{
			Family: "docker", Method: "basic", Public: map[string]string{"username": account},
			Secrets: map[string]wire.Clear{"password": {Secret: fairlead.SecretText(secret)}},
		}
	}
	fairleadtest.Must(tb, by, wire.AddRegistry, req)
}

func (r *room) tokenOf(tb testing.TB, by *client.Client, scopes ...string) string {
	tb.Helper()
	made := fairleadtest.Must(tb, by, wire.CreateToken, wire.TokenRequest{Name: "pull", Scopes: scopes})
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
func (r *room) ask(tb testing.TB, method, path, token string, headers ...string) reply {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), method, r.URL+path, nil)
	if err != nil {
		tb.Fatal(err)
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
		tb.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close() //nolint:errcheck // It was read.
	b, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatalf("%s %s: %v", method, path, err)
	}
	return reply{res.StatusCode, res.Header, string(b)}
}

func (r *room) get(tb testing.TB, path string) reply {
	tb.Helper()
	return r.ask(tb, http.MethodGet, path, r.token)
}

// push pushes an image and gives its digest.
func (r *room) push(tb testing.TB, image v1.Image, name string) string {
	tb.Helper()
	return registrytest.Push(tb, r.reg, image, name, robot())
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
func layerOf(tb testing.TB, image v1.Image, n int) (digest string, body []byte) {
	tb.Helper()
	layers, err := image.Layers()
	if err != nil {
		tb.Fatal(err)
	}
	d, err := layers[n].Digest()
	if err != nil {
		tb.Fatal(err)
	}
	rc, err := layers[n].Compressed()
	if err != nil {
		tb.Fatal(err)
	}
	defer rc.Close() //nolint:errcheck // It was read.
	b, err := io.ReadAll(rc)
	if err != nil {
		tb.Fatal(err)
	}
	return d.String(), b
}

// serve serves at an address of this machine.
func serve(tb testing.TB, h http.Handler) string {
	tb.Helper()
	s := httptest.NewServer(h)
	tb.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return strings.TrimPrefix(s.URL, "http://")
}

// askCut asks for what may be cut off, and gives what came of it.
func (r *room) askCut(tb testing.TB, path, token string, headers ...string) reply {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, r.URL+path, nil)
	if err != nil {
		tb.Error(err)
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
	defer res.Body.Close() //nolint:errcheck // It was read.
	b, _ := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, string(b)}
}
