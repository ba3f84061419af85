package oci_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	rt "fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

// pile is a source in memory.
type pile struct {
	root  oci.Descriptor
	refs  []oci.Descriptor
	bytes map[fairlead.Digest][]byte
}

func (s *pile) Root() oci.Descriptor        { return s.root }
func (s *pile) Referrers() []oci.Descriptor { return s.refs }

type openBytes struct{ *bytes.Reader }

func (openBytes) Close() error { return nil }

func (s *pile) Open(d oci.Descriptor) (io.ReadSeekCloser, error) {
	b, ok := s.bytes[d.Digest]
	if !ok {
		return nil, &fairlead.Error{Kind: fairlead.NotFound, What: "opening " + string(d.Digest), Why: "it isn't there", Remedy: "save the image again"}
	}
	return openBytes{bytes.NewReader(b)}, nil
}

func (s *pile) put(b []byte) fairlead.Digest {
	d := fairlead.Digest(digest.FromBytes(b))
	s.bytes[d] = b
	return d
}

func newPile() *pile { return &pile{bytes: map[fairlead.Digest][]byte{}} }

func all(tb testing.TB) func([]byte, error) []byte {
	tb.Helper()
	return func(b []byte, err error) []byte {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return b
	}
}

// add puts an image on the pile and gives its descriptor.
func (s *pile) add(tb testing.TB, i v1.Image) oci.Descriptor {
	tb.Helper()
	raw := all(tb)(i.RawManifest())
	s.put(all(tb)(i.RawConfigFile()))
	layers, err := i.Layers()
	if err != nil {
		tb.Fatal(err)
	}
	for _, l := range layers {
		r, err := l.Compressed()
		if err != nil {
			tb.Fatal(err)
		}
		s.put(all(tb)(io.ReadAll(r)))
	}
	mt, err := i.MediaType()
	if err != nil {
		tb.Fatal(err)
	}
	return oci.Descriptor{MediaType: string(mt), Digest: s.put(raw), Size: int64(len(raw))}
}

func piled(tb testing.TB, i v1.Image) *pile {
	tb.Helper()
	s := newPile()
	s.root = s.add(tb, i)
	return s
}

// piledIndex puts an index with its images on a pile.
func piledIndex(tb testing.TB, index v1.ImageIndex) *pile {
	tb.Helper()
	s := newPile()
	m, err := index.IndexManifest()
	if err != nil {
		tb.Fatal(err)
	}
	for _, d := range m.Manifests {
		i, err := index.Image(d.Digest)
		if err != nil {
			tb.Fatal(err)
		}
		s.add(tb, i)
	}
	raw := all(tb)(index.RawManifest())
	s.root = oci.Descriptor{MediaType: string(m.MediaType), Digest: s.put(raw), Size: int64(len(raw))}
	return s
}

// refer adds a manifest that refers to the root.
func (s *pile) refer(tb testing.TB) oci.Descriptor {
	tb.Helper()
	empty, subject := []byte("{}"), s.root
	raw, err := json.Marshal(ocispec.Manifest{
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/vnd.example.sbom",
		Config:  ocispec.Descriptor{MediaType: ocispec.MediaTypeEmptyJSON, Digest: digest.Digest(s.put(empty)), Size: 2},
		Layers:  []ocispec.Descriptor{},
		Subject: &ocispec.Descriptor{MediaType: subject.MediaType, Digest: digest.Digest(subject.Digest), Size: subject.Size},
	})
	if err != nil {
		tb.Fatal(err)
	}
	raw = append([]byte(`{"schemaVersion":2,`), raw[bytes.IndexByte(raw, ',')+1:]...)
	d := oci.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: s.put(raw), Size: int64(len(raw))}
	s.refs = append(s.refs, d)
	return d
}

// writes lists the requests that changed something, without what differs from run to run.
func writes(r *rt.Registry) []string {
	var list []string
	for _, q := range r.Requests() {
		if q.Method == http.MethodGet || q.Method == http.MethodHead || q.Server != rt.Front {
			continue
		}
		path := q.Path
		if i := strings.Index(path, "/uploads/"); i > 0 {
			path = path[:i] + "/uploads/"
		}
		list = append(list, q.Method+" "+path)
	}
	return list
}

// TestPush pushes what there is to push, by every way to log in, and pulls it again.
func TestPush(t *testing.T) {
	t.Parallel()
	for _, auth := range []rt.Auth{rt.Basic, rt.Bearer, rt.Mixed} {
		for name, piled := range map[string]func() *pile{
			"image":     func() *pile { return piled(t, rt.RandomImage(t, 1000, 200_000, 10)) },
			"docker":    func() *pile { return piled(t, rt.Docker(rt.RandomImage(t, 1000))) },
			"no layers": func() *pile { return piled(t, rt.Image(t)) },
			"index":     func() *pile { return piledIndex(t, rt.Attest(t, rt.Index(t, "linux/amd64", "linux/arm64/v8"))) },
		} {
			t.Run(string(auth)+" "+name, func(t *testing.T) {
				t.Parallel()
				r := rt.New(t, accounts(auth, rt.Faults{}))
				c, kc, s := client(t), with(r, pusher), piled()
				to := image(t, r.Host(), "team/app:v1")
				got, err := c.Push(t.Context(), kc, to, s, oci.PushOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if got.Digest != s.root.Digest || got.Before != "" || got.Sent == 0 {
					t.Errorf("the result: %+v", got)
				}
				if i := slices.IndexFunc(kc.asked, func(s fairlead.Scope) bool { return s.Verb != fairlead.Push }); i >= 0 {
					t.Errorf("a login was leased for %+v", kc.asked[i])
				}
				if w := writes(r); w[len(w)-1] != "PUT /v2/team/app/manifests/v1" {
					t.Errorf("the tag isn't last: %v", w)
				}
				read, err := c.Resolve(t.Context(), with(r, reader), to)
				if err != nil || read != s.root {
					t.Errorf("pulled: %+v %v, want %+v", read, err, s.root)
				}
				r.Forget()
				again, err := c.Push(t.Context(), kc, to, s, oci.PushOptions{})
				if err != nil || again.Before != s.root.Digest || again.Sent != 0 {
					t.Errorf("again: %+v %v", again, err)
				}
				keptAway(t, r)
			})
		}
	}
}

// TestPushTransfers holds what is told of the blobs on their way against what there is.
func TestPushTransfers(t *testing.T) {
	t.Parallel()
	r := rt.New(t, accounts(rt.Bearer, rt.Faults{}))
	s := piled(t, rt.RandomImage(t, 3000, 5000, 7000, 9000, 11000, 13000))
	ends := map[fairlead.Digest]oci.TransferState{}
	var mu sync.Mutex // Told is called by one goroutine at a time, but not by ours
	done := map[fairlead.Digest]int64{}
	o := oci.PushOptions{Told: func(x oci.Transfer) {
		mu.Lock()
		defer mu.Unlock()
		if x.Done < done[x.Digest] || x.Done > x.Size {
			t.Errorf("%s goes from %d to %d of %d", x.Digest, done[x.Digest], x.Done, x.Size)
		}
		done[x.Digest], ends[x.Digest] = x.Done, x.State
	}}
	if _, err := client(t).Push(t.Context(), with(r, pusher), image(t, r.Host(), "team/app:v1"), s, o); err != nil {
		t.Fatal(err)
	}
	if len(ends) != 7 {
		t.Errorf("%d blobs were told of", len(ends))
	}
	for d, state := range ends {
		if state != oci.Pushed || done[d] != int64(len(s.bytes[d])) {
			t.Errorf("%s ended as %s at %d", d, state, done[d])
		}
	}
}

// TestPushReferrers pushes what refers to an image, and lists it where a registry doesn't.
func TestPushReferrers(t *testing.T) {
	t.Parallel()
	r := rt.New(t, accounts(rt.Bearer, rt.Faults{}))
	s := piled(t, rt.RandomImage(t, 100))
	first := s.refer(t)
	c, to := client(t), image(t, r.Host(), "team/app:v1")
	for range 2 { // it isn't listed twice
		if _, err := c.Push(t.Context(), with(r, pusher), to, s, oci.PushOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	list := image(t, r.Host(), "team/app:"+strings.Replace(string(s.root.Digest), ":", "-", 1))
	d, err := c.Resolve(t.Context(), with(r, reader), list)
	if err != nil {
		t.Fatal(err)
	}
	raw, _, err := c.Manifest(t.Context(), with(r, reader), list.Resource, d.Digest)
	var index ocispec.Index
	if err != nil || json.Unmarshal(raw, &index) != nil {
		t.Fatalf("%v %s", err, raw)
	}
	if len(index.Manifests) != 1 || string(index.Manifests[0].Digest) != string(first.Digest) || index.Manifests[0].ArtifactType != "application/vnd.example.sbom" {
		t.Errorf("the list of referrers: %s", raw)
	}
}

// TestPushFaults pushes to registries that misbehave in ways that pass.
func TestPushFaults(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	s := piled(t, rt.RandomImage(t, size))
	for name, c := range map[string]struct {
		faults rt.Faults
		// sends is how many requests with parts of the layer there are at least.
		sends int
	}{
		"cut in the middle":         {rt.Faults{UploadCutAt: []int64{1 << 20, 1 << 10}}, 3},
		"cut at the first byte":     {rt.Faults{UploadCutAt: []int64{0}}, 2},
		"cut and forgotten":         {rt.Faults{UploadCutAt: []int64{1 << 20}, Forgetful: true}, 2},
		"too large":                 {rt.Faults{MostUpload: 1 << 20}, 4},
		"too large, with a minimum": {rt.Faults{MostUpload: 2 << 20, ChunkMin: 3 << 19}, 3},
		"503 to beginning":          {rt.Faults{Fail: []rt.Failure{{Method: "POST", Status: 503, Times: 2}}}, 1},
		"500 to a part":             {rt.Faults{Fail: []rt.Failure{{Method: "PATCH", Status: 500, Times: 1}}}, 2},
		"502 to the end":            {rt.Faults{Fail: []rt.Failure{{Method: "PUT", Path: "/blobs/", Status: 502, Times: 1}}}, 1},
		"502 to the manifest":       {rt.Faults{Fail: []rt.Failure{{Method: "PUT", Path: "/manifests/", Status: 502, Times: 2}}}, 1},
		"429 with a pause":          {rt.Faults{Fail: []rt.Failure{{Method: "POST", Status: 429, Header: map[string]string{"Retry-After": "7"}, Times: 1}}}, 1},
		"500 to the question":       {rt.Faults{Fail: []rt.Failure{{Method: "HEAD", Path: "/blobs/", Status: 500, Times: 2}}}, 1},
		"upload unknown":            {rt.Faults{Fail: []rt.Failure{{Method: "PATCH", Status: 404, Body: `{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}`, Times: 1}}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rt.New(t, accounts(rt.Bearer, c.faults))
			w := &waits{}
			to := image(t, r.Host(), "team/app:v1")
			got, err := client(t, func(o *oci.Options) { o.Wait = w.wait }).Push(t.Context(), with(r, pusher), to, s, oci.PushOptions{})
			if err != nil {
				t.Fatalf("%v\n%s", err, strings.Join(asked(r), "\n"))
			}
			if got.Digest != s.root.Digest {
				t.Errorf("the result: %+v", got)
			}
			sent := 0
			for _, q := range writes(r) {
				if strings.HasPrefix(q, "PATCH") {
					sent++
				}
			}
			if sent < c.sends {
				t.Errorf("%d parts were sent, want %d: %v", sent, c.sends, writes(r))
			}
			if name == "429 with a pause" && !slices.ContainsFunc(w.list, func(d time.Duration) bool { return d.Round(time.Second) == 7*time.Second }) {
				t.Errorf("it waited %v", w.list)
			}
			if _, err := client(t).Resolve(t.Context(), with(r, reader), to); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPushLeasedAgain has the login end in the middle: another is leased, once.
func TestPushLeasedAgain(t *testing.T) {
	t.Parallel()
	r := rt.New(t, accounts(rt.Bearer, rt.Faults{}))
	scope := "repository:team/app:pull,push"
	stale := r.Token("pusher", scope)
	r.Revoke()
	good := r.Token("pusher", scope)
	s := piled(t, rt.RandomImage(t, 100_000))
	for name, c := range map[string]struct {
		keys *keys
		want fairlead.Code
	}{
		"once":  {token(r, stale, good), ""},
		"twice": {token(r, stale, stale+"x"), fairlead.CodeLoginRefused},
	} {
		_, err := client(t).Push(t.Context(), c.keys, image(t, r.Host(), "team/app:v1"), s, oci.PushOptions{})
		codeIs(t, err, c.want)
		if len(c.keys.refused) == 0 || c.keys.refused[0].ID != stale {
			t.Errorf("%s: the keychain was told of %v", name, c.keys.refused)
		}
	}
	// A login that ends between two requests of one blob.
	ended := map[string]string{"WWW-Authenticate": `Bearer realm="x",error="invalid_token"`}
	r.Set(func(f *rt.Faults) { f.Fail = []rt.Failure{{Method: "PATCH", Status: 401, Times: 1, Header: ended}} })
	kc := token(r, good, r.Token("pusher", scope))
	if _, err := client(t).Push(t.Context(), kc, image(t, r.Host(), "team/app:v2"), piled(t, rt.RandomImage(t, 200_000)), oci.PushOptions{}); err != nil {
		t.Error(err)
	}
	if len(kc.refused) != 1 {
		t.Errorf("%d leases were refused", len(kc.refused))
	}
}

// TestPushEnds pushes where it can't come to a good end, and holds the sentence against
// what there is to be done.
func TestPushEnds(t *testing.T) {
	t.Parallel()
	layer := rt.RandomLayer(t, 2<<20)
	whole := piled(t, rt.Image(t, layer))
	other := rt.New(t, accounts(rt.Open, rt.Faults{}))
	spoilt := piled(t, rt.Image(t, layer))
	for d, b := range spoilt.bytes {
		if len(b) > 1<<20 {
			b = bytes.Clone(b)
			b[len(b)/2] ^= 1
			spoilt.bytes[d] = b
		}
	}
	short := piled(t, rt.Image(t, layer))
	for d, b := range short.bytes {
		if len(b) > 1<<20 {
			short.bytes[d] = b[:100]
		}
	}
	lost := piled(t, rt.Image(t, layer))
	for d, b := range lost.bytes {
		if len(b) > 1<<20 {
			delete(lost.bytes, d)
		}
	}
	fail := func(method string, status int, body string) rt.Faults {
		return rt.Faults{Fail: []rt.Failure{{Method: method, Status: status, Body: body}}}
	}
	for name, c := range map[string]struct {
		faults rt.Faults
		as     rt.Account
		from   *pile
		kind   fairlead.Kind
		code   fairlead.Code
		says   string
	}{
		"no right":            {rt.Faults{}, reader, whole, fairlead.Denied, fairlead.CodeNoRight, "no right to push team/app"},
		"no right (403)":      {rt.Faults{Forbid: true}, reader, whole, fairlead.Denied, fairlead.CodeNoRight, "no right to push team/app"},
		"no repository":       {rt.Faults{NoCreate: true}, pusher, whole, fairlead.NotFound, fairlead.CodeNoRepository, "has no repository team/app"},
		"an immutable tag":    {rt.Faults{Immutable: true}, pusher, whole, fairlead.Conflict, fairlead.CodeImmutable, "doesn't let that tag be moved"},
		"elsewhere":           {rt.Faults{UploadTo: "http://" + other.Host()}, pusher, whole, fairlead.Denied, fairlead.CodeEgress, "neither a login nor an image goes there"},
		"elsewhere, redirect": {rt.Faults{Fail: []rt.Failure{{Method: "POST", Status: 307, Header: map[string]string{"Location": "http://" + other.Host() + "/v2/"}}}}, pusher, whole, fairlead.Denied, fairlead.CodeEgress, "neither a login nor an image goes there"},
		"a login in the URL":  {rt.Faults{UploadTo: "http://a:b@127.0.0.1"}, pusher, whole, fairlead.Denied, fairlead.CodeEgress, "neither a login"},
		"too small a limit":   {rt.Faults{MostUpload: 1000}, pusher, whole, fairlead.Invalid, fairlead.CodeRegistryBroken, "takes no request of this size"},
		"always cut":          {rt.Faults{UploadCutAt: make([]int64, 50)}, pusher, whole, fairlead.Unavailable, fairlead.CodeConnect, "and so it went 6 times in a row, at byte 0"},
		"always 503":          {fail("PATCH", 503, ""), pusher, whole, fairlead.Unavailable, fairlead.CodeRegistryBroken, "is in trouble"},
		"always forgotten":    {fail("PATCH", 404, ""), pusher, whole, fairlead.Unavailable, fairlead.CodeRegistryBroken, "forgets uploads"},
		"429 for long":        {rt.Faults{Fail: []rt.Failure{{Method: "POST", Status: 429, Header: map[string]string{"Retry-After": "3600"}}}}, pusher, whole, fairlead.Limited, fairlead.CodeRateLimited, "too many requests"},
		"quota":               {fail("PUT", 400, `{"errors":[{"code":"DENIED","message":"quota exceeded"}]}`), pusher, whole, fairlead.Invalid, fairlead.CodeRegistryBroken, "quota exceeded"},
		"a wrong store":       {rt.Faults{WrongStore: string(digest.FromString("x"))}, pusher, whole, fairlead.Unavailable, fairlead.CodeDigest, "has stored"},
		"a spoilt layer":      {rt.Faults{}, pusher, spoilt, fairlead.Invalid, fairlead.CodeDigest, "is damaged where it is pushed from"},
		"a short layer":       {rt.Faults{}, pusher, short, fairlead.Invalid, fairlead.CodeDigest, "it has 100 bytes"},
		"a lost layer":        {rt.Faults{}, pusher, lost, fairlead.NotFound, "", "it isn't there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rt.New(t, accounts(rt.Bearer, rt.Faults{}))
			to := image(t, r.Host(), "team/app:v1")
			if c.faults.Immutable {
				rt.Push(t, r, rt.RandomImage(t, 10), "team/app:v1", pusher)
			}
			r.Set(func(f *rt.Faults) { *f = c.faults })
			_, err := client(t).Push(t.Context(), with(r, c.as), to, c.from, oci.PushOptions{})
			e := fairlead.AsError("", err)
			if err == nil || e.Kind != c.kind || e.Code != c.code || !strings.Contains(e.Error(), c.says) {
				t.Errorf("%+v, want %s %s %q", e, c.kind, c.code, c.says)
			}
			if e != nil && e.Remedy == "" {
				t.Errorf("there is no remedy: %+v", e)
			}
			_ = sentence(t, err)
			keptAway(t, r)
			r.Set(func(f *rt.Faults) { *f = rt.Faults{} })
			if !c.faults.Immutable && c.faults.WrongStore == "" {
				if _, err := client(t).Resolve(t.Context(), with(r, reader), to); fairlead.CodeOf(err) != fairlead.CodeNoImage {
					t.Errorf("the tag is there: %v", err)
				}
			}
		})
	}
	t.Cleanup(func() {
		if n := len(other.Requests()); n != 0 {
			t.Errorf("%d requests went to the other host", n)
		}
	})
}

// TestPushMount has the registry take layers over from another repository, for a login
// that may pull there.
func TestPushMount(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		auth    rt.Auth
		faults  rt.Faults
		from    string
		mounted bool
	}{
		"by basic":          {rt.Basic, rt.Faults{}, "team/base", true},
		"not there":         {rt.Basic, rt.Faults{}, "team/none", false},
		"not by a registry": {rt.Basic, rt.Faults{NoMount: true}, "team/base", false},
		"no repository":     {rt.Basic, rt.Faults{}, "team/../base", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rt.New(t, accounts(c.auth, c.faults))
			base := rt.RandomLayer(t, 50_000)
			rt.Push(t, r, rt.Image(t, base), "team/base:v1", pusher)
			states := map[oci.TransferState]int{}
			o := oci.PushOptions{From: ref.Resource{Host: r.Host(), Repository: c.from}, Told: func(x oci.Transfer) {
				if x.State != oci.Waiting && x.State != oci.Pushing {
					states[x.State]++
				}
			}}
			i, err := mutate.AppendLayers(rt.Image(t, base), rt.RandomLayer(t, 100))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client(t).Push(t.Context(), with(r, pusher), image(t, r.Host(), "team/app:v1"), piled(t, i), o); err != nil {
				t.Fatal(err)
			}
			want := map[oci.TransferState]int{oci.Pushed: 3}
			if c.mounted {
				want = map[oci.TransferState]int{oci.Pushed: 2, oci.Mounted: 1}
			}
			if diff := cmp.Diff(want, states); diff != "" {
				t.Errorf("what became of the blobs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPushHostile pushes what somebody else made up.
func TestPushHostile(t *testing.T) {
	t.Parallel()
	r := rt.New(t, accounts(rt.Open, rt.Faults{}))
	nested := newPile()
	nested.root = nested.add(t, rt.RandomImage(t, 10))
	for range 20 {
		raw, err := json.Marshal(map[string]any{
			"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageIndex,
			"manifests": []map[string]any{{"mediaType": nested.root.MediaType, "digest": nested.root.Digest, "size": nested.root.Size}},
		})
		if err != nil {
			t.Fatal(err)
		}
		nested.root = oci.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: nested.put(raw), Size: int64(len(raw))}
	}
	of := func(raw string) *pile {
		s := newPile()
		s.root = oci.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: s.put([]byte(raw)), Size: int64(len(raw))}
		return s
	}
	huge := newPile()
	b := make([]byte, 5<<20)
	_, _ = rand.Read(b)
	huge.root = oci.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: huge.put(b), Size: int64(len(b))}
	for name, s := range map[string]*pile{
		"too deep": nested, "too large": huge, "no JSON": of("{"), "nothing": of("{}"),
		"a path for a digest": of(`{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:../../../etc/passwd","size":1},"layers":[]}`),
		"a negative size":     of(`{"schemaVersion":2,"config":{"mediaType":"x","digest":"` + string(digest.FromString("")) + `","size":-1},"layers":[]}`),
	} {
		_, err := client(t).Push(t.Context(), without(r, nil), image(t, r.Host(), "team/app:v1"), s, oci.PushOptions{})
		if e := fairlead.AsError("", err); err == nil || e.Remedy == "" {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if w := writes(r); len(w) != 0 {
		t.Errorf("something was sent: %v", w)
	}
}
