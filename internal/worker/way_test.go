package worker

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

// elsewhere is the way to a server on another machine.
type elsewhere struct{ to string }

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host = "http", e.to
	return http.DefaultTransport.RoundTrip(out)
}

// TestGatewayElsewhere has a server on another machine offer its gateway at a loopback
// address: what listens there on the worker's machine is something else, and is shown no
// login.
func TestGatewayElsewhere(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(wire.Lease{Kind: fairlead.ThroughGateway, Host: "127.0.0.1:8480", Repository: "registry.test/a", Verb: fairlead.Pull, PlainHTTP: true})
	}))
	t.Cleanup(server.Close)
	c, err := client.New("https://fairlead.test", client.WithTransport(elsewhere{strings.TrimPrefix(server.URL, "http://")}))
	if err != nil {
		t.Fatal(err)
	}
	image := ref.Image{Resource: ref.Resource{Host: "registry.test", Repository: "a"}, Tag: "v1"}
	b := newBench(t, fairlead.Run{}, nothing)
	b.Client, b.Route = c, Auto
	w, err := b.way(t.Context(), image)
	if err != nil || w.gateway() {
		t.Errorf("%+v %v", w, err)
	}
	b.Route = Gateway
	if _, err := b.way(t.Context(), image); fairlead.CodeOf(err) != fairlead.CodeNoGateway || !strings.Contains(err.Error(), "which is this machine and not the server's") {
		t.Errorf("through the gateway alone: %v", err)
	}
}
