package oci_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	rt "fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func sha256Of(b []byte) fairlead.Digest {
	sum := sha256.Sum256(b)
	return fairlead.Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// shelf is a registry with one blob.
type shelf struct {
	*rt.Registry
	resource ref.Resource
	blob     oci.Descriptor
	bytes    []byte
}

func newShelf(tb testing.TB, size int, config rt.Config) *shelf {
	tb.Helper()
	s := &shelf{Registry: rt.New(tb, config), bytes: random(size)}
	d := s.PutBlob("team/app", s.bytes)
	s.resource = ref.Resource{Host: s.Host(), Repository: "team/app"}
	s.blob = oci.Descriptor{Digest: fairlead.Digest(d), Size: int64(size)}
	return s
}

// TestBlobBreaks breaks blobs off in every way, and expects them whole.
func TestBlobBreaks(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	impatient := func(o *oci.Options) { o.Timeouts.Stall = 200 * time.Millisecond }
	for name, c := range map[string]struct {
		faults  rt.Faults
		options func(*oci.Options)
		unsized bool
		ranges  []string // of the requests for the blob
	}{
		"not at all":        {ranges: []string{""}},
		"size unknown":      {unsized: true, ranges: []string{""}},
		"chunked":           {faults: rt.Faults{Chunked: true}, ranges: []string{""}},
		"chunked, unsized":  {faults: rt.Faults{Chunked: true}, unsized: true, ranges: []string{""}},
		"at the first byte": {faults: rt.Faults{CutAt: []int64{0}}, ranges: []string{"", ""}},
		"once":              {faults: rt.Faults{CutAt: []int64{1000}}, ranges: []string{"", "bytes=1000-3145727"}},
		"once, unsized":     {faults: rt.Faults{CutAt: []int64{1000}}, unsized: true, ranges: []string{"", "bytes=1000-3145727"}},
		"at the last byte":  {faults: rt.Faults{CutAt: []int64{size - 1}}, ranges: []string{"", "bytes=3145727-3145727"}},
		"five times in a row": {
			faults: rt.Faults{CutAt: []int64{1, 2, 3, 4, 5}},
			ranges: []string{"", "bytes=1-3145727", "bytes=3-3145727", "bytes=6-3145727", "bytes=10-3145727", "bytes=15-3145727"},
		},
		"more often, with progress": {
			faults: rt.Faults{CutAt: []int64{1, 1, 1, 1, 1 << 20, 1, 1, 1, 1}},
			ranges: []string{
				"", "bytes=1-3145727", "bytes=2-3145727", "bytes=3-3145727", "bytes=4-3145727", "bytes=1048580-3145727",
				"bytes=1048581-3145727", "bytes=1048582-3145727", "bytes=1048583-3145727", "bytes=1048584-3145727",
			},
		},
		"stands still": {
			faults: rt.Faults{StallAt: []int64{1000, 1000}}, options: impatient,
			ranges: []string{"", "bytes=1000-3145727", "bytes=2000-3145727"},
		},
		"stands still at once": {faults: rt.Faults{StallAt: []int64{0}}, options: impatient, ranges: []string{"", ""}},
		"no ranges":            {faults: rt.Faults{CutAt: []int64{1000}, NoRange: true}, ranges: []string{"", "bytes=1000-3145727"}},
		"no ranges, cut before where it was": {
			faults: rt.Faults{CutAt: []int64{1000, 500}, NoRange: true},
			ranges: []string{"", "bytes=1000-3145727", "bytes=1000-3145727"},
		},
		"in trouble meanwhile": {
			faults: rt.Faults{CutAt: []int64{1000}, OnCut: nil, Fail: nil},
			ranges: []string{"", "bytes=1000-3145727", "bytes=1000-3145727", "bytes=1000-3145727"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, size, accounts(rt.Bearer, c.faults))
			if name == "in trouble meanwhile" {
				s.Set(func(f *rt.Faults) {
					f.OnCut = func() {
						s.Set(func(f *rt.Faults) {
							f.Fail = []rt.Failure{{Path: "/blobs/", Status: 503, Times: 1}, {Path: "/blobs/", Status: 429, Times: 1, Header: map[string]string{"Retry-After": "7"}}}
						})
					}
				})
			}
			w := &waits{}
			options := []func(*oci.Options){func(o *oci.Options) { o.Wait = w.wait }}
			if c.options != nil {
				options = append(options, c.options)
			}
			d := s.blob
			if c.unsized {
				d.Size = 0
			}
			got := readWhole(t, client(t, options...), with(s, reader), s.resource, d)
			if !bytes.Equal(got, s.bytes) {
				t.Errorf("%d bytes, and others", len(got))
			}
			var ranges []string
			for _, q := range s.Requests() {
				if q.Server == rt.Front && q.Path != "/v2/" && q.Scheme != "" {
					ranges = append(ranges, q.Range)
				}
			}
			if d := cmp.Diff(c.ranges, ranges); d != "" {
				t.Error(d)
			}
			if len(w.list) != len(c.ranges)-1 {
				t.Errorf("it waited %v", w.list)
			}
			if name == "in trouble meanwhile" && w.list[2].Round(time.Second) != 7*time.Second {
				t.Errorf("it waited %v", w.list)
			}
		})
	}
}

// TestBlobBackOff waits longer each time, and gives up.
func TestBlobBackOff(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 1000, accounts(rt.Open, rt.Faults{CutAt: []int64{1, 1, 1, 1, 1, 1, 1}}))
	w := &waits{}
	blob, err := client(t, func(o *oci.Options) { o.Wait = w.wait }).Blob(t.Context(), without(s, nil), s.resource, s.blob)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = blob.Close() }()
	b, err := io.ReadAll(blob)
	codeIs(t, err, fairlead.CodeConnect)
	if len(b) != 6 {
		t.Errorf("%d bytes", len(b))
	}
	want := []time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond, 3200 * time.Millisecond}
	if d := cmp.Diff(want, w.list); d != "" {
		t.Error(d)
	}
	if _, again := blob.Read(make([]byte, 10)); !errors.Is(again, err) {
		t.Errorf("the error is gone: %v", again)
	}
}

// TestBlobRedirects has blobs in a storage of their own.
func TestBlobRedirects(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults rt.Faults
		want   []string
	}{
		"once": {
			faults: rt.Faults{Redirect: 1},
			want:   []string{"registry GET /v2/team/app/blobs/D basic reader", "storage GET /bucket/team/app/D"},
		},
		"signed anew after a cut": {
			faults: rt.Faults{Redirect: 1, CutAt: []int64{100}},
			want: []string{
				"registry GET /v2/team/app/blobs/D basic reader", "storage GET /bucket/team/app/D",
				"registry GET /v2/team/app/blobs/D basic reader bytes=100-999", "storage GET /bucket/team/app/D bytes=100-999",
			},
		},
		"signature has grown old": {
			faults: rt.Faults{Redirect: 1, Fail: []rt.Failure{{Server: rt.Storage, Status: 403, Times: 1}}},
			want: []string{
				"registry GET /v2/team/app/blobs/D basic reader", "storage GET /bucket/team/app/D",
				"registry GET /v2/team/app/blobs/D basic reader", "storage GET /bucket/team/app/D",
			},
		},
		"through another redirect": {
			faults: rt.Faults{Redirect: 1, Fail: []rt.Failure{{Server: rt.Storage, Status: 302, Header: map[string]string{"Location": "/bucket/elsewhere"}, Times: 1}, {Server: rt.Storage, Path: "elsewhere", Status: 307, Header: map[string]string{"Location": "/x"}, Times: 1}}},
			want: []string{
				"registry GET /v2/team/app/blobs/D basic reader", "storage GET /bucket/team/app/D", "storage GET /bucket/elsewhere", "storage GET /x",
				"registry GET /v2/team/app/blobs/D basic reader", "storage GET /bucket/team/app/D",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := accounts(rt.Basic, c.faults)
			config.TLS = rt.GoodTLS
			s := newShelf(t, 1000, config)
			if got := readWhole(t, client(t), with(s, reader), s.resource, s.blob); !bytes.Equal(got, s.bytes) {
				t.Error("other bytes")
			}
			var got []string
			for _, line := range asked(s.Registry)[1:] { // without the first /v2/
				got = append(got, string(bytes.ReplaceAll([]byte(line), []byte(s.blob.Digest), []byte("D"))))
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			keptAway(t, s.Registry)
		})
	}
}

// TestBlobLoginEnds has the login end in the middle of a blob.
func TestBlobLoginEnds(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]func(*shelf) *keys{
		"password": func(s *shelf) *keys { return with(s, reader) },
		"token": func(s *shelf) *keys {
			k := token(s, s.Token("reader", "repository:team/app:pull"), "")
			k.leases[1] = with(s, reader).leases[0]
			return k
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, 2<<20, accounts(rt.Bearer, rt.Faults{CutAt: []int64{1 << 20}}))
			s.Set(func(f *rt.Faults) { f.OnCut = s.Revoke })
			kc := auth(s)
			if got := readWhole(t, client(t), kc, s.resource, s.blob); !bytes.Equal(got, s.bytes) {
				t.Error("other bytes")
			}
			if want := len(kc.leases) - 1; len(kc.refused) != want {
				t.Errorf("the keychain was told of %d refusals, want %d", len(kc.refused), want)
			}
		})
	}
}
