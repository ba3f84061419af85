package docker_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/dockertest"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/engine/docker"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

type anonymous struct{}

func (anonymous) Lease(_ context.Context, s fairlead.Scope) (fairlead.Lease, error) {
	return fairlead.Lease{For: s, Kind: fairlead.Anonymous}, nil
}

// TestUnreachable has the engine's own words read, where other engines have none like
// them. The rest is in the conformance suite.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(machine(t), "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	plain := registrytest.New(t, registrytest.Config{Address: net.JoinHostPort(machine(t), "0")})
	e, err := docker.New(t.Context(), docker.Options{Host: dockertest.Host(t), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	for _, row := range []struct {
		name, host string
		code       fairlead.Code
		remedy     string
	}{
		{"a server that says nothing", silent.Addr().String(), fairlead.CodeTimeout, "check the network"},
		{"a server without TLS", plain.Host(), fairlead.CodeTLS, `"` + plain.Host() + `" to insecure-registries`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			i := ref.Image{Resource: ref.Resource{Host: row.host, Repository: "a/b"}, Digest: "sha256:" + strings.Repeat("0", 64)}
			_, err := e.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: anonymous{}})
			told := fairlead.AsError("", err)
			if told.Kind != fairlead.Unavailable || told.Code != row.code || !strings.Contains(told.Remedy, row.remedy) {
				t.Errorf("%q %q (%v): %s", told.Kind, told.Code, err, told.Remedy)
			}
		})
	}
}

// machine is an address of this machine that the engine wants TLS at.
func machine(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			return n.IP.String()
		}
	}
	t.Fatal("this machine has no address but loopback ones")
	return ""
}

func TestNoEngine(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"unix:///nowhere/docker.sock", "nonsense", "tcp://127.0.0.1:1"} {
		_, err := docker.New(t.Context(), docker.Options{Host: host, Now: time.Now})
		told := fairlead.AsError("", err)
		if told.Kind != fairlead.Unavailable || told.Code != fairlead.CodeEngine || !strings.Contains(err.Error(), host) || told.Remedy == "" {
			t.Errorf("%s: %v", host, err)
		}
	}
}
