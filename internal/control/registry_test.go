package control_test

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/wire"
)

// TestRegistry adds an entry with its connector, looks at both, and removes both.
func TestRegistry(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	made := r.add(t, "main", r.one)
	got := fairleadtest.Must(t, r.Ann, wire.ShowRegistry, entry("main"))
	if got.Pattern.String() != r.one.Host()+"/*" || got.ConnectorName != "main" || got.Disclosure != fairlead.Scoped || !got.PlainHTTP || got.Version != made.Version {
		t.Errorf("shown as %+v", got)
	}
	c := fairleadtest.Must(t, r.Ann, wire.DescribeConnector, connector("main"))
	if c.Family != "docker" || c.Method != "basic" || c.ID != got.Connector {
		t.Errorf("the connector is %+v", c)
	}
	if diff := cmp.Diff(map[string]string{"username": "robot", "hosts": r.one.Host()}, c.Public); diff != "" {
		t.Errorf("its fields (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"password"}, c.Secrets); diff != "" || !cmp.Equal(c.UsedBy, []fairlead.Name{"main"}) {
		t.Errorf("its secrets are %v, it is used by %v", c.Secrets, c.UsedBy)
	}
	if !r.opens(t, r.one) {
		t.Error("the entry opens nothing")
	}
	fairleadtest.Must(t, r.Ann, wire.RemoveRegistry, wire.RegistryRemoval{RegistryPath: entry("main"), WithConnector: true})
	refused(t, "showing what is removed", try(t, r.Ann, wire.ShowRegistry, entry("main")), fairlead.NotFound, "", "there is no registry main")
	refused(t, "its connector", try(t, r.Ann, wire.DescribeConnector, connector("main")), fairlead.NotFound, "", "there is no connector main")
}

// TestAddRefused adds entries that can't be.
func TestAddRefused(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.add(t, "main", r.one)
	fairleadtest.Must(t, r.Ann, wire.RegisterConnector, wire.ConnectorRequest{OrganizationPath: acme(), Name: "hub", ConnectorTrial: untried(), ConnectorFields: wire.ConnectorFields{
		Family: "docker-hub", Method: "access-token", Public: map[string]string{"username": "acme"}, Secrets: map[string]wire.Clear{"token": hidden(secret)},
	}})
	both, foreign, unsecret := login(), login(), login()
	foreign.Public = map[string]string{"username": "robot", "hosts": "other.example.com"}
	unsecret.Secrets = nil
	for name, c := range map[string]struct {
		req   wire.RegistryRequest
		kind  fairlead.Kind
		words []string
	}{
		"a name that is taken":         {wire.RegistryRequest{Name: "main", Pattern: "x.example.com/*"}, fairlead.Conflict, []string{"there is a registry main already", "fairlead registry update main"}},
		"a pattern that is taken":      {wire.RegistryRequest{Name: "x", Pattern: r.one.Host() + "/*"}, fairlead.Conflict, []string{"pattern"}},
		"a connector's name":           {wire.RegistryRequest{Name: "hub", Pattern: "x.example.com/*", NewConnector: login()}, fairlead.Conflict, []string{"there is a connector hub already", "--connector hub"}},
		"no pattern":                   {wire.RegistryRequest{Name: "x"}, fairlead.Invalid, []string{"pattern"}},
		"no name":                      {wire.RegistryRequest{Pattern: "x.example.com/*"}, fairlead.Invalid, []string{"name"}},
		"a bad name":                   {wire.RegistryRequest{Name: "X y", Pattern: "x.example.com/*"}, fairlead.Invalid, []string{"name"}},
		"a login in the pattern":       {wire.RegistryRequest{Name: "x", Pattern: "robot:" + secret + "@x.example.com/*"}, fairlead.Invalid, []string{"pattern"}},
		"a connector that isn't":       {wire.RegistryRequest{Name: "x", Pattern: "x.example.com/*", Connector: "none"}, fairlead.NotFound, []string{"there is no connector none"}},
		"two connectors":               {wire.RegistryRequest{Name: "x", Pattern: "x.example.com/*", Connector: "main", NewConnector: both}, fairlead.Invalid, []string{"connector", "one of the two"}},
		"another host's connector":     {wire.RegistryRequest{Name: "x", Pattern: "x.example.com/*", Connector: "main"}, fairlead.Invalid, []string{"its secret isn't sent to x.example.com"}},
		"a new one for another host":   {wire.RegistryRequest{Name: "x", Pattern: "x.example.com/*", NewConnector: foreign}, fairlead.Invalid, []string{"its secret isn't sent to x.example.com"}},
		"a wider host":                 {wire.RegistryRequest{Name: "x", Pattern: "*.example.com/*", NewConnector: foreign}, fairlead.Invalid, []string{"isn't sent to *.example.com"}},
		"Docker Hub's for another":     {wire.RegistryRequest{Name: "x", Pattern: "x.example.com/*", Connector: "hub"}, fairlead.Invalid, []string{"is not Docker Hub"}},
		"another's for Docker Hub":     {wire.RegistryRequest{Name: "x", Pattern: "docker.io/acme/*", Connector: "main"}, fairlead.Invalid, []string{"docker.io is of family docker-hub"}},
		"no secret":                    {wire.RegistryRequest{Name: "x", Pattern: "x.example.com/*", NewConnector: unsecret}, fairlead.Invalid, []string{"password is missing", "--password-file"}},
		"plain http for many":          {wire.RegistryRequest{Name: "x", Pattern: "*.example.com/*", PlainHTTP: true}, fairlead.Invalid, []string{"plain_http", "one host"}},
		"a CA that isn't":              {wire.RegistryRequest{Name: "x", Pattern: "x.example.com/*", CABundle: "-----BEGIN NOTHING-----"}, fairlead.Invalid, []string{"ca_bundle", "PEM"}},
		"a disclosure that isn't":      {wire.RegistryRequest{Name: "x", Pattern: "x.example.com/*", Disclosure: "all"}, fairlead.Invalid, []string{"disclosure"}},
		"a family that isn't":          {wire.RegistryRequest{Name: "x", Pattern: "x.example.com/*", NewConnector: &wire.ConnectorFields{Family: "none", Method: "x"}}, fairlead.Invalid, []string{"family", "use one of aws-ecr"}},
		"a method that isn't":          {wire.RegistryRequest{Name: "x", Pattern: "x.example.com/*", NewConnector: &wire.ConnectorFields{Family: "docker", Method: "x"}}, fairlead.Invalid, []string{"method", "use one of basic, bearer"}},
		"a field that isn't":           {wire.RegistryRequest{Name: "x", Pattern: "x.example.com/*", NewConnector: &wire.ConnectorFields{Family: "docker", Method: "basic", Public: map[string]string{"user": "x"}}}, fairlead.Invalid, []string{`no field "user"`}},
		"an organization that isn't":   {wire.RegistryRequest{OrganizationPath: wire.OrganizationPath{Organization: "none"}, Name: "x", Pattern: "x.example.com/*"}, fairlead.NotFound, []string{"there is no organization none"}},
		"the secret among the public ": {wire.RegistryRequest{Name: "x", Pattern: "x.example.com/*", NewConnector: &wire.ConnectorFields{Family: "docker", Method: "basic", Public: map[string]string{"password": secret}}}, fairlead.Invalid, []string{"came as a public field"}},
	} {
		if c.req.Organization == "" {
			c.req.OrganizationPath = acme()
		}
		refused(t, name, try(t, r.Ann, wire.AddRegistry, c.req), c.kind, "", c.words...)
	}
	if list := fairleadtest.Must(t, r.Ann, wire.ListRegistries, acme()).Registries; len(list) != 1 {
		t.Errorf("%d entries", len(list))
	}
	if list := fairleadtest.Must(t, r.Ann, wire.ListConnectors, acme()).Connectors; len(list) != 2 {
		t.Errorf("%d connectors", len(list))
	}
}

// TestSecretIsKept changes everything of an entry but the secret, which stays.
func TestSecretIsKept(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.add(t, "main", r.one)
	later, off := "later", false
	for _, ch := range []wire.RegistryUpdate{
		{RegistryPath: entry("main")},
		{RegistryPath: entry("main"), Name: "renamed"},
		{RegistryPath: entry("renamed"), Disclosure: fairlead.StoredSecret},
		{RegistryPath: entry("renamed"), Pattern: r.one.Host() + "/team/*"},
		{RegistryPath: entry("renamed"), Public: map[string]string{"username": "robot"}},
		{RegistryPath: entry("renamed"), Public: map[string]string{"hosts": r.one.Host(), "username": "robot"}},
		{RegistryPath: entry("renamed"), Secrets: map[string]wire.Clear{"password": {}}},
	} {
		fairleadtest.Must(t, r.Ann, wire.UpdateRegistry, ch)
		if !r.opens(t, r.one) {
			t.Errorf("after %+v it opens nothing", ch)
		}
	}
	fairleadtest.Must(t, r.Ann, wire.UpdateConnector, wire.ConnectorUpdate{ConnectorPath: connector("main"), Name: later})
	fairleadtest.Must(t, r.Ann, wire.UpdateConnector, wire.ConnectorUpdate{ConnectorPath: connector("later"), Method: "basic", ConnectorTrial: untried()})
	if !r.opens(t, r.one) {
		t.Error("after the connector's new name it opens nothing")
	}
	fairleadtest.Must(t, r.Ann, wire.UpdateRegistry, wire.RegistryUpdate{RegistryPath: entry("renamed"), Secrets: map[string]wire.Clear{"password": hidden("another")}, ConnectorTrial: wire.ConnectorTrial{NoVerify: true}})
	_, err := r.lease(t, r.one)
	refused(t, "with another secret", err, fairlead.Denied, fairlead.CodeLoginRefused)
	// Another method has other secrets: those of the old one are gone, and not used.
	refused(t, "another method", try(t, r.Ann, wire.UpdateConnector, wire.ConnectorUpdate{ConnectorPath: connector("later"), Method: "bearer"}), fairlead.Invalid, "", "token is missing")
	fairleadtest.Must(t, r.Ann, wire.UpdateConnector, wire.ConnectorUpdate{ConnectorPath: connector("later"), Method: "bearer", ConnectorTrial: untried(), Secrets: map[string]wire.Clear{"token": hidden("t")}})
	c := fairleadtest.Must(t, r.Ann, wire.DescribeConnector, connector("later"))
	if diff := cmp.Diff([]string{"token"}, c.Secrets); diff != "" || c.Public["username"] != "" || c.Public["hosts"] != r.one.Host() {
		t.Errorf("after another method: %+v", c)
	}
	fairleadtest.Must(t, r.Ann, wire.UpdateRegistry, wire.RegistryUpdate{RegistryPath: entry("renamed"), PlainHTTP: &off})
}

// TestSecretIsBound tries in every way to have a secret sent to a host that it wasn't
// given for, by one who may change everything and doesn't know it.
func TestSecretIsBound(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.add(t, "main", r.one)
	main, next := "main", r.next.Host()
	elsewhere := map[string]string{"hosts": next}
	update := func(ch wire.RegistryUpdate) error {
		ch.RegistryPath = entry("main")
		return try(t, r.Ann, wire.UpdateRegistry, ch)
	}
	change := func(ch wire.ConnectorUpdate) error {
		ch.ConnectorPath = connector("main")
		ch.ConnectorTrial = untried()
		return try(t, r.Ann, wire.UpdateConnector, ch)
	}
	for name, err := range map[string]error{
		"another pattern":                       update(wire.RegistryUpdate{Pattern: next + "/*"}),
		"another pattern and host":              update(wire.RegistryUpdate{Pattern: next + "/*", Public: elsewhere}),
		"the host alone":                        update(wire.RegistryUpdate{Public: elsewhere}),
		"one host more":                         update(wire.RegistryUpdate{Public: map[string]string{"hosts": r.one.Host() + "," + next}}),
		"a wider host":                          update(wire.RegistryUpdate{Public: map[string]string{"hosts": "127.0.0.*"}}),
		"an empty secret":                       update(wire.RegistryUpdate{Pattern: next + "/*", Public: elsewhere, Secrets: map[string]wire.Clear{"password": {}}}),
		"no host":                               change(wire.ConnectorUpdate{Public: map[string]string{"hosts": ""}}),
		"the connector's host":                  change(wire.ConnectorUpdate{Public: elsewhere}),
		"the connector's host, the same method": change(wire.ConnectorUpdate{Method: "basic", Public: elsewhere}),
		"another entry":                         try(t, r.Ann, wire.AddRegistry, wire.RegistryRequest{OrganizationPath: acme(), Name: "next", Pattern: next + "/*", PlainHTTP: true, Connector: main}),
		"a wider pattern":                       update(wire.RegistryUpdate{Pattern: "*/*", PlainHTTP: new(bool)}),
	} {
		refused(t, name, err, fairlead.Invalid, "")
	}
	// An anonymous entry of the other host can't be given it either.
	fairleadtest.Must(t, r.Ann, wire.AddRegistry, wire.RegistryRequest{OrganizationPath: acme(), Name: "next", Pattern: next + "/*", PlainHTTP: true})
	refused(t, "a connector for the other", try(t, r.Ann, wire.UpdateRegistry, wire.RegistryUpdate{RegistryPath: entry("next"), Connector: &main}), fairlead.Invalid, "", "its secret isn't sent to "+next)
	if _, err := r.lease(t, r.next); err != nil || saw(r.next) {
		t.Errorf("the other host was shown the secret: %v, %v", saw(r.next), err)
	}
	if !r.opens(t, r.one) || !saw(r.one) {
		t.Error("the entry itself opens nothing any more")
	}
	// Who knows the secret can give it to another host.
	fairleadtest.Must(t, r.Ann, wire.RemoveRegistry, wire.RegistryRemoval{RegistryPath: entry("next")})
	fairleadtest.Must(t, r.Ann, wire.UpdateRegistry, wire.RegistryUpdate{
		RegistryPath: entry("main"), Pattern: next + "/*", Public: elsewhere, Secrets: map[string]wire.Clear{"password": hidden(secret)}, ConnectorTrial: wire.ConnectorTrial{NoVerify: true},
	})
	if !r.opens(t, r.next) {
		t.Error("with the secret given again the other host isn't opened")
	}
}

// TestRedirectedSecret has the registry that may see the secret name a token endpoint
// elsewhere without TLS: it isn't sent there.
func TestRedirectedSecret(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.add(t, "main", r.one)
	for _, realm := range []string{"http://evil.example.com/token", "http://169.254.169.254/token"} {
		r.one.Set(realmAt(realm))
		_, err := r.lease(t, r.one)
		refused(t, realm, err, fairlead.Denied, fairlead.CodeRealm)
		r.clock.Move(time.Hour) // nothing is remembered that long
	}
	if saw(r.next) {
		t.Error("another host was shown the secret")
	}
}

// TestInUse deletes what something uses: who uses it is named.
func TestInUse(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.add(t, "main", r.one)
	r.add(t, "second", r.one, func(req *wire.RegistryRequest) {
		req.Pattern, req.NewConnector, req.Connector = r.one.Host()+"/second/*", nil, "main"
	})
	refused(t, "deleting", try(t, r.Ann, wire.DeleteConnector, wire.ConnectorRemoval{ConnectorPath: connector("main")}), fairlead.Conflict, fairlead.CodeInUse, "main", "second")
	refused(t, "removing with its connector",
		try(t, r.Ann, wire.RemoveRegistry, wire.RegistryRemoval{RegistryPath: entry("main"), WithConnector: true}), fairlead.Conflict, fairlead.CodeInUse, "second")
	fairleadtest.Must(t, r.Ann, wire.ShowRegistry, entry("main")) // it is there yet
	fairleadtest.Must(t, r.Ann, wire.RemoveRegistry, wire.RegistryRemoval{RegistryPath: entry("main")})
	fairleadtest.Must(t, r.Ann, wire.RemoveRegistry, wire.RegistryRemoval{RegistryPath: entry("second"), WithConnector: true})
	refused(t, "deleting what is gone", try(t, r.Ann, wire.DeleteConnector, wire.ConnectorRemoval{ConnectorPath: connector("main")}), fairlead.NotFound, "")
}

// TestVersions changes what another has changed meanwhile.
func TestVersions(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	first := r.add(t, "main", r.one)
	c := fairleadtest.Must(t, r.Ann, wire.DescribeConnector, connector("main"))
	ch := wire.RegistryUpdate{RegistryPath: entry("main"), Disclosure: fairlead.StoredSecret, Version: first.Version}
	second := fairleadtest.Must(t, r.Ann, wire.UpdateRegistry, ch)
	refused(t, "the entry", try(t, r.Ann, wire.UpdateRegistry, ch), fairlead.Conflict, fairlead.CodeStale)
	if second.Version == first.Version || fairleadtest.Must(t, r.Ann, wire.ShowRegistry, entry("main")).Version != second.Version {
		t.Errorf("versions %d and %d", first.Version, second.Version)
	}
	up := wire.ConnectorUpdate{ConnectorTrial: untried(), ConnectorPath: connector("main"), Public: map[string]string{"username": "other"}, Version: c.Version}
	fairleadtest.Must(t, r.Ann, wire.UpdateConnector, up)
	refused(t, "the connector", try(t, r.Ann, wire.UpdateConnector, up), fairlead.Conflict, fairlead.CodeStale)
}

// TestRegistryEvents reads who did what: also that a connector was made or changed with
// an entry is told.
func TestRegistryEvents(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.add(t, "main", r.one)
	fairleadtest.Must(t, r.Ann, wire.UpdateRegistry, wire.RegistryUpdate{RegistryPath: entry("main"), Disclosure: fairlead.StoredSecret})
	fairleadtest.Must(t, r.Ann, wire.UpdateRegistry, wire.RegistryUpdate{RegistryPath: entry("main"), Secrets: map[string]wire.Clear{"password": hidden(secret)}})
	fairleadtest.Must(t, r.Ann, wire.RemoveRegistry, wire.RegistryRemoval{RegistryPath: entry("main"), WithConnector: true})
	base := map[string]string{"pattern": r.one.Host() + "/*", "connector": "main", "plain_http": "true"}
	with := func(pairs ...string) map[string]string {
		m := map[string]string{}
		maps.Copy(m, base)
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	var got []map[string]string
	var actions []fairlead.Action
	for _, ev := range fairleadtest.Must(t, r.Ann, wire.ListEvents, wire.EventsRequest{OrganizationPath: acme()}).Events {
		if ev.On.Kind == "registry" {
			got, actions = append(got, ev.Detail), append(actions, ev.Action)
			if ev.By.Name != "ann" || ev.From == "" || ev.Request == "" || ev.On.Name != "main" || !ev.Allowed {
				t.Errorf("an event says %+v", ev)
			}
		}
	}
	if diff := cmp.Diff([]fairlead.Action{fairlead.RegistryRemove, fairlead.RegistryUpdate, fairlead.RegistryUpdate, fairlead.RegistryAdd}, actions); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	want := []map[string]string{
		with("disclosure", "secret", "with_connector", "main"), with("disclosure", "secret", "with_connector", "main"), with("disclosure", "secret"), with("with_connector", "main"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
}

// untried saves what no registry is there to take.
func untried() wire.ConnectorTrial { return wire.ConnectorTrial{NoVerify: true} }
