package oci_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	rt "fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

// TestTags lists tags over several pages.
func TestTags(t *testing.T) {
	t.Parallel()
	r := rt.New(t, accounts(rt.Bearer, rt.Faults{}))
	raw := rt.Raw(t, rt.RandomImage(t, 10))
	const many = 2500
	for i := range many {
		r.PutManifest("team/app", fmt.Sprintf("v%04d", i), docker2, raw)
	}
	kc := with(r, reader)
	tags, more, err := client(t).Tags(t.Context(), kc, ref.Resource{Host: r.Host(), Repository: "team/app"})
	if err != nil || more || len(tags) != many || !slices.IsSorted(tags) {
		t.Errorf("%d tags, more %t, %v", len(tags), more, err)
	}
	_, _, err = client(t).Tags(t.Context(), kc, ref.Resource{Host: r.Host(), Repository: "team/none"})
	if fairlead.CodeOf(err) != fairlead.CodeNoImage {
		t.Error("none:", err)
	}
	_, _, err = client(t).Tags(t.Context(), kc, ref.Resource{Host: r.Host(), Repository: "other/app"})
	if fairlead.CodeOf(err) != fairlead.CodeNoRight {
		t.Error("no right:", err)
	}
}

// TestTagsHostile reads lists that go on for ever, lead elsewhere, or aren't lists.
func TestTagsHostile(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	for name, row := range map[string]struct {
		answer http.HandlerFunc
		tags   int
		more   bool
		want   fairlead.Kind
	}{
		"without an end": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", `</v2/team/app/tags/list?last=x>; rel="next"`)
			_, _ = w.Write([]byte(`{"tags": ["a", "b"]}`))
		}, 40, true, ""},
		"leads elsewhere": {func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path != "/v2/team/app/tags/list" {
				asked.Add(1)
			}
			if req.URL.Query().Get("last") == "" {
				w.Header().Set("Link", `<https://evil.example.com/secrets?last=x>; rel="next"`)
			}
			_, _ = w.Write([]byte(`{"tags": ["a"]}`))
		}, 2, false, ""},
		"null": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"tags": null}`)) }, 0, false, ""},
		"no tags": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"tags": ["a/b", "", "../x", "ok", "\u001b[2J"]}`))
		}, 1, false, ""},
		"a page":        {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`<html>`)) }, 0, false, fairlead.Unavailable},
		"more than fit": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat(" ", 5<<20))) }, 0, false, fairlead.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(row.answer)
			defer s.Close()
			host := strings.TrimPrefix(s.URL, "http://")
			kc := &keys{leases: []fairlead.Lease{{Kind: fairlead.Anonymous, PlainHTTP: true}}}
			tags, more, err := client(t).Tags(t.Context(), kc, ref.Resource{Host: host, Repository: "team/app"})
			if fairlead.KindOf(err) != row.want || len(tags) != row.tags || more != row.more {
				t.Errorf("%d tags, more %t, %v", len(tags), more, err)
			}
		})
	}
	t.Cleanup(func() { // when all of them are done
		if asked.Load() != 0 {
			t.Error("a link was followed beside the list")
		}
	})
}

// TestDescribe says what images are.
func TestDescribe(t *testing.T) {
	t.Parallel()
	r := rt.New(t, accounts(rt.Bearer, rt.Faults{}))
	rt.Push(t, r, rt.Image(t, rt.RandomLayer(t, 1000)), "team/app:one", pusher)
	rt.PushIndex(t, r, rt.Attest(t, rt.Index(t, "linux/amd64", "linux/arm64")), "team/app:two", pusher)
	rt.PushIndex(t, r, rt.Index(t, "linux/amd64", "linux/arm64", "linux/386", "linux/s390x", "linux/ppc64le", "linux/riscv64"), "team/app:six", pusher)
	chart := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.cncf.helm.config.v1+json")
	rt.Push(t, r, chart, "team/app:chart", pusher)
	describe := func(tag string) (oci.Description, error) {
		return client(t).Describe(t.Context(), with(r, reader), ref.Image{Resource: ref.Resource{Host: r.Host(), Repository: "team/app"}, Tag: tag})
	}
	for tag, row := range map[string]struct {
		platforms string
		more      int
		sized     bool
	}{
		"one": {"linux/amd64", 0, true}, "two": {"linux/amd64 linux/arm64", 0, true},
		"six": {"linux/amd64 linux/arm64 linux/386 linux/s390x", 2, true}, "chart": {"", 0, true},
	} {
		d, err := describe(tag)
		if err != nil || d.Top.Digest == "" || d.More != row.more {
			t.Errorf("%s: %+v, %v", tag, d, err)
		}
		var platforms []string
		for _, p := range d.Parts {
			platforms = append(platforms, p.Platform)
			if p.Bytes <= 0 || p.Digest == "" {
				t.Errorf("%s: %+v", tag, p)
			}
		}
		if got := strings.Join(platforms, " "); got != row.platforms {
			t.Errorf("%s: %s, want %s", tag, got, row.platforms)
		}
	}
	if _, err := describe("none"); fairlead.CodeOf(err) != fairlead.CodeNoImage {
		t.Error(err)
	}
}
