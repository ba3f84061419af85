package awsecr_test

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/proof"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/ref"
)

// noEntries is a store without registry entries.
type noEntries struct{}

func (noEntries) RegistriesOf(context.Context, fairlead.OrganizationID) ([]fairlead.Registry, error) {
	return nil, nil
}

// TestProof proves a connector whose login is minted, and one whose key AWS doesn't know:
// of that, nothing is proved but that its fields are whole.
func TestProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.push("team/app")
	client, err := oci.New(oci.Options{Now: time.Now, Proxy: http.ProxyURL(w.net.ProxyURL())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	ca, err := os.ReadFile(w.net.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	p := proof.New(noEntries{}, provider.Set{w.provider()}, nil, trusting{client, string(ca)}, time.Now)
	good := withKey(w.account.User("u", pullPolicy))
	unknown := good
	unknown.Secret = map[string]fairlead.Secret{"secret_access_key": fairlead.SecretText("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")}
	for name, row := range map[string]struct {
		c       provider.Opened
		want    []fairlead.Outcome
		verdict fairlead.HealthState
	}{
		"minted":               {good, []fairlead.Outcome{fairlead.StepProved, fairlead.StepProved, fairlead.StepProved, fairlead.StepProved}, fairlead.Working},
		"a key that isn't one": {unknown, []fairlead.Outcome{fairlead.StepProved, fairlead.StepFailed, fairlead.StepNotProved, fairlead.StepNotProved}, fairlead.Failing},
	} {
		got, err := p.Try(t.Context(), fairlead.Organization{ID: organization, Name: "acme"}, row.c, w.account.Host(region)+"/team/app:v1")
		if err != nil {
			t.Fatal(err)
		}
		var outcomes []fairlead.Outcome
		for _, s := range got.Steps {
			outcomes = append(outcomes, s.Outcome)
		}
		if !slices.Equal(outcomes, row.want) {
			t.Errorf("%s: %+v", name, got.Steps)
		}
		if verdict, why := fairlead.VerdictOf(got); verdict != row.verdict || strings.Contains(why, "wJalr") {
			t.Errorf("%s: %s, %s", name, verdict, why)
		}
	}
	// Without an image there is nothing to ask a login for: nothing is said of it.
	got, err := p.Try(t.Context(), fairlead.Organization{ID: organization}, good, "")
	if verdict, _ := fairlead.VerdictOf(got); err != nil || verdict != fairlead.Unverified {
		t.Errorf("without an image: %v, %+v", err, got.Steps)
	}
}

// trusting are the registries of a world with an authority of its own.
type trusting struct {
	*oci.Client
	ca string
}

func (c trusting) Trade(ctx context.Context, e oci.Endpoint, l oci.Login, s fairlead.Scope) (oci.Bearer, error) {
	e.CABundle = c.ca
	return c.Client.Trade(ctx, e, l, s)
}

func (c trusting) Verify(ctx context.Context, e oci.Endpoint, l oci.Login) error {
	e.CABundle = c.ca
	return c.Client.Verify(ctx, e, l)
}

func (c trusting) Resolve(ctx context.Context, kc fairlead.Keychain, i ref.Image) (oci.Descriptor, error) {
	return c.Client.Resolve(ctx, withCA{kc, c.ca}, i)
}

type withCA struct {
	fairlead.Keychain
	ca string
}

func (k withCA) Lease(ctx context.Context, s fairlead.Scope) (fairlead.Lease, error) {
	l, err := k.Keychain.Lease(ctx, s)
	l.CABundle = k.ca
	return l, err
}
