package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rogpeppe/go-internal/testscript"

	"fairlead.dev/fairlead/internal/registrytest"
)

// registryCmd starts a registry, where robot may do everything and reader may read:
//
//	registry [nocreate|immutable]
//
// $REGISTRY is its host then; it ends with the script. Called again, it misbehaves so from
// then on.
func registryCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("registry can't be negated")
	}
	r, ok := ts.Value(registryKey{}).(**registrytest.Registry)
	if !ok {
		ts.Fatalf("the script wasn't set up")
	}
	if *r == nil {
		made, err := registrytest.Start(context.Background(), registrytest.Config{Auth: registrytest.Bearer, Accounts: []registrytest.Account{
			{Name: "robot", Password: "not-to-be-seen", Rights: registrytest.Everything()},
			{Name: "reader", Password: "not-to-be-seen", Rights: registrytest.Reads("")},
		}})
		ts.Check(err)
		ts.Defer(made.Close)
		*r = made
		ts.Setenv("REGISTRY", made.Host())
	}
	(*r).Set(func(f *registrytest.Faults) {
		*f = registrytest.Faults{}
		for _, a := range args {
			switch a {
			case "nocreate":
				f.NoCreate = true
			case "immutable":
				f.Immutable = true
			default:
				ts.Fatalf("unknown fault %s", a)
			}
		}
	})
}

// registryKey is where a script keeps its registry.
type registryKey struct{}

// imageCmd writes an image of random layers:
//
//	image layout DIRECTORY TAG    an OCI layout
//	image index DIRECTORY TAG     one for two platforms
//	image archive FILE NAME       an archive
func imageCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: image KIND PATH NAME")
	}
	path := ts.MkAbs(args[1])
	image := func(arch string) v1.Image {
		i, err := random.Image(3000, 2)
		ts.Check(err)
		c, err := i.ConfigFile()
		ts.Check(err)
		c = c.DeepCopy()
		c.OS, c.Architecture = "linux", arch
		i, err = mutate.ConfigFile(i, c)
		ts.Check(err)
		return i
	}
	named := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": args[2]})
	switch args[0] {
	case "archive":
		tag, err := name.NewTag(args[2])
		ts.Check(err)
		ts.Check(tarball.WriteToFile(path, tag, image("amd64")))
	case "layout":
		p, err := layout.Write(path, empty.Index)
		ts.Check(err)
		ts.Check(p.AppendImage(image("amd64"), named))
	case "index":
		p, err := layout.Write(path, empty.Index)
		ts.Check(err)
		index := v1.ImageIndex(empty.Index)
		for _, arch := range []string{"amd64", "arm64"} {
			index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image(arch), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
		}
		ts.Check(p.AppendIndex(index, named))
	default:
		ts.Fatalf("unknown kind %s", args[0])
	}
}

// TestReadLocal takes what people call images apart.
func TestReadLocal(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, d := range []string{"train", "build/image", "odd:name"} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"build/image/index.json", "odd:name/index.json", "image.tar.gz"} {
		if err := os.WriteFile(f, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for s, want := range map[string]struct {
		local
		tail string
	}{
		"train":                       {local{name: "train:latest"}, "train:latest"}, // a directory without a layout
		"train:v1":                    {local{name: "train:v1"}, "train:v1"},
		"reg.example.com/a/train:v1":  {local{name: "reg.example.com/a/train:v1"}, "train:v1"},
		"0123456789ab":                {local{name: "0123456789ab:latest"}, "0123456789ab:latest"},
		"docker:build/image":          {local{name: "build/image:latest"}, "image:latest"},
		"build/image":                 {local{path: "build/image"}, "image:latest"},
		"build/image:v2":              {local{path: "build/image", name: "v2"}, "image:v2"},
		"oci:build/image:v2":          {local{path: "build/image", name: "v2"}, "image:v2"},
		"oci:odd:name:v2":             {local{path: "odd:name", name: "v2"}, ""},
		"image.tar.gz":                {local{path: "image.tar.gz"}, "image:latest"},
		"docker-archive:image.tar.gz": {local{path: "image.tar.gz"}, "image:latest"},
		"docker-archive:image.tar.gz:reg.example.com/a/app:v3": {local{path: "image.tar.gz", name: "reg.example.com/a/app:v3"}, "app:v3"},
		"oci:nowhere:v1": {local{path: "nowhere", name: "v1"}, "nowhere:v1"},
	} {
		got := readLocal(s)
		if got != want.local {
			t.Errorf("%s: %+v, want %+v", s, got, want.local)
		}
		if tail := got.tail(got.within("")); tail != want.tail {
			t.Errorf("%s goes to %q, want %q", s, tail, want.tail)
		}
	}
	if p := filepath.Join(dir, "build", "image"); readLocal(p).path != p {
		t.Errorf("%s: %+v", p, readLocal(p))
	}
}
