package gcpartifactregistry_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	gar "fairlead.dev/fairlead/internal/provider/gcpartifactregistry"
)

// keyFields is a key's file, not yet written.
func keyFields() map[string]any {
	der, err := x509.MarshalPKCS8PrivateKey(issuerKey())
	if err != nil {
		panic(err)
	}
	return map[string]any{
		"type": "service_account", "project_id": "acme-train", "private_key_id": "abc0", "client_email": "reader@acme-train.iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"token_uri":   "https://oauth2.googleapis.com/token", "universe_domain": "googleapis.com",
	}
}

// written writes a key's file with changed fields; nil takes one away.
func written(changes ...any) string {
	f := keyFields()
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == nil {
			delete(f, changes[i].(string))
		} else {
			f[changes[i].(string)] = changes[i+1]
		}
	}
	b, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// wrapped is base64 in lines, as the command base64 writes it.
func wrapped(s string) string {
	var b strings.Builder
	for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString([]byte(s))), 76) {
		b.Write(append(line, '\n'))
	}
	return b.String()
}

func block(kind string, der []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

var smallKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return k
})

func TestInspectKey(t *testing.T) {
	t.Parallel()
	facts := []fairlead.Fact{
		{Name: "account", Value: "reader@acme-train.iam.gserviceaccount.com"}, {Name: "key", Value: "abc0"}, {Name: "project", Value: "acme-train"},
	}
	pkcs1 := block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(issuerKey()), nil)
	for name, text := range map[string]string{
		"as it is": written(), "with blanks": "\n " + written() + "\n", "with a byte order mark": "\ufeff" + written(),
		"in base64": base64.StdEncoding.EncodeToString([]byte(written())), "in base64 with line breaks": wrapped(written()),
		"escaped line breaks": written("private_key", strings.ReplaceAll(keyFields()["private_key"].(string), "\n", `\n`)),
		"PKCS #1":             written("private_key", pkcs1), "no token_uri": written("token_uri", nil), "old token_uri": written("token_uri", "https://accounts.google.com/o/oauth2/token"),
	} {
		got, err := gar.Provider{}.Inspect("service-account", provider.Given{Secret: map[string]fairlead.Secret{"key": fairlead.SecretText(text)}}, noon())
		if d := cmp.Diff(facts, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
	if got, err := (gar.Provider{}).Inspect("service-account", provider.Given{Kept: []string{"key"}}, noon()); got != nil || err != nil {
		t.Error("a key that is kept:", got, err)
	}
}

// TestInspectRefuses holds what is said of what isn't a key or a token.
func TestInspectRefuses(t *testing.T) {
	t.Parallel()
	der, err := x509.MarshalPKCS8PrivateKey(smallKey())
	small := block("PRIVATE KEY", der, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err = x509.MarshalPKCS8PrivateKey(curve)
	elliptical := block("PRIVATE KEY", der, err)
	private := keyFields()["private_key"].(string)
	keys := [][2]string{
		{"empty", " "},
		{"cut short", written()[:300]},
		{"line breaks in a string", strings.ReplaceAll(written(), `\n`, "\n")},
		{"a password", "hunter2"},
		{"an access token", "ya29.a0AfH6SMC"},
		{"an API key", "AIzaSyD"},
		{"a file's name", "./key.json"},
		{"a bare private key", private},
		{"gcloud's own login", `{"type":"authorized_user","client_id":"x","client_secret":"y","refresh_token":"z"}`},
		{"federation that reads a file", `{"type":"external_account","credential_source":{"file":"/etc/passwd"}}`},
		{"impersonation", `{"type":"impersonated_service_account"}`},
		{"Distributed Cloud", `{"type":"gdch_service_account"}`},
		{"an OAuth client", `{"installed":{"client_id":"x"}}`},
		{"no type", written("type", nil)},
		{"an unknown type", written("type", "root")},
		{"no account and no key", written("client_email", nil, "private_key", nil)},
		{"a person", written("client_email", "ada@example.com")},
		{"another universe", written("universe_domain", "s3nsapis.fr")},
		{"another token_uri", written("token_uri", "https://oauth2.googleapis.com.evil.example/token")},
		{"a project that isn't one", written("project_id", "../x")},
		{"a key ID that isn't one", written("private_key_id", "x\nAuthorization: y")},
		{"no PEM", written("private_key", "MIIEvQ")},
		{"PEM with nothing in it", written("private_key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")},
		{"another kind of key", written("private_key", elliptical)},
		{"a key that is too small", written("private_key", small)},
	}
	tokens := [][2]string{
		{"empty", "\n"},
		{"a key's file", written()},
		{"a JSON file", "{}"},
		{"two lines", "ya29.a\nb"},
		{"a refresh token", "1//0abc"},
		{"an API key", "AIzaSyD"},
		{"a client's secret", "GOCSPX-abc"},
		{"too short", "hunter2"},
		{"an identity token", identityToken()},
		{"somebody's JWT", signed(map[string]any{"iss": "https://gitlab.example", "sub": "project:1", "aud": []string{"a", "b"}, "exp": noon().Add(time.Hour).Unix()})},
		{"a JWT without an end", signed(map[string]any{"iss": "a@b.iam.gserviceaccount.com", "sub": "a@b.iam.gserviceaccount.com"})},
		{"a JWT that has expired", signed(map[string]any{"iss": "a@b.iam.gserviceaccount.com", "sub": "a@b.iam.gserviceaccount.com", "exp": noon().Unix()})},
		{"nearly a JWT", "eyJ.eyJ.x"},
	}
	var b strings.Builder
	for _, group := range []struct {
		method, field string
		rows          [][2]string
	}{{"service-account", "key", keys}, {"access-token", "token", tokens}} {
		for _, row := range group.rows {
			_, err := gar.Provider{}.Inspect(group.method, provider.Given{Secret: map[string]fairlead.Secret{group.field: fairlead.SecretText(row[1])}}, noon())
			fmt.Fprintf(&b, "## %s: %s\n%s\n\n", group.field, row[0], sentence(t, err))
		}
	}
	_, err = gar.Provider{}.Inspect("impersonation", provider.Given{
		Public: map[string]string{"service_account": "reader@acme-train.iam.gserviceaccount.com"},
		Secret: map[string]fairlead.Secret{"key": fairlead.SecretText(written())},
	}, noon())
	fmt.Fprintf(&b, "## impersonation of itself\n%s\n", sentence(t, err))
	if s := b.String(); strings.Contains(s, "MII") || strings.Contains(s, "0abc") || strings.Contains(s, "hunter2") || strings.Contains(s, "refresh_token") {
		t.Error("it holds a secret")
	}
	golden(t, "inspect", b.String())
}

func TestInspectToken(t *testing.T) {
	t.Parallel()
	const account = "a@b.iam.gserviceaccount.com"
	end := noon().Add(time.Hour)
	for _, row := range []struct {
		token string
		want  []fairlead.Fact
	}{
		{"ya29.a0AfH6SMC\n", []fairlead.Fact{{Name: "token", Value: "opaque; whose it is and when it ends only Google knows"}}},
		{signed(map[string]any{"iss": account, "sub": account, "exp": end.Unix(), "aud": []string{"https://artifactregistry.googleapis.com/"}}), []fairlead.Fact{
			{Name: "account", Value: account},
			{Name: "expires", Value: "2026-11-21T13:00:00Z"},
			{Name: "audience", Value: "https://artifactregistry.googleapis.com/"},
		}},
	} {
		got, err := gar.Provider{}.Inspect("access-token", provider.Given{Secret: map[string]fairlead.Secret{"token": fairlead.SecretText(row.token)}}, noon())
		if d := cmp.Diff(row.want, got); d != "" || err != nil {
			t.Error(err, d)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	for _, s := range []string{written(), wrapped(written()), "{}", `{"type":"authorized_user"}`, "ya29.", written("private_key", `-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----`)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		if _, err := gar.ParseKey(b); err != nil {
			sentence(t, err)
		}
		if !bytes.Equal(before, b) {
			t.Error("it was changed")
		}
	})
}

func FuzzInspectToken(f *testing.F) {
	for _, s := range []string{identityToken(), "ya29.a", "1//", written(), "eyJ.eyJ.x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		facts, err := gar.InspectToken(b, noon())
		if err != nil {
			sentence(t, err)
		}
		for _, fact := range facts {
			if len(b) > 20 && strings.Contains(fact.Value, string(b)) {
				t.Errorf("it shows the token: %v", fact)
			}
		}
	})
}
