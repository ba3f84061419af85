package depot_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/depot"
)

// TestMain lets this program be one that fills a depot until it is killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "fill-until-killed" {
		fillUntilKilled(os.Args[2], os.Args[3])
	}
	before := openFiles()
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if after := openFiles(); after > before+2 && code == 0 { // the runtime's poller has two
		fmt.Fprintf(os.Stderr, "%d files are open, and there were %d before the tests\n", after, before)
		code = 1
	}
	os.Exit(code)
}

func openFiles() int {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(files)
}

// bytesOf are n bytes that look like nothing else.
func bytesOf(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b)
	return b
}

func sha256Of(b []byte) fairlead.Digest {
	s := sha256.Sum256(b)
	return fairlead.Digest("sha256:" + hex.EncodeToString(s[:]))
}

// ask is one request that an upstream got.
type ask struct{ from, to int64 }

// upstream is a source that holds bytes, and misbehaves as it is told.
type upstream struct {
	name string
	b    []byte

	noRanges bool
	noSize   bool
	size     int64 // what it says, if not 0
	piece    int   // bytes per read at most; 0 is any number
	// fault is called for each request, in their order from 0; it may change the answer.
	fault func(n int, a ask) *answer
	// gate, if there, is read from before each read of a body.
	gate chan struct{}

	mu   sync.Mutex
	asks []ask
	sent int64
	busy int
	most int // requests at once
}

// answer is what a request gets that doesn't get the right bytes.
type answer struct {
	err   error     // instead of an answer
	from  int64     // where the answer says it begins, if lies
	lies  bool      // from counts
	b     io.Reader // instead of the body, if there
	cut   int64     // the body breaks after so many bytes; 0 is never
	hang  bool      // after cut bytes it stands still until ctx ends
	short bool      // after cut bytes it ends as if that were all
}

func serving(b []byte) *upstream { return &upstream{name: "up.test", b: b} }

func (u *upstream) Host() string { return u.name }

func (u *upstream) Fetch(ctx context.Context, from, to int64) (depot.Part, error) {
	u.mu.Lock()
	n := len(u.asks)
	u.asks = append(u.asks, ask{from, to})
	u.busy++
	u.most = max(u.most, u.busy)
	fault := u.fault
	u.mu.Unlock()
	a := &answer{}
	if fault != nil {
		if got := fault(n, ask{from, to}); got != nil {
			a = got
		}
	}
	if a.err != nil {
		u.end()
		return depot.Part{}, a.err
	}
	part := depot.Part{From: from, Size: int64(len(u.b))}
	if u.noRanges {
		part.From, to = 0, -1
	}
	if u.noSize {
		part.Size = -1
	}
	if u.size != 0 {
		part.Size = u.size
	}
	if to < 0 || to > int64(len(u.b)) {
		to = int64(len(u.b))
	}
	if part.From > to {
		part.From = to
	}
	body := a.b
	if body == nil {
		body = bytes.NewReader(u.b[part.From:to])
	}
	if a.lies {
		part.From = a.from
	}
	part.Body = &body1{u: u, ctx: ctx, from: body, a: a}
	return part, nil
}

func (u *upstream) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.busy--
}

// requests are those that it got.
func (u *upstream) requests() []ask {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]ask(nil), u.asks...)
}

func (u *upstream) gave() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sent
}

type body1 struct {
	u    *upstream
	ctx  context.Context //nolint:containedctx // as a response's body has one
	from io.Reader
	a    *answer
	n    int64
	once sync.Once
}

func (b *body1) Read(p []byte) (int, error) {
	if left, ok := b.from.(*bytes.Reader); b.u.gate != nil && ok && left.Len() > 0 {
		select {
		case <-b.u.gate:
		case <-b.ctx.Done():
			return 0, b.ctx.Err()
		}
	}
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.u.piece > 0 && len(p) > b.u.piece {
		p = p[:b.u.piece]
	}
	if c := b.a.cut; c > 0 || b.a.hang {
		if b.n >= c {
			switch {
			case b.a.hang:
				<-b.ctx.Done()
				return 0, b.ctx.Err()
			case b.a.short:
				return 0, io.EOF
			default:
				return 0, io.ErrUnexpectedEOF
			}
		}
		p = p[:min(int64(len(p)), c-b.n)]
	}
	n, err := b.from.Read(p)
	b.n += int64(n)
	b.u.mu.Lock()
	b.u.sent += int64(n)
	b.u.mu.Unlock()
	return n, err
}

func (b *body1) Close() error {
	b.once.Do(b.u.end)
	return nil
}

// waits notes what a depot waits for, and doesn't wait.
type waits struct {
	mu   sync.Mutex
	list []time.Duration
}

func (w *waits) wait(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, d)
	runtime.Gosched()
	return ctx.Err()
}

const (
	chunk = 64 << 10
	cell  = chunk / 8
	owner = depot.Owner("acme")
)

// options are those of a depot with small chunks.
func options(dir string) depot.Options {
	return depot.Options{Dir: dir, Now: time.Now, Wait: (&waits{}).wait, ChunkSize: chunk}
}

// open opens a depot, which is closed at the end.
func open(tb testing.TB, o depot.Options) *depot.Depot {
	tb.Helper()
	d, err := depot.Open(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Close(); err != nil {
			tb.Error(err)
		}
	})
	return d
}

// pull gets a blob and gives its bytes.
func pull(ctx context.Context, d *depot.Depot, digest fairlead.Digest, src depot.Source) ([]byte, error) {
	b, err := d.Get(ctx, digest, -1, owner, src)
	if err != nil {
		return nil, err
	}
	defer func() { _ = b.Close() }()
	var got bytes.Buffer
	_, err = b.CopyTo(ctx, &got, 0, -1)
	return got.Bytes(), err
}

// same pulls a blob, and compares it.
func same(t *testing.T, d *depot.Depot, want []byte, src depot.Source) {
	t.Helper()
	got, err := pull(t.Context(), d, sha256Of(want), src)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, which aren't the right %d", len(got), len(want))
	}
}

// settled waits until no flight is under way.
func settled(tb testing.TB, d *depot.Depot) {
	tb.Helper()
	for d.Metrics().Flying > 0 {
		if tb.Context().Err() != nil {
			tb.Fatal("flights go on")
		}
		runtime.Gosched()
	}
}
