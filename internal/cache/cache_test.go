package cache_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/wire"
)

const password = "c4nary-password-of-the-robot"

// world is a plane with two organizations, acme and evil, that have logins of their own
// to the same registry.
type world struct {
	*fairleadtest.Plane
	clock *fairleadtest.Clock
	reg   *registrytest.Registry
	eve   *client.Client
}

func robot() registrytest.Account {
	return registrytest.Account{Name: "robot", Password: password, Rights: registrytest.Everything()}
}

func at(org fairlead.Name) wire.OrganizationPath { return wire.OrganizationPath{Organization: org} }

func newWorld(t *testing.T, options ...fairleadtest.Option) *world {
	t.Helper()
	w := &world{clock: fairleadtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	w.Plane = fairleadtest.Start(t, append([]fairleadtest.Option{fairleadtest.WithClock(w.clock)}, options...)...)
	w.reg = registrytest.New(t, registrytest.Config{Auth: registrytest.Bearer, Now: w.clock.Now, Accounts: []registrytest.Account{
		robot(), {Name: "side", Password: "side-" + password, Rights: registrytest.Everything()},
	}})
	w.eve = w.Organization("evil", "eve")
	for org, by := range map[fairlead.Name]*client.Client{"acme": w.Ann, "evil": w.eve} {
		name, secret := "robot", password
		if org == "evil" {
			name, secret = "side", "side-"+password
		}
		fairleadtest.Must(t, by, wire.AddRegistry, wire.RegistryRequest{
			OrganizationPath: at(org), Name: "main", Pattern: w.reg.Host() + "/*", PlainHTTP: true,
			NewConnector: &wire.ConnectorFields{
				Family: "docker", Method: "basic", Public: map[string]string{"username": name},
				Secrets: map[string]wire.Clear{"password": {Secret: fairlead.SecretText(secret)}},
			},
		})
	}
	return w
}

func (w *world) push(t *testing.T, image v1.Image, name string) {
	t.Helper()
	registrytest.Push(t, w.reg, image, name, robot())
}

// prefetch fetches an image, and gives the last line.
func (w *world) prefetch(t *testing.T, by *client.Client, org fairlead.Name, image string) fairlead.PrefetchProgress {
	t.Helper()
	return last[fairlead.PrefetchProgress](t)(client.Get(t.Context(), by, wire.PrefetchImage, wire.PrefetchRequest{OrganizationPath: at(org), Image: w.reg.Host() + "/" + image}))
}

func (w *world) prune(t *testing.T, by *client.Client, org fairlead.Name, req wire.PruneRequest) fairlead.GatewayPruned {
	t.Helper()
	l := last[wire.PruneLine](t)(client.Get(t.Context(), by, wire.PruneGateway, wire.PruneGatewayRequest{OrganizationPath: at(org), PruneRequest: req}))
	if l.Pruned == nil {
		t.Fatalf("%+v", l)
	}
	return *l.Pruned
}

// last reads a reply of lines to its end.
func last[T any](t *testing.T) func(io.ReadCloser, int64, error) T {
	t.Helper()
	return func(body io.ReadCloser, _ int64, err error) (l T) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close() //nolint:errcheck // It was read.
		for d := json.NewDecoder(body); ; {
			var next T
			if err := d.Decode(&next); errors.Is(err, io.EOF) {
				return l
			} else if err != nil {
				t.Fatal(err)
			}
			l = next
		}
	}
}

func (w *world) usage(t *testing.T, by *client.Client, org fairlead.Name) fairlead.GatewayUsage {
	t.Helper()
	return fairleadtest.Must(t, by, wire.ListCached, at(org))
}

// names are those of the images that are kept, with what is pinned.
func names(u fairlead.GatewayUsage) []string {
	list := []string{}
	for _, i := range u.Images {
		name := i.Repository + ":" + i.Reference
		if i.Pinned {
			name += " pinned"
		}
		list = append(list, name)
	}
	return list
}

// TestOthersDontShow has an organization do the same where another keeps the same images,
// and where it doesn't: nothing that it is told differs.
func TestOthersDontShow(t *testing.T) {
	t.Parallel()
	image, more := registrytest.RandomImage(t, 50_000), registrytest.RandomImage(t, 2000)
	var told [2]string
	for i, busy := range []bool{false, true} {
		w := newWorld(t)
		w.push(t, image, "team/app:v1")
		w.push(t, more, "team/more:v1")
		if busy {
			for _, name := range []string{"team/app:v1", "team/more:v1"} {
				if p := w.prefetch(t, w.Ann, "acme", name); !p.Ready {
					t.Fatalf("%+v", p)
				}
			}
			fairleadtest.Must(t, w.Ann, wire.PinImage, wire.PinRequest{OrganizationPath: at("acme"), Image: w.reg.Host() + "/team/app:v1"})
		}
		told[i] = strings.ReplaceAll(strings.ReplaceAll(w.story(t), w.reg.Host(), "REGISTRY"), strings.TrimPrefix(w.URL, "http://"), "GATEWAY")
		if busy {
			if got := w.usage(t, w.Ann, "acme"); len(got.Images) != 2 {
				t.Errorf("what the other keeps: %v", names(got))
			}
		}
	}
	if diff := cmp.Diff(told[0], told[1]); diff != "" {
		t.Errorf("what others keep shows (-alone +with another):\n%s", diff)
	}
	if !strings.Contains(told[0], `"ready":true`) || strings.Count(told[0], "not_found") < 2 {
		t.Errorf("the story says too little: %s", told[0])
	}
}

// story is all that eve is told of what she does.
func (w *world) story(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	tell := func(v any, err error) {
		t.Helper()
		if err != nil {
			v = fairlead.AsError("", err)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(text, '\n'))
	}
	look := func() {
		t.Helper()
		tell(client.Do(t.Context(), w.eve, wire.ShowGateway, at("evil")))
		tell(client.Do(t.Context(), w.eve, wire.ListCached, at("evil")))
	}
	pin := func(image string) {
		t.Helper()
		tell(client.Do(t.Context(), w.eve, wire.PinImage, wire.PinRequest{OrganizationPath: at("evil"), Image: w.reg.Host() + "/" + image}))
	}
	look()
	pin("team/app:v1") // which is there for another, perhaps
	w.manifest(t)      // of which the layers are there for another, perhaps
	look()
	pin("team/more:v1")
	tell(w.prefetch(t, w.eve, "evil", "team/app:v1"), nil)
	look()
	tell(w.prefetch(t, w.eve, "evil", "team/app:v1"), nil)
	look()
	pin("team/app:v1")
	tell(w.prune(t, w.eve, "evil", wire.PruneRequest{To: "0"}), nil)
	tell(client.Do(t.Context(), w.eve, wire.UnpinImage, wire.UnpinRequest{OrganizationPath: at("evil"), Image: w.reg.Host() + "/team/app:v1"}))
	w.clock.Move(time.Hour)
	tell(w.prune(t, w.eve, "evil", wire.PruneRequest{UnusedFor: 1800, DryRun: true}), nil)
	tell(w.prune(t, w.eve, "evil", wire.PruneRequest{UnusedFor: 1800}), nil)
	look()
	return b.String()
}

// manifest has eve pull a manifest and nothing of what it names.
func (w *world) manifest(t *testing.T) {
	t.Helper()
	token := fairleadtest.Must(t, w.eve, wire.CreateToken, wire.TokenRequest{Name: "pull"}).Token
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+"/v2/"+strings.Replace(w.reg.Host(), ":", "__", 1)+"/team/more/manifests/v1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("eve", string(token.Reveal()))
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", res, err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	tick := time.NewTicker(5 * time.Millisecond) // the manifest is kept behind the client's back
	defer tick.Stop()
	for len(w.usage(t, w.eve, "evil").Images) == 0 {
		<-tick.C
	}
}

// TestPruneOrder lets the images go that weren't used for the longest time, but for those
// that are pinned, and what others share stays.
func TestPruneOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, name := range []string{"team/a:v1", "team/b:v1", "team/c:v1", "team/d:v1"} {
		w.push(t, registrytest.RandomImage(t, 1000+int64(i)), name)
		w.prefetch(t, w.Ann, "acme", name)
		w.clock.Move(time.Hour)
	}
	w.prefetch(t, w.eve, "evil", "team/b:v1")
	fairleadtest.Must(t, w.Ann, wire.PinImage, wire.PinRequest{OrganizationPath: at("acme"), Image: w.reg.Host() + "/team/a:v1"})
	w.clock.Move(time.Second)
	w.prefetch(t, w.Ann, "acme", "team/b:v1") // used again
	all := w.usage(t, w.Ann, "acme")
	if diff := cmp.Diff([]string{"team/b:v1", "team/d:v1", "team/c:v1", "team/a:v1 pinned"}, names(all)); diff != "" {
		t.Fatal(diff)
	}
	for name, req := range map[string]wire.PruneRequest{
		"another registry": {Registry: "other.example.com"}, "another image": {Image: w.reg.Host() + "/team/none"}, "another tag": {Image: w.reg.Host() + "/team/c:v2"},
		"used lately": {UnusedFor: 24 * 3600}, "enough room": {To: "1000000"}, "a dry run": {To: "0", DryRun: true},
	} {
		w.prune(t, w.Ann, "acme", req)
		if diff := cmp.Diff(all, w.usage(t, w.Ann, "acme")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	got := w.prune(t, w.Ann, "acme", wire.PruneRequest{UnusedFor: 2 * 3600})
	if len(got.Images) != 1 || got.Images[0].Repository != "team/c" || got.Bytes != got.Images[0].Size || got.Left != all.Bytes-got.Bytes {
		t.Errorf("%+v", got)
	}
	w.prune(t, w.Ann, "acme", wire.PruneRequest{To: "0"})
	if diff := cmp.Diff([]string{"team/a:v1 pinned"}, names(w.usage(t, w.Ann, "acme"))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"team/b:v1"}, names(w.usage(t, w.eve, "evil"))); diff != "" {
		t.Error(diff)
	}
	if s := fairleadtest.Must(t, w.eve, wire.ShowGateway, at("evil")); s.Bytes == 0 || s.Blobs != 3 {
		t.Errorf("%+v", s)
	}
}

// TestTagMoves pins an image whose tag moves: it stays, by its digest, and can be
// unpinned by it.
func TestTagMoves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.push(t, registrytest.RandomImage(t, 1000), "team/app:v1")
	first := w.prefetch(t, w.Ann, "acme", "team/app:v1")
	image := w.reg.Host() + "/team/app"
	fairleadtest.Must(t, w.Ann, wire.PinImage, wire.PinRequest{OrganizationPath: at("acme"), Image: image + ":v1"})
	w.push(t, registrytest.RandomImage(t, 1001), "team/app:v1")
	w.clock.Move(5 * time.Minute)
	second := w.prefetch(t, w.Ann, "acme", "team/app:v1")
	if first.Digest == second.Digest || !second.Ready {
		t.Fatalf("%+v", second)
	}
	want := []string{"team/app:" + string(first.Digest) + " pinned", "team/app:v1"} // used at the same time
	if diff := cmp.Diff(want, names(w.usage(t, w.Ann, "acme"))); diff != "" {
		t.Error(diff)
	}
	w.prune(t, w.Ann, "acme", wire.PruneRequest{To: "0"})
	if diff := cmp.Diff(want[:1], names(w.usage(t, w.Ann, "acme"))); diff != "" {
		t.Error(diff)
	}
	fairleadtest.Must(t, w.Ann, wire.UnpinImage, wire.UnpinRequest{OrganizationPath: at("acme"), Image: image + "@" + string(first.Digest)})
	w.prune(t, w.Ann, "acme", wire.PruneRequest{To: "0"})
	if u := w.usage(t, w.Ann, "acme"); u.Bytes != 0 || len(u.Images) != 0 {
		t.Errorf("%+v", u)
	}
}

// TestQuotaOfOrganization keeps no more for an organization than it may have, and lets it
// pin no more than half of that.
func TestQuotaOfOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *server.Options) { o.GatewayOrganizationQuota = 30_000 })
	w.push(t, registrytest.RandomImage(t, 12_000), "team/a:v1")
	w.push(t, registrytest.RandomImage(t, 12_000), "team/b:v1")
	w.push(t, registrytest.RandomImage(t, 12_000), "team/c:v1")
	for _, name := range []string{"team/a:v1", "team/b:v1"} {
		w.prefetch(t, w.Ann, "acme", name)
		w.clock.Move(time.Minute)
	}
	fairleadtest.Must(t, w.Ann, wire.PinImage, wire.PinRequest{OrganizationPath: at("acme"), Image: w.reg.Host() + "/team/a:v1"})
	_, err := client.Do(t.Context(), w.Ann, wire.PinImage, wire.PinRequest{OrganizationPath: at("acme"), Image: w.reg.Host() + "/team/b:v1"})
	if fairlead.KindOf(err) != fairlead.Conflict {
		t.Errorf("more than half is pinned: %v", err)
	}
	w.prefetch(t, w.Ann, "acme", "team/c:v1")
	w.prefetch(t, w.eve, "evil", "team/b:v1")
	if s := fairleadtest.Must(t, w.Ann, wire.ShowGateway, at("acme")); s.Quota != 30_000 || s.Bytes > 30_000 || s.Bytes < 12_000 {
		t.Errorf("%+v", s)
	}
	if got := names(w.usage(t, w.Ann, "acme")); len(got) == 0 || got[len(got)-1] != "team/a:v1 pinned" {
		t.Errorf("%v", got)
	}
	if got := w.usage(t, w.eve, "evil"); len(got.Images) != 1 || got.Bytes < 12_000 {
		t.Errorf("another organization has a quota of its own: %+v", got)
	}
}
