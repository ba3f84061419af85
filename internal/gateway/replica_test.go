package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/blob/s3"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/internal/s3test"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/wire"
)

// inBucket shares what gateways fetch in a bucket, and archives and outputs too.
func inBucket(s *s3test.Server) fairleadtest.Option {
	at := func(prefix string) s3.Options {
		return s3.Options{
			Location: "s3://" + s.Bucket + "/" + prefix, Endpoint: s.URL,
			Login: s3.Login{AccessKey: s3test.AccessKey, SecretKey: fairlead.SecretText(s3test.SecretKey)},
		}
	}
	return func(o *server.Options) { o.GatewayStore, o.Blobs = at("gateway"), at("runs") }
}

// asPeer has other servers reach this one.
func asPeer(o *server.Options) { o.GatewayPeerURL = o.PublicURL }

// alone has them meet in the store only.
func alone(*server.Options) {}

// replicas are two whole servers on one database and one bucket, before a registry.
func replicas(t *testing.T, auth registrytest.Auth, how fairleadtest.Option) (one, two *room, bucket *s3test.Server) {
	t.Helper()
	bucket = s3test.Start(t)
	database := fairleadtest.WithDatabase(pgtest.URL(t))
	one = newRoom(t, auth, database, inBucket(bucket), how)
	data := t.TempDir()
	fairleadtest.CopyKeys(t, one.Plane, data)
	one.database = database
	return one, one.beside(t, data, bucket, how), bucket
}

// beside is another server of the same house.
func (r *room) beside(t *testing.T, data string, bucket *s3test.Server, how fairleadtest.Option) *room {
	t.Helper()
	b := &room{clock: r.clock, reg: r.reg, token: r.token, database: r.database}
	b.Plane = fairleadtest.Open(t, fairleadtest.WithClock(r.clock), r.database, inBucket(bucket), fairleadtest.WithData(data), how)
	return b
}

// TestReplicas pulls a cold image through two servers at once, by several clients each:
// the registry gives each blob once. A third server, with an empty disk, has it from the
// store.
func TestReplicas(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		auth registrytest.Auth
		how  fairleadtest.Option
	}{{"Store", registrytest.Basic, alone}, {"Peers", registrytest.Bearer, asPeer}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			one, two, bucket := replicas(t, c.auth, c.how)
			image := registrytest.RandomImage(t, 6<<20)
			one.push(t, image, "team/app:v1")
			layer, body := layerOf(t, image, 0)
			path := "/v2/" + one.at("team/app") + "/blobs/" + layer
			for _, r := range []*room{one, two} {
				if got := r.get(t, "/v2/"+r.at("team/app")+"/manifests/v1"); got.status != http.StatusOK {
					t.Fatalf("manifest: %d %s", got.status, got.body)
				}
			}
			var all sync.WaitGroup
			for _, r := range []*room{one, two, one, two} {
				all.Go(func() {
					if got := r.get(t, path); got.status != http.StatusOK || got.body != string(body) {
						t.Errorf("%d, %d bytes of %d", got.status, len(got.body), len(body))
					}
				})
			}
			all.Wait()
			if n := one.given(t, layer, len(body)); n != len(body) {
				t.Errorf("the registry gave %d bytes of a blob of %d", n, len(body))
			}
			data := t.TempDir()
			fairleadtest.CopyKeys(t, one.Plane, data)
			three := two.beside(t, data, bucket, c.how)
			if got := three.get(t, "/v2/"+one.at("team/app")+"/manifests/v1"); got.status != http.StatusOK {
				t.Fatalf("manifest: %d %s", got.status, got.body)
			}
			if got := three.get(t, path); got.body != string(body) {
				t.Errorf("from the store: %d, %d bytes", got.status, len(got.body))
			}
			if n := one.given(t, layer, len(body)); n != len(body) {
				t.Errorf("the registry gave %d bytes of a blob of %d", n, len(body))
			}
			// What is there is nobody's right.
			other := one.Organization("other", "bob")
			one.add(t, other, "other", "main", "*", "side", "side-"+password)
			if got := three.ask(t, http.MethodGet, path, one.tokenOf(t, other)); got.status != http.StatusNotFound && got.status != http.StatusForbidden {
				t.Errorf("another organization is answered %d: %.200s", got.status, got.body)
			}
			for _, token := range []string{"", one.token} {
				if got := one.ask(t, http.MethodGet, "/gateway/blobs/"+layer, token); got.status != http.StatusUnauthorized {
					t.Errorf("who isn't a server is answered %d as one", got.status)
				}
			}
			for _, r := range []*room{one, two, three} {
				nothingTold(t, r)
			}
		})
	}
}

// given is how many of a blob's bytes the registry was asked for.
func (r *room) given(t *testing.T, blob string, size int) (bytes int) {
	t.Helper()
	for _, q := range r.reg.Requests() {
		if q.Server != registrytest.Front || q.Method != http.MethodGet || !strings.HasSuffix(q.Path, "/blobs/"+blob) || q.Account == "" {
			continue
		}
		from, to := 0, size-1
		if q.Range != "" {
			if n, err := fmt.Sscanf(q.Range, "bytes=%d-%d", &from, &to); n == 0 {
				t.Fatalf("range %q: %v", q.Range, err)
			}
		}
		bytes += min(to+1, size) - from
	}
	return bytes
}

// nothingTold looks for the secret of the bucket in the log, in the events and in what the
// API says of itself.
func nothingTold(t *testing.T, r *room) {
	t.Helper()
	said := r.Log.String() + fmt.Sprint(fairleadtest.Must(t, r.As(fairlead.SecretText(r.token)), wire.ListEvents, wire.EventsRequest{
		OrganizationPath: wire.OrganizationPath{Organization: "acme"},
	}))
	for _, path := range []string{"/openapi.json", "/readyz"} {
		said += r.get(t, path).body
	}
	if strings.Contains(said, s3test.SecretKey) {
		t.Error("the secret key of the bucket is told")
	}
}
