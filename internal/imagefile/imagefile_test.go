package imagefile_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/imagefile"
	"fairlead.dev/fairlead/internal/oci"
	rt "fairlead.dev/fairlead/internal/registrytest"
)

// complete reads everything that an image consists of, and holds it against its digest.
// It gives how many parts there are.
func complete(t *testing.T, i *imagefile.Image) int {
	t.Helper()
	seen := map[fairlead.Digest]bool{}
	var read func(d oci.Descriptor, isManifest bool)
	read = func(d oci.Descriptor, isManifest bool) {
		if seen[d.Digest] {
			return
		}
		seen[d.Digest] = true
		r, err := i.Open(d)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("sha256:%x", sha256.Sum256(b)); got != string(d.Digest) || int64(len(b)) != d.Size {
			t.Errorf("%+v has %d bytes and the digest %s", d, len(b), got)
		}
		if !isManifest {
			return
		}
		var m struct {
			Manifests, Layers []oci.Descriptor
			Config            *oci.Descriptor
		}
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		for _, c := range m.Manifests {
			read(c, true)
		}
		if m.Config != nil {
			read(*m.Config, false)
		}
		for _, l := range m.Layers {
			read(l, false)
		}
	}
	read(i.Root(), true)
	for _, r := range i.Referrers() {
		read(r, true)
	}
	return len(seen)
}

// written writes layouts of indexes and images.
func written(t *testing.T, dir string, add func(p layout.Path) error) string {
	t.Helper()
	p, err := layout.Write(dir, rt.Index(t))
	if err == nil {
		err = add(p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func named(s string) layout.Option {
	return layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": s})
}

// packed makes an archive of a directory.
func packed(t *testing.T, dir string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstded(t *testing.T, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func file(t *testing.T, b []byte) string {
	t.Helper()
	f := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(f, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

func opened(t *testing.T, path string, o imagefile.Options) *imagefile.Image {
	t.Helper()
	i, err := imagefile.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	return i
}

func digestOf(t *testing.T, i interface{ Digest() (v1.Hash, error) }) fairlead.Digest {
	t.Helper()
	d, err := i.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return fairlead.Digest(d.String())
}

// TestLayouts reads layouts in a directory and in archives: byte for byte what they are.
func TestLayouts(t *testing.T) {
	t.Parallel()
	image, index := rt.RandomImage(t, 1000, 2000), rt.Attest(t, rt.Index(t, "linux/amd64", "linux/arm64"))
	for name, c := range map[string]struct {
		add   func(p layout.Path) error
		want  fairlead.Digest
		parts int
	}{
		"image": {func(p layout.Path) error { return p.AppendImage(image, named("v1")) }, digestOf(t, image), 4},
		"index": {func(p layout.Path) error { return p.AppendIndex(index) }, digestOf(t, index), 10},
	} {
		dir := written(t, t.TempDir(), c.add)
		archive := packed(t, dir)
		for as, path := range map[string]string{
			"directory": dir, "tar": file(t, archive), "tar.gz": file(t, gzipped(t, archive)), "tar.zst": file(t, zstded(t, archive)),
		} {
			scratch := t.TempDir()
			i, err := imagefile.Open(t.Context(), path, imagefile.Options{Scratch: scratch})
			if err != nil {
				t.Fatal(err)
			}
			if i.Root().Digest != c.want || i.Note != "" {
				t.Errorf("%s %s: %+v %q", as, name, i.Root(), i.Note)
			}
			if n := complete(t, i); n != c.parts {
				t.Errorf("%s %s has %d parts, want %d", as, name, n, c.parts)
			}
			if err := i.Close(); err != nil {
				t.Error(err)
			}
			if left, err := os.ReadDir(scratch); err != nil || len(left) != 0 {
				t.Errorf("%s %s leaves %v %v", as, name, left, err)
			}
		}
	}
}

// TestChoose takes one of several images.
func TestChoose(t *testing.T) {
	t.Parallel()
	one, two := rt.RandomImage(t, 10), rt.RandomImage(t, 10)
	dir := written(t, t.TempDir(), func(p layout.Path) error {
		if err := p.AppendImage(one, named("v1")); err != nil {
			return err
		}
		return p.AppendImage(two, named("reg.example.com/team/app:v2"))
	})
	for want, c := range map[string]fairlead.Digest{"v1": digestOf(t, one), "v2": digestOf(t, two), "reg.example.com/team/app:v2": digestOf(t, two)} {
		if i := opened(t, dir, imagefile.Options{Name: want}); i.Root().Digest != c {
			t.Errorf("%s is %s", want, i.Root().Digest)
		}
	}
	for want, says := range map[string]string{"": "several images: v1, reg.example.com/team/app:v2", "v3": `has no "v3", only v1`} {
		_, err := imagefile.Open(t.Context(), dir, imagefile.Options{Name: want})
		if fairlead.CodeOf(err) != fairlead.CodeNoImage || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// TestPlatforms keeps some of the platforms of an index.
func TestPlatforms(t *testing.T) {
	t.Parallel()
	index := rt.Index(t, "linux/amd64", "linux/arm64/v8", "linux/arm/v7")
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	dir := written(t, t.TempDir(), func(p layout.Path) error { return p.AppendIndex(index) })
	amd := oci.Platform{OS: "linux", Architecture: "amd64"}
	i := opened(t, dir, imagefile.Options{Platforms: []oci.Platform{amd}})
	if got := string(i.Root().Digest); got != m.Manifests[0].Digest.String() || !cmp.Equal(i.Platforms, []string{"linux/amd64"}) {
		t.Errorf("one platform is %s, %v", got, i.Platforms)
	}
	i = opened(t, dir, imagefile.Options{Platforms: []oci.Platform{amd, {OS: "linux", Architecture: "arm64"}}})
	if complete(t, i) != 7 || !cmp.Equal(i.Platforms, []string{"linux/amd64", "linux/arm64/v8"}) || i.Note != "without linux/arm/v7" {
		t.Errorf("two platforms: %v %q", i.Platforms, i.Note)
	}
	_, err = imagefile.Open(t.Context(), dir, imagefile.Options{Platforms: []oci.Platform{{OS: "windows", Architecture: "amd64"}}})
	if fairlead.CodeOf(err) != fairlead.CodePlatform || !strings.Contains(err.Error(), "only for linux/amd64, linux/arm64/v8, linux/arm/v7") {
		t.Error(err)
	}
	// What an engine saves of an index that it has in part.
	lost := filepath.Join(dir, "blobs", "sha256", m.Manifests[1].Digest.Hex)
	if err := os.Remove(lost); err != nil {
		t.Fatal(err)
	}
	if _, err := imagefile.Open(t.Context(), dir, imagefile.Options{}); err == nil || !strings.Contains(fairlead.AsError("", err).Why, "has no blobs/sha256/") {
		t.Errorf("without a part: %v", err)
	}
	i = opened(t, dir, imagefile.Options{Lenient: true})
	if complete(t, i) != 7 || i.Note != "without linux/arm64/v8 (not here)" {
		t.Errorf("leniently: %v %q", i.Platforms, i.Note)
	}
}

// saved writes an archive as docker save writes it: layers as they are unpacked, the same
// one twice by a link.
func saved(t *testing.T, change func(files map[string]string, manifest []map[string]any)) []byte {
	t.Helper()
	first := rt.Archive(t, rt.Entry{Name: "a", Body: strings.Repeat("hello ", 1000)})
	second := rt.Archive(t, rt.Entry{Name: "b", Body: "there"})
	sum := func(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }
	config := fmt.Sprintf(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[%q,%q,%q]},"config":{"Cmd":["/a"]}}`, sum(first), sum(second), sum(first))
	files := map[string]string{"c.json": config, "1/layer.tar": string(first), "2/layer.tar": string(second), "3/layer.tar": "../1/layer.tar"}
	manifest := []map[string]any{{"Config": "c.json", "RepoTags": []string{"train:v1", "reg.example.com/team/train:v1"}, "Layers": []string{"1/layer.tar", "2/layer.tar", "3/layer.tar"}}}
	if change != nil {
		change(files, manifest)
	}
	raw, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := files["manifest.json"]; !ok {
		files["manifest.json"] = string(raw)
	}
	var entries []rt.Entry
	for name, body := range files {
		e := rt.Entry{Name: name, Body: body, Mode: 0o644}
		if name == "3/layer.tar" {
			e = rt.Entry{Name: name, Type: tar.TypeSymlink, Link: body}
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b rt.Entry) int { return strings.Compare(a.Name, b.Name) })
	return rt.Archive(t, entries...)
}

// TestSaved reads what docker save writes, however it is packed, into the same image each
// time.
func TestSaved(t *testing.T) {
	t.Parallel()
	archive := saved(t, nil)
	var roots []fairlead.Digest
	for _, b := range [][]byte{archive, gzipped(t, archive), archive} {
		i := opened(t, file(t, b), imagefile.Options{})
		if n := complete(t, i); n != 4 || len(i.Layers) != 2 || !cmp.Equal(i.Platforms, []string{"linux/amd64"}) || i.Name != "train:v1" {
			t.Errorf("%d parts, %d layers, %v, %q", n, len(i.Layers), i.Platforms, i.Name)
		}
		for _, l := range i.Layers {
			if l.MediaType != "application/vnd.docker.image.rootfs.diff.tar.gzip" || l.Size > 2000 {
				t.Errorf("a layer isn't compressed: %+v", l)
			}
		}
		roots = append(roots, i.Root().Digest)
	}
	if roots[0] != roots[1] || roots[0] != roots[2] {
		t.Errorf("the same image is three: %v", roots)
	}
	i, err := imagefile.Read(t.Context(), bytes.NewReader(archive), "train:v1", imagefile.Options{Name: "train:v1", Scratch: t.TempDir()})
	if err != nil || i.Root().Digest != roots[0] {
		t.Fatalf("as a stream: %v", err)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
}

// TestSavedByOthers reads what go-containerregistry writes, with layers that are
// compressed: they stay as they are.
func TestSavedByOthers(t *testing.T) {
	t.Parallel()
	image := rt.RandomImage(t, 5000)
	path := filepath.Join(t.TempDir(), "x.tar")
	tag, err := name.NewTag("reg.example.com/team/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := tarball.WriteToFile(path, tag, image); err != nil {
		t.Fatal(err)
	}
	i := opened(t, path, imagefile.Options{})
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	if complete(t, i) != 3 || i.Layers[0].Digest != digestOf(t, layers[0]) {
		t.Errorf("the layer is another: %+v", i.Layers)
	}
}

// TestBad reads what is no image, or a trap.
func TestBad(t *testing.T) {
	t.Parallel()
	set := func(name, body string) []byte {
		return saved(t, func(files map[string]string, _ []map[string]any) { files[name] = body })
	}
	of := func(field string, v any) []byte {
		return saved(t, func(_ map[string]string, m []map[string]any) { m[0][field] = v })
	}
	var many []rt.Entry
	for n := range 20_010 {
		many = append(many, rt.Entry{Name: fmt.Sprint(n)})
	}
	bomb := gzipped(t, make([]byte, 1<<20))
	for name, c := range map[string]struct {
		b    []byte
		says string
	}{
		"nothing":             {nil, "no tar archive"},
		"no archive":          {[]byte("hello, I am a text of more than four bytes"), "no tar archive"},
		"no gzip":             {[]byte{0x1f, 0x8b, 1, 2, 3}, "no tar archive"},
		"half of one":         {saved(t, nil)[:3000], "no tar archive"},
		"no image in it":      {rt.Archive(t, rt.Entry{Name: "readme"}), "neither index.json"},
		"a directory":         {rt.Archive(t, rt.Entry{Name: "manifest.json", Type: tar.TypeDir}), "neither index.json"},
		"a huge document":     {set("manifest.json", strings.Repeat(" ", 9<<20)), "more than 8 MiB"},
		"no JSON":             {set("manifest.json", "["), "can't be read"},
		"no images":           {set("manifest.json", "[]"), "no image in it"},
		"a path out":          {of("Config", "../../../../etc/passwd"), "has no etc/passwd"},
		"an absolute path":    {of("Layers", []string{"/etc/passwd", "2/layer.tar", "1/layer.tar"}), `no layer "etc/passwd"`},
		"a link in a circle":  {set("3/layer.tar", "layer.tar"), `no layer "3/layer.tar"`},
		"a link out":          {set("3/layer.tar", "../../../../../etc/passwd"), `no layer "3/layer.tar"`},
		"another layer":       {set("2/layer.tar", "other bytes than those"), "and the config says sha256:"},
		"fewer layers":        {of("Layers", []string{"1/layer.tar"}), "has 1 layers, and its config names 3"},
		"a file twice":        {rt.Archive(t, rt.Entry{Name: "manifest.json"}, rt.Entry{Name: "./manifest.json"}), "twice"},
		"many files":          {rt.Archive(t, many...), "more than 20000 files"},
		"gzip that isn't tar": {bomb, "no tar archive"},
		"an index of paths":   {rt.Archive(t, rt.Entry{Name: "index.json", Body: `{"manifests":[{"digest":"sha256:../../etc/passwd"}]}`}), "no digest"},
		"an index in itself":  {rt.Archive(t, rt.Entry{Name: "index.json", Body: `{"manifests":[{"digest":"sha256:` + strings.Repeat("a", 64) + `"}]}`}), "has no blobs/"},
		"an index of nothing": {rt.Archive(t, rt.Entry{Name: "index.json", Body: `{}`}), "no image in it"},
	} {
		scratch := t.TempDir()
		i, err := imagefile.Open(t.Context(), file(t, c.b), imagefile.Options{Scratch: scratch})
		e := fairlead.AsError("", err)
		if err == nil {
			t.Errorf("%s: %+v", name, i)
			continue
		}
		if !strings.Contains(e.Error(), c.says) || e.Remedy == "" || e.Kind != fairlead.Invalid && e.Kind != fairlead.NotFound {
			t.Errorf("%s: %s %v %q", name, e.Kind, e, e.Remedy)
		}
		if left, err := os.ReadDir(scratch); err != nil || len(left) != 0 {
			t.Errorf("%s leaves %v %v", name, left, err)
		}
	}
}

// TestLinksOut holds that no link of a layout leads out of it.
func TestLinksOut(t *testing.T) {
	t.Parallel()
	image := rt.RandomImage(t, 10)
	dir := written(t, t.TempDir(), func(p layout.Path) error { return p.AppendImage(image) })
	blob := filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(string(digestOf(t, image)), "sha256:"))
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.Rename(blob, outside); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, blob); err != nil {
		t.Fatal(err)
	}
	if i, err := imagefile.Open(t.Context(), dir, imagefile.Options{}); err == nil {
		t.Errorf("a link led out: %+v", i)
	}
}

// FuzzArchive reads archives of whatever there is.
func FuzzArchive(f *testing.F) {
	entry := func(name, body string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(body)), Mode: 0o600}); err != nil {
			f.Fatal(err)
		}
		_, _ = io.WriteString(w, body)
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		return b.Bytes()
	}
	f.Add(entry("index.json", `{"manifests":[{"digest":"sha256:00"}]}`))
	f.Add(entry("manifest.json", `[{"Config":"a","Layers":["b"]}]`))
	f.Add(entry("../../x", "y"))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		scratch := t.TempDir()
		i, err := imagefile.Read(t.Context(), bytes.NewReader(b), "x", imagefile.Options{Scratch: scratch})
		if err == nil {
			_ = i.Close()
		} else if e := fairlead.AsError("", err); e.Kind == fairlead.Internal || e.Remedy == "" {
			t.Errorf("%+v", e)
		}
		if left, err := os.ReadDir(scratch); err != nil || len(left) != 0 {
			t.Errorf("it leaves %v %v", left, err)
		}
	})
}

// FuzzLayout reads layouts whose documents say whatever there is.
func FuzzLayout(f *testing.F) {
	f.Add([]byte(`{"manifests":[{"digest":"sha256:`+strings.Repeat("0", 64)+`"}]}`), []byte(`{"config":{},"layers":[{}],"subject":{}}`), "")
	f.Add([]byte(`{"manifests":[{},{}]}`), []byte(`{"manifests":[{"digest":"sha256:`+strings.Repeat("0", 64)+`"}]}`), "v1")
	f.Fuzz(func(t *testing.T, index, manifest []byte, name string) {
		dir := t.TempDir()
		blobs := filepath.Join(dir, "blobs", "sha256")
		if err := os.MkdirAll(blobs, 0o700); err != nil {
			t.Fatal(err)
		}
		for path, b := range map[string][]byte{filepath.Join(dir, "index.json"): index, filepath.Join(blobs, strings.Repeat("0", 64)): manifest} {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, lenient := range []bool{false, true} {
			i, err := imagefile.Open(t.Context(), dir, imagefile.Options{Name: name, Lenient: lenient})
			if err == nil {
				_ = i.Close()
			} else if e := fairlead.AsError("", err); e.Kind == fairlead.Internal || e.Remedy == "" {
				t.Errorf("%+v", e)
			}
		}
	})
}
