package cache

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

func digest(c string) fairlead.Digest { return fairlead.Digest("sha256:" + strings.Repeat(c, 64)) }

// told is what a catalog knows, in one spelling.
func told(c *Catalog) map[string]string {
	out := map[string]string{}
	for _, k := range c.all("", true) {
		out[string(k.organization)+" "+k.resource.String()+" "+k.reference] = string(k.digest[:8]) + " " + k.used.Format(time.TimeOnly)
	}
	return out
}

func open(t *testing.T, dir string) *Catalog {
	t.Helper()
	c, err := OpenCatalog(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCatalog closes a catalog and opens it again, also with lines that are torn: what is
// sound is there.
func TestCatalog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, dir)
	r := ref.Resource{Host: "reg.example.com", Repository: "team/app"}
	c.Seen("a", r, "v1", digest("1")).Store(60)
	c.Seen("b", r, "v1", digest("1")).Store(120)
	moved := c.Seen("a", r, "v1", digest("2"))
	moved.Store(3600)
	if c.Seen("a", r, "v1", digest("2")) != moved {
		t.Error("the same image is noted in two places")
	}
	c.Seen("a", r, "gone", digest("3")).Store(60)
	c.mu.Lock()
	c.forget(name{"a", r, "gone"})
	c.mu.Unlock()
	want := map[string]string{
		"a reg.example.com/team/app v1": "sha256:2 01:00:00", "b reg.example.com/team/app v1": "sha256:1 00:02:00",
		"a reg.example.com/team/app " + string(digest("1")): "sha256:1 00:01:00",
	}
	if diff := cmp.Diff(want, told(c)); diff != "" {
		t.Fatal(diff)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "images")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damaged := "not JSON\n" + string(text) + "{}\n\x00\n" + `{"h":"reg.example.com","r":"team/app","t":"v9","d":"sha256:short"}` + "\n" + `{"h":"reg.ex`
	if err := os.WriteFile(file, []byte(damaged), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c = open(t, dir)
		if diff := cmp.Diff(want, told(c)); diff != "" {
			t.Error(diff)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCatalogIsBounded forgets what wasn't used for the longest time, and its file
// doesn't grow with use.
func TestCatalogIsBounded(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir())
	r := ref.Resource{Host: "reg.example.com", Repository: "team/app"}
	used := c.Seen("a", r, "v1", digest("1"))
	for i := range int64(20_000) {
		used.Store(3600 * i)
		if _, err := c.round(); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(c.path)
	if err != nil || info.Size() > 2<<20 {
		t.Errorf("%v, %v", info, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// FuzzCatalog reads lines of a file that may be damaged.
func FuzzCatalog(f *testing.F) {
	f.Add([]byte(`{"o":"a","h":"reg.example.com","r":"team/app","t":"v1","d":"` + string(digest("1")) + `","u":60}`))
	f.Add([]byte(`{"h":"x","r":"y","t":"z"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := &Catalog{records: map[name]*record{}}
		c.read(text)
		for k, r := range c.records {
			if k.resource.Host == "" || k.reference == "" || ref.CheckDigest(string(r.digest)) != nil {
				t.Errorf("%+v %+v", k, r)
			}
		}
	})
}

// FuzzManifest reads whatever a registry may have sent.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"config":{"digest":"sha256:1","size":1},"layers":[{"digest":"sha256:2","size":-1}]}`))
	f.Add([]byte(`{"manifests":[{"digest":"sha256:1","platform":{"os":"linux","architecture":"arm","variant":"v7"}},{"platform":{"os":"unknown"}}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if m := readManifest(raw); m == nil {
			t.Error("nothing")
		}
	})
}
