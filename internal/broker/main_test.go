package broker_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/broker"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

// What the robots log in with.
const (
	password = "c4nary-password-of-the-robot"
	identity = "c4nary-identity-of-the-robot"
)

// room is a plane with a project, a registry that it can reach, and a broker whose
// clock stands until it is moved.
type room struct {
	*fairleadtest.Plane
	*broker.Broker
	clock   *fairleadtest.Clock
	reg     *registrytest.Registry
	ann     fairlead.Caller
	project fairlead.Project
	// trades counts what the broker asked of token endpoints.
	trades *trades
}

// trades counts, and can hold back, what is traded.
type trades struct {
	broker.Trader
	count atomic.Int64
	// entered is told of each trade, which then waits for release; nil lets it pass.
	entered, release chan struct{}
}

func (c *trades) Trade(ctx context.Context, ep oci.Endpoint, l oci.Login, s fairlead.Scope) (oci.Bearer, error) {
	c.count.Add(1)
	if c.entered != nil {
		c.entered <- struct{}{}
		<-c.release
	}
	return c.Trader.Trade(ctx, ep, l, s)
}

func robots() []registrytest.Account {
	return []registrytest.Account{
		{Name: "robot", Password: password, Identity: identity, Rights: registrytest.Everything()},
		{Name: "other", Password: "other-" + password, Rights: registrytest.Everything()},
		{Name: "reader", Password: "reader-" + password, Rights: registrytest.Reads("")},
	}
}

// newRoom makes a room whose registry asks for logins in this way.
func newRoom(t *testing.T, auth registrytest.Auth, options ...fairleadtest.Option) *room {
	t.Helper()
	clock := fairleadtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	r := &room{clock: clock}
	r.Plane = fairleadtest.Start(t, append(options, fairleadtest.WithClock(clock))...)
	r.reg = registrytest.New(t, registrytest.Config{Auth: auth, Accounts: robots(), Now: clock.Now})
	r.trades = newTrades(t, clock)
	r.Broker = r.another(r.trades)
	r.project = r.newProject(t, r.Ann, "acme", "models")
	r.ann = callerOf(t, r.Ann, r.project)
	return r
}

func newTrades(t *testing.T, clock *fairleadtest.Clock) *trades {
	t.Helper()
	c, err := oci.New(oci.Options{Now: clock.Now, Egress: oci.Egress{Allow: []string{"127.0.0.0/8"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &trades{Trader: c}
}

// another makes another broker over the plane's store, as another replica has.
func (r *room) another(trader broker.Trader) *broker.Broker {
	return broker.New(r.Store, server.Providers(provider.Tools{}), r.Vault, trader, r.clock.Now)
}

func (r *room) newProject(t *testing.T, by *client.Client, owner, name string) fairlead.Project {
	t.Helper()
	return fairleadtest.Must(t, by, wire.CreateProject, wire.ProjectRequest{Owner: owner, Name: name})
}

// callerOf is a client's user, as a member of the project's organization.
func callerOf(t *testing.T, c *client.Client, p fairlead.Project) fairlead.Caller {
	t.Helper()
	me := fairleadtest.Must(t, c, wire.Whoami, wire.None{})
	return fairlead.Caller{Subject: me.Subject, Roles: map[fairlead.OrganizationID]fairlead.Role{p.Organization: fairlead.Member}}
}

func acme() wire.OrganizationPath { return wire.OrganizationPath{Organization: "acme"} }

func hidden(s string) wire.Clear { return wire.Clear{Secret: fairlead.SecretText(s)} }

// login is a new connector's fields for an account.
func login(account, secret string) *wire.ConnectorFields {
	return &wire.ConnectorFields{
		Family: "docker", Method: "basic", Public: map[string]string{"username": account}, Secrets: map[string]wire.Clear{"password": hidden(secret)},
	}
}

// add adds an entry for what is below the registry's host, with a login of the robot's.
func (r *room) add(t *testing.T, name, path string, with ...func(*wire.RegistryRequest)) {
	t.Helper()
	req := wire.RegistryRequest{
		OrganizationPath: acme(), Name: name, Pattern: r.reg.Host() + "/" + path, PlainHTTP: true, NewConnector: login("robot", password), ConnectorTrial: untried(),
	}
	for _, set := range with {
		set(&req)
	}
	fairleadtest.Must(t, r.Ann, wire.AddRegistry, req)
}

// untried saves what the registry wouldn't take.
func untried() wire.ConnectorTrial { return wire.ConnectorTrial{NoVerify: true} }

// disclosed lets an entry's secret out.
func disclosed(req *wire.RegistryRequest) { req.Disclosure = fairlead.StoredSecret }

// scope is to pull from a repository of the registry.
func (r *room) scope(repository string) fairlead.Scope {
	return fairlead.Scope{Resource: ref.Resource{Host: r.reg.Host(), Repository: repository}, Verb: fairlead.Pull}
}

// lease asks for a login of ann's project.
func (r *room) lease(t *testing.T, repository string) (fairlead.Lease, error) {
	t.Helper()
	return r.Lease(t.Context(), fairlead.Asker{Who: r.ann, Project: r.project}, r.scope(repository))
}

func (r *room) mustLease(t *testing.T, repository string) fairlead.Lease {
	t.Helper()
	l, err := r.lease(t, repository)
	if err != nil {
		t.Fatalf("leasing %s: %v", repository, err)
	}
	return l
}

// events lists an organization's events of an action, newest first.
func (r *room) events(t *testing.T, org fairlead.OrganizationID, a fairlead.Action) []fairlead.Event {
	t.Helper()
	page, err := r.Store.EventsWhere(t.Context(), fairlead.EventQuery{Organization: org, Action: a, Limit: 1000})
	list := page.Events
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// subject is whose registry token it is.
func subject(t *testing.T, bearer fairlead.Secret) string {
	t.Helper()
	parts := strings.Split(string(bearer.Reveal()), ".")
	if len(parts) != 3 {
		t.Fatalf("the token has %d parts", len(parts))
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Subject string `json:"sub"`
	}
	if err == nil {
		err = json.Unmarshal(b, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims.Subject
}

// onStores runs a test on a plane of each kind of store.
func onStores(t *testing.T, test func(t *testing.T, options ...fairleadtest.Option)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, fairleadtest.WithDatabase(pgtest.URL(t)))
	})
}
