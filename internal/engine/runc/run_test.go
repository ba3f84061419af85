package runc_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/engine/runc"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

// TestKilledAgain has the runtime fail to kill at first, as it does now and then while
// it is on its way itself.
func TestKilledAgain(t *testing.T) {
	t.Parallel()
	crun, err := exec.LookPath("crun")
	if err != nil {
		t.Fatal(err)
	}
	failed := filepath.Join(t.TempDir(), "failed")
	program := filepath.Join(t.TempDir(), "crun")
	script := fmt.Sprintf("#!/bin/sh\ncase \" $* \" in *' kill '*) [ -e %[2]s ] || { echo >%[2]s; exit 1; } ;; esac\nexec %[1]s \"$@\"\n", crun, failed)
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	r := registrytest.New(t, registrytest.Config{})
	image := registrytest.Image(t, registrytest.Layer(t, registrytest.Entry{Name: "sh", Body: string(busybox)}, registrytest.Entry{Name: "sleep", Type: tar.TypeSymlink, Link: "sh"}))
	digest := registrytest.Push(t, r, image, "team/app:v1", registrytest.Account{})
	e := newEngine(t, t.TempDir(), func(o *runc.Options) { o.Runtime = program })
	p := pull(t, e, ref.Image{Resource: ref.Resource{Host: r.Host(), Repository: "team/app"}, Digest: digest})
	defer p.Release()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("it is enough")
	_, err = e.Run(ctx, engine.Container{
		ID: "c", Image: p, Args: []string{"/sh", "-c", "trap '' TERM; echo up; while :; do /sleep 1000 & wait; done"},
		Stdout: whenWritten(func() { cancel(enough) }), Stderr: io.Discard,
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
	if _, err := os.Stat(failed); err != nil {
		t.Errorf("the runtime wasn't asked to kill: %v", err)
	}
}

type whenWritten func()

func (w whenWritten) Write(b []byte) (int, error) {
	w()
	return len(b), nil
}
