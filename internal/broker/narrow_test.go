package broker_test

import (
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// TestDisclosure has every sort of connector meet every sort of registry, under both
// disclosures.
func TestDisclosure(t *testing.T) {
	t.Parallel()
	identityToken := func(use string) *wire.ConnectorFields {
		return &wire.ConnectorFields{
			Family: "docker", Method: "bearer", Public: map[string]string{"token_use": use}, Secrets: map[string]wire.Clear{"token": hidden(identity)},
		}
	}
	connectors := map[string]*wire.ConnectorFields{"password": login("robot", password), "trade": identityToken("trade"), "present": identityToken("present")}
	const refused, never = "refused", "never"
	for auth, want := range map[registrytest.Auth]map[string]string{
		registrytest.Bearer: {
			"password scoped": "registry-token", "password secret": "registry-token", "trade scoped": "registry-token", "trade secret": "registry-token",
			"present scoped": refused, "present secret": "stored-secret",
		},
		registrytest.Basic: {
			"password scoped": refused, "password secret": "stored-secret", "trade scoped": never, "trade secret": never,
			"present scoped": refused, "present secret": "stored-secret",
		},
		registrytest.Mixed: {
			"password scoped": "registry-token", "password secret": "registry-token", "trade scoped": "registry-token", "trade secret": "registry-token",
			"present scoped": refused, "present secret": "stored-secret",
		},
	} {
		t.Run(string(auth), func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, auth)
			for row, want := range want {
				connector, disclosure, _ := strings.Cut(row, " ")
				name := strings.ReplaceAll(row, " ", "-")
				r.add(t, name, name+"/*", func(req *wire.RegistryRequest) {
					req.NewConnector, req.Disclosure = connectors[connector], fairlead.Disclosure(disclosure)
				})
				l, err := r.lease(t, name+"/app")
				e := fairlead.AsError("", err)
				switch want {
				case refused:
					if e.Code != fairlead.CodeDisclosure || e.Kind != fairlead.Denied || l.ID != "" {
						t.Errorf("%s: %+v, %v", row, l, err)
						continue
					}
					if !strings.Contains(e.Why, "registry entry "+name+" doesn't let that leave the server") ||
						!strings.Contains(e.Remedy, "`fairlead registry update "+name+" --disclosure secret`") {
						t.Errorf("%s: %s; %s", row, e.Why, e.Remedy)
					}
				case never:
					if e.Code != fairlead.CodeLoginRefused || !strings.Contains(e.Why, "no token endpoint") || !strings.Contains(e.Remedy, "--token-use present") {
						t.Errorf("%s: %v; %s", row, e, e.Remedy)
					}
				default:
					if err != nil || string(l.Kind) != want {
						t.Errorf("%s: a lease of kind %s, want %s (%v)", row, l.Kind, want, err)
					}
					if kept := l.Kind == fairlead.RegistryToken; kept && (l.Username != "" || !l.Password.IsZero() || l.Bearer.IsZero()) {
						t.Errorf("%s: the lease gives away more than the token", row)
					}
				}
				if shown := e.Error() + e.Remedy; strings.Contains(shown, "c4nary") {
					t.Errorf("%s: the error has the secret: %s", row, shown)
				}
			}
		})
	}
}

// TestScope looks into the token that is handed out.
func TestScope(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.add(t, "main", "*")
	r.mustLease(t, "team/app")
	for _, q := range r.reg.Requests() {
		if q.Server == registrytest.Tokens && !strings.Contains(q.Query, "scope=repository%3Ateam%2Fapp%3Apull") {
			t.Errorf("asked for %s", q.Query)
		}
	}
}

// TestExpiredConnector has a connector's own date come: also a remembered lease isn't
// handed out any more, and none is said to live longer.
func TestExpiredConnector(t *testing.T) {
	t.Parallel()
	for _, auth := range []registrytest.Auth{registrytest.Bearer, registrytest.Basic} {
		t.Run(string(auth), func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, auth)
			end := r.clock.Now().Add(2 * time.Minute)
			r.add(t, "main", "*", disclosed, func(req *wire.RegistryRequest) { req.NewConnector.Expires = end })
			if l := r.mustLease(t, "team/app"); !l.Expires.Equal(end) {
				t.Errorf("a lease until %s of a connector until %s", l.Expires, end)
			}
			r.clock.Move(2*time.Minute - 1)
			r.mustLease(t, "team/app")
			r.clock.Move(1)
			l, err := r.lease(t, "team/app")
			e := fairlead.AsError("", err)
			if e.Code != fairlead.CodeConnectorExpired || l.ID != "" || !strings.Contains(e.Why, "2026-03-01 12:02 UTC") ||
				!strings.Contains(e.Remedy, "`fairlead connector update main`") {
				t.Errorf("after its end: %+v, %v", l, err)
			}
			later := r.clock.Now().Add(time.Hour)
			fairleadtest.Must(t, r.Ann, wire.UpdateConnector, wire.ConnectorUpdate{
				ConnectorTrial: untried(), ConnectorPath: wire.ConnectorPath{OrganizationPath: acme(), Connector: "main"}, Expires: &later,
			})
			r.mustLease(t, "team/app")
		})
	}
}

// TestRefusedLogin has the registry not accept the login.
func TestRefusedLogin(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.add(t, "main", "*", func(req *wire.RegistryRequest) { req.NewConnector = login("robot", "c4nary-wrong") })
	_, err := r.lease(t, "team/app")
	e := fairlead.AsError("", err)
	if e.Kind != fairlead.Denied || e.Code != fairlead.CodeLoginRefused || !strings.Contains(e.Why, "refuses the login of connector main") ||
		!strings.Contains(e.Remedy, "`fairlead connector update main`") || strings.Contains(e.Why, "c4nary") {
		t.Errorf("%v; %s", e, e.Remedy)
	}
}
