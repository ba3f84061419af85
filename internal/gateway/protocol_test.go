package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// TestPull reads an image with each way that a registry asks for logins.
func TestPull(t *testing.T) {
	t.Parallel()
	for _, auth := range []registrytest.Auth{registrytest.Basic, registrytest.Bearer} {
		t.Run(string(auth), func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, auth)
			image := registrytest.RandomImage(t, 10_000, 300_000)
			digest := r.push(t, image, "team/app:v1")
			name := r.at("team/app")
			for range 2 {
				for _, path := range []string{"/v2/" + name + "/manifests/v1", "/v2/" + name + "/manifests/" + digest} {
					got := r.get(t, path)
					if got.status != http.StatusOK || got.body != string(registrytest.Raw(t, image)) {
						t.Fatalf("%s: %d %s", path, got.status, got.body)
					}
					if h := got.header; h.Get("Docker-Content-Digest") != digest || h.Get("Content-Type") != string(types.OCIManifestSchema1) ||
						h.Get("Etag") != `"`+digest+`"` || h.Get("Content-Length") != fmt.Sprint(len(got.body)) {
						t.Errorf("%s: headers %v", path, h)
					}
				}
				for n := range 2 {
					d, body := layerOf(t, image, n)
					got := r.get(t, "/v2/"+name+"/blobs/"+d)
					if got.status != http.StatusOK || got.body != string(body) {
						t.Fatalf("layer %d: %d, %d bytes", n, got.status, len(got.body))
					}
				}
			}
			if n := r.fronts(http.MethodGet, "/manifests/"); n != 1 {
				t.Errorf("%d manifests were fetched, want 1", n)
			}
			if n := r.fronts(http.MethodGet, "/blobs/"); n != 2 {
				t.Errorf("%d blobs were fetched, want 2", n)
			}
			if strings.Contains(r.Log.String(), password) || strings.Contains(r.Log.String(), r.token) {
				t.Error("the log holds a secret")
			}
		})
	}
}

// TestProtocol is the table of what is answered to what.
func TestProtocol(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	image := registrytest.RandomImage(t, 1000)
	digest := r.push(t, image, "team/app:v1")
	layer, body := layerOf(t, image, 0)
	name, size := r.at("team/app"), len(body)
	manifest, blob := "/v2/"+name+"/manifests/", "/v2/"+name+"/blobs/"
	none := "sha256:" + strings.Repeat("0", 64)
	for _, c := range []struct {
		method, path string
		headers      []string
		status       int
		code         wire.DistributionCode
		header       string // that there has to be
	}{
		{"GET", "/v2/", nil, 200, "", "Docker-Distribution-Api-Version: registry/2.0"},
		{"HEAD", "/v2/", nil, 200, "", "Docker-Distribution-Api-Version: registry/2.0"},
		{"GET", "/v2", nil, 200, "", ""},
		{"GET", manifest + "v1", nil, 200, "", "Cache-Control: private, no-cache"},
		{"HEAD", manifest + "v1", nil, 200, "", "Docker-Content-Digest: " + digest},
		{"GET", manifest + digest, nil, 200, "", "Cache-Control: private, max-age=31536000, immutable"},
		{"HEAD", manifest + digest, nil, 200, "", "Etag: \"" + digest + `"`},
		{"GET", manifest + strings.Replace(digest, ":", "%3A", 1), nil, 200, "", ""},
		{"GET", manifest + "v1", []string{`If-None-Match: "` + digest + `"`}, 304, "", "Etag: \"" + digest + `"`},
		{"GET", manifest + "v1", []string{`If-None-Match: "x", W/"` + digest + `"`}, 304, "", ""},
		{"GET", manifest + "v1", []string{`If-None-Match: "x"`}, 200, "", ""},
		{"GET", manifest + "v1", []string{"Accept: application/vnd.oci.image.manifest.v1+json"}, 200, "", ""},
		{"GET", manifest + "v1", []string{"Accept: application/vnd.oci.image.index.v1+json"}, 404, wire.ManifestUnknown, ""},
		{"GET", manifest + "v2", nil, 404, wire.ManifestUnknown, ""},
		{"HEAD", manifest + "v2", nil, 404, "", ""},
		{"GET", manifest + ".v2", nil, 404, wire.ManifestUnknown, ""},
		{"GET", manifest + none, nil, 404, wire.ManifestUnknown, ""},
		{"GET", manifest + "sha256:abc", nil, 400, wire.DigestInvalid, ""},
		{"GET", manifest + "md5:abc", nil, 400, wire.DigestInvalid, ""},
		{"GET", blob + layer, nil, 200, "", "Accept-Ranges: bytes"},
		{"HEAD", blob + layer, nil, 200, "", fmt.Sprintf("Content-Length: %d", size)},
		{"GET", blob + layer, []string{`If-None-Match: "` + layer + `"`}, 304, "", "Docker-Content-Digest: " + layer},
		{"GET", blob + layer, []string{"Range: bytes=0-9"}, 206, "", fmt.Sprintf("Content-Range: bytes 0-9/%d", size)},
		{"HEAD", blob + layer, []string{"Range: bytes=0-9"}, 206, "", "Content-Length: 10"},
		{"GET", blob + layer, []string{"Range: bytes=10-"}, 206, "", fmt.Sprintf("Content-Range: bytes 10-%d/%d", size-1, size)},
		{"GET", blob + layer, []string{"Range: bytes=-5"}, 206, "", fmt.Sprintf("Content-Range: bytes %d-%d/%d", size-5, size-1, size)},
		{"GET", blob + layer, []string{"Range: bytes=5-1000000"}, 206, "", fmt.Sprintf("Content-Length: %d", size-5)},
		{"GET", blob + layer, []string{"Range: bytes=0-1,4-5"}, 200, "", ""},
		{"GET", blob + layer, []string{"Range: lines=0-1"}, 200, "", ""},
		{"GET", blob + layer, []string{"Range: bytes=0-9", `If-Range: "x"`}, 200, "", ""},
		{"GET", blob + layer, []string{"Range: bytes=0-9", `If-Range: "` + layer + `"`}, 206, "", ""},
		{"GET", blob + layer, []string{fmt.Sprintf("Range: bytes=%d-", size)}, 416, wire.RangeInvalid, fmt.Sprintf("Content-Range: bytes */%d", size)},
		{"GET", blob + none, nil, 404, wire.BlobUnknown, ""},
		{"HEAD", blob + none, nil, 404, "", ""},
		{"GET", blob + "sha256:abc", nil, 400, wire.DigestInvalid, ""},
		{"GET", "/v2/" + name + "/tags/list", nil, 200, "", "Content-Type: application/json"},
		{"HEAD", "/v2/" + name + "/tags/list", nil, 200, "", ""},
		{"GET", "/v2/" + name + "/tags/list?n=x", nil, 400, wire.PageInvalid, ""},
		{"GET", "/v2/" + r.at("team/none") + "/tags/list", nil, 404, wire.NameUnknown, ""},
		{"GET", "/v2/" + name + "/referrers/" + digest, nil, 200, "", "Content-Type: application/vnd.oci.image.index.v1+json"},
		{"POST", blob + "uploads/", nil, 405, wire.Unsupported, "Allow: GET, HEAD"},
		{"POST", blob + "uploads/?mount=" + layer + "&from=" + name, nil, 405, wire.Unsupported, ""},
		{"PUT", manifest + "v1", nil, 405, wire.Unsupported, ""},
		{"DELETE", manifest + digest, nil, 405, wire.Unsupported, ""},
		{"PATCH", blob + "uploads/x", nil, 405, wire.Unsupported, ""},
		{"GET", blob + "uploads/x", nil, 405, wire.Unsupported, ""},
		{"GET", "/v2/_catalog", nil, 404, wire.NameUnknown, ""},
		{"GET", "/v2/app/manifests/v1", nil, 400, wire.NameInvalid, ""},
		{"GET", "/v2/main/team/app/manifests/v1", nil, 200, "", ""},
		{"GET", "/v2/none/team/app/manifests/v1", nil, 400, wire.NameInvalid, ""},
		{"GET", "/v2/team/app/manifests/v1?ns=" + r.reg.Host(), nil, 200, "", ""},
		{"GET", "/v2/team/app/manifests/v1?ns=", nil, 400, wire.NameInvalid, ""},
		{"GET", "/v2/team/app/manifests/v1?ns=" + r.reg.Host() + "&ns=x.io", nil, 400, wire.NameInvalid, ""},
		{"GET", "/v2/" + name + "/manifests/v1?ns=" + r.reg.Host(), nil, 404, wire.ManifestUnknown, ""}, // ns wins
		{"GET", "/v2/" + r.reg.Host() + "/team/app/manifests/v1", nil, 400, wire.NameInvalid, ""},
		{"GET", strings.Replace(manifest, "/team/app", "%2Fteam/app", 1) + "v1", nil, 400, wire.NameInvalid, ""},
		{"GET", strings.Replace(manifest, "team", "Team", 1) + "v1", nil, 400, wire.NameInvalid, ""},
		{"GET", strings.Replace(manifest, "team", "%74eam", 1) + "v1", nil, 400, wire.NameInvalid, ""},
		{"GET", strings.Replace(manifest, "team/", "team/../team/", 1) + "v1", nil, 400, wire.NameInvalid, ""},
		{"GET", strings.Replace(manifest, "team/", "team//", 1) + "v1", nil, 400, wire.NameInvalid, ""},
		{"GET", strings.Replace(manifest, "team/", "./team/", 1) + "v1", nil, 400, wire.NameInvalid, ""},
	} {
		got := r.ask(t, c.method, c.path, r.token, c.headers...)
		if got.status != c.status {
			t.Errorf("%s %s %q: %d, want %d: %s", c.method, c.path, c.headers, got.status, c.status, got.body)
			continue
		}
		if name, value, _ := strings.Cut(c.header, ": "); c.header != "" && got.header.Get(name) != value {
			t.Errorf("%s %s %q: %s is %q, want %q", c.method, c.path, c.headers, name, got.header.Get(name), value)
		}
		if c.method == "HEAD" && got.body != "" {
			t.Errorf("HEAD %s has a body", c.path)
		}
		if code := codeOf(got); code != c.code {
			t.Errorf("%s %s %q: code %q, want %q", c.method, c.path, c.headers, code, c.code)
		}
	}
}

// codeOf is the code of an error's body; empty for a success.
func codeOf(r reply) wire.DistributionCode {
	var e wire.DistributionErrors
	if r.status < 400 || r.body == "" || json.Unmarshal([]byte(r.body), &e) != nil || len(e.Errors) != 1 || e.Errors[0].Message == "" {
		return ""
	}
	return e.Errors[0].Code
}

// TestIndex serves an index, and the image that is meant by it to whoever doesn't know
// indexes.
func TestIndex(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	index := registrytest.Index(t, "linux/arm64", "linux/amd64")
	digest := registrytest.PushIndex(t, r.reg, index, "team/app:v1", robot())
	path := "/v2/" + r.at("team/app") + "/manifests/"
	for _, method := range []string{"HEAD", "GET"} {
		if got := r.ask(t, method, path+"v1", r.token, "Accept: application/vnd.oci.image.index.v1+json"); got.header.Get("Docker-Content-Digest") != digest {
			t.Errorf("%s: %d %v", method, got.status, got.header)
		}
		got := r.ask(t, method, path+"v1", r.token, "Accept: application/vnd.oci.image.manifest.v1+json")
		if got.status != 200 || got.header.Get("Content-Type") != string(types.OCIManifestSchema1) {
			t.Fatalf("%s: %d %v", method, got.status, got.header)
		}
		child, err := index.Image(mustHash(t, got.header.Get("Docker-Content-Digest")))
		if err != nil {
			t.Fatal(err)
		}
		if c, err := child.ConfigFile(); err != nil || c.Architecture != "amd64" {
			t.Errorf("it is for %s (%v)", c.Architecture, err)
		}
	}
}

func mustHash(t *testing.T, s string) v1.Hash {
	t.Helper()
	h, err := v1.NewHash(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestTags lists tags in pages out of a registry that knows none.
func TestTags(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Basic)
	image := registrytest.RandomImage(t, 10)
	for _, tag := range []string{"b", "A", "d", "c", "a"} {
		r.push(t, image, "team/app:"+tag)
	}
	name := r.at("team/app")
	for query, want := range map[string]string{
		"": "A a b c d", "?n=2": "A a", "?n=2&last=a": "b c", "?n=0": "", "?last=c": "d", "?n=9": "A a b c d", "?n=5": "A a b c d", "?last=z": "",
	} {
		got := r.get(t, "/v2/"+name+"/tags/list"+query)
		var list struct {
			Name string
			Tags []string
		}
		if err := json.Unmarshal([]byte(got.body), &list); err != nil || list.Name != name || strings.Join(list.Tags, " ") != want || list.Tags == nil {
			t.Errorf("%s: %s (%v), want %s", query, got.body, err, want)
		}
	}
	var all []string
	for next := "/v2/" + name + "/tags/list?n=2"; next != ""; {
		got := r.get(t, next)
		var list struct{ Tags []string }
		if err := json.Unmarshal([]byte(got.body), &list); err != nil {
			t.Fatal(err)
		}
		all = append(all, list.Tags...)
		link := got.header.Get("Link")
		next, _, _ = strings.Cut(strings.TrimPrefix(link, "<"), ">")
	}
	if strings.Join(all, " ") != "A a b c d" {
		t.Errorf("page by page: %v", all)
	}
}
