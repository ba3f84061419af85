package oci_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	rt "fairlead.dev/fairlead/internal/registrytest"
)

const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	ociConfig   = "application/vnd.oci.image.config.v1+json"
	ociLayer    = "application/vnd.oci.image.layer.v1.tar"
	docker2     = "application/vnd.docker.distribution.manifest.v2+json"
	dockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// TestPlatform chooses from indexes.
func TestPlatform(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		on    string
		there []string
		want  string // the platform that is chosen, or the sentence
	}{
		"the only one":         {"linux/amd64", []string{"linux/amd64"}, "linux/amd64"},
		"one of many":          {"linux/arm64", []string{"linux/amd64", "linux/arm64", "linux/arm/v7"}, "linux/arm64"},
		"arm64 with a variant": {"linux/arm64", []string{"linux/amd64", "linux/arm64/v8"}, "linux/arm64/v8"},
		"asked with a variant": {"linux/arm64/v8", []string{"linux/arm64"}, "linux/arm64"},
		"arm64 v9 on v8 image": {"linux/arm64/v9", []string{"linux/arm64"}, "linux/arm64"},
		"arm64 v9":             {"linux/arm64/v9", []string{"linux/arm64", "linux/arm64/v9"}, "linux/arm64/v9"},
		"arm v7 before v6":     {"linux/arm/v7", []string{"linux/arm/v5", "linux/arm/v6", "linux/arm/v7"}, "linux/arm/v7"},
		"arm v6 on v7":         {"linux/arm/v7", []string{"linux/arm/v5", "linux/arm/v6"}, "linux/arm/v6"},
		"arm v7 not on v6":     {"linux/arm/v6", []string{"linux/arm/v7"}, "there is no image for linux/arm/v6 in it, only for linux/arm/v7"},
		"arm is v7":            {"linux/arm", []string{"linux/arm/v6", "linux/arm/v7"}, "linux/arm/v7"},
		"arm v8 on v7 image":   {"linux/arm/v8", []string{"linux/arm/v7", "linux/arm/v6"}, "linux/arm/v7"},
		"arm64 on 32 bits, v8": {"linux/arm64", []string{"linux/arm/v7", "linux/arm/v8"}, "linux/arm/v8"},
		"arm64 on 32 bits":     {"linux/arm64", []string{"linux/arm/v6", "linux/arm/v7"}, "linux/arm/v7"},
		"amd64 levels":         {"linux/amd64/v3", []string{"linux/amd64", "linux/amd64/v2", "linux/amd64/v4"}, "linux/amd64/v2"},
		"amd64 level too high": {"linux/amd64", []string{"linux/amd64/v3"}, "there is no image for linux/amd64 in it, only for linux/amd64/v3"},
		"386 on amd64":         {"linux/amd64", []string{"linux/386", "linux/arm64"}, "linux/386"},
		"amd64 not on 386":     {"linux/386", []string{"linux/amd64"}, "there is no image for linux/386 in it, only for linux/amd64"},
		"another OS":           {"linux/amd64", []string{"windows/amd64", "darwin/arm64"}, "there is no image for linux/amd64 in it, only for darwin/arm64, windows/amd64"},
		"other names":          {"linux/x86_64", []string{"linux/arm64", "linux/amd64"}, "linux/amd64"},
		"nothing":              {"linux/amd64", nil, "there is no image in it, for linux/amd64 or any other platform"},
		"many": {
			"linux/s390x",
			[]string{"linux/386", "linux/amd64", "linux/arm/v5", "linux/arm/v6", "linux/arm/v7", "linux/arm64", "linux/loong64", "linux/mips64le", "linux/ppc64le", "linux/riscv64", "windows/amd64", "freebsd/amd64", "netbsd/amd64", "plan9/386"},
			"there is no image for linux/s390x in it, only for freebsd/amd64, linux/386, linux/amd64, linux/arm/v5, linux/arm/v6, linux/arm/v7, linux/arm64, linux/loong64, linux/mips64le, linux/ppc64le, linux/riscv64, netbsd/amd64, 2 more",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rt.New(t, rt.Config{})
			top := rt.PushIndex(t, r, rt.Attest(t, rt.Index(t, c.there...)), "team/app:v1", pusher)
			p := strings.Split(c.on+"//", "/")
			img, err := client(t).Image(t.Context(), without(r, nil), image(t, r.Host(), "team/app:v1"), oci.Platform{OS: p[0], Architecture: p[1], Variant: p[2]})
			got := img.Platform.String()
			if err != nil {
				codeIs(t, err, fairlead.CodePlatform)
				got = fairlead.AsError("", err).Why
			} else if string(img.Top.Digest) != top || img.Top == img.Manifest || len(img.Layers) != 1 {
				t.Errorf("%+v", img)
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// doc writes JSON.
func doc(tb testing.TB, v any) []byte {
	tb.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

type object = map[string]any

// put stores a manifest with its config and layers, all of which can be changed before.
func put(tb testing.TB, r *rt.Registry, tag string, change func(config, manifest object)) object {
	tb.Helper()
	layer := []byte("layer")
	layerDigest := r.PutBlob("team/app", layer)
	config := object{"os": "linux", "architecture": "amd64", "rootfs": object{"type": "layers", "diff_ids": []string{layerDigest}}}
	manifest := object{
		"schemaVersion": 2, "mediaType": ociManifest,
		"config": object{"mediaType": ociConfig},
		"layers": []object{{"mediaType": ociLayer, "digest": layerDigest, "size": len(layer)}},
	}
	change(config, manifest)
	raw := doc(tb, config)
	c := manifest["config"].(object)
	if c["digest"] == nil {
		c["digest"] = r.PutBlob("team/app", raw)
	}
	if c["size"] == nil {
		c["size"] = len(raw)
	}
	body := doc(tb, manifest)
	d := r.PutManifest("team/app", tag, manifest["mediaType"].(string), body)
	return object{"mediaType": manifest["mediaType"], "digest": d, "size": len(body)}
}

// TestImageForms refuses by name what can't be run.
func TestImageForms(t *testing.T) {
	t.Parallel()
	layer := func(change func(object)) func(_, m object) {
		return func(_, m object) { change(m["layers"].([]object)[0]) }
	}
	typed := func(s string) func(_, m object) { return layer(func(l object) { l["mediaType"] = s }) }
	for name, c := range map[string]struct {
		change func(config, manifest object)
		want   string
	}{
		"plain":                 {func(_, _ object) {}, "linux/amd64"},
		"gzip":                  {typed(ociLayer + "+gzip"), "linux/amd64"},
		"zstd":                  {typed(ociLayer + "+zstd"), "linux/amd64"},
		"Docker's":              {typed("application/vnd.docker.image.rootfs.diff.tar.gzip"), "linux/amd64"},
		"Docker's, plain":       {typed("application/vnd.docker.image.rootfs.diff.tar"), "linux/amd64"},
		"Docker's, zstd":        {typed("application/vnd.docker.image.rootfs.diff.tar.zstd"), "linux/amd64"},
		"urls are not followed": {layer(func(l object) { l["urls"] = []string{"http://169.254.169.254/"} }), "linux/amd64"},
		"foreign":               {typed("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), `unsupported_image: the image has a layer of the type "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", which registries don't hold`},
		"not distributable":     {typed("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"), `unsupported_image: the image has a layer of the type "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", which registries don't hold`},
		"encrypted":             {typed(ociLayer + "+gzip+encrypted"), `unsupported_image: the image has a layer of the type "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"`},
		"bzip2":                 {typed(ociLayer + "+bzip2"), `unsupported_image: the image has a layer of the type "application/vnd.oci.image.layer.v1.tar+bzip2"`},
		"layer without digest":  {layer(func(l object) { l["digest"] = "sha256:../../x" }), `unsupported_image: the image has a layer with the digest "sha256:../../x", which isn't one`},
		"negative size":         {layer(func(l object) { l["size"] = -1 }), "unsupported_image: the image has a layer of a negative size"},
		"too few diff IDs":      {func(c, _ object) { c["rootfs"] = object{"type": "layers"} }, "unsupported_image: the image has 1 layers in its manifest and 0 in its config"},
		"diff ID isn't one":     {func(c, _ object) { c["rootfs"].(object)["diff_ids"] = []string{"sha256:x"} }, `unsupported_image: the image has a layer with the digest "sha256:x", which isn't one`},
		"Helm chart":            {func(_, m object) { m["config"].(object)["mediaType"] = "application/vnd.cncf.helm.config.v1+json" }, `unsupported_image: it is not a container image, but of the type "application/vnd.cncf.helm.config.v1+json"`},
		"artifact": {func(_, m object) {
			m["config"].(object)["mediaType"] = "application/vnd.oci.empty.v1+json"
			m["artifactType"] = "application/spdx+json"
		}, `unsupported_image: it is not a container image, but of the type "application/spdx+json"`},
		"other config":         {func(_, m object) { m["config"].(object)["digest"] = string(sha256Of([]byte("x"))) }, "no_such_image"},
		"config of other size": {func(_, m object) { m["config"].(object)["size"] = 1 }, "wrong_digest"},
		"config isn't JSON":    {func(c, _ object) { c["rootfs"] = 1 }, "unsupported_image: the image has a config that can't be read"},
		"another platform":     {func(c, _ object) { c["architecture"] = "arm64" }, "wrong_platform: there is no image for linux/amd64 in it, only for linux/arm64"},
		"says no platform":     {func(c, _ object) { delete(c, "architecture"); delete(c, "os") }, "/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rt.New(t, rt.Config{})
			put(t, r, "v1", c.change)
			img, err := client(t).Image(t.Context(), without(r, nil), image(t, r.Host(), "team/app:v1"), amd64)
			got := img.Platform.String()
			if err != nil {
				e := fairlead.AsError("", err)
				got = string(e.Code)
				if strings.Contains(c.want, ":") {
					got += ": " + e.Why
				}
			}
			if got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

// TestIndexForms finds images in indexes that aren't simple.
func TestIndexForms(t *testing.T) {
	t.Parallel()
	r := rt.New(t, rt.Config{})
	plain := func(_, _ object) {}
	entry := func(tag string, change func(_, _ object), platform string) object {
		e := put(t, r, tag, change)
		if os, arch, ok := strings.Cut(platform, "/"); ok {
			e["platform"] = object{"os": os, "architecture": arch}
		}
		return e
	}
	index := func(tag string, entries ...object) object {
		body := doc(t, object{"schemaVersion": 2, "mediaType": ociIndex, "manifests": entries})
		return object{"mediaType": ociIndex, "digest": r.PutManifest("team/app", tag, ociIndex, body), "size": len(body)}
	}
	arm := func(c, _ object) { c["architecture"] = "arm64" }
	chart := func(_, m object) { m["config"].(object)["mediaType"] = "application/vnd.cncf.helm.config.v1+json" }

	index("nested", entry("a", arm, "linux/arm64"), index("inner", entry("b", plain, "linux/amd64")))
	index("unsaid", entry("c", arm, ""), entry("d", chart, ""), entry("e", plain, ""))
	index("said-before-unsaid", entry("f", plain, ""), entry("g", plain, "linux/amd64"))
	index("artifact", object{"mediaType": ociManifest, "artifactType": "x", "digest": string(sha256Of(nil)), "size": 1}, entry("h", plain, "linux/amd64"))
	index("unsaid-and-wrong", entry("i", arm, ""))
	index("traversal", object{"mediaType": ociManifest, "digest": "../../../team/app/manifests/nested", "size": 1, "platform": object{"os": "linux", "architecture": "amd64"}})
	index("missing", object{"mediaType": ociManifest, "digest": string(sha256Of(nil)), "size": 1, "platform": object{"os": "linux", "architecture": "amd64"}})
	deep := entry("j", plain, "linux/amd64")
	for i := range 40 {
		deep = index(fmt.Sprint("deep", i), deep)
	}
	index("too-deep", deep)

	for tag, want := range map[string]fairlead.Code{
		"nested": "", "unsaid": "", "artifact": "", "unsaid-and-wrong": fairlead.CodePlatform, "missing": fairlead.CodeNoImage,
		"said-before-unsaid": "", "too-deep": fairlead.CodeUnsupportedImage, "traversal": "",
	} {
		i := image(t, r.Host(), "team/app:v1")
		i.Tag = tag
		img, err := client(t).Image(t.Context(), without(r, nil), i, amd64)
		codeIs(t, err, want)
		if tag == "traversal" {
			if fairlead.KindOf(err) != fairlead.Invalid {
				t.Errorf("%v", err)
			}
			continue
		}
		if err == nil && (img.Platform != amd64 || len(img.Layers) != 1) {
			t.Errorf("%s: %+v", tag, img)
		}
	}
	r.Forget()
	i := image(t, r.Host(), "team/app:v1")
	i.Tag = "said-before-unsaid"
	if _, err := client(t).Image(t.Context(), without(r, nil), i, amd64); err != nil || len(r.Requests()) != 3 {
		t.Errorf("%v after %v", err, asked(r))
	}
}
