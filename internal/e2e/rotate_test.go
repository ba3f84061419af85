package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// ears is a receiver of webhooks. While it is shut it answers 503.
type ears struct {
	*httptest.Server
	mu   sync.Mutex
	shut bool
	seen chan told
}

// told is one message, with what its signature was made from.
type told struct {
	kind, id, at, signature string
	body                    []byte
}

func newEars(t *testing.T) *ears {
	t.Helper()
	e := &ears{shut: true, seen: make(chan told, 100)}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.shut {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var m struct{ Type string }
		_ = json.Unmarshal(body, &m)
		e.seen <- told{m.Type, r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), r.Header.Get("webhook-signature"), body}
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *ears) open() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shut = false
}

// TestRotation goes the whole way of a rotation: refused while the new secret isn't one,
// switched under pulls, the old account closed, told to a webhook although the server is
// killed in between, and rolled back.
func TestRotation(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string]func(t *testing.T) []string{
		"sqlite":   func(*testing.T) []string { return nil },
		"postgres": func(t *testing.T) []string { t.Helper(); return []string{"--database", bare(pgtest.URL(t))} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const fresh = "c4n4ry-fresh-p4ssw0rd"
			registry := registrytest.New(t, registrytest.Config{Auth: registrytest.Bearer, Accounts: append(accounts(), registrytest.Account{Name: "robot2", Password: fresh, Rights: registrytest.Reads("acme/")})})
			publisher := accounts()[1]
			image := registrytest.RandomImage(t, 100)
			for _, repository := range []string{"a", "b", "c"} {
				registrytest.Push(t, registry, image, "acme/"+repository+":v1", publisher)
			}
			receiver := newEars(t)
			h := newHouse(t, "", append(flags(t), "--listen", freeAddress(t))...) // the same after it was killed
			h.write("robot.txt", robotPassword+"\n")
			h.write("new/robot.txt", fresh+"\n")
			h.setUp()
			h.ok("registry", "add", "main", "--pattern", registry.Host()+"/acme/*", "--username", "robot", "--password-file", "robot.txt", "--plain-http")
			h.ok("connector", "verify", "main", "--image", registry.Host()+"/acme/a:v1")
			if out := h.ok("connector", "list"); !strings.Contains(out, "working") {
				t.Errorf("after it was verified:\n%s", out)
			}
			h.ok("project", "create", "rings")
			key := strings.TrimSpace(h.ok("webhook", "add", "ops", "--url", receiver.URL, "--events", "connector.rotate,connector.rollback"))

			// A password that the registry doesn't take is not switched to.
			r := h.run("connector", "rotate", "main", "--username", "robot2", "--password-file", "robot.txt")
			if r.code != 1 || !strings.Contains(r.err, "failed      registry: ") || !strings.Contains(r.err, "nothing was saved") {
				t.Fatalf("exit code %d\n%s%s", r.code, r.out, r.err)
			}
			if who := h.leased(registry, "acme/a"); who != "robot" {
				t.Errorf("after a refused rotation the lease is from the login of %s", who)
			}
			out := h.ok("connector", "rotate", "main", "--username", "robot2", "--password-file", "new/robot.txt", "--image", registry.Host()+"/acme/b:v1")
			if !strings.Contains(out, "kept for 1 d") {
				t.Errorf("it says:\n%s", out)
			}
			acknowledged := len(registry.Requests())
			// The receiver has heard nothing yet: the server is killed, and what it had to
			// tell is in the store.
			h.server.stop(syscall.SIGKILL)
			registry.CloseAccount("robot")
			receiver.open()
			h.start()
			got := <-receiver.seen
			verifyTold(t, key, got, "connector.rotate")
			for _, repository := range []string{"acme/a", "acme/b", "acme/c"} {
				if who := h.leased(registry, repository); who != "robot2" {
					t.Errorf("after the switch the lease for %s is from the login of %s", repository, who)
				}
			}
			for _, q := range registry.Requests()[acknowledged:] {
				if q.Account == "robot" || q.Holds(robotPassword) {
					t.Errorf("after the switch: %s %s as %q", q.Method, q.Path, q.Account)
				}
			}
			if d := h.ok("connector", "describe", "main"); !strings.Contains(d, "acme/rings") || !strings.Contains(d, "Previous secret:") || !strings.Contains(d, "State:            working") {
				t.Errorf("it is described as\n%s", d)
			}
			h.ok("connector", "rollback", "main")
			verifyTold(t, key, <-receiver.seen, "connector.rollback")
			if r := h.run("connector", "verify", "main"); r.code != 1 { // its account is closed
				t.Errorf("rolled back it is\n%s", r.out)
			}
			h.ok("connector", "rollback", "main")
			if who := h.leased(registry, "acme/a"); who != "robot2" {
				t.Errorf("forth again the lease is from the login of %s", who)
			}
			h.server.stop(syscall.SIGTERM)
			h.canary(fresh)
		})
	}
}

// leased leases a login for a repository, as a person's program does, and gives whose
// token it is.
func (h *house) leased(registry *registrytest.Registry, repository string) string {
	h.t.Helper()
	token := strings.TrimSpace(h.ok("token", "create", "of-"+strings.ReplaceAll(repository, "/", "-")))
	c, err := client.New(h.url, client.WithToken(fairlead.SecretText(token)))
	if err != nil {
		h.t.Fatal(err)
	}
	l, err := client.Do(h.t.Context(), c, wire.LeaseLogin, wire.LeaseRequest{
		ProjectPath: wire.ProjectPath{Owner: "acme", Project: "rings"}, Image: registry.Host() + "/" + repository + ":v1",
	})
	if err != nil {
		h.t.Fatal(err)
	}
	parts := strings.Split(string(l.Bearer.Reveal()), ".")
	if len(parts) != 3 {
		h.t.Fatalf("the lease is %s", l.Kind)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Subject string `json:"sub"`
	}
	if err == nil {
		err = json.Unmarshal(b, &claims)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return claims.Subject
}

// verifyTold checks a message as a receiver does (Standard Webhooks, "Verifying
// signatures").
func verifyTold(t *testing.T, key string, m told, kind fairlead.Action) {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, raw)
	_, _ = mac.Write([]byte(m.id + "." + m.at + "." + string(m.body)))
	if "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) != m.signature || m.kind != string(kind) {
		t.Errorf("%s %s isn't signed, or is no %s: %s", m.kind, m.id, kind, m.body)
	}
}

// freeAddress is one of this machine at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
