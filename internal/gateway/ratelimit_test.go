package gateway_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/wire"
)

// hubRoom is a room whose registry is Docker Hub, with a limit of pulls in six hours.
type hubRoom struct {
	*room
	hub *cloudtest.Hub
}

func newHubRoom(t *testing.T, limit int) *hubRoom {
	t.Helper()
	const hubToken = "dckr_pat_c4nary-token-of-the-robot"
	net := cloudtest.New(t)
	hub := cloudtest.NewHub(t, net, cloudtest.HubConfig{
		Users: []cloudtest.HubUser{{Name: "robot", Password: password}}, Repositories: []cloudtest.HubRepository{{Name: "robot/app", Private: true}}, Limit: limit,
	})
	hub.Give(cloudtest.HubToken{Token: hubToken, Owner: "robot", Permission: "read"})
	r := &room{clock: fairleadtest.NewClock(time.Now())}
	net.SetClock(r.clock.Now)
	r.Plane = fairleadtest.Start(t, fairleadtest.WithClock(r.clock), func(o *server.Options) { o.Proxy = http.ProxyURL(net.ProxyURL()) })
	r.token = r.tokenOf(t, r.Ann)
	ca, err := os.ReadFile(net.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	fairleadtest.Must(t, r.Ann, wire.AddRegistry, wire.RegistryRequest{
		OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Name: "hub", Pattern: "docker.io/robot/*", CABundle: string(ca), Unverified: true,
		NewConnector: &wire.ConnectorFields{
			Family: "docker-hub", Method: "access-token", Public: map[string]string{"username": "robot"},
			Secrets: map[string]wire.Clear{"token": {Secret: fairlead.SecretText(hubToken)}},
		},
	})
	return &hubRoom{r, hub}
}

func (h *hubRoom) limit(t *testing.T) fairlead.GatewayLimit {
	t.Helper()
	s := fairleadtest.Must(t, h.Ann, wire.ShowGateway, wire.OrganizationPath{Organization: "acme"})
	if len(s.Registries) != 1 || len(s.Registries[0].Limits) != 1 || s.Registries[0].Host != "docker.io" {
		t.Fatalf("%+v", s.Registries)
	}
	return s.Registries[0].Limits[0]
}

// TestRateLimit counts Docker Hub's pulls down: what it says is shown; when little is
// left, tags that are there are served as they were instead of spending it; and when
// nothing is, whoever wants what isn't there is told when that ends.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	h := newHubRoom(t, 4)
	was := h.hub.Push(t, registrytest.RandomImage(t, 100), "robot/app:v1")
	h.hub.Push(t, registrytest.RandomImage(t, 101), "robot/app:v2")
	h.hub.Push(t, registrytest.RandomImage(t, 102), "robot/app:v3")
	h.hub.Push(t, registrytest.RandomImage(t, 103), "robot/app:v4")
	base := "/v2/docker.io/robot/app/manifests/"
	for _, tag := range []string{"v1", "v2"} {
		if got := h.get(t, base+tag); got.status != http.StatusOK {
			t.Fatalf("%s: %d %s", tag, got.status, got.body)
		}
	}
	if l := h.limit(t); !l.Known || l.Remaining != 2 || l.Limit != 4 || l.Window != 21600 || l.Source != "robot" || l.Spared || l.Connector != "hub" {
		t.Errorf("%+v", l)
	}
	// With two left, a tag that has moved is fetched.
	is := h.hub.Push(t, registrytest.RandomImage(t, 104), "robot/app:v1")
	h.clock.Move(2 * time.Minute)
	if got := h.get(t, base+"v1"); got.status != http.StatusOK || got.header.Get("Docker-Content-Digest") != is || len(got.header.Values("Warning")) != 0 || is == was {
		t.Errorf("a tag that moved: %d %v", got.status, got.header)
	}
	// With one left, it isn't: within the grant nobody is asked at all.
	h.hub.Push(t, registrytest.RandomImage(t, 105), "robot/app:v1")
	h.clock.Move(2 * time.Minute)
	asked := len(h.hub.Registry().Requests())
	if got := h.get(t, base+"v1"); got.status != http.StatusOK || got.header.Get("Docker-Content-Digest") != is || len(got.header.Values("Warning")) != 2 || got.header.Get("Age") != "120" {
		t.Errorf("a tag that moved, with one pull left: %d %v", got.status, got.header)
	}
	if n := len(h.hub.Registry().Requests()) - asked; n != 0 {
		t.Errorf("%d requests to revalidate, with one pull left", n)
	}
	// When the grant has ended, the right is asked about, with what isn't counted.
	h.clock.Move(10 * time.Minute)
	for range 2 {
		if got := h.get(t, base+"v1"); got.status != http.StatusOK || got.header.Get("Docker-Content-Digest") != is || len(got.header.Values("Warning")) != 2 {
			t.Errorf("when the grant has ended: %d %v", got.status, got.header)
		}
	}
	if l := h.limit(t); l.Remaining != 1 || !l.Spared {
		t.Errorf("%+v", l)
	}
	// The last one is for what isn't there.
	if got := h.get(t, base+"v3"); got.status != http.StatusOK {
		t.Errorf("the last pull: %d %s", got.status, got.body)
	}
	end := h.clock.Now().Add(6 * time.Hour)
	got := h.get(t, base+"v4")
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "0 of 4 pulls in 6h0m0s are left") || !strings.Contains(got.body, "wait until "+end.Add(-5*time.Hour).UTC().Format("2006-01-02 15:04")) {
		t.Errorf("when nothing is left: %d %v %s", got.status, got.header, got.body)
	}
	if l := h.limit(t); l.Remaining != 0 || l.RetryAt.IsZero() {
		t.Errorf("%+v", l)
	}
	// What is there goes on being served.
	if got := h.get(t, base+"v1"); got.status != http.StatusOK || got.header.Get("Docker-Content-Digest") != is {
		t.Errorf("what is there: %d %s", got.status, got.body)
	}
}
