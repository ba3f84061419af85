package depot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/depot"
)

// onDisk is what all files of a directory take.
func onDisk(t *testing.T, dir string) (n int64) {
	t.Helper()
	for _, sub := range []string{"blobs/*/*/*", "partial/*", "trash/*"} {
		files, err := filepath.Glob(filepath.Join(dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if info, err := os.Stat(f); err == nil {
				n += info.Size()
			}
		}
	}
	return n
}

func put(t *testing.T, d *depot.Depot, o depot.Owner, size int, seed uint64) fairlead.Digest {
	t.Helper()
	b := bytesOf(size, seed)
	if err := d.Put(t.Context(), sha256Of(b), o, b); err != nil {
		t.Fatal(err)
	}
	return sha256Of(b)
}

func whole(d *depot.Depot, digest fairlead.Digest) bool {
	i, ok := d.Stat(digest)
	return ok && i.Whole
}

// TestQuota evicts what was used least recently, but not what is pinned or read.
func TestQuota(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(dir)
	o.Quota = 5000
	d := open(t, o)
	var list []fairlead.Digest
	for i := range uint64(5) {
		list = append(list, put(t, d, owner, 1000, i))
	}
	if err := d.Pin(t.Context(), list[1], owner); err != nil {
		t.Fatal(err)
	}
	same(t, d, bytesOf(1000, 0), nil) // used again
	reader, err := d.Get(t.Context(), list[2], -1, owner, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, d, bytesOf(1000, 3), nil)
	put(t, d, owner, 2000, 10) // evicts 4, and 0 after it
	for i, want := range []bool{false, true, true, true, false} {
		if got := whole(d, list[i]); got != want {
			t.Errorf("blob %d: %v", i, got)
		}
	}
	if u := d.Usage(); u.Bytes != 5000 || u.Owners[owner] != 5000 || onDisk(t, dir) != 5000 {
		t.Errorf("%+v, and %d on the disk", u, onDisk(t, dir))
	}
	big := bytesOf(3001, 11)
	if err := d.Put(t.Context(), sha256Of(big), owner, big); fairlead.KindOf(err) != fairlead.Unavailable || fairlead.AsError("", err).Remedy == "" {
		t.Errorf("more than there is room for: %v", err)
	}
	if !whole(d, list[3]) {
		t.Error("evicted for what didn't fit anyway")
	}
	if err := d.Remove(t.Context(), list[2]); err != nil {
		t.Error(err)
	}
	p := make([]byte, 1000)
	if _, err := reader.ReadAt(t.Context(), p, 0); err != nil || !bytes.Equal(p, bytesOf(1000, 2)) {
		t.Errorf("what was removed while it was read: %v", err)
	}
	_ = reader.Close()
	if err := d.Unpin(t.Context(), list[1], owner); err != nil {
		t.Error(err)
	}
	went, err := d.Prune(t.Context(), func(i depot.Info) bool { return i.Digest == list[1] })
	if err != nil || len(went) != 1 || went[0].Size != 1000 || d.Usage().Bytes != 3000 || onDisk(t, dir) != 3000 {
		t.Errorf("%+v, %v; %+v", went, err, d.Usage())
	}
	if err := d.Pin(t.Context(), list[1], owner); fairlead.KindOf(err) != fairlead.NotFound {
		t.Errorf("pinned what isn't there: %v", err)
	}
}

// TestOwnerQuota lets go what an organization uses too much of, and nothing of others.
func TestOwnerQuota(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.OwnerQuota = func(o depot.Owner) int64 {
		if o == "small" {
			return 3000
		}
		return 0
	}
	d := open(t, o)
	shared := put(t, d, "small", 1000, 0)
	same(t, d, bytesOf(1000, 0), nil) // the other uses it too
	own := put(t, d, "small", 1000, 1)
	big := put(t, d, owner, 9000, 2)
	pinned := put(t, d, "small", 1000, 3)
	if err := d.Pin(t.Context(), pinned, "small"); err != nil {
		t.Fatal(err)
	}
	put(t, d, "small", 1000, 4)
	if i, _ := d.Stat(shared); !i.Whole || slices.Contains(i.Owners, "small") {
		t.Errorf("%+v", i)
	}
	if !whole(d, own) || d.Usage().Owners["small"] != 3000 {
		t.Errorf("%+v", d.Usage())
	}
	put(t, d, "small", 1000, 5)
	if whole(d, own) || !whole(d, big) || !whole(d, pinned) || d.Usage().Owners["small"] != 3000 || d.Usage().Owners[owner] != 10000 {
		t.Errorf("%+v", d.Usage())
	}
}

// TestFillEvicts makes room for what arrives before it arrives.
func TestFillEvicts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(dir)
	o.Quota = 11 * chunk
	d := open(t, o)
	old := put(t, d, owner, 2*chunk, 1)
	want := bytesOf(10*chunk, 2)
	same(t, d, want, serving(want))
	settled(t, d)
	if whole(d, old) || !whole(d, sha256Of(want)) || onDisk(t, dir) != 10*chunk {
		t.Errorf("%+v, and %d on the disk", d.List(), onDisk(t, dir))
	}
}

// TestPassesThrough serves what doesn't fit, checked, to each reader by itself.
func TestPassesThrough(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(dir)
	o.Quota = 5 * chunk
	d := open(t, o)
	kept := put(t, d, owner, 1000, 1)
	want := bytesOf(10*chunk+5, 2)
	for _, known := range []int64{-1, int64(len(want))} {
		for _, ranges := range []bool{true, false} {
			passed(t, d, want, known, ranges)
		}
	}
	settled(t, d)
	if !whole(d, kept) || onDisk(t, dir) != 1000 || d.Usage().Bytes != 1000 {
		t.Errorf("%+v, and %d on the disk", d.Usage(), onDisk(t, dir))
	}
	u := serving(want)
	u.noSize, u.noRanges = true, true // so that it shows only in the middle
	same(t, d, want, u)
	settled(t, d)
	if onDisk(t, dir) != 0 || d.Usage().Bytes != 0 {
		t.Errorf("%+v, and %d on the disk", d.Usage(), onDisk(t, dir))
	}
	bad := serving(bytes.Clone(want))
	bad.b[chunk]++
	got, err := pull(t.Context(), d, sha256Of(want), bad)
	if fairlead.CodeOf(err) != fairlead.CodeDigest || len(got) >= len(want) {
		t.Errorf("wrong bytes: %d of them, %v", len(got), err)
	}
	settled(t, d)
}

func passed(t *testing.T, d *depot.Depot, want []byte, known int64, ranges bool) {
	t.Helper()
	u := serving(want)
	u.noRanges = !ranges
	u.fault = func(n int, _ ask) *answer {
		if n == 2 {
			return &answer{cut: 3*chunk + 1}
		}
		return nil
	}
	b, err := d.Get(t.Context(), sha256Of(want), known, owner, u)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	if n, err := b.Size(t.Context()); n != int64(len(want)) || err != nil {
		t.Errorf("size %d, %v", n, err)
	}
	for _, span := range [][2]int64{{0, -1}, {0, 100}, {5 * chunk, 6 * chunk}, {10*chunk - 5, -1}} {
		var got bytes.Buffer
		_, err := b.CopyTo(t.Context(), &got, span[0], span[1])
		end := span[1]
		if end < 0 {
			end = int64(len(want))
		}
		if err != nil || !bytes.Equal(got.Bytes(), want[span[0]:end]) {
			t.Errorf("%v: %d bytes, %v", span, got.Len(), err)
		}
	}
	p := make([]byte, 50)
	if n, err := b.ReadAt(t.Context(), p, int64(len(want))-20); n != 20 || !errors.Is(err, io.EOF) || !bytes.Equal(p[:n], want[len(want)-20:]) {
		t.Errorf("the end: %d bytes, %v", n, err)
	}
}

// TestDiskFull has a disk that is smaller than the quota.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		if os.Getuid() == 0 {
			t.Fatal(err)
		}
		return // only root can mount
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	d := open(t, options(dir))
	put(t, d, owner, 6*chunk, 1)
	old := put(t, d, owner, 5*chunk, 2)
	for seed := range uint64(3) {
		want := bytesOf(9*chunk, 10+seed)
		u := serving(want)
		u.noSize, u.noRanges = seed == 2, seed == 2 // which shows only in the middle
		same(t, d, want, u)
		settled(t, d)
		if !whole(d, sha256Of(want)) {
			t.Errorf("blob %d isn't kept: %+v", seed, d.Metrics())
		}
	}
	if whole(d, old) || d.Metrics().Evictions < 3 {
		t.Errorf("%+v", d.Metrics())
	}
	for _, known := range []bool{true, false} {
		want := bytesOf(30*chunk, 20)
		u := serving(want)
		u.noSize, u.noRanges = !known, !known
		same(t, d, want, u)
		settled(t, d)
		if _, ok := d.Stat(sha256Of(want)); ok || d.Usage().Partial != 0 {
			t.Errorf("%+v", d.List())
		}
	}
	if m := d.Metrics(); m.Full != 2 || m.Passed != 2 {
		t.Errorf("%+v", m)
	}
	big := bytesOf(2<<20, 21)
	if err := d.Put(t.Context(), sha256Of(big), owner, big); fairlead.KindOf(err) != fairlead.Unavailable || fairlead.AsError("", err).Remedy == "" {
		t.Errorf("%v", err)
	}
	want := bytesOf(3*chunk, 22)
	same(t, d, want, serving(want))
}

// TestRaces has everything at once: the books are right at the end, and no reader gets
// a wrong byte.
func TestRaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(dir)
	o.Quota = 20 * chunk
	o.OwnerQuota = func(depot.Owner) int64 { return 12 * chunk }
	d := open(t, o)
	blobs := make([][]byte, 12)
	for i := range blobs {
		blobs[i] = bytesOf((i%5+1)*chunk+i, uint64(i))
	}
	var all sync.WaitGroup
	for n := range uint64(8) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(n, 7))
			for range 25 {
				want := blobs[r.IntN(len(blobs))]
				churn(t, d, r, want, depot.Owner(fmt.Sprint(r.IntN(3))))
			}
		})
	}
	all.Wait()
	settled(t, d)
	var sum int64
	owned := map[depot.Owner]int64{}
	for _, i := range d.List() {
		sum += i.Size
		for _, o := range i.Owners {
			owned[o] += i.Size
		}
	}
	u := d.Usage()
	if u.Bytes != sum || sum > o.Quota || fmt.Sprint(u.Owners) != fmt.Sprint(owned) {
		t.Errorf("%+v; %d, %v", u, sum, owned)
	}
	for _, i := range d.List() {
		if i.Serving != 0 {
			t.Errorf("%+v", i)
		}
	}
}

func churn(t *testing.T, d *depot.Depot, r *rand.Rand, want []byte, o depot.Owner) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	digest := sha256Of(want)
	switch r.IntN(10) {
	case 0:
		_ = d.Remove(ctx, digest)
	case 1:
		_ = d.Pin(ctx, digest, o)
		_ = d.Unpin(ctx, digest, o)
	case 2:
		_ = d.Put(ctx, digest, o, want)
	case 3:
		_, _ = d.Prune(ctx, func(i depot.Info) bool { return i.Digest == digest })
	default:
		b, err := d.Get(ctx, digest, -1, o, serving(want))
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = b.Close() }()
		to := int64(-1)
		if r.IntN(3) == 0 {
			to = int64(r.IntN(len(want))) // and goes away
		}
		var got bytes.Buffer
		if n, err := b.CopyTo(ctx, &got, 0, to); err != nil || !bytes.Equal(got.Bytes(), want[:n]) || to < 0 && n != int64(len(want)) {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
}
