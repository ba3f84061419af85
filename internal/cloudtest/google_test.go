package cloudtest_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/compute/metadata"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	gcr "github.com/google/go-containerregistry/pkg/v1/google"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"golang.org/x/oauth2/google/externalaccount"

	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/registrytest"
)

const googleImage = "us-docker.pkg.dev/acme-train/models/app:v1"

// googleWorld is a project with a repository, an image, and an account that may pull.
type googleWorld struct {
	n      *cloudtest.Internet
	g      *cloudtest.Google
	reader string // the account
	id     string // its key's
	key    []byte
	repo   string
	digest string
	number string
}

func newGoogle(t *testing.T) *googleWorld {
	t.Helper()
	w := &googleWorld{n: cloudtest.New(t)}
	w.g = cloudtest.NewGoogle(t, w.n)
	w.number = w.g.AddProject("acme-train")
	w.repo = w.g.AddRepository("acme-train", cloudtest.GoogleRepository{Location: "us", ID: "models"})
	w.reader = w.g.AddAccount("acme-train", "reader")
	w.id, w.key = w.g.AddKey(w.reader)
	w.g.Grant(w.repo, "roles/artifactregistry.reader", "serviceAccount:"+w.reader)
	w.digest = w.g.Push(t, registrytest.RandomImage(t, 1000), googleImage)
	return w
}

// context is one in which Google's libraries use the fake's client.
func (w *googleWorld) context(t *testing.T) context.Context {
	t.Helper()
	return context.WithValue(t.Context(), oauth2.HTTPClient, w.n.Client())
}

// pull pulls an image's manifest and its layers.
func (w *googleWorld) pull(t *testing.T, image string, a authn.Authenticator) error {
	t.Helper()
	r, err := name.ParseReference(image)
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Image(r, remote.WithAuth(a), remote.WithTransport(w.n.Client().Transport), remote.WithContext(t.Context()))
	if err != nil {
		return err
	}
	layers, err := got.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		rc, err := l.Compressed()
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, rc); err != nil {
			return err
		}
		_ = rc.Close()
	}
	return nil
}

func bearer(token string) authn.Authenticator {
	return &authn.Basic{Username: "oauth2accesstoken", Password: token}
}

// TestGoogleLogins pulls with each login that the registry takes.
func TestGoogleLogins(t *testing.T) {
	t.Parallel()
	w := newGoogle(t)
	config, err := google.JWTConfigFromJSON(w.key, cloudtest.GooglePlatform)
	if err != nil {
		t.Fatal(err)
	}
	token, err := config.TokenSource(w.context(t)).Token()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := google.JWTAccessTokenSourceWithScope(w.key, cloudtest.GooglePlatform)
	if err != nil {
		t.Fatal(err)
	}
	self, err := signed.Token()
	if err != nil {
		t.Fatal(err)
	}
	line := oneLine(w.key)
	for _, row := range []struct {
		name string
		auth authn.Authenticator
		want string
	}{
		{"access token", bearer(token.AccessToken), ""},
		{"ggcr's token source", gcr.NewTokenSourceAuthenticator(config.TokenSource(w.context(t))), ""},
		{"ggcr's JSON key", gcr.NewJSONKeyAuthenticator(string(w.key)), ""},
		{"self-signed JWT", bearer(self.AccessToken), ""},
		{"key in base64", &authn.Basic{Username: "_json_key_base64", Password: line}, ""},
		{"access token as a registry token", authn.FromConfig(authn.AuthConfig{RegistryToken: token.AccessToken}), ""},
		{"key in base64 with line breaks", &authn.Basic{Username: "_json_key_base64", Password: line[:76] + "\n" + line[76:]}, "UNAUTHORIZED"},
		{"the wrong user name of kestra-io/plugin-gcp#258", &authn.Basic{Username: "_json_keyfile", Password: string(w.key)}, "UNAUTHORIZED"},
		{"no token", bearer("ya29.nothing"), "UNAUTHORIZED"},
		{"nobody", authn.Anonymous, "DENIED"},
		{"storage's scope", bearer(w.g.AccessToken(w.reader, time.Hour, "https://www.googleapis.com/auth/devstorage.read_only")), ""},
		{"IAM's scope", bearer(w.g.AccessToken(w.reader, time.Hour, "https://www.googleapis.com/auth/iam")), "insufficient authentication scopes"},
		{"an expired token", bearer(w.g.AccessToken(w.reader, -time.Second, cloudtest.GooglePlatform)), "UNAUTHORIZED"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			checkWords(t, w.pull(t, googleImage, row.auth), row.want)
		})
	}
}

func oneLine(key []byte) string {
	b, err := json.Marshal(key) // of bytes: base64 without line breaks
	if err != nil {
		panic(err)
	}
	return strings.Trim(string(b), `"`)
}

func checkWords(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Error(err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%v, want %q", err, want)
	}
}

// TestGoogleAuthority has what the OAuth token endpoint refuses said to Google's own
// client.
func TestGoogleAuthority(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		spoil  func(*googleWorld)
		scopes []string
		change func(map[string]string)
		want   string
	}{
		{"all right", nil, []string{cloudtest.GooglePlatform}, nil, ""},
		{"disabled key", func(w *googleWorld) { w.g.SetKey(w.id, false) }, []string{cloudtest.GooglePlatform}, nil, "Invalid JWT Signature."},
		{"no such account", func(w *googleWorld) { w.g.RemoveAccount(w.reader) }, []string{cloudtest.GooglePlatform}, nil, "account not found"},
		{"disabled account", func(w *googleWorld) { w.g.SetAccount(w.reader, false) }, []string{cloudtest.GooglePlatform}, nil, "Account disabled"},
		{"no scope", nil, nil, nil, "Empty or missing scope"},
		{"unknown scope", nil, []string{"https://www.googleapis.com/auth/nonsense"}, nil, "invalid_scope"},
		{"another's key ID", nil, []string{cloudtest.GooglePlatform}, func(f map[string]string) { f["private_key_id"] = "0" }, "Invalid JWT Signature."},
		{"clock", func(w *googleWorld) { w.n.SetClock(func() time.Time { return time.Now().Add(-time.Hour) }) }, []string{cloudtest.GooglePlatform}, nil, "reasonable timeframe"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newGoogle(t)
			if row.spoil != nil {
				row.spoil(w)
			}
			file := w.key
			if row.change != nil {
				var f map[string]string
				if err := json.Unmarshal(file, &f); err != nil {
					t.Fatal(err)
				}
				row.change(f)
				file, _ = json.Marshal(f)
			}
			config, err := google.JWTConfigFromJSON(file, row.scopes...)
			if err != nil {
				t.Fatal(err)
			}
			_, err = config.TokenSource(w.context(t)).Token()
			checkWords(t, err, row.want)
		})
	}
}

// googleIssuer is an OIDC issuer.
type googleIssuer struct {
	url    string
	signer jose.Signer
}

func newGoogleIssuer(t *testing.T, n *cloudtest.Internet, host string) *googleIssuer {
	t.Helper()
	i := &googleIssuer{url: "https://" + host}
	key := jose.JSONWebKey{Key: googleIssuerKey(), KeyID: "one", Algorithm: "RS256", Use: "sig"}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.url, "jwks_uri": i.url + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	})
	n.Handle(host, mux)
	var err error
	if i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, nil); err != nil {
		t.Fatal(err)
	}
	return i
}

// SubjectToken is for Google's client.
func (i *googleIssuer) SubjectToken(_ context.Context, o externalaccount.SupplierOptions) (string, error) {
	now := time.Now()
	return jwt.Signed(i.signer).Claims(jwt.Claims{
		Issuer: i.url, Subject: "org:acme:connector:gar", Audience: jwt.Audience{"https:" + o.Audience},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(5 * time.Minute)),
	}).Serialize()
}

// TestGoogleFederation has Google's client federate, directly and by way of a service
// account.
func TestGoogleFederation(t *testing.T) {
	t.Parallel()
	const subject = "org:acme:connector:gar"
	for _, row := range []struct {
		name  string
		pool  func(*cloudtest.GoogleProvider)
		life  int
		email bool
		role  bool
		aud   func(string) string
		want  string
	}{
		{name: "directly", role: true},
		{name: "by way of an account", role: true, email: true},
		{name: "too long", role: true, email: true, life: 7200, want: "exceeds the maximum"},
		{name: "no right to the account", email: true, want: "iam.serviceAccounts.getAccessToken"},
		{name: "another issuer", pool: func(p *cloudtest.GoogleProvider) { p.Issuer = "https://other.example" }, want: "issuer in ID Token"},
		{name: "another audience", pool: func(p *cloudtest.GoogleProvider) { p.Audiences = []string{"x"} }, want: "expected audience"},
		{name: "another subject", pool: func(p *cloudtest.GoogleProvider) { p.Subject = "somebody" }, want: "attribute condition"},
		{name: "disabled", pool: func(p *cloudtest.GoogleProvider) { p.Disabled = true }, want: "invalid_target"},
		{name: "the project's ID", aud: func(a string) string { return strings.Replace(a, "projects/1", "projects/a", 1) }, want: "invalid_target"},
		{name: "nonsense", aud: func(string) string { return "//iam.googleapis.com/x" }, want: "invalid_request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newGoogle(t)
			issuer := newGoogleIssuer(t, w.n, "fairlead.example")
			p := cloudtest.GoogleProvider{Issuer: issuer.url, Subject: subject}
			if row.pool != nil {
				row.pool(&p)
			}
			audience := "//iam.googleapis.com/" + w.g.AddProvider("acme-train", "fairlead", "oidc", p)
			member := "principal://iam.googleapis.com/projects/" + w.number + "/locations/global/workloadIdentityPools/fairlead/subject/" + subject
			if row.role {
				w.g.Grant(w.repo, "roles/artifactregistry.reader", member)
				w.g.Grant("projects/-/serviceAccounts/"+w.reader, "roles/iam.workloadIdentityUser", member)
			}
			if row.aud != nil {
				audience = row.aud(audience)
			}
			config := externalaccount.Config{
				Audience: audience, SubjectTokenType: "urn:ietf:params:oauth:token-type:jwt", TokenURL: "https://sts.googleapis.com/v1/token",
				Scopes: []string{cloudtest.GooglePlatform}, SubjectTokenSupplier: issuer,
			}
			if row.email {
				config.ServiceAccountImpersonationURL = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + w.reader + ":generateAccessToken"
				config.ServiceAccountImpersonationLifetimeSeconds = max(row.life, 600)
			}
			source, err := externalaccount.NewTokenSource(w.context(t), config)
			if err != nil {
				t.Fatal(err)
			}
			token, err := source.Token()
			checkWords(t, err, row.want)
			if err == nil {
				checkWords(t, w.pull(t, googleImage, bearer(token.AccessToken)), "")
			}
		})
	}
}

// TestGoogleMemory holds that keys that an issuer publishes are known only after a
// while, where that is wanted.
func TestGoogleMemory(t *testing.T) {
	t.Parallel()
	w := newGoogle(t)
	issuer := newGoogleIssuer(t, w.n, "fairlead.example")
	audience := "//iam.googleapis.com/" + w.g.AddProvider("acme-train", "fairlead", "oidc", cloudtest.GoogleProvider{Issuer: issuer.url})
	w.g.SetMemory(time.Minute)
	ask := func() error {
		source, err := externalaccount.NewTokenSource(w.context(t), externalaccount.Config{
			Audience: audience, SubjectTokenType: "urn:ietf:params:oauth:token-type:jwt", TokenURL: "https://sts.googleapis.com/v1/token",
			Scopes: []string{cloudtest.GooglePlatform}, SubjectTokenSupplier: issuer,
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = source.Token()
		return err
	}
	checkWords(t, ask(), "")
	mend := w.n.Break(cloudtest.Fault{Host: "fairlead.example", Status: 503})
	checkWords(t, ask(), "")
	w.n.SetClock(func() time.Time { return time.Now().Add(2 * time.Minute) })
	checkWords(t, ask(), "issuer")
	mend()
	checkWords(t, ask(), "")
}

// TestGoogleImpersonation has Google's client make short tokens.
func TestGoogleImpersonation(t *testing.T) {
	t.Parallel()
	w := newGoogle(t)
	caller := w.g.AddAccount("acme-train", "caller")
	_, key := w.g.AddKey(caller)
	target := "projects/-/serviceAccounts/" + w.reader
	file, err := json.Marshal(map[string]any{
		"type": "impersonated_service_account", "source_credentials": json.RawMessage(key),
		"service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/" + target + ":generateAccessToken",
	})
	if err != nil {
		t.Fatal(err)
	}
	token := func() error {
		c, err := google.CredentialsFromJSON(w.context(t), file, cloudtest.GooglePlatform) //nolint:staticcheck // The file is ours.
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.TokenSource.Token()
		if err != nil {
			return err
		}
		return w.pull(t, googleImage, bearer(got.AccessToken))
	}
	checkWords(t, token(), "IAM_PERMISSION_DENIED")
	w.g.Grant(target, "roles/iam.serviceAccountTokenCreator", "serviceAccount:"+caller)
	checkWords(t, token(), "")
	w.g.SetService("acme-train", "iamcredentials.googleapis.com", false)
	checkWords(t, token(), "SERVICE_DISABLED")
}

// toMetadata leads what Google's client sends to the metadata server's address there by
// its name.
type toMetadata struct{ http.RoundTripper }

func (m toMetadata) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Host, r.Host = "metadata.google.internal", ""
	return m.RoundTripper.RoundTrip(r)
}

func TestGoogleMetadata(t *testing.T) {
	t.Parallel()
	w := newGoogle(t)
	c := metadata.NewClient(&http.Client{Transport: toMetadata{w.n.Client().Transport}})
	if _, err := c.EmailWithContext(t.Context(), ""); err == nil {
		t.Error("a machine that isn't one of Google's has an address")
	}
	w.g.SetMachine(w.reader, 4*time.Minute, cloudtest.GooglePlatform)
	email, err := c.EmailWithContext(t.Context(), "default")
	if err != nil || email != w.reader {
		t.Error(email, err)
	}
	body, err := c.GetWithContext(t.Context(), "instance/service-accounts/default/token")
	if err != nil {
		t.Fatal(err)
	}
	var token struct {
		Value string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &token); err != nil {
		t.Fatal(err)
	}
	checkWords(t, w.pull(t, googleImage, bearer(token.Value)), "")
	if code, _ := get(t, w.n.Client(), "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/email"); code != http.StatusForbidden {
		t.Error("without Metadata-Flavor:", code)
	}
}

// TestGoogleHelper has Google's credential helper, as it is, log skopeo in.
func TestGoogleHelper(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "docker-credential-gcr"), "github.com/GoogleCloudPlatform/docker-credential-gcr/v2")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w := newGoogle(t)
	key, config := filepath.Join(dir, "key.json"), filepath.Join(dir, "config.json")
	for file, text := range map[string][]byte{key: w.key, config: []byte(`{"credHelpers":{"us-docker.pkg.dev":"gcr"}}`)} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inspect := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), "skopeo", "inspect", "--authfile", config, "docker://"+googleImage)
		cmd.Env = append(w.n.Env(), "PATH="+dir+":/usr/bin:/bin", "HOME="+dir, "GOOGLE_APPLICATION_CREDENTIALS="+key)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := inspect(); err != nil || !strings.Contains(out, w.digest) {
		t.Errorf("%v\n%s", err, out)
	}
	w.g.Revoke(w.repo, "roles/artifactregistry.reader", "serviceAccount:"+w.reader)
	if out, err := inspect(); err == nil || !strings.Contains(out, "403") {
		t.Errorf("without the role: %v\n%s", err, out)
	}
}

var googleIssuerKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})
