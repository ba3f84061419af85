package awsecr_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/provider/awsecr"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

const (
	account      = "123456789012"
	otherAccount = "210987654321"
	region       = "eu-west-1"
	roleARN      = "arn:aws:iam::123456789012:role/fairlead"
	issuerURL    = "https://fairlead.example"
	organization = fairlead.OrganizationID("0199a1b2-0000-7000-8000-000000000001")
)

// world is AWS with one account, and the family.
type world struct {
	t       *testing.T
	net     *cloudtest.Internet
	aws     *cloudtest.AWS
	account *cloudtest.AWSAccount
	issuer  *issuer
	tools   provider.Tools
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, net: cloudtest.New(t)}
	w.aws = cloudtest.NewAWS(t, w.net)
	w.account = w.aws.Account(account)
	w.issuer = newIssuer(t, w.net)
	w.tools = provider.Tools{HTTP: w.net.Client(), Now: time.Now, Issuer: w.issuer, Instance: w.net.Client()}
	return w
}

func (w *world) provider() awsecr.Provider { return awsecr.New(w.tools) }

// connector makes one: fields as "name=value", of which the secret ones are sealed.
func connector(method string, fields ...string) provider.Opened {
	c := provider.Opened{
		Connector: fairlead.Connector{Organization: organization, Name: "ecr", Family: awsecr.Family, Method: method, Public: map[string]string{}},
		Owner:     "acme", Secret: map[string]fairlead.Secret{},
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		if name == "secret_access_key" || name == "session_token" {
			c.Secret[name] = fairlead.SecretText(value)
		} else {
			c.Public[name] = value
		}
	}
	return c
}

func keyFields(k cloudtest.AWSKey) []string {
	return []string{"access_key_id=" + k.ID, "secret_access_key=" + k.Secret}
}

func withKey(k cloudtest.AWSKey) provider.Opened {
	return connector("secret-key", keyFields(k)...)
}

func withSession(k cloudtest.AWSKey) provider.Opened {
	return connector("session-token", append(keyFields(k), "session_token="+k.Token)...)
}

func scope(host, repository string, verb fairlead.Verb) fairlead.Scope {
	return fairlead.Scope{Resource: ref.Resource{Host: host, Repository: repository}, Verb: verb}
}

// pull is to pull team/app.
func (w *world) pull() fairlead.Scope {
	return scope(w.account.Host(region), "team/app", fairlead.Pull)
}

func (w *world) login(c provider.Opened, s fairlead.Scope) provider.Login {
	w.t.Helper()
	l, err := w.provider().Login(w.t.Context(), c, s)
	if err != nil {
		w.t.Fatalf("%v; %s", err, fairlead.AsError("", err).Remedy)
	}
	return l
}

// guided sets the connector up as its guide says: the documents are taken from the
// commands that it prints. It gives the key that was made, if one was.
func (w *world) guided(c provider.Opened, push bool) cloudtest.AWSKey {
	w.t.Helper()
	g := w.provider().Guide(c.Connector, issuerURL, provider.SubjectName(c.Owner, c.Name))
	doc := map[string]string{}
	for _, step := range g.Steps {
		for part := range strings.SplitSeq(step.Text, "cat > ") {
			name, rest, ok := strings.Cut(part, " <<'EOF'\n")
			if text, _, end := strings.Cut(rest, "\nEOF"); ok && end {
				doc[name] = text
			}
		}
		if strings.HasPrefix(step.Text, "aws iam create-open-id-connect-provider") {
			w.account.TrustIssuer(issuerURL, "sts.amazonaws.com")
		}
	}
	policies := []string{doc["pull.json"]}
	if push {
		policies = append(policies, doc["push.json"])
	}
	if trust, ok := doc["trust.json"]; ok {
		w.account.Role("fairlead", strings.ReplaceAll(strings.ReplaceAll(trust, "ACCOUNT", otherAccount), "INSTANCE-ROLE", "server"), policies...)
		if assume, ok := doc["assume.json"]; ok {
			return w.aws.Account(otherAccount).User("fairlead", assume)
		}
		return cloudtest.AWSKey{}
	}
	return w.account.User("fairlead", strings.ReplaceAll(policies[0], "ACCOUNT", account))
}

// ask makes a request to a registry with a login.
func (w *world) ask(method, url string, l provider.Login) (status int, body string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, url, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if !l.Password.IsZero() {
		req.SetBasicAuth(l.Username, string(l.Password.Reveal()))
	}
	res, err := w.tools.HTTP.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// layer gives the digest of the one layer of an image.
func (w *world) layer(host, repository string, l provider.Login) string {
	w.t.Helper()
	_, body := w.ask(http.MethodGet, "https://"+host+"/v2/"+repository+"/manifests/v1", l)
	var m struct {
		Layers []struct{ Digest string }
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil || len(m.Layers) != 1 {
		w.t.Fatalf("%v\n%s", err, body)
	}
	return m.Layers[0].Digest
}

func (w *world) push(repository string) {
	w.account.Push(region, repository, "v1", registrytest.RandomImage(w.t, 100))
}

// issuer is Fairlead as an identity provider, reached at a host of the internet.
type issuer struct {
	url string
	now func() time.Time

	mu   sync.Mutex
	keys []jose.JSONWebKey // the last one signs
	// audience and subject replace what is asked for.
	audience, subject string
	subjects          []provider.Subject
}

func newIssuer(t *testing.T, n *cloudtest.Internet) *issuer {
	t.Helper()
	i := &issuer{url: issuerURL, now: time.Now, keys: []jose.JSONWebKey{firstKey()}}
	n.Handle("fairlead.example", http.HandlerFunc(i.serve))
	return i
}

// firstKey is made once: it takes longer than all else in a test.
var firstKey = sync.OnceValue(newKey)

func newKey() jose.JSONWebKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: rand.Text(), Algorithm: string(jose.RS256), Use: "sig"}
}

// rotate signs with a new key from now on; the old ones stay published.
func (i *issuer) rotate() {
	key := newKey()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, key)
}

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys"})
	case "/keys":
		var set jose.JSONWebKeySet
		for _, k := range i.keys {
			set.Keys = append(set.Keys, k.Public())
		}
		_ = json.NewEncoder(w).Encode(set)
	default:
		http.NotFound(w, r)
	}
}

func (i *issuer) URL() string { return i.url }

func (i *issuer) Sign(_ context.Context, s provider.Subject) (fairlead.Secret, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.subjects = append(i.subjects, s)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: i.keys[len(i.keys)-1]}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return fairlead.Secret{}, err
	}
	claims := jwt.Claims{
		Issuer: i.url, Subject: provider.SubjectName(s.Organization, s.Connector), Audience: jwt.Audience{s.Audience},
		IssuedAt: jwt.NewNumericDate(i.now()), Expiry: jwt.NewNumericDate(i.now().Add(5 * time.Minute)),
	}
	if i.audience != "" {
		claims.Audience = jwt.Audience{i.audience}
	}
	if i.subject != "" {
		claims.Subject = i.subject
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	return fairlead.SecretText(token), err
}
