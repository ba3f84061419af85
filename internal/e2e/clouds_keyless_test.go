package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"fairlead.dev/fairlead/internal/issuer"
	"fairlead.dev/fairlead/internal/seal"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/internal/vault"
)

// keyless are connectors without a secret, one for each cloud that takes subject tokens,
// and what images begin with.
func (c *clouds) keyless() map[string]connected {
	return map[string]connected{
		"aws": {family: "aws-ecr", method: "federation", at: ecrOf(c, "rotating"), flags: []string{"--role-arn", "arn:aws:iam::" + awsAccount + ":role/rotating"}},
		"gcp": {family: "gcp-artifact-registry", method: "federation", at: gcpOf("rotating"), flags: []string{"--workload-identity-provider", c.googleProvider(rotatingHost)}},
		"azure": {
			family: "azure-container-registry", method: "federation", at: azureHost + "/rotating",
			flags: []string{"--tenant-id", azureTenant, "--client-id", azureApp},
		},
		"jfrog": {
			family: "jfrog-artifactory", method: "federation", at: jfrogHost + "/docker-local/rotating",
			flags: []string{"--host", jfrogHost, "--provider-name", gcpPool(rotatingHost)},
		},
	}
}

// rounds is how often every keyless connector pulls, each time another image with another
// login. The key is another one from the third on. It is RS256 like the first: Entra takes
// no other (learn.microsoft.com, "Considerations for workload identity federation").
const rounds = 4

// rotated pulls from all clouds without a stored secret, with another key of the issuer's
// from the middle on. The new key is of another algorithm, and was published when keys are
// that have their turn now; the old one stays published beside it.
func (i *cloudHouse) rotated(t *testing.T) {
	t.Helper()
	all := i.keyless()
	for name, row := range all {
		for n := range rounds {
			i.push(t, fmt.Sprintf("%s/round%d", row.at, n))
		}
		i.connect(t, row, name)
	}
	var before, after jose.JSONWebKeySet
	for n := range rounds {
		if n == rounds/2 {
			before = i.published(t)
			i.rotate(t)
			after = i.published(t)
		}
		var pulls sync.WaitGroup
		for _, row := range all {
			pulls.Go(func() { i.fetch(t, fmt.Sprintf("%s/round%d", row.at, n)) })
		}
		pulls.Wait()
	}
	if len(before.Keys) != 1 || len(after.Keys) != 2 || len(after.Key(before.Keys[0].KeyID)) != 1 {
		t.Errorf("published were %d keys, and are %d now", len(before.Keys), len(after.Keys))
	}
	if signs := i.signing(t); len(before.Key(signs.ID)) != 0 {
		t.Error("the old key still signs")
	}
	// And once more on the engine.
	t.Run("runs", func(t *testing.T) {
		for name, row := range all {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				i.try(t, "run", "hello", "--image", row.at+"/round0:v1")
			})
		}
	})
}

// fetch leases and pulls a manifest. It reports, and doesn't end the test.
func (i *cloudHouse) fetch(t *testing.T, image string) {
	t.Helper()
	l, err := i.lease(t, image)
	if err != nil {
		t.Errorf("%s: %v", image, err)
		return
	}
	if status, body := i.ask(t, l, http.MethodGet, image, "/manifests/v1"); status != http.StatusOK {
		t.Errorf("%s: %d %s", image, status, body)
	}
}

// published is the issuer's JWKS document, as clouds fetch it.
func (i *cloudHouse) published(t *testing.T) (set jose.JSONWebKeySet) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.url+issuer.KeysPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := reply(t, i.net.Client(), req); status != http.StatusOK || json.Unmarshal(body, &set) != nil {
		t.Fatalf("the keys: %d %s", status, body)
	}
	return set
}

// keys opens the issuer beside the server, by a clock that is behind.
func (i *cloudHouse) keys(t *testing.T, behind time.Duration) *issuer.Issuer {
	t.Helper()
	now := func() time.Time { return time.Now().Add(-behind) }
	data := filepath.Join(i.dir, "data")
	store, err := server.OpenStore(t.Context(), server.Options{Data: data, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	ring, err := vault.NewRing(func() (*seal.Ring, error) { return seal.ReadKeyFile(filepath.Join(data, "key.json")) })
	if err != nil {
		t.Fatal(err)
	}
	own, err := issuer.New(i.url, vault.New(store, nil, ring, now), now)
	if err != nil {
		t.Fatal(err)
	}
	return own
}

// publishedBefore is how long a key is published before it signs.
const publishedBefore = 25 * time.Hour

// rotate has the issuer's next key have its turn: as if it had been published that long
// ago. The server reads its keys anew within a minute; a restart makes it at once, and
// forgets the leases.
func (i *cloudHouse) rotate(t *testing.T) {
	t.Helper()
	if err := i.keys(t, publishedBefore).Rotate(t.Context(), string(jose.RS256), false); err != nil {
		t.Fatal(err)
	}
	i.server.stop(syscall.SIGTERM)
	i.start()
}

func (i *cloudHouse) signing(t *testing.T) issuer.KeyInfo {
	t.Helper()
	infos, err := i.keys(t, 0).Infos(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(infos, func(k issuer.KeyInfo) bool { return k.Signs })
	if at < 0 {
		t.Fatal("no key signs")
	}
	return infos[at]
}
