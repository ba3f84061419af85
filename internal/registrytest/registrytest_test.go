package registrytest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	rt "fairlead.dev/fairlead/internal/registrytest"
)

var (
	pusher = rt.Account{Name: "pusher", Password: "push-canary", Identity: "identity-canary", Rights: rt.Everything()}
	reader = rt.Account{Name: "reader", Password: "read-canary", Rights: rt.Reads("team/")}
)

// registries are every kind of registry that asks for a login.
func registries(t *testing.T) map[string]rt.Pushable {
	t.Helper()
	both := []rt.Account{pusher, reader}
	public := rt.Reads("public/")
	return map[string]rt.Pushable{
		"basic":           rt.New(t, rt.Config{Auth: rt.Basic, Accounts: both}),
		"bearer":          rt.New(t, rt.Config{Auth: rt.Bearer, Accounts: both, Anonymous: public}),
		"bearer tls":      rt.New(t, rt.Config{Auth: rt.Bearer, Accounts: both, TLS: rt.GoodTLS}),
		"mixed":           rt.New(t, rt.Config{Auth: rt.Mixed, Accounts: both}),
		"debian basic":    rt.Debian(t, rt.DebianOptions{Auth: rt.Basic, Accounts: both}),
		"debian tls":      rt.Debian(t, rt.DebianOptions{Auth: rt.Basic, Accounts: both, TLS: rt.GoodTLS}),
		"debian bearer":   rt.Debian(t, rt.DebianOptions{Auth: rt.Bearer, Accounts: both, Anonymous: public}),
		"debian apart":    rt.Debian(t, rt.DebianOptions{Auth: rt.Bearer, Accounts: both, Anonymous: public, TokensApart: true}),
		"debian tls both": rt.Debian(t, rt.DebianOptions{Auth: rt.Bearer, Accounts: both, TLS: rt.GoodTLS}),
	}
}

// pull is another client's pull: go-containerregistry's.
func pull(ctx context.Context, from rt.Pushable, image string, as rt.Account) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(from.CA()))
	over := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer over.CloseIdleConnections()
	reference, err := name.ParseReference(from.Host()+"/"+image, name.Insecure)
	if err != nil {
		return err
	}
	img, err := remote.Image(reference, remote.WithContext(ctx), remote.WithTransport(over),
		remote.WithAuth(&authn.Basic{Username: as.Name, Password: as.Password}))
	if err != nil {
		return err
	}
	return validate.Image(img)
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	for kind, registry := range registries(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			rt.Push(t, registry, rt.RandomImage(t, 1000, 2000), "team/app:v1", pusher)
			rt.Push(t, registry, rt.RandomImage(t, 1000), "other/app:v1", pusher)
			if kind == "debian apart" {
				// go-containerregistry takes no realm at another port of a loopback address.
				return
			}
			if err := pull(t.Context(), registry, "team/app:v1", reader); err != nil {
				t.Errorf("the reader pulls team/app: %v", err)
			}
			if err := pull(t.Context(), registry, "team/app:v1", rt.Account{Name: "reader", Password: "wrong"}); status(err) != 401 {
				t.Errorf("a wrong password: %v", err)
			}
			if kind == "debian basic" || kind == "debian tls" {
				return // htpasswd knows no rights
			}
			if err := pull(t.Context(), registry, "other/app:v1", reader); status(err) != 401 && status(err) != 403 {
				t.Errorf("the reader pulls other/app: %v", err)
			}
		})
	}
}

func status(err error) int {
	if e, ok := errors.AsType[*transport.Error](err); ok {
		return e.StatusCode
	}
	return 0
}

// TestDebianTakesOurTokens holds our tokens against the real registry's own check.
func TestDebianTakesOurTokens(t *testing.T) {
	t.Parallel()
	registry := rt.Debian(t, rt.DebianOptions{Auth: rt.Bearer, Accounts: []rt.Account{pusher, reader}})
	rt.Push(t, registry, rt.RandomImage(t, 1000), "team/app:v1", pusher)
	ask := func(token string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+registry.Host()+"/v2/team/app/manifests/v1", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	got := map[string]int{
		"right":         ask(registry.Tokens.Token("reader", "repository:team/app:pull")),
		"no right":      ask(registry.Tokens.Token("reader", "repository:other/app:pull")),
		"no token":      ask(""),
		"nobody":        ask(registry.Tokens.Token("", "repository:team/app:pull")),
		"another's key": ask(rt.New(t, rt.Config{Auth: rt.Bearer, Accounts: []rt.Account{reader}}).Token("reader", "repository:team/app:pull")),
	}
	want := map[string]int{"right": 200, "no right": 401, "no token": 401, "nobody": 401, "another's key": 401}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
