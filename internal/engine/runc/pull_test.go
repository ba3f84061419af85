package runc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/engine/runc"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

// never is where no blob ends: a fault for the reply that isn't to have one.
const never = 1 << 40

func push(t *testing.T, r *registrytest.Registry, name string, sizes ...int64) ref.Image {
	t.Helper()
	digest := registrytest.Push(t, r, registrytest.RandomImage(t, sizes...), name+":v1", registrytest.Account{})
	return ref.Image{Resource: ref.Resource{Host: r.Host(), Repository: name}, Digest: digest}
}

func pull(t *testing.T, e *runc.Engine, i ref.Image) engine.Pulled {
	t.Helper()
	p, err := e.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: anonymous{}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestOneFlight has several pull what is partly the same, and wants each layer to be
// fetched once.
func TestOneFlight(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t, registrytest.Config{})
	shared, own := registrytest.RandomLayer(t, 500_000), registrytest.RandomLayer(t, 1000)
	var images []ref.Image
	for n, image := range []registrytest.Writable{registrytest.Image(t, shared), registrytest.Image(t, own, shared), registrytest.Image(t, shared, shared)} {
		name := fmt.Sprintf("team/app%d", n)
		digest, err := registrytest.Write(t.Context(), r, image, name+":v1", registrytest.Account{})
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, ref.Image{Resource: ref.Resource{Host: r.Host(), Repository: name}, Digest: digest})
	}
	r.Forget()
	e := newEngine(t, t.TempDir())
	var pulls sync.WaitGroup
	for n := range 9 {
		pulls.Go(func() {
			p, err := e.Pull(t.Context(), engine.PullRequest{Image: images[n%len(images)], Keychain: anonymous{}})
			if err != nil {
				t.Error(err)
				return
			}
			p.Release()
		})
	}
	pulls.Wait()
	digest, err := shared.Digest()
	if err != nil {
		t.Fatal(err)
	}
	fetched := 0
	for _, q := range r.Requests() {
		if strings.HasSuffix(q.Path, digest.String()) {
			fetched++
		}
	}
	if fetched != 1 {
		t.Errorf("the shared layer was fetched %d times", fetched)
	}
}

// TestResume cuts a layer off twice.
func TestResume(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t, registrytest.Config{})
	i := push(t, r, "team/app", 1_000_000)
	r.Set(func(f *registrytest.Faults) { f.CutAt = []int64{never, 300_000, 300_000} })
	p := pull(t, newEngine(t, t.TempDir()), i)
	defer p.Release()
	if p.Bytes < 1_000_000 || p.Bytes > 1_010_000 {
		t.Errorf("%d bytes were fetched", p.Bytes)
	}
	ranges := 0
	for _, q := range r.Requests() {
		if q.Range != "" && q.Range != "bytes=0-" {
			ranges++
		}
	}
	if ranges != 2 {
		t.Errorf("it went on %d times", ranges)
	}
}

// TestEviction wants what was used last to stay longest, and what is in use to stay.
func TestEviction(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t, registrytest.Config{})
	used, old, young := push(t, r, "team/used", 300_000), push(t, r, "team/old", 300_000), push(t, r, "team/young", 300_000)
	e := newEngine(t, t.TempDir(), func(o *runc.Options) { o.CacheBytes = 700_000 })
	held := pull(t, e, used)
	for _, i := range []ref.Image{old, young} {
		p := pull(t, e, i)
		p.Release()
	}
	for _, row := range []struct {
		image ref.Image
		there bool
	}{{used, true}, {young, true}, {old, false}, {used, true}} {
		p := pull(t, e, row.image)
		if (p.Bytes == 0) != row.there {
			t.Errorf("%s: %d bytes were fetched", row.image.Repository, p.Bytes)
		}
		p.Release()
	}
	held.Release()
	held.Release() // a second time means nothing
}

// TestReleased wants an image that was let go not to be run.
func TestReleased(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t, registrytest.Config{})
	e := newEngine(t, t.TempDir())
	p := pull(t, e, push(t, r, "team/app", 1000))
	p.Release()
	_, err := e.Run(t.Context(), engine.Container{ID: "c", Image: p, Args: []string{"true"}})
	wantError(t, err, fairlead.Unavailable, fairlead.CodeEngine, "was let go")
}

func wantError(t *testing.T, err error, kind fairlead.Kind, code fairlead.Code, words string) {
	t.Helper()
	e, ok := errors.AsType[*fairlead.Error](err)
	if !ok || e.Kind != kind || e.Code != code || !strings.Contains(e.Error(), words) {
		t.Errorf("%v, want %q %q about %q", err, kind, code, words)
	}
}

// children are what the test binary becomes by other names.
func children() map[string]func(args []string) error {
	return map[string]func([]string) error{
		"runc-test-pull": func(args []string) error {
			e, err := open(args[0])
			if err != nil {
				return err
			}
			var i ref.Image
			if err := json.Unmarshal([]byte(args[1]), &i); err != nil {
				return err
			}
			_, err = e.Pull(background(), engine.PullRequest{Image: i, Keychain: anonymous{}})
			return err
		},
		"runc-test-open": func(args []string) error {
			_, err := open(args[0])
			return err
		},
	}
}

func child(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Args[0] = name
	return cmd
}

// TestKilledUnpacking kills a process in the middle of a layer.
func TestKilledUnpacking(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t, registrytest.Config{})
	i := push(t, r, "team/app", 2_000_000)
	cut := make(chan struct{}, 2)
	r.Set(func(f *registrytest.Faults) {
		f.StallAt, f.OnCut = []int64{never, 1_000_000}, func() { cut <- struct{}{} }
	})
	raw, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := child(t, "runc-test-pull", dir, string(raw))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-cut:
	case err := <-ended:
		t.Fatalf("the process ended: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("the process ended by itself")
	}
	if len(entries(t, dir, "tmp")) == 0 {
		t.Error("nothing was left: the test doesn't test")
	}
	e := newEngine(t, dir)
	if left := append(entries(t, dir, "tmp"), entries(t, dir, "layers")...); len(left) > 0 {
		t.Errorf("it is still there: %v", left)
	}
	p := pull(t, e, i)
	if p.Bytes < 2_000_000 {
		t.Errorf("only %d bytes were fetched", p.Bytes)
	}
	p.Release()
}

func entries(t *testing.T, parts ...string) []string {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// disk is a small disk of the test's own.
func disk(t *testing.T, kind, options string) string {
	t.Helper()
	d := t.TempDir()
	if err := unix.Mount(kind, d, kind, 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(d, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return d
}

// TestFull fills the disk: what isn't used makes room, and then the error says what to
// do, and nothing is left.
func TestFull(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t, registrytest.Config{})
	small, large, huge := push(t, r, "team/small", 10<<20), push(t, r, "team/large", 24<<20), push(t, r, "team/huge", 60<<20)
	dir := disk(t, "tmpfs", "size=40m")
	e := newEngine(t, dir)
	pull(t, e, small).Release()
	p := pull(t, e, large)
	if names := entries(t, dir, "layers"); len(names) > 2 {
		t.Errorf("%v", names)
	}
	_, err := e.Pull(t.Context(), engine.PullRequest{Image: huge, Keychain: anonymous{}})
	wantError(t, err, fairlead.Unavailable, fairlead.CodeUnpack, "")
	if e, ok := errors.AsType[*fairlead.Error](err); ok && !strings.Contains(e.Remedy, "--dir") {
		t.Errorf("the remedy is %q", e.Remedy)
	}
	if left := entries(t, dir, "tmp"); len(left) > 0 {
		t.Errorf("of the layer that had no room, %v is left", left)
	}
	if names := entries(t, dir, "layers"); len(names) != 1 {
		t.Errorf("beside what is used there is %v", names)
	}
	p.Release()
	pull(t, e, small).Release()
}
