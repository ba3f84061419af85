package control_test

import (
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

const secret = "c4nary-password-of-the-robot"

// room is a plane with a project, and a registry at each of two hosts.
type room struct {
	*fairleadtest.Plane
	clock     *fairleadtest.Clock
	one, next *registrytest.Registry
}

func newRoom(t *testing.T) *room {
	t.Helper()
	clock := fairleadtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	r := &room{clock: clock, Plane: fairleadtest.Start(t, fairleadtest.WithClock(clock))}
	accounts := []registrytest.Account{{Name: "robot", Password: secret, Rights: registrytest.Everything()}}
	r.one = registrytest.New(t, registrytest.Config{Auth: registrytest.Bearer, Accounts: accounts, Now: clock.Now})
	r.next = registrytest.New(t, registrytest.Config{Auth: registrytest.Bearer, Accounts: accounts, Now: clock.Now})
	fairleadtest.Must(t, r.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "models"})
	return r
}

func acme() wire.OrganizationPath { return wire.OrganizationPath{Organization: "acme"} }

func hidden(s string) wire.Clear { return wire.Clear{Secret: fairlead.SecretText(s)} }

func entry(name fairlead.Name) wire.RegistryPath {
	return wire.RegistryPath{OrganizationPath: acme(), Registry: name}
}

func connector(name fairlead.Name) wire.ConnectorPath {
	return wire.ConnectorPath{OrganizationPath: acme(), Connector: name}
}

// login is a new connector's fields.
func login() *wire.ConnectorFields {
	return &wire.ConnectorFields{
		Family: "docker", Method: "basic", Public: map[string]string{"username": "robot"}, Secrets: map[string]wire.Clear{"password": hidden(secret)},
	}
}

// add adds an entry for all of a registry, with a login.
func (r *room) add(t *testing.T, name string, at *registrytest.Registry, with ...func(*wire.RegistryRequest)) fairlead.Registry {
	t.Helper()
	req := wire.RegistryRequest{OrganizationPath: acme(), Name: name, Pattern: at.Host() + "/*", PlainHTTP: true, NewConnector: login(), ConnectorTrial: wire.ConnectorTrial{NoVerify: true}}
	for _, set := range with {
		set(&req)
	}
	return fairleadtest.Must(t, r.Ann, wire.AddRegistry, req).Registry
}

// lease asks for a login as the project has it.
func (r *room) lease(t *testing.T, at *registrytest.Registry) (wire.Lease, error) {
	t.Helper()
	return client.Do(t.Context(), r.Ann, wire.LeaseLogin, wire.LeaseRequest{
		ProjectPath: wire.ProjectPath{Owner: "acme", Project: "models"}, Image: at.Host() + "/team/app",
	})
}

// opens reports whether a registry takes the login that is leased for it.
func (r *room) opens(t *testing.T, at *registrytest.Registry) bool {
	t.Helper()
	l, err := r.lease(t, at)
	return err == nil && !l.Bearer.IsZero()
}

// saw reports whether a registry was ever shown the secret.
func saw(at *registrytest.Registry) bool {
	for _, q := range at.Requests() {
		if q.Holds(secret) {
			return true
		}
	}
	return false
}

// refused checks an error: its kind and code, and words that are in it.
func refused(t *testing.T, what string, err error, kind fairlead.Kind, code fairlead.Code, words ...string) {
	t.Helper()
	e := fairlead.AsError("", err)
	if err == nil || e.Kind != kind || e.Code != code {
		t.Errorf("%s: %v (%s %s)", what, err, fairlead.KindOf(err), fairlead.CodeOf(err))
		return
	}
	text := e.Error() + "; " + e.Remedy + "; " + e.Field
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%s: %s: doesn't say %q", what, text, word)
		}
	}
	if strings.Contains(text, secret) {
		t.Errorf("%s: the error has the secret", what)
	}
}

func try[In, Out any](t *testing.T, c *client.Client, op wire.Operation[In, Out], in In) error {
	t.Helper()
	_, err := client.Do(t.Context(), c, op, in)
	return err
}

// realmAt has a registry name another token endpoint.
func realmAt(url string) func(*registrytest.Faults) {
	return func(f *registrytest.Faults) { f.Realm = url }
}
