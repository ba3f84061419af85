package localcredentials_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/localcredentials"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/server"
)

// What must never be shown.
const (
	awsID     = "AKIAIOSFODNN7EXAMPLE"
	awsSecret = "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"
	tenant    = "11111111-1111-4111-8111-111111111111"
	appID     = "22222222-2222-4222-8222-222222222222"
	appSecret = "abc8Q~c4n4ry-of-the-application-0000001"
)

var awsToken = strings.Repeat("c4nary/", 30)

func now() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// home is a user's machine: a directory, variables, and programs.
type home struct {
	dir      string
	env      map[string]string
	programs map[string]string // what they answer, by "program argument input"
	machine  localcredentials.Machine
}

func newHome(tb testing.TB) *home {
	tb.Helper()
	h := &home{dir: tb.TempDir(), env: map[string]string{}, programs: map[string]string{}}
	h.machine = localcredentials.Machine{
		Env: func(name string) string { return h.env[name] }, Home: h.dir, UID: 4294967, Now: now(),
		Providers: server.Providers(provider.Tools{Now: now}),
		Run: func(_ context.Context, program string, args []string, input string) ([]byte, error) {
			if out, ok := h.programs[program+" "+strings.Join(args, " ")+" "+input]; ok {
				return []byte(out), nil
			}
			return nil, errors.New("exit status 1")
		},
	}
	return h
}

func (h *home) write(tb testing.TB, name, text string) {
	tb.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

func (h *home) search(tb testing.TB, family fairlead.Family) []localcredentials.Found {
	tb.Helper()
	return localcredentials.Search(tb.Context(), h.machine, family)
}

// line is a Found as a test expects it: what it is, then why it can't be taken.
func (h *home) line(f localcredentials.Found) string {
	s := fmt.Sprintf("%s|%s|%s|%s", f.Source, f.Family, f.Method, f.Account)
	if !f.Expires.IsZero() {
		s += "|" + f.Expires.UTC().Format(time.RFC3339)
	}
	if f.Why != nil {
		s += "|no: " + f.Why.Why
	}
	return strings.ReplaceAll(s, h.dir, "~")
}

// told is all that people are shown of it.
func told(f localcredentials.Found) string {
	s := fmt.Sprintf("%+v %v %v %v", f, f.Notes, f.Facts, f.Public)
	if f.Why != nil {
		s += f.Why.Error() + f.Why.Remedy
	}
	return s
}

var googleKey = sync.OnceValue(func() string {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	b, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "acme-train", "private_key_id": "0123456789abcdef0123456789abcdef01234567", "client_email": "puller@acme-train.iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": "https://oauth2.googleapis.com/token", "client_id": "1",
	})
	if err != nil {
		panic(err)
	}
	return string(b)
})

// jwt is a token of JFrog's that nobody has signed.
func jwt(expires time.Time) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256"}`)) + "." +
		encode(fmt.Appendf(nil, `{"sub":"jfac@01/users/ci","scp":"applied-permissions/user","aud":"*@*","iat":%d,"exp":%d,"jti":"x"}`, now().Add(-time.Hour).Unix(), expires.Unix())) +
		".c4nary"
}

func auth(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}
