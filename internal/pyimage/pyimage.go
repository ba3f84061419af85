// Package pyimage makes a container image that holds a real Python, a shell and the
// usual tools, from Debian's packages, without a Docker engine. Tests and the
// demonstration run the steps of an ML project in it.
package pyimage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image gives the image: made once and kept in dir, whatever the number of processes
// that ask for it. say is told what takes its time.
func Image(ctx context.Context, dir string, say func(string)) (v1.Image, error) {
	if image, err := kept(dir); err == nil {
		return image, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "making-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	say("Making an image that holds a real Python, from Debian's packages.")
	if err := build(ctx, work); err != nil {
		return nil, err
	}
	if err := os.Rename(filepath.Join(work, "layout"), dir); err != nil && !errors.Is(err, os.ErrExist) {
		if image, keptErr := kept(dir); keptErr == nil {
			return image, nil // somebody else was quicker
		}
		return nil, err
	}
	return kept(dir)
}

// CacheDir is where the image is kept, below the module's root.
func CacheDir() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".cache", "python-image"), nil
		}
		if filepath.Dir(dir) == dir {
			err = errors.New("finding go.mod: it is in no directory above")
			break
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

func kept(dir string) (v1.Image, error) {
	path, err := layout.FromPath(dir)
	if err != nil {
		return nil, err
	}
	index, err := path.ImageIndex()
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(manifest.Manifests) != 1 {
		return nil, errors.New("the layout isn't whole")
	}
	return path.Image(manifest.Manifests[0].Digest)
}

// build downloads the packages and writes the image's layout.
func build(ctx context.Context, work string) error {
	image := mutate.MediaType(empty.Image, types.DockerManifestSchema2)
	for i, roots := range layers() {
		names, err := closure(ctx, roots)
		if err != nil {
			return err
		}
		if i > 0 {
			below, err := closure(ctx, layers()[0])
			if err != nil {
				return err
			}
			names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(below, n) })
		}
		layer, err := packed(ctx, filepath.Join(work, fmt.Sprint(i)), names)
		if err != nil {
			return err
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return err
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture()
	config.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONUNBUFFERED=1"}
	config.Config.Cmd = []string{"python3"}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return err
	}
	path, err := layout.Write(filepath.Join(work, "layout"), empty.Index)
	if err != nil {
		return err
	}
	return path.AppendImage(image)
}

// layers are the packages that each layer begins from.
func layers() [][]string {
	return [][]string{{"dash", "coreutils"}, {"python3.11-minimal", "libpython3.11-stdlib"}}
}

// closure gives the packages with all that they depend on, but for what only installing
// needs.
func closure(ctx context.Context, roots []string) ([]string, error) {
	args := append([]string{
		"depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances",
	}, roots...)
	out, err := command(ctx, "", "apt-cache", args...)
	if err != nil {
		return nil, err
	}
	needless := regexp.MustCompile(`^(perl|libperl|dpkg|install-info|mailcap|mime-support|debianutils|debconf|libgdbm|libdb5|libmd0|tar$)`)
	var names []string
	for line := range strings.Lines(out) {
		name := strings.TrimSpace(line)
		if name == line[:len(name)] && regexp.MustCompile(`^[a-z0-9]`).MatchString(name) && !needless.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// command runs a program and gives what it printed.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(errs.String()))
	}
	return string(out), nil
}
