package replica_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/depot"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/postgres"
	"fairlead.dev/fairlead/internal/replica"
)

// TestOnce has three servers want a cold blob at once, and a fourth later: it leaves its
// upstream once.
func TestOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	u := &upstream{b: bytesOf(20<<20+17, 1)}
	var all sync.WaitGroup
	servers := []*server{h.open(t, nil), h.open(t, nil), h.open(t, nil)}
	for _, s := range servers {
		all.Go(func() { s.pulls(t, u) })
	}
	all.Wait()
	if u.gave() != int64(len(u.b)) {
		t.Errorf("the upstream gave %d bytes for a blob of %d", u.gave(), len(u.b))
	}
	asked := u.asked()
	last := h.open(t, nil)
	last.pulls(t, u)
	if u.asked() != asked {
		t.Errorf("the upstream was asked %d times more", u.asked()-asked)
	}
	m := last.Metrics()
	if m.Shared.Hits != 1 || m.Shared.Down != int64(len(u.b)) || m.Down != 0 {
		t.Errorf("%+v", m)
	}
	if got := h.s3.Objects(); !slices.Equal(got, []string{object(u.b)}) {
		t.Errorf("objects %v", got)
	}
	// A range of it, by one who doesn't know the size.
	b, err := h.open(t, nil).Get(t.Context(), digestOf(u.b), -1, "acme", u)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	p := make([]byte, 100)
	if n, err := b.ReadAt(t.Context(), p, 15<<20-50); n != 100 || err != nil || string(p) != string(u.b[15<<20-50:15<<20+50]) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestSmall has blobs of no byte and of one.
func TestSmall(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, size := range []int{0, 1, 1 << 20} {
		u := &upstream{b: bytesOf(size, 2)}
		h.open(t, nil).pulls(t, u)
		h.stored(t, u.b)
		asked := u.asked()
		h.open(t, nil).pulls(t, u)
		if u.asked() != asked {
			t.Errorf("of %d bytes: the upstream was asked again", size)
		}
	}
}

// fetchUntilKilled is a server that has half of a blob when its upstream stops.
func fetchUntilKilled(dir, books, endpoint, size string) {
	ctx := context.Background()
	fail := func(err error) {
		fmt.Println(err)
		os.Exit(1)
	}
	var n int
	if _, err := fmt.Sscan(size, &n); err != nil {
		fail(err)
	}
	store, err := postgres.Open(ctx, books, postgres.Options{Now: time.Now})
	if err != nil {
		fail(err)
	}
	bucket, err := bucketAt(endpoint)
	if err != nil {
		fail(err)
	}
	r := replica.New(ctx, replica.Options{Bucket: bucket, Books: store, Now: time.Now, Wait: wait})
	d, err := depot.Open(ctx, depot.Options{Dir: dir, Now: time.Now, Wait: wait, Shared: r})
	if err != nil {
		fail(err)
	}
	b := bytesOf(n, 3)
	half := &halting{upstream{b: b, more: make(chan struct{})}}
	blob, err := d.Get(ctx, digestOf(b), int64(n), "acme", half)
	if err != nil {
		fail(err)
	}
	_, _ = blob.ReadAt(ctx, make([]byte, 1), int64(n/4))
	fmt.Println("fetching")
	select {}
}

// halting is an upstream that gives no byte of the second half.
type halting struct{ upstream }

func (u *halting) Fetch(ctx context.Context, from, to int64) (depot.Part, error) {
	p, err := u.upstream.Fetch(ctx, from, to)
	if from >= int64(len(u.b)/2) {
		p.Body = &body{&upstream{gate: u.more}, ctx, p.Body}
	}
	return p, err
}

// TestKilled kills a server while others wait for what it fetches, with books in
// PostgreSQL: one of them goes on.
func TestKilled(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	books := pgtest.URL(t)
	store, err := postgres.Open(t.Context(), books, postgres.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	h.books = store
	u := &upstream{b: bytesOf(20<<20, 3)}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), self, "fetch-until-killed", dir, books, h.endpoint, fmt.Sprint(len(u.b)))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "fetching" {
		t.Fatalf("the server says %q", lines.Text())
	}
	s := []*server{h.open(t, nil), h.open(t, nil)}
	var all sync.WaitGroup
	for _, one := range s {
		all.Go(func() { one.pulls(t, u) })
	}
	until(t, "nobody waits", func() bool { return s[0].Metrics().Shared.Waits+s[1].Metrics().Shared.Waits == 2 })
	if u.asked() != 0 {
		t.Error("the upstream was asked while another was fetching")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	all.Wait()
	if u.gave() != int64(len(u.b)) {
		t.Errorf("the upstream gave %d bytes for a blob of %d", u.gave(), len(u.b))
	}
	// The killed one comes back with what it had, and takes the rest from the store.
	asked := u.asked()
	again := h.open(t, func(o *options) { o.depot.Dir = dir })
	again.pulls(t, u)
	m := again.Metrics()
	if u.asked() != asked || m.Resumed == 0 || m.Shared.Down == 0 || m.Shared.Down >= int64(len(u.b)) {
		t.Errorf("the upstream was asked %d times more; %+v", u.asked()-asked, m)
	}
}

// TestPatience has a server that is as slow as it likes to be.
func TestPatience(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	u := &upstream{b: bytesOf(3<<20, 4)}
	stuck := &upstream{b: u.b, gate: make(chan struct{})}
	slow, quick := h.open(t, nil), h.open(t, func(o *options) { o.Patience = time.Second })
	var all sync.WaitGroup
	all.Go(func() { slow.pulls(t, stuck) })
	until(t, "the slow one doesn't begin", func() bool { return stuck.asked() > 0 })
	quick.pulls(t, u)
	if m := quick.Metrics().Shared; m.Waits != 1 || m.GaveUp != 1 {
		t.Errorf("%+v", m)
	}
	close(stuck.gate)
	all.Wait()
	h.stored(t, u.b)
	asked := u.asked() + stuck.asked()
	h.open(t, nil).pulls(t, u)
	if u.asked()+stuck.asked() != asked {
		t.Error("what two have fetched isn't in the store")
	}
}

// TestRefused has a leader whose login is refused: the next takes over at once.
func TestRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	u := &upstream{b: bytesOf(1<<20, 5)}
	s := h.open(t, nil)
	b, err := s.Get(t.Context(), digestOf(u.b), int64(len(u.b)), "other", refusing{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.CopyTo(t.Context(), io.Discard, 0, -1); fairlead.KindOf(err) != fairlead.Denied {
		t.Errorf("refused: %v", err)
	}
	_ = b.Close()
	h.open(t, nil).pulls(t, u)
}

type refusing struct{}

func (refusing) Host() string { return "no.test" }
func (refusing) Fetch(context.Context, int64, int64) (depot.Part, error) {
	return depot.Part{}, &fairlead.Error{Kind: fairlead.Denied, What: "fetching", Why: "it isn't yours"}
}

// TestWrongBytes spoils what is in the store: readers get the right bytes all the same,
// and the store too.
func TestWrongBytes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	u := &upstream{b: bytesOf(20<<20, 6)}
	h.open(t, nil).pulls(t, u)
	h.stored(t, u.b)
	h.s3.Spoil(object(u.b))
	before := u.gave()
	s := h.open(t, nil)
	s.pulls(t, u)
	if m := s.Metrics().Shared; m.Wrong != 1 {
		t.Errorf("%+v", m)
	}
	if again := u.gave() - before; again == 0 {
		t.Error("wrong bytes were taken")
	}
	h.stored(t, u.b)
	asked := u.asked()
	h.open(t, nil).pulls(t, u)
	if u.asked() != asked {
		t.Error("it wasn't put there anew")
	}
}

// TestWrongSums has sums that fit wrong bytes: the digest finds out. Whoever was reading
// gets no whole blob, and the next the right one.
func TestWrongSums(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	u, other := &upstream{b: bytesOf(3<<20, 7)}, &upstream{b: bytesOf(3<<20, 8)}
	first := h.open(t, nil)
	first.pulls(t, other)
	h.stored(t, other.b)
	first.pulls(t, u)
	h.stored(t, u.b)
	d, err := h.books.DepositOf(t.Context(), digestOf(other.b))
	if err != nil {
		t.Fatal(err)
	}
	d.Digest = digestOf(u.b)
	if err := h.books.PutDeposit(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	name := func(b []byte) string { return filepath.Join(h.s3.Dir, filepath.FromSlash(object(b))) }
	if err := os.WriteFile(name(u.b), other.b, 0o600); err != nil {
		t.Fatal(err)
	}
	s := h.open(t, nil)
	got, err := s.pull(t, u)
	if fairlead.CodeOf(err) != fairlead.CodeDigest || len(got) >= len(u.b) {
		t.Errorf("%d wrong bytes of %d were given: %v", len(got), len(u.b), err)
	}
	s.pulls(t, u)
}

// TestStoreGone has books that name what isn't in the store any more.
func TestStoreGone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	u := &upstream{b: bytesOf(3<<20, 9)}
	h.open(t, nil).pulls(t, u)
	h.stored(t, u.b)
	if err := os.Remove(filepath.Join(h.s3.Dir, filepath.FromSlash(object(u.b)))); err != nil {
		t.Fatal(err)
	}
	h.open(t, nil).pulls(t, u)
	until(t, "it isn't put there anew", func() bool { return slices.Contains(h.s3.Objects(), object(u.b)) })
}

// TestStoreDown pulls while the store is down, and has it all when it is back.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	u, later := &upstream{b: bytesOf(3<<20, 10)}, &upstream{b: bytesOf(1<<20, 11)}
	h.open(t, nil).pulls(t, u)
	h.stored(t, u.b)
	h.s3.Down()
	s := h.open(t, nil)
	s.pulls(t, u)
	s.pulls(t, later)
	until(t, "nothing is reported", func() bool { return strings.Contains(s.reports.String(), "can't be reached") })
	until(t, "the upload doesn't end", func() bool { return s.Metrics().Shared.UploadFailures > 0 })
	h.s3.Up()
	until(t, "it isn't stored", func() bool {
		s.replica.Used(digestOf(later.b))
		d, err := h.books.DepositOf(t.Context(), digestOf(later.b))
		return err == nil && d.Whole
	})
}

// TestStoreBad pulls while the store is full, hangs, or breaks off.
func TestStoreBad(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	u := &upstream{b: bytesOf(20<<20, 12)}
	h.open(t, nil).pulls(t, u)
	h.stored(t, u.b)
	for _, c := range []struct {
		name string
		how  func(next http.Handler, w http.ResponseWriter, r *http.Request)
		said string
	}{
		{"Full", func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				next.ServeHTTP(w, r)
				return
			}
			w.WriteHeader(http.StatusInsufficientStorage)
			_, _ = io.WriteString(w, "<Error><Code>StorageFull</Code></Error>")
		}, "StorageFull"},
		{"Hangs", func(_ http.Handler, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "took too long"},
		{"BreaksOff", func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&cutting{w, 3 << 19}, r)
		}, "cut"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var on atomic.Bool
			front := h.s3.Front(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if !on.Load() {
						next.ServeHTTP(w, r)
						return
					}
					c.how(next, w, r)
				})
			})
			front.Start()
			bad := &house{s3: h.s3, books: h.books, endpoint: front.URL}
			s := bad.open(t, nil)
			on.Store(true)
			s.pulls(t, u)
			if c.name == "Full" {
				s.pulls(t, &upstream{b: bytesOf(1<<20, 13)})
			}
			until(t, "nothing is reported", func() bool { return strings.Contains(s.reports.String(), c.said) })
		})
	}
}

// cutting breaks a reply off after some bytes.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(b []byte) (int, error) {
	if c.left -= len(b); c.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(b)
}

// TestBounded has a disk for less than what is pulled: what is evicted comes out of the
// store.
func TestBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const size, quota = 2 << 20, 7 << 20
	s := h.open(t, func(o *options) { o.depot.Quota, o.Pending = quota, quota/2 })
	var all []*upstream
	for i := range uint64(8) {
		u := &upstream{b: bytesOf(size, 20+i)}
		all = append(all, u)
		s.pulls(t, u)
		h.stored(t, u.b)
		if usage := s.Usage(); usage.Bytes > quota {
			t.Fatalf("%d bytes are kept, of %d", usage.Bytes, quota)
		}
	}
	for _, u := range all {
		s.pulls(t, u)
		if u.gave() != size {
			t.Errorf("%d bytes came from the upstream, of %d", u.gave(), size)
		}
	}
	if usage := s.Usage(); usage.Bytes > quota {
		t.Errorf("%d bytes are kept, of %d", usage.Bytes, quota)
	}
}

// TestPrune keeps the store within its quota and clears away what nobody uses, by one of
// the servers.
func TestPrune(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	move := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	const size = 1 << 20
	set := func(o *options) {
		o.Now, o.Quota, o.Unused = clock, 3*size, 10*24*time.Hour
	}
	one, two := h.open(t, set), h.open(t, set)
	var all []*upstream
	for i := range uint64(4) {
		u := &upstream{b: bytesOf(size, 40+i)}
		all = append(all, u)
		one.pulls(t, u)
		h.stored(t, u.b)
		move(time.Minute)
	}
	begun := fairlead.Deposit{Digest: digestOf([]byte("broken off")), Size: 5, Used: clock()}
	if err := h.books.PutDeposit(t.Context(), begun); err != nil {
		t.Fatal(err)
	}
	prune := func(s *server, want ...*upstream) {
		t.Helper()
		if err := s.replica.Prune(t.Context()); err != nil {
			t.Error(err)
		}
		var names []string
		for _, u := range want {
			names = append(names, object(u.b))
		}
		slices.Sort(names)
		if got := h.s3.Objects(); !slices.Equal(got, names) {
			t.Errorf("there are %v, want %v", got, names)
		}
	}
	move(25 * time.Hour)
	// The oldest is used by the other server.
	two.pulls(t, all[0])
	until(t, "the use isn't noted", func() bool {
		d, err := h.books.DepositOf(t.Context(), digestOf(all[0].b))
		return err == nil && d.Used.Unix() == clock().Unix()
	})
	prune(one, all[0], all[2], all[3])
	if _, err := h.books.DepositOf(t.Context(), begun.Digest); fairlead.KindOf(err) != fairlead.NotFound {
		t.Errorf("what was broken off stays: %v", err)
	}
	move(9 * 24 * time.Hour)
	prune(two, all[0]) // the other's turn is over
	move(30 * 24 * time.Hour)
	prune(one)
	if n, bytes, err := h.books.DepositUsage(t.Context()); n != 0 || bytes != 0 || err != nil {
		t.Errorf("%d deposits with %d bytes, %v", n, bytes, err)
	}
	if m := one.Metrics().Shared; m.Pruned != 3 {
		t.Errorf("%+v", m)
	}
}

// peers are servers that reach each other.
type peers struct {
	mu   sync.Mutex
	list map[string]*server
}

func (p *peers) set(address string, s *server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list[address] = s
}

func (p *peers) fetch(ctx context.Context, address string, digest fairlead.Digest) (io.ReadCloser, int64, error) {
	p.mu.Lock()
	s := p.list[address]
	p.mu.Unlock()
	gone := &fairlead.Error{Kind: fairlead.NotFound, What: "fetching", Why: "it isn't there"}
	if s == nil {
		return nil, 0, gone
	}
	b, there := s.Follow(digest)
	if !there {
		return nil, 0, gone
	}
	size, err := b.Size(ctx)
	if err != nil {
		_ = b.Close()
		return nil, 0, err
	}
	from, to := io.Pipe()
	go func() {
		defer func() { _ = b.Close() }()
		_, err := b.CopyTo(ctx, to, 0, -1)
		_ = to.CloseWithError(err)
	}()
	return from, size, nil
}

// TestPeers has a server be given what another is just fetching: its first bytes are there
// while the upstream still has the last ones.
func TestPeers(t *testing.T) {
	t.Parallel()
	for _, ends := range []bool{false, true} {
		t.Run(fmt.Sprintf("ends=%v", ends), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			all := &peers{list: map[string]*server{}}
			open := func(address string) *server {
				s := h.open(t, func(o *options) { o.Address, o.Peers = address, all.fetch })
				all.set(address, s)
				return s
			}
			u := &upstream{b: bytesOf(20<<20, 60)}
			half := &halting{upstream{b: u.b, more: make(chan struct{})}}
			leader, follower := open("one"), open("two")
			first, err := leader.Get(t.Context(), digestOf(u.b), int64(len(u.b)), "acme", half)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = first.Close() }()
			p := make([]byte, 1000)
			if _, err := first.ReadAt(t.Context(), p, 0); err != nil {
				t.Fatal(err)
			}
			b, err := follower.Get(t.Context(), digestOf(u.b), int64(len(u.b)), "acme", u)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = b.Close() }()
			if _, err := b.ReadAt(t.Context(), p, 4<<20); err != nil || string(p) != string(u.b[4<<20:4<<20+1000]) {
				t.Errorf("of what is arriving: %v", err)
			}
			if u.asked() != 0 {
				t.Error("the upstream was asked twice")
			}
			if ends {
				if err := leader.end(); err != nil {
					t.Error(err)
				}
			} else {
				close(half.more)
			}
			follower.pulls(t, u)
			m := follower.Metrics().Shared
			if ends && u.gave() == 0 || !ends && (u.asked() != 0 || half.gave() != int64(len(u.b))) || m.Peers != 1 || m.PeerBytes == 0 {
				t.Errorf("the upstreams gave %d and %d bytes; %+v", half.gave(), u.gave(), m)
			}
			h.stored(t, u.b)
		})
	}
}
