// Command demo shows the main job on this machine: it starts a private registry that
// demands a login, a control plane, and runs a step whose image is private, by the
// commands that a person would type. When it ends nothing of it is left.
//
// Run it with `make demo`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"fairlead.dev/fairlead/internal/pyimage"
	"fairlead.dev/fairlead/internal/registrytest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := demo(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// Accounts of the demonstration's registry.
const (
	robot     = "robot" // may pull what is below acme/
	publisher = "publisher"
)

func demo(ctx context.Context) error {
	begun := time.Now()
	root, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fairlead-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	say := func(s string) { fmt.Println("#", s) }

	say("A private registry: Debian's docker-registry, which lets nobody in without a login.")
	registry, err := registrytest.StartDebian(ctx, registrytest.DebianOptions{
		Auth: registrytest.Bearer,
		Accounts: []registrytest.Account{
			{Name: robot, Password: secret(dir, robot), Rights: registrytest.Reads("acme/")},
			{Name: publisher, Password: secret(dir, publisher), Rights: registrytest.Everything()},
		},
	})
	if err != nil {
		return err
	}
	defer registry.Close()
	image := registry.Host() + "/acme/train:v1"
	if err := publish(ctx, image, secret(dir, publisher), say); err != nil {
		return err
	}

	s := &shell{fairlead: filepath.Join(root, "bin", "fairlead"), dir: filepath.Join(dir, "project")}
	if err := project(filepath.Join(root, "examples", "train"), s.dir, image); err != nil {
		return err
	}
	s.env = append(os.Environ(), "FAIRLEAD_CONFIG_DIR="+filepath.Join(dir, "config"))
	say("A control plane on embedded defaults. --allow-host: this registry is on this very machine.")
	data := filepath.Join(dir, "data")
	stop, err := s.serve(ctx, "serve", "--listen", "127.0.0.1:0", "--data", data, "--allow-host", registry.Host())
	if err != nil {
		return err
	}
	defer stop()

	secret(dir, "ann")
	say("The administrator, once:")
	for _, line := range [][]string{
		{"setup", "--data", data, "--organization", "acme", "--name", "ann", "--password-file", passwordFile(dir, "ann")},
		{"registry", "add", "acme", "--pattern", registry.Host() + "/acme/*", "--username", robot, "--password-file", passwordFile(dir, robot), "--plain-http"},
		{"project", "create", "rings"},
	} {
		if err := s.run(ctx, line...); err != nil {
			return err
		}
	}
	say("From then on, everybody of the organization, without a secret:")
	for _, line := range [][]string{
		{"run", "train", "--param", "epochs=10"},
		{"runs", "show", "1"},
		{"runs", "outputs", "1"},
	} {
		if err := s.run(ctx, line...); err != nil {
			return err
		}
	}
	stop()
	registry.Close()
	say(fmt.Sprintf("Done in %s. Nothing is left running.", time.Since(begun).Round(time.Second)))
	return nil
}

// passwordFile is where somebody's password is.
func passwordFile(dir, who string) string { return filepath.Join(dir, who+".password") }

// secret makes somebody's password, the first time, and gives it.
func secret(dir, who string) string {
	file := passwordFile(dir, who)
	if b, err := os.ReadFile(file); err == nil {
		return string(b)
	}
	password := newPassword()
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		panic(err) // a directory that was just made
	}
	return password
}

// publish pushes the image as somebody who may.
func publish(ctx context.Context, image, password string, say func(string)) error {
	dir, err := pyimage.CacheDir()
	if err != nil {
		return err
	}
	python, err := pyimage.Image(ctx, dir, say)
	if err != nil {
		return err
	}
	tag, err := name.NewTag(image, name.Insecure)
	if err != nil {
		return err
	}
	say("Somebody has pushed an image with Python to it: " + image)
	return remote.Write(tag, python, remote.WithContext(ctx), remote.WithAuth(&authn.Basic{Username: publisher, Password: password}))
}

// project copies the example, with the image's name in it.
func project(from, to, image string) error {
	if err := os.MkdirAll(to, 0o750); err != nil {
		return err
	}
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(string(b), "registry.acme.example/acme/train:v1", image)
		if err := os.WriteFile(filepath.Join(to, f.Name()), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
