package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/registrytest"
)

// TestGatewayKilled kills the server while a worker pulls through it, before any layer has
// come, and starts it again: the pull goes on, still through the gateway.
func TestGatewayKilled(t *testing.T) {
	t.Parallel()
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			registry := registrytest.Debian(t, registrytest.DebianOptions{Auth: registrytest.Basic, Accounts: accounts()})
			publish(t, registry.Host()+"/acme/train:v1", python(t))
			asked, open := make(chan struct{}), make(chan struct{})
			slow := beforeBlobs(t, registry.Host(), asked, open)
			image := slow + "/acme/train:v1"
			y := &yard{engine: engine, house: newHouse(t, "", "--hold", "60s", "--listen", freePort(t))}
			y.holdProject(image)
			y.setUp()
			y.write("robot.txt", robotPassword)
			y.ok("registry", "add", "main", "--pattern", slow+"/acme/*", "--username", "robot", "--password-file", "robot.txt", "--plain-http", "--disclosure", "scoped")
			y.ok("project", "create", "rings")
			y.hire("gpu-1")
			_, number := y.hold(0)
			<-asked
			y.server.stop(syscall.SIGKILL)
			close(open)
			y.start()
			if run := y.ends(number, fairlead.Complete, 0); run.Attempt != 1 || run.Pulled == nil || run.Pulled.Lease != fairlead.ThroughGateway {
				t.Errorf("attempt %d: %+v", run.Attempt, run.Pulled)
			}
		})
	}
}

// beforeBlobs is a way to a registry on which blobs wait until open is closed; asked is
// closed when the first one does. It gives the way's host.
func beforeBlobs(t *testing.T, host string, asked, open chan struct{}) string {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: host})
	first := sync.OnceFunc(func() { close(asked) })
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			first()
			select {
			case <-open:
			case <-r.Context().Done():
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}
