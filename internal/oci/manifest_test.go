package oci_test

import (
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	rt "fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

// TestResolveFallsBack resolves where HEAD isn't enough.
func TestResolveFallsBack(t *testing.T) {
	t.Parallel()
	head := func(status int) rt.Failure {
		return rt.Failure{Method: http.MethodHead, Path: "/manifests/", Status: status}
	}
	for name, c := range map[string]struct {
		faults rt.Faults
		want   []string
	}{
		"HEAD is enough":   {want: []string{"HEAD"}},
		"no digest":        {faults: rt.Faults{NoDigest: true}, want: []string{"HEAD", "GET"}},
		"nonsense digest":  {faults: rt.Faults{NoDigest: true, Digest: "x"}, want: []string{"HEAD", "GET"}},
		"405":              {faults: rt.Faults{Fail: []rt.Failure{head(405)}}, want: []string{"HEAD", "GET"}},
		"404":              {faults: rt.Faults{Fail: []rt.Failure{head(404)}}, want: []string{"HEAD", "GET"}},
		"400":              {faults: rt.Faults{Fail: []rt.Failure{head(400)}}, want: []string{"HEAD", "GET"}},
		"another type":     {faults: rt.Faults{ContentType: "application/json"}, want: []string{"HEAD", "GET"}},
		"type with params": {faults: rt.Faults{ContentType: ociManifest + "; charset=utf-8"}, want: []string{"HEAD"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rt.New(t, rt.Config{})
			digest := rt.Push(t, r, rt.RandomImage(t, 10), "team/app:v1", pusher)
			r.Set(func(f *rt.Faults) { *f = c.faults })
			for _, reference := range []string{"team/app:v1", "team/app@" + digest} {
				r.Forget()
				d, err := client(t).Resolve(t.Context(), without(r, nil), image(t, r.Host(), reference))
				if err != nil {
					t.Fatal(err)
				}
				if string(d.Digest) != digest || d.MediaType != ociManifest || d.Size < 100 {
					t.Errorf("%+v", d)
				}
				var got []string
				for _, q := range r.Requests() {
					got = append(got, q.Method)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("%s: %s", reference, diff)
				}
			}
		})
	}
}

// TestResolveChecksTheRight asks also for a digest that is known already.
func TestResolveChecksTheRight(t *testing.T) {
	t.Parallel()
	for name, r := range everywhere(t) {
		if strings.Contains(name, "open") || strings.HasPrefix(name, "debian basic") {
			continue // they know no rights
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			digest := rt.Push(t, r, rt.RandomImage(t, 10), "other/app:v1", pusher)
			_, err := client(t).Resolve(t.Context(), with(r, reader), image(t, r.Host(), "other/app@"+digest))
			codeIs(t, err, fairlead.CodeNoRight)
		})
	}
}

// TestResolveByDigest expects what was asked for, whatever the registry says.
func TestResolveByDigest(t *testing.T) {
	t.Parallel()
	r := rt.New(t, rt.Config{})
	first := rt.Push(t, r, rt.RandomImage(t, 10), "team/app:v1", pusher)
	second := rt.Push(t, r, rt.RandomImage(t, 10), "team/app:v2", pusher)
	r.Set(func(f *rt.Faults) { f.Digest = second })
	d, err := client(t).Resolve(t.Context(), without(r, nil), image(t, r.Host(), "team/app@"+first))
	if err != nil || string(d.Digest) != first {
		t.Errorf("%v, %v", d, err)
	}
	raw := []byte(`{"schemaVersion":2,"config":{"mediaType":"` + ociConfig + `","digest":"` + first + `","size":2},"layers":[]}`)
	r.PutManifest("team/app", first, ociManifest, raw) // other bytes under the first one's digest
	_, err = client(t).Resolve(t.Context(), without(r, nil), image(t, r.Host(), "team/app@"+first))
	codeIs(t, err, fairlead.CodeDigest)
}

func TestManifestSHA512(t *testing.T) {
	t.Parallel()
	r := rt.New(t, rt.Config{})
	raw := []byte(`{"schemaVersion":2,"manifests":[]}`)
	sum := sha512.Sum512(raw)
	d := "sha512:" + hex.EncodeToString(sum[:])
	r.PutManifest("team/app", d, ociIndex, raw)
	got, desc, err := client(t).Manifest(t.Context(), without(r, nil), ref.Resource{Host: r.Host(), Repository: "team/app"}, fairlead.Digest(d))
	if err != nil || string(got) != string(raw) || desc.MediaType != ociIndex || string(desc.Digest) != d {
		t.Errorf("%s %v %v", got, desc, err)
	}
}

// TestManifestForms fetches documents of all sorts under a tag.
func TestManifestForms(t *testing.T) {
	t.Parallel()
	const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	config := `"config":{"mediaType":"` + ociConfig + `","digest":"` + digest + `","size":2}`
	for name, c := range map[string]struct{ mediaType, body, want string }{
		"OCI manifest":            {ociManifest, `{"schemaVersion":2,` + config + `,"layers":[]}`, ociManifest},
		"OCI index":               {ociIndex, `{"schemaVersion":2,"manifests":[]}`, ociIndex},
		"Docker manifest":         {docker2, `{"schemaVersion":2,"mediaType":"` + docker2 + `",` + config + `,"layers":[]}`, docker2},
		"Docker list":             {dockerIndex, `{"schemaVersion":2,"manifests":[{}]}`, dockerIndex},
		"type only inside":        {"application/octet-stream", `{"schemaVersion":2,"mediaType":"` + docker2 + `",` + config + `}`, docker2},
		"no type at all, image":   {"text/plain", `{"schemaVersion":2,` + config + `,"layers":[]}`, ociManifest},
		"no type at all, index":   {"", `{"schemaVersion":2,"manifests":[]}`, ociIndex},
		"contradiction":           {ociManifest, `{"schemaVersion":2,"mediaType":"` + docker2 + `",` + config + `}`, "registry_broken: what the registry gave isn't an image's manifest: it says that it is \"" + docker2 + "\", and the registry says that it is \"" + ociManifest + "\""},
		"both kinds":              {ociManifest, `{"schemaVersion":2,"manifests":[],` + config + `}`, "registry_broken: what the registry gave isn't an image's manifest: it could be read as an index and as an image"},
		"index called manifest":   {ociManifest, `{"schemaVersion":2,"manifests":[]}`, "registry_broken: what the registry gave isn't an image's manifest: it lacks what a document of the type \"" + ociManifest + "\" has"},
		"manifest called index":   {ociIndex, `{"schemaVersion":2,` + config + `}`, "registry_broken: what the registry gave isn't an image's manifest: it lacks what a document of the type \"" + ociIndex + "\" has"},
		"no config":               {ociManifest, `{"schemaVersion":2,"layers":[]}`, "registry_broken: what the registry gave isn't an image's manifest: it lacks what a document of the type \"" + ociManifest + "\" has"},
		"schema 1":                {"application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1}`, "unsupported_image: the image has Docker's old manifest format (schema 1), which nobody can verify"},
		"schema 1, by its number": {"application/json", `{"schemaVersion":1,"fsLayers":[]}`, "unsupported_image: the image has Docker's old manifest format (schema 1), which nobody can verify"},
		"no schema":               {ociManifest, `{` + config + `}`, "registry_broken: what the registry gave isn't an image's manifest: it has no schemaVersion 2"},
		"OCI artifact manifest":   {"application/vnd.oci.artifact.manifest.v1+json", `{"schemaVersion":2,"mediaType":"application/vnd.oci.artifact.manifest.v1+json","blobs":[]}`, "unsupported_image: the image has a manifest of the type \"application/vnd.oci.artifact.manifest.v1+json\""},
		"HTML":                    {"text/html", `<html>`, "registry_broken: what the registry gave isn't an image's manifest: it isn't JSON of the right form"},
		"empty":                   {ociManifest, ` `, "registry_broken: what the registry gave isn't an image's manifest: it isn't JSON of the right form"},
		"of another form":         {ociManifest, `{"schemaVersion":2,"layers":{}}`, "registry_broken: what the registry gave isn't an image's manifest: it isn't JSON of the right form"},
		"endless":                 {ociManifest, `{"schemaVersion":2,` + config + `,"x":"` + strings.Repeat("x", 4<<20) + `"}`, "registry_broken: HOST sent more than 4 MiB, which no image needs there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rt.New(t, rt.Config{})
			d := r.PutManifest("team/app", "v1", c.mediaType, []byte(c.body))
			_, desc, err := client(t).Manifest(t.Context(), without(r, nil), ref.Resource{Host: r.Host(), Repository: "team/app"}, fairlead.Digest(d))
			got := desc.MediaType
			if err != nil {
				e := fairlead.AsError("", err)
				got = fmt.Sprintf("%s: %s", e.Code, strings.ReplaceAll(e.Why, r.Host(), "HOST"))
			}
			if got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			_, err = client(t).Resolve(t.Context(), without(r, nil), image(t, r.Host(), "team/app:v1"))
			// What HEAD says of a type that is known, only fetching can refute.
			if (err == nil) != (desc.MediaType != "") && c.mediaType != ociManifest && c.mediaType != ociIndex {
				t.Errorf("resolving: %v", err)
			}
		})
	}
}
