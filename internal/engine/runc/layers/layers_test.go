package layers_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine/runc/layers"
)

// clock goes on by a second with each look.
func clock() func() time.Time {
	var n atomic.Int64
	return func() time.Time { return time.Unix(1_700_000_000+n.Add(1), 0) }
}

func open(t *testing.T, dir string, change ...func(*layers.Options)) *layers.Store {
	t.Helper()
	s, err := tryOpen(dir, change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func tryOpen(dir string, change ...func(*layers.Options)) (*layers.Store, error) {
	o := layers.Options{Dir: dir, CacheBytes: 1 << 30, Now: clock(), SyncAfter: time.Hour}
	for _, c := range change {
		c(&o)
	}
	return layers.Open(o)
}

func want(name string) layers.Want {
	return layers.Want{Digest: fairlead.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(name)))), DiffID: "sha256:" + fairlead.Digest(name)}
}

// fill makes a layer of a size that holds its name.
func fill(name string, size int64) layers.Fill {
	return func(_ context.Context, dir string) (layers.Tree, error) {
		return layers.Tree{Bytes: size, Implied: []string{"."}}, os.WriteFile(filepath.Join(dir, name), nil, 0o600)
	}
}

func never(t *testing.T) layers.Fill {
	t.Helper()
	return func(context.Context, string) (layers.Tree, error) {
		t.Error("the layer is fetched again")
		return layers.Tree{}, errors.New("fetched again")
	}
}

func take(t *testing.T, s *layers.Store, name string, f layers.Fill) layers.Layer {
	t.Helper()
	l, _, err := s.Take(t.Context(), want(name), f)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// have lists the layers on the disk by the files that they hold, and what is in tmp.
func have(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	for _, pattern := range []string{"layers/*/fs/*", "tmp/*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			list = append(list, filepath.Base(f))
		}
	}
	slices.Sort(list)
	return list
}

func wantHave(t *testing.T, dir string, names ...string) {
	t.Helper()
	if d := cmp.Diff(names, have(t, dir)); d != "" {
		t.Error(d)
	}
}

// waitHave is for what is removed a little later.
func waitHave(t *testing.T, dir string, names ...string) {
	t.Helper()
	for !slices.Equal(have(t, dir), names) {
		if t.Context().Err() != nil {
			wantHave(t, dir, names...)
			return
		}
	}
}

func TestTake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	l, there, err := s.Take(t.Context(), want("a"), fill("a", 10))
	if err != nil || there || l.Want != want("a") || l.Bytes != 10 || !slices.Equal(l.Implied, []string{"."}) {
		t.Errorf("%+v %v %v", l, there, err)
	}
	if _, err := os.Stat(filepath.Join(l.Dir, "a")); err != nil {
		t.Error(err)
	}
	if _, there, err := s.Take(t.Context(), want("a"), never(t)); err != nil || !there {
		t.Errorf("%v %v", there, err)
	}
	wrong := want("a")
	wrong.DiffID = "sha256:other"
	if _, _, err := s.Take(t.Context(), wrong, never(t)); fairlead.CodeOf(err) != fairlead.CodeDigest {
		t.Errorf("another diff ID: %v", err)
	}
	failure := errors.New("cut")
	_, _, err = s.Take(t.Context(), want("b"), func(_ context.Context, d string) (layers.Tree, error) {
		return layers.Tree{}, errors.Join(failure, os.WriteFile(filepath.Join(d, "half"), nil, 0o600))
	})
	if !errors.Is(err, failure) {
		t.Errorf("the error is %v", err)
	}
	wantHave(t, dir, "a")
}

// TestOneFlight has many want the same layers at once.
func TestOneFlight(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), func(o *layers.Options) { o.CacheBytes = 0 })
	var fetched atomic.Int32
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			name := fmt.Sprint("layer-", i%5)
			l, _, err := s.Take(t.Context(), want(name), func(ctx context.Context, dir string) (layers.Tree, error) {
				fetched.Add(1)
				return fill(name, 1)(ctx, dir)
			})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(filepath.Join(l.Dir, name)); err != nil {
				t.Error(err)
			}
			s.Release(want(name).Digest)
		})
	}
	all.Wait()
	if n := fetched.Load(); n < 5 || n > 100 {
		t.Errorf("5 layers were fetched %d times", n)
	}
}

// gate is a fill that waits.
type gate struct {
	begun, open chan struct{}
	calls       atomic.Int32
	err         error
}

func newGate() *gate { return &gate{begun: make(chan struct{}, 9), open: make(chan struct{})} }

func (g *gate) fill(ctx context.Context, dir string) (layers.Tree, error) {
	g.calls.Add(1)
	g.begun <- struct{}{}
	select {
	case <-g.open:
		return layers.Tree{Bytes: 1}, errors.Join(g.err, os.WriteFile(filepath.Join(dir, "a"), nil, 0o600))
	case <-ctx.Done():
		return layers.Tree{}, ctx.Err()
	}
}

type taken struct {
	there bool
	err   error
}

func takeAside(ctx context.Context, s *layers.Store, f layers.Fill) <-chan taken {
	c := make(chan taken, 1)
	go func() {
		_, there, err := s.Take(ctx, want("a"), f)
		c <- taken{there, err}
	}()
	return c
}

// waitFor waits until a goroutine waits in the store: it has the number of those who
// want the layer.
func waitFor(t *testing.T, s *layers.Store, n int) {
	t.Helper()
	for layers.Waiters(s, want("a").Digest) != n {
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
	}
}

// TestLeaderLeaves ends the pull that began to fetch, while another one waits.
func TestLeaderLeaves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	g := newGate()
	ctx, cancel := context.WithCancelCause(t.Context())
	first := takeAside(ctx, s, g.fill)
	<-g.begun
	second := takeAside(t.Context(), s, never(t))
	waitFor(t, s, 2)
	stopped := errors.New("stopped")
	cancel(stopped)
	if got := <-first; !errors.Is(got.err, stopped) {
		t.Errorf("the first: %v", got)
	}
	close(g.open)
	if got := <-second; got.err != nil || got.there {
		t.Errorf("the second: %v", got)
	}
	wantHave(t, dir, "a")
}

// TestAllLeave ends every pull that wants a layer: then nothing is left, and the next
// one begins anew.
func TestAllLeave(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	g := newGate()
	ctx, cancel := context.WithCancel(t.Context())
	first, second := takeAside(ctx, s, g.fill), takeAside(ctx, s, g.fill)
	<-g.begun
	waitFor(t, s, 2)
	cancel()
	for _, c := range []<-chan taken{first, second} {
		if got := <-c; !errors.Is(got.err, context.Canceled) {
			t.Errorf("%v", got)
		}
	}
	take(t, s, "a", fill("a", 1))
	wantHave(t, dir, "a")
}

// TestLeaderFails lets another pull try by itself: with its own login it may succeed.
func TestLeaderFails(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	g := newGate()
	g.err = errors.New("denied")
	first := takeAside(t.Context(), s, g.fill)
	<-g.begun
	second := takeAside(t.Context(), s, fill("a", 1))
	waitFor(t, s, 2)
	close(g.open)
	if got := <-first; !errors.Is(got.err, g.err) {
		t.Errorf("the first: %v", got)
	}
	if got := <-second; got.err != nil {
		t.Errorf("the second: %v", got)
	}
}

func TestEviction(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	small := func(o *layers.Options) { o.CacheBytes = 30 }
	s := open(t, dir, small)
	for _, name := range []string{"a", "b", "c"} {
		take(t, s, name, fill(name, 10))
		s.Release(want(name).Digest)
	}
	take(t, s, "a", never(t)) // used last, and still
	take(t, s, "d", fill("d", 10))
	waitHave(t, dir, "a", "c", "d")
	take(t, s, "e", fill("e", 25))
	waitHave(t, dir, "a", "d", "e") // more than fits, and all in use
	s.Release(want("d").Digest)
	wantHave(t, dir, "a", "e")
	s.Release(want("e").Digest)
	wantHave(t, dir, "a")
	s.Release(want("a").Digest)
	take(t, s, "f", fill("f", 15))
	s.Release(want("f").Digest)
	take(t, s, "a", never(t))
	s.Release(want("a").Digest)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// What was used when is known after a new start.
	s = open(t, dir, small, func(o *layers.Options) { o.CacheBytes = 12 })
	wantHave(t, dir, "a")
	take(t, s, "a", never(t))
}

// TestFull makes room where the disk is full, once.
func TestFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	take(t, s, "used", fill("used", 1))
	take(t, s, "unused", fill("unused", 1))
	s.Release(want("unused").Digest)
	calls := 0
	take(t, s, "new", func(ctx context.Context, d string) (layers.Tree, error) {
		if calls++; calls == 1 {
			wantHave(t, dir, "3", "unused", "used")
			return layers.Tree{}, fmt.Errorf("writing: %w", unix.ENOSPC)
		}
		return fill("new", 1)(ctx, d)
	})
	wantHave(t, dir, "new", "used")
	calls = 0
	_, _, err := s.Take(t.Context(), want("more"), func(context.Context, string) (layers.Tree, error) {
		calls++
		return layers.Tree{}, fmt.Errorf("writing: %w", unix.EDQUOT)
	})
	if !errors.Is(err, unix.EDQUOT) || calls != 2 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

// TestStart finds what an earlier process left.
func TestStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	on := func(boot string) func(*layers.Options) { return func(o *layers.Options) { o.Boot = boot } }
	s := open(t, dir, on("monday"))
	for _, name := range []string{"a", "b", "c", "d"} {
		take(t, s, name, fill(name, 1))
	}
	if _, err := tryOpen(dir); fairlead.KindOf(err) != fairlead.Conflict {
		t.Errorf("a second process: %v", err)
	}
	// Killed in the middle: half a layer in tmp, one without a record, one with half of
	// one, one under another's name.
	of := func(name string, parts ...string) string {
		d := "sha256-" + string(want(name).Digest[7:])
		return filepath.Join(append([]string{dir, "layers", d}, parts...)...)
	}
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "tmp", "1", "fs", "half"), 0o700), os.Remove(of("b", "layer.json")), os.Truncate(of("c", "layer.json"), 20),
		os.Rename(of("d"), of("e")), os.WriteFile(filepath.Join(dir, "layers", "stray"), nil, 0o600), s.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir, on("monday"))
	wantHave(t, dir, "a")
	// What the disk has outlives the machine's stop, and what it may not have doesn't.
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	take(t, s, "late", fill("late", 1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, on("tuesday"))
	wantHave(t, dir, "a")
	take(t, s, "a", never(t))
}

// TestSyncs finds that a layer is synced some time after it came.
func TestSyncs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, func(o *layers.Options) { o.SyncAfter = time.Millisecond })
	l := take(t, s, "a", fill("a", 1))
	for {
		if _, err := os.Stat(filepath.Join(filepath.Dir(l.Dir), "synced")); err == nil {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("it isn't synced")
		}
	}
}
