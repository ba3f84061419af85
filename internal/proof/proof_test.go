package proof_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

const password = "c4nary-password-of-the-robot"

// world is a plane and a registry with a private image, a public one, and two robots.
type world struct {
	*fairleadtest.Plane
	reg *registrytest.Registry
}

func newWorld(t *testing.T, auth registrytest.Auth) *world {
	t.Helper()
	robot := registrytest.Account{Name: "robot", Password: password, Rights: registrytest.Everything()}
	w := &world{Plane: fairleadtest.Start(t), reg: registrytest.New(t, registrytest.Config{
		Auth: auth, Anonymous: []registrytest.Right{{Prefix: "public", Actions: []string{"pull"}}},
		Accounts: []registrytest.Account{robot, {Name: "poor", Password: password, Rights: registrytest.Reads("elsewhere")}},
	})}
	for _, image := range []string{"team/app:v1", "public/app:v1"} {
		registrytest.Push(t, w.reg, registrytest.RandomImage(t, 100), image, robot)
	}
	return w
}

func acme() wire.OrganizationPath { return wire.OrganizationPath{Organization: "acme"} }

// add adds an entry of the name, with a connector for the account.
func (w *world) add(t *testing.T, name, path, account, secret string) {
	t.Helper()
	fairleadtest.Must(t, w.Ann, wire.AddRegistry, wire.RegistryRequest{
		OrganizationPath: acme(), Name: name, Pattern: w.reg.Host() + "/" + path, PlainHTTP: true,
		NewConnector: &wire.ConnectorFields{
			Family: "docker", Method: "basic", Public: map[string]string{"username": account},
			Secrets: map[string]wire.Clear{"password": {Secret: fairlead.SecretText(secret)}},
		},
		ConnectorTrial: wire.ConnectorTrial{NoVerify: true},
	})
}

func request(connector fairlead.Name, image string) wire.VerifyRequest {
	return wire.VerifyRequest{ConnectorPath: wire.ConnectorPath{OrganizationPath: acme(), Connector: connector}, Image: image}
}

// told is a proof as lines of name, outcome and a part of what is said.
func told(p fairlead.Proof) []string {
	var list []string
	for _, s := range p.Steps {
		list = append(list, s.Name+" "+string(s.Outcome))
	}
	return list
}

// said is all that a proof says.
func said(p fairlead.Proof) string {
	var b strings.Builder
	for _, s := range p.Steps {
		b.WriteString(s.Detail + " | " + s.Remedy)
		if s.Error != nil {
			b.WriteString(s.Error.Error() + " | " + s.Error.Remedy)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// TestSteps says of each way that a connector can be what is proved of it.
func TestSteps(t *testing.T) {
	t.Parallel()
	const (
		whole, stored, minted   = "fields proved", "login not proved", "login proved"
		taken, refused, untried = "registry proved", "registry failed", "registry not proved"
		pulled, unpulled, nope  = "pull proved", "pull not proved", "pull failed"
	)
	for _, row := range []struct {
		name            string
		auth            registrytest.Auth
		path            string // of the entry's pattern
		account, secret string
		image           string // behind the host
		want            []string
		words           []string
	}{
		{"token endpoint", registrytest.Bearer, "team/app:v1", "robot", password, "", []string{whole, stored, taken, pulled}, []string{"the stored secret itself", "gave a token for repository:team/app:pull, good until", "with the login, and not without it, manifest sha256:"}},
		{"no token endpoint", registrytest.Basic, "team/app:v1", "robot", password, "", []string{whole, stored, taken, pulled}, []string{"it has no token endpoint that would limit it"}},
		{"image given", registrytest.Bearer, "*", "robot", password, "/team/app:v1", []string{whole, stored, taken, pulled}, nil},
		{"pattern without a repository", registrytest.Bearer, "*", "robot", password, "", []string{whole, stored, taken, unpulled}, []string{"nothing was asked about a repository", "--image HOST/REPOSITORY:TAG"}},
		{"wrong password", registrytest.Bearer, "team/app:v1", "robot", "wrong", "", []string{whole, stored, refused, unpulled}, []string{"refuses the login of connector main", "it wasn't tried: step registry failed", "fairlead connector update main"}},
		{"wrong password for the host", registrytest.Basic, "*", "robot", "wrong", "", []string{whole, stored, refused, unpulled}, []string{"refuses the login of connector main"}},
		{"no right", registrytest.Bearer, "team/app:v1", "poor", password, "", []string{whole, stored, refused, unpulled}, []string{"account of connector main"}},
		{"no right, without tokens", registrytest.Basic, "team/app:v1", "poor", password, "", []string{whole, stored, taken, nope}, nil},
		{"no such tag", registrytest.Bearer, "team/app", "robot", password, "", []string{whole, stored, taken, unpulled}, []string{"there is nothing to read", "/team/app:TAG"}},
		{"public image", registrytest.Bearer, "*", "robot", password, "/public/app:v1", []string{whole, stored, taken, unpulled}, []string{"anybody can read it"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, row.auth)
			w.add(t, "main", row.path, row.account, row.secret)
			image := row.image
			if image != "" {
				image = w.reg.Host() + image
			}
			p := fairleadtest.Must(t, w.Ann, wire.VerifyConnector, request("main", image))
			if diff := cmp.Diff(row.want, told(p)); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, said(p))
			}
			for _, word := range row.words {
				if !strings.Contains(said(p), word) {
					t.Errorf("nothing says %q:\n%s", word, said(p))
				}
			}
			if text := said(p); strings.Contains(text, password) || strings.Contains(text, "wrong ") {
				t.Errorf("it shows the secret:\n%s", text)
			}
		})
	}
}

// TestWithoutAnEntry tries a connector that no entry uses: on the host that it is bound
// to, or on the image that is named.
func TestWithoutAnEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Bearer)
	register := func(name, host string) {
		fairleadtest.Must(t, w.Ann, wire.RegisterConnector, wire.ConnectorRequest{OrganizationPath: acme(), Name: name, ConnectorFields: wire.ConnectorFields{
			Family: "docker", Method: "basic", Public: map[string]string{"hosts": host, "username": "robot"},
			Secrets: map[string]wire.Clear{"password": {Secret: fairlead.SecretText(password)}},
		}, ConnectorTrial: wire.ConnectorTrial{NoVerify: true}})
	}
	register("alone", w.reg.Host())
	p := fairleadtest.Must(t, w.Ann, wire.VerifyConnector, request("alone", ""))
	// It is asked with TLS, which the registry doesn't speak: no entry says otherwise.
	if diff := cmp.Diff([]string{"fields proved", "login not proved", "registry failed", "pull not proved"}, told(p)); diff != "" || p.Image != w.reg.Host() {
		t.Errorf("tried with %s (-want +got):\n%s", p.Image, diff)
	}
	p = fairleadtest.Must(t, w.Ann, wire.VerifyConnector, request("alone", "other.example.com/team/app:v1"))
	if diff := cmp.Diff([]string{"fields proved", "login failed", "registry not proved", "pull not proved"}, told(p)); diff != "" {
		t.Errorf("a host that the connector isn't for (-want +got):\n%s", diff)
	}
	register("many", "*.example.com")
	p = fairleadtest.Must(t, w.Ann, wire.VerifyConnector, request("many", ""))
	if diff := cmp.Diff([]string{"fields proved", "login not proved", "registry not proved", "pull not proved"}, told(p)); diff != "" || !strings.Contains(said(p), "--image") {
		t.Errorf("nothing to try (-want +got):\n%s%s", diff, said(p))
	}
}

// TestExpired stops at a connector that has expired.
func TestExpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Bearer)
	w.add(t, "main", "team/app:v1", "robot", password)
	past := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	path := wire.ConnectorPath{OrganizationPath: acme(), Connector: "main"}
	fairleadtest.Must(t, w.Ann, wire.UpdateConnector, wire.ConnectorUpdate{ConnectorPath: path, Expires: &past})
	p := fairleadtest.Must(t, w.Ann, wire.VerifyConnector, request("main", ""))
	if !p.Failed() || p.Steps[0].Error == nil || p.Steps[0].Error.Code != fairlead.CodeConnectorExpired || !strings.Contains(p.Steps[0].Error.Why, "2020-01-01") {
		t.Errorf("%+v", p.Steps[0])
	}
}

// TestEvent records that the connector was opened, and for what; whoever may not is told
// so, and an image that can't be read is no step.
func TestEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, registrytest.Bearer)
	w.add(t, "main", "team/app:v1", "robot", password)
	fairleadtest.Must(t, w.Ann, wire.VerifyConnector, request("main", ""))
	events := fairleadtest.Must(t, w.Ann, wire.ListEvents, wire.EventsRequest{OrganizationPath: acme(), Action: fairlead.ConnectorVerify}).Events
	if len(events) != 1 || events[0].On.Name != "main" || events[0].Detail["for"] != w.reg.Host()+"/team/app" || events[0].By.Name != "ann" {
		t.Errorf("%+v", events)
	}
	bob := w.User(w.Ann, "acme", "bob", fairlead.Member)
	if _, err := client.Do(t.Context(), bob, wire.VerifyConnector, request("main", "")); fairlead.KindOf(err) != fairlead.Denied {
		t.Errorf("a member: %v", err)
	}
	_, err := client.Do(t.Context(), w.Ann, wire.VerifyConnector, request("main", "not an image"))
	if e := fairlead.AsError("", err); e.Kind != fairlead.Invalid || e.Field != "image" {
		t.Errorf("no image: %+v", e)
	}
}
