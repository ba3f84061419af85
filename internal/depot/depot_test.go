package depot_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/depot"
)

// TestFill fetches blobs of all sizes, and has them afterwards.
func TestFill(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 511, cell - 1, cell, cell + 1, chunk, chunk + 1, 10*chunk - 1, 10 * chunk, 33*chunk + 7} {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d %v", size, known), func(t *testing.T) {
				t.Parallel()
				d := open(t, options(t.TempDir()))
				want := bytesOf(size, 1)
				u := serving(want)
				told := int64(-1)
				if known {
					told = int64(size)
				}
				b, err := d.Get(t.Context(), sha256Of(want), told, owner, u)
				if err != nil {
					t.Fatal(err)
				}
				if n, err := b.Size(t.Context()); n != int64(size) || err != nil {
					t.Errorf("size %d, %v", n, err)
				}
				var got bytes.Buffer
				if n, err := b.CopyTo(t.Context(), &got, 0, -1); n != int64(size) || err != nil || !bytes.Equal(got.Bytes(), want) {
					t.Errorf("%d bytes, %v", n, err)
				}
				if err := b.Close(); err != nil {
					t.Error(err)
				}
				if u.gave() != int64(size) {
					t.Errorf("the upstream sent %d bytes in %v", u.gave(), u.requests())
				}
				settled(t, d)
				asked := len(u.requests())
				same(t, d, want, u)
				if n := len(u.requests()); n != asked {
					t.Errorf("%d more requests for what is there", n-asked)
				}
				if i, ok := d.Stat(sha256Of(want)); !ok || !i.Whole || i.Size != int64(size) || !slices.Equal(i.Owners, []depot.Owner{owner}) {
					t.Errorf("%+v", i)
				}
			})
		}
	}
}

// TestSHA512 knows the other algorithm too.
func TestSHA512(t *testing.T) {
	t.Parallel()
	d := open(t, options(t.TempDir()))
	want := bytesOf(3*chunk, 2)
	s := sha512.Sum512(want)
	digest := fairlead.Digest("sha512:" + hex.EncodeToString(s[:]))
	for range 2 {
		got, err := pull(t.Context(), d, digest, serving(want))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		settled(t, d)
	}
	if m := d.Metrics(); m.Hits != 1 || m.Misses != 1 {
		t.Errorf("%+v", m)
	}
}

// TestParallel asks for several ranges at once, after the first has shown the way.
func TestParallel(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.MaxParallel = 5
	d := open(t, o)
	want := bytesOf(64*chunk, 3)
	u := serving(want)
	u.piece = 1000
	same(t, d, want, u)
	if u.most < 2 || u.most > 5 {
		t.Errorf("%d requests at once", u.most)
	}
	covered := int64(0)
	for _, a := range sorted(u.requests()) {
		if a.from != covered {
			t.Errorf("asked for %v, and %d had been asked for", a, covered)
		}
		covered = a.to
	}
	if h := d.Metrics().Hosts; len(h) != 1 || h[0].Ranges != "yes" || h[0].Host != "up.test" {
		t.Errorf("%+v", h)
	}
}

func sorted(list []ask) []ask {
	slices.SortFunc(list, func(a, b ask) int { return int(a.from - b.from) })
	return list
}

// TestNoRanges takes one plain stream where the upstream has nothing else, and remembers.
func TestNoRanges(t *testing.T) {
	t.Parallel()
	d := open(t, options(t.TempDir()))
	for seed := range uint64(3) {
		want := bytesOf(20*chunk+5, seed)
		u := serving(want)
		u.noRanges, u.piece, u.noSize = true, 3000, seed == 2
		same(t, d, want, u)
		settled(t, d)
		asks := u.requests()
		if seed == 0 && len(asks) > 2 || seed > 0 && (len(asks) != 1 || asks[0] != (ask{0, -1})) {
			t.Errorf("blob %d: asked for %v", seed, asks)
		}
		if over := u.gave() - int64(len(want)); over > 3000 {
			t.Errorf("blob %d: %d bytes too many", seed, over)
		}
	}
}

// TestNoSize has an upstream that doesn't say how much there is.
func TestNoSize(t *testing.T) {
	t.Parallel()
	for _, ranges := range []bool{true, false} {
		for _, size := range []int{0, 1, chunk - 1, chunk, 5 * chunk, 7*chunk + 3} {
			d := open(t, options(t.TempDir()))
			want := bytesOf(size, 5)
			u := serving(want)
			u.noSize, u.noRanges = true, !ranges
			same(t, d, want, u)
			settled(t, d)
			if i, ok := d.Stat(sha256Of(want)); !ok || !i.Whole || i.Size != int64(size) {
				t.Errorf("%d bytes, ranges %v: %+v", size, ranges, i)
			}
		}
	}
}

// TestFollowers has many clients for one blob: the upstream sends it once.
func TestFollowers(t *testing.T) {
	t.Parallel()
	for _, clients := range []int{8, 64} {
		t.Run(fmt.Sprint(clients), func(t *testing.T) {
			t.Parallel()
			o := options(t.TempDir())
			o.Now = (&clock{at: time.Now()}).now // no connection seems slow by it
			d := open(t, o)
			want := bytesOf(40*chunk+11, 6)
			u := serving(want)
			u.piece = 4000
			var all sync.WaitGroup
			for i := range clients {
				all.Go(func() {
					b, err := d.Get(t.Context(), sha256Of(want), -1, depot.Owner(fmt.Sprint(i%3)), u)
					if err != nil {
						t.Error(err)
						return
					}
					defer func() { _ = b.Close() }()
					from, to := int64(i*1000), int64(len(want)-i*500)
					var got bytes.Buffer
					if _, err := b.CopyTo(t.Context(), &got, from, to); err != nil || !bytes.Equal(got.Bytes(), want[from:to]) {
						t.Errorf("client %d: %d bytes, %v", i, got.Len(), err)
					}
					p := make([]byte, 100)
					if n, err := b.ReadAt(t.Context(), p, int64(len(want)-50)); n != 50 || !errors.Is(err, io.EOF) || !bytes.Equal(p[:n], want[len(want)-50:]) {
						t.Errorf("client %d: the end is %d bytes, %v", i, n, err)
					}
				})
			}
			all.Wait()
			settled(t, d)
			if u.gave() != int64(len(want)) {
				t.Errorf("the upstream sent %d bytes of %d", u.gave(), len(want))
			}
			m := d.Metrics()
			if m.Flights != 1 || m.Misses+m.Hits != int64(clients) || m.Followers != m.Misses-1 {
				t.Errorf("%+v", m)
			}
			use := d.Usage()
			if use.Bytes != int64(len(want)) || len(use.Owners) != 3 || use.Owners["0"] != int64(len(want)) {
				t.Errorf("%+v", use)
			}
		})
	}
}

// TestFirstByte gives the first bytes while the last ones are still to come, and the last
// ones not before the digest is right.
func TestFirstByte(t *testing.T) {
	t.Parallel()
	d := open(t, options(t.TempDir()))
	want := bytesOf(8*chunk, 7)
	u := serving(want)
	u.piece, u.gate = 1000, make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for i := 0; ; i++ {
			select {
			case u.gate <- struct{}{}:
			case <-ctx.Done():
				return
			}
			if i == 100 {
				<-ctx.Done() // and no more
				return
			}
		}
	}()
	b, err := d.Get(t.Context(), sha256Of(want), int64(len(want)), owner, u)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 500)
	if n, err := b.ReadAt(t.Context(), p, 0); n != len(p) || err != nil || !bytes.Equal(p, want[:500]) {
		t.Errorf("%d bytes, %v", n, err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if n, err := b.ReadAt(gone, p, int64(len(want))-1); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("the last byte, with half of it there: %d bytes, %v", n, err)
	}
	_ = b.Close()
	settled(t, d)
}

// TestGone has clients that go away.
func TestGone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		policy depot.Policy
		part   int // of ten, that is there when the client goes
		whole  bool
	}{{depot.Half, 3, false}, {depot.Half, 8, true}, {depot.Abandon, 8, false}, {depot.Finish, 1, true}} {
		t.Run(fmt.Sprint(c.policy, c.part), func(t *testing.T) {
			t.Parallel()
			o := options(t.TempDir())
			o.KeepGoing, o.Parallel, o.MaxParallel = c.policy, 1, 1
			d := open(t, o)
			want := bytesOf(40*chunk, 8)
			u := serving(want)
			u.piece, u.gate = cell, make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b, err := d.Get(ctx, sha256Of(want), int64(len(want)), owner, u)
			if err != nil {
				t.Fatal(err)
			}
			for range 40 * 8 * c.part / 10 {
				u.gate <- struct{}{}
			}
			p := make([]byte, 1)
			if _, err := b.ReadAt(ctx, p, int64((40*8*c.part/10-2)*cell)); err != nil {
				t.Fatal(err)
			}
			cancel()
			_ = b.Close()
			pump(t, u)
			settled(t, d)
			i, ok := d.Stat(sha256Of(want))
			if !ok || i.Whole != c.whole {
				t.Fatalf("%+v, %v", i, ok)
			}
			same(t, d, want, u)
			settled(t, d)
			if more := u.gave() - int64(len(want)); more > chunk {
				t.Errorf("%d bytes were fetched again", more)
			}
		})
	}
}

// pump lets an upstream go on until the test ends.
func pump(t *testing.T, u *upstream) {
	t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case u.gate <- struct{}{}:
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
}

// TestPut keeps what came whole.
func TestPut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := open(t, options(dir))
	want := bytesOf(1000, 9)
	if err := d.Put(t.Context(), sha256Of(want), owner, want[1:]); fairlead.CodeOf(err) != fairlead.CodeDigest {
		t.Errorf("other bytes: %v", err)
	}
	if err := d.Put(t.Context(), "sha256:../../x", owner, want); fairlead.KindOf(err) != fairlead.Invalid {
		t.Errorf("no digest: %v", err)
	}
	for range 2 {
		if err := d.Put(t.Context(), sha256Of(want), owner, want); err != nil {
			t.Fatal(err)
		}
	}
	same(t, d, want, nil)
	if _, err := d.Get(t.Context(), sha256Of(want[1:]), -1, owner, nil); fairlead.KindOf(err) != fairlead.NotFound {
		t.Errorf("what isn't there, without a source: %v", err)
	}
	if u := d.Usage(); u.Bytes != 1000 || u.Blobs != 1 || u.Owners[owner] != 1000 {
		t.Errorf("%+v", u)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "trash")); len(left) > 0 {
		t.Errorf("%d files are left over", len(left))
	}
}

// TestReopen has what there was, who used it and what is pinned.
func TestReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := depot.Open(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := depot.Open(t.Context(), options(dir)); fairlead.CodeOf(err) != fairlead.CodeInUse {
		t.Errorf("twice: %v", err)
	}
	var blobs [4][]byte
	for i := range blobs {
		blobs[i] = bytesOf(1000+i, uint64(i))
		if err := d.Put(t.Context(), sha256Of(blobs[i]), "a b\n%", blobs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Pin(t.Context(), sha256Of(blobs[2]), owner); err != nil {
		t.Fatal(err)
	}
	same(t, d, blobs[0], nil)
	want := d.List()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(dir, "blobs", "sha256", string(sha256Of(blobs[3]))[7:9], string(sha256Of(blobs[3]))[7:])
	if err := os.Truncate(damaged, 5); err != nil {
		t.Fatal(err)
	}
	late := options(dir)
	late.Now = func() time.Time { return time.Now().Add(-1000 * time.Hour) } // a clock that jumps
	d = open(t, late)
	got := d.List()
	want = slices.DeleteFunc(want, func(i depot.Info) bool { return i.Digest == sha256Of(blobs[3]) })
	if len(got) != 3 {
		t.Fatalf("%+v", got)
	}
	for i := range got {
		if got[i].Digest != want[i].Digest || got[i].Size != want[i].Size || !slices.Equal(got[i].Owners, want[i].Owners) || !slices.Equal(got[i].Pinned, want[i].Pinned) {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
	if _, err := pull(t.Context(), d, sha256Of(blobs[3]), serving(blobs[3])); err != nil {
		t.Errorf("what was damaged: %v", err)
	}
	if err := d.Remove(t.Context(), sha256Of(blobs[2])); fairlead.KindOf(err) != fairlead.Conflict {
		t.Errorf("removing what is pinned: %v", err)
	}
}
