package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/wire"
)

func login(user, password string) *wire.RegistryConfiguration {
	return &wire.RegistryConfiguration{Version: "1", Username: user, Password: hidden(password)}
}

// credentials makes what the rows of the API in Valohai's form are about.
func (w *world) credentials(t *testing.T) {
	t.Helper()
	made := func(host string) wire.RegistryCredential {
		return fairleadtest.Must(t, w.Ann, wire.CreateRegistryCredential, wire.RegistryCredentialRequest{
			Type: "docker", ImagePattern: host + "/*", Owner: "acme", Configuration: login(robot, "robot-password"),
		})
	}
	one := made("credential.example.com")
	w.owner, w.credential = one.Owner, one.ID
	w.spareCredential = made("spare-credential.example.com").ID
}

func valohaiRows() []row {
	path := func(n names) wire.RegistryCredentialPath {
		return wire.RegistryCredentialPath{Credential: n.credential}
	}
	request := func(host string) wire.RegistryCredentialRequest {
		return wire.RegistryCredentialRequest{Type: "docker", ImagePattern: host + "/*", Configuration: login(robot, "robot-password")}
	}
	return []row{
		op(wire.ListRegistryCredentials, inAcme, func(n names) wire.RegistryCredentialsRequest {
			return wire.RegistryCredentialsRequest{Owner: fmt.Sprint(n.owner), Limit: 1}
		}),
		op(wire.ListRegistryCredentials, aboutSelf, func(names) wire.RegistryCredentialsRequest { return wire.RegistryCredentialsRequest{} }).in("all", aboutSelf).only(),
		op(wire.CreateRegistryCredential, inAcme, func(n names) wire.RegistryCredentialRequest {
			in := request("new-credential.example.com")
			in.Owner = n.owner
			return in
		}).plus(need{fairlead.ConnectorRegister, inAcme}),
		op(wire.ShowRegistryCredential, inAcme, path),
		op(wire.ReplaceRegistryCredential, inAcme, func(n names) wire.RegistryCredentialReplacement {
			return wire.RegistryCredentialReplacement{RegistryCredentialPath: path(n), RegistryCredentialRequest: request("credential.example.com")}
		}).plus(need{fairlead.ConnectorUpdate, inAcme}),
		op(wire.ChangeRegistryCredential, inAcme, func(n names) wire.RegistryCredentialChange {
			return wire.RegistryCredentialChange{RegistryCredentialPath: path(n), ImagePattern: "credential.example.com/team/*"}
		}),
		op(wire.DeleteRegistryCredential, inAcme, func(n names) wire.RegistryCredentialPath {
			return wire.RegistryCredentialPath{Credential: n.spareCredential}
		}).plus(need{fairlead.ConnectorDelete, inAcme}),
	}
}

// terraform is a client as a Terraform provider of Valohai's is one: it knows a URL, a
// token, and the form of requests and replies.
type terraform struct {
	url, token string
}

// resource is what it keeps of a registry credential.
type resource struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Pattern string `json:"image_pattern"`
	Owner   int    `json:"owner"`
}

var errGone = errors.New("gone")

// do sends a request and reads the reply, whose status must be one of those.
func (c terraform) do(t *testing.T, method, path, body string, out any, statuses ...int) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.url+"/api/v0/registry-credentials/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Token "+c.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("c4nary")) {
		t.Errorf("%s %s: the reply holds a secret: %s", method, path, b)
	}
	for _, s := range statuses {
		if resp.StatusCode == s {
			if out != nil {
				return json.Unmarshal(b, out)
			}
			return nil
		}
	}
	if resp.StatusCode == http.StatusNotFound {
		return errGone
	}
	var failure struct {
		NonField []struct{ Message, Code string } `json:"non_field_errors"`
		Detail   string                           `json:"detail"`
	}
	if err := json.Unmarshal(b, &failure); err != nil {
		t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, b)
	}
	if len(failure.NonField) > 0 {
		return fmt.Errorf("API error %d (%s) - %s", resp.StatusCode, failure.NonField[0].Code, failure.NonField[0].Message)
	}
	return fmt.Errorf("API error %d: %s", resp.StatusCode, failure.Detail)
}

func (c terraform) create(t *testing.T, body string) (resource, error) {
	t.Helper()
	var r resource
	err := c.do(t, http.MethodPost, "", body, &r, http.StatusCreated)
	return r, err
}

func (c terraform) read(t *testing.T, id string) (resource, error) {
	t.Helper()
	var r resource
	err := c.do(t, http.MethodGet, id+"/", "", &r, http.StatusOK)
	return r, err
}

func (c terraform) update(t *testing.T, id, body string) error {
	t.Helper()
	return c.do(t, http.MethodPut, id+"/", body, nil, http.StatusOK, http.StatusNoContent)
}

func (c terraform) remove(t *testing.T, id string) error {
	t.Helper()
	return c.do(t, http.MethodDelete, id+"/", "", nil, http.StatusNoContent, http.StatusOK)
}

// provider gives an administrator's client with an API token.
func newTerraform(t *testing.T, p *fairleadtest.Plane) terraform {
	t.Helper()
	token := fairleadtest.Must(t, p.Ann, wire.CreateToken, wire.TokenRequest{Name: "terraform"}).Token
	return terraform{p.URL, string(token.Reveal())}
}

const robotConfiguration = `"configuration":{"version":"1","username":"robot","password":"c4nary-1"}`

// TestTerraform lives through the life of a resource: made, read, changed, imported,
// removed.
func TestTerraform(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Start(t)
	tf := newTerraform(t, p)
	r, err := tf.create(t, `{"type":"docker","image_pattern":"docker.io/team/*",`+strings.Replace(robotConfiguration, "c4nary-1", "dckr_pat_c4nary00000000000000000", 1)+`}`)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := tf.read(t, r.ID); err != nil || again != r || r.Type != "docker" || r.Pattern != "docker.io/team/*" || r.Owner == 0 {
		t.Errorf("read %+v %v, made %+v", again, err, r)
	}
	// It is a connector and a registry entry, like any other.
	entry := fairleadtest.Must(t, p.Ann, wire.ShowRegistry, wire.RegistryPath{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Registry: "docker.io-team"})
	if string(entry.ID) != r.ID || entry.ConnectorName != "docker.io-team" {
		t.Errorf("the entry is %+v", entry)
	}
	c := fairleadtest.Must(t, p.Ann, wire.DescribeConnector, wire.ConnectorPath{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Connector: "docker.io-team"})
	if c.Family != "docker-hub" || c.Method != "access-token" || c.Public["username"] != "robot" {
		t.Errorf("the connector is %+v", c)
	}
	body := fmt.Sprintf(`{"type":"docker","image_pattern":"docker.io/other/*","owner":%d,"configuration":{"version":"1","username":"robot2","password":"dckr_pat_c4nary00000000000000002"}}`, r.Owner)
	if err := tf.update(t, r.ID, body); err != nil {
		t.Error(err)
	}
	imported, err := tf.read(t, r.ID) // terraform import reads by the identifier alone
	if err != nil || imported.ID != r.ID || imported.Pattern != "docker.io/other/*" || imported.Owner != r.Owner {
		t.Errorf("imported %+v %v", imported, err)
	}
	if c := fairleadtest.Must(t, p.Ann, wire.DescribeConnector, wire.ConnectorPath{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Connector: "docker.io-team"}); c.Version != 2 || c.Public["username"] != "robot2" {
		t.Errorf("the connector is %+v", c)
	}
	if err := tf.do(t, http.MethodPatch, r.ID+"/", `{"image_pattern":"docker.io/third/*"}`, &imported, http.StatusOK); err != nil || imported.Pattern != "docker.io/third/*" {
		t.Errorf("%+v %v", imported, err)
	}
	if err := tf.remove(t, r.ID); err != nil {
		t.Error(err)
	}
	if _, err := tf.read(t, r.ID); !errors.Is(err, errGone) {
		t.Error(err)
	}
	if err := tf.remove(t, r.ID); !errors.Is(err, errGone) {
		t.Error(err)
	}
	if list := fairleadtest.Must(t, p.Ann, wire.ListConnectors, wire.OrganizationPath{Organization: "acme"}); len(list.Connectors) != 0 {
		t.Errorf("connectors were left: %+v", list)
	}
}

// TestCredentialTypes makes one of each type, on the hosts that Valohai's users have.
func TestCredentialTypes(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Start(t)
	tf := newTerraform(t, p)
	const ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
	for name, c := range map[string]struct{ body, family, method, public, fails string }{
		"docker":        {`"type":"docker","image_pattern":"reg.example.com:5000/*",` + robotConfiguration, "docker", "basic", "hosts=reg.example.com:5000", ""},
		"docker: azure": {`"type":"docker","image_pattern":"myregistry.azurecr.io/*","configuration":{"username":"puller","password":"C4naryOfTheScopeMapToken0123456789+ACRDabcdef12345"}`, "azure-container-registry", "repository-token", "login_server=myregistry.azurecr.io", ""},
		"docker: jfrog": {`"type":"docker","image_pattern":"acme.jfrog.io/docker-local/*",` + robotConfiguration, "jfrog-artifactory", "basic", "host=acme.jfrog.io", ""},
		"ecr":           {`"type":"aws-ecr","image_pattern":"` + ecr + `/*","configuration":{"version":"1","access_key_id":"AKIAIOSFODNN7EXAMPLE","secret_access_key":"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","region":"eu-west-1"}`, "aws-ecr", "secret-key", "regions=eu-west-1", ""},
		"role: name":    {`"type":"aws-ecr-role","image_pattern":"` + ecr + `/team/*","configuration":{"version":"1","role_name":"puller","region":"eu-west-1"}`, "aws-ecr", "federation", "role_arn=arn:aws:iam::123456789012:role/puller", ""},
		"role: ARN":     {`"type":"aws-ecr-role","image_pattern":"` + ecr + `/other/*","configuration":{"role_name":"arn:aws:iam::210987654321:role/x","region":"eu-west-1"}`, "aws-ecr", "federation", "role_arn=arn:aws:iam::210987654321:role/x", ""},

		"missing":           {`"type":"aws-ecr","image_pattern":"` + ecr + `/x","configuration":{"access_key_id":"AKIAIOSFODNN7EXAMPLE"}`, "", "", "", "API error 400 (invalid) - .*lacks region"},
		"of another type":   {`"type":"docker","image_pattern":"x.example.com/*","configuration":{"username":"a","password":"c4nary","region":"x"}`, "", "", "", "type docker has no region"},
		"no such type":      {`"type":"azure","image_pattern":"x.example.com/*",` + robotConfiguration, "", "", "", "API error 400"},
		"no such key":       {`"type":"docker","image_pattern":"x.example.com/*","configuration":{"user":"a"}`, "", "", "", "API error 400"},
		"version":           {`"type":"docker","image_pattern":"x.example.com/*","configuration":{"version":"2","username":"a","password":"c4nary"}`, "", "", "", "API error 400"},
		"pattern":           {`"type":"docker","image_pattern":"https://x/*",` + robotConfiguration, "", "", "", "API error 400"},
		"the same again":    {`"type":"docker","image_pattern":"taken.example.com/*",` + robotConfiguration, "", "", "", "API error 400 (conflict)"},
		"owner":             {`"type":"docker","image_pattern":"x.example.com/*","owner":42,` + robotConfiguration, "", "", "", "gone"},
		"service principal": {`"type":"docker","image_pattern":"myregistry.azurecr.io/x","configuration":{"username":"22222222-2222-4222-8222-222222222222","password":"c4nary"}`, "", "", "", "service principal, whose tenant"},
		"password for ECR":  {`"type":"docker","image_pattern":"` + ecr + `/y",` + robotConfiguration, "", "", "", "use type aws-ecr"},
		"key that is none":  {`"type":"gcp-cr","image_pattern":"gcr.io/my-project/*","configuration":{"service_account_json":"c4nary"}`, "", "", "", "API error 400"},
	} {
		if name == "the same again" {
			if _, err := tf.create(t, "{"+c.body+"}"); err != nil {
				t.Fatal(err)
			}
		}
		r, err := tf.create(t, "{"+c.body+"}")
		if c.fails != "" {
			if what, rest, two := strings.Cut(c.fails, ".*"); err == nil || !strings.Contains(err.Error(), what) || two && !strings.Contains(err.Error(), rest) {
				t.Errorf("%s: %v, want %s", name, err, c.fails)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := fairleadtest.Must(t, p.Ann, wire.ShowRegistryCredential, wire.RegistryCredentialPath{Credential: fairlead.RegistryID(r.ID)})
		connector := fairleadtest.Must(t, p.Ann, wire.DescribeConnector, wire.ConnectorPath{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Connector: got.Connector})
		field, value, _ := strings.Cut(c.public, "=")
		if string(connector.Family) != c.family || connector.Method != c.method || connector.Public[field] != value || !strings.Contains(c.body, `"type":"`+r.Type+`"`) {
			t.Errorf("%s: %+v has connector %+v", name, r, connector)
		}
	}
}

// TestCredentialPages goes through a list page by page, and says whose numbers are whose.
func TestCredentialPages(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Start(t)
	tf := newTerraform(t, p)
	want := map[string]bool{}
	for i := range 7 {
		r, err := tf.create(t, fmt.Sprintf(`{"type":"docker","image_pattern":"r%d.example.com/*",%s}`, i, robotConfiguration))
		if err != nil {
			t.Fatal(err)
		}
		want[r.ID] = true
	}
	var page struct {
		Count          int
		Next, Previous *string
		Results        []resource
	}
	got := map[string]bool{}
	for path, pages := "?limit=3", 0; ; pages++ {
		page.Results = nil
		if err := tf.do(t, http.MethodGet, path, "", &page, http.StatusOK); err != nil || page.Count != 7 || (page.Previous == nil) != (pages == 0) {
			t.Fatalf("%s: %+v %v", path, page, err)
		}
		for _, r := range page.Results {
			got[r.ID] = true
		}
		if page.Next == nil {
			break
		}
		rest, ok := strings.CutPrefix(*page.Next, p.URL+"/api/v0/registry-credentials/")
		if !ok {
			t.Fatal(*page.Next)
		}
		path = rest
	}
	if len(got) != 7 || len(want) != 7 {
		t.Errorf("the pages have %d", len(got))
	}
	fairleadtest.Must(t, p.Ann, wire.CreateOrganization, wire.OrganizationRequest{Name: "side"})
	_, err := tf.create(t, `{"type":"docker","image_pattern":"x.example.com/*",`+robotConfiguration+`}`)
	if err == nil || !strings.Contains(err.Error(), "(acme)") || !strings.Contains(err.Error(), "(side)") {
		t.Errorf("with two organizations: %v", err)
	}
	r, err := tf.create(t, `{"type":"docker","image_pattern":"x.example.com/*","owner":"side",`+robotConfiguration+`}`)
	if err != nil {
		t.Error(err)
	}
	if err := tf.update(t, r.ID, `{"type":"docker","image_pattern":"x.example.com/*","owner":"acme",`+robotConfiguration+`}`); err == nil || !strings.Contains(err.Error(), "stays with its organization") {
		t.Error(err)
	}
	if err := tf.update(t, r.ID, `{"type":"aws-ecr","image_pattern":"x.example.com/*",`+robotConfiguration+`}`); err == nil || !strings.Contains(err.Error(), "which stays") {
		t.Error(err)
	}
	if err := tf.update(t, r.ID, `{"type":"docker","image_pattern":"x.example.com/*"}`); err == nil || !strings.Contains(err.Error(), "lacks password") {
		t.Error(err)
	}
}

// TestCredentialsUnproven: errors before anybody is known have the form too.
func TestCredentialsUnproven(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Open(t)
	if _, err := (terraform{p.URL, "flt_wrong"}).read(t, "x"); err == nil || !strings.HasPrefix(err.Error(), "API error 401: ") {
		t.Error(err)
	}
	// What is below the list isn't the list.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/api/v0/registry-credentials/a/b/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", resp.StatusCode)
	}
}
