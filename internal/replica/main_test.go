package replica_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/blob/s3"
	"fairlead.dev/fairlead/internal/depot"
	"fairlead.dev/fairlead/internal/replica"
	"fairlead.dev/fairlead/internal/s3test"
	"fairlead.dev/fairlead/internal/sqlite"
)

// TestMain lets this program be a server that fetches a blob until it is killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 6 && os.Args[1] == "fetch-until-killed" {
		fetchUntilKilled(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	}
	code := m.Run()
	// Connections stay open for a while, and PostgreSQL until the end.
	if err := goleak.Find(
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("fairlead.dev/fairlead/internal/pgtest.(*Server).start.func1"),
	); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func bytesOf(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b)
	return b
}

func digestOf(b []byte) fairlead.Digest {
	s := sha256.Sum256(b)
	return fairlead.Digest("sha256:" + hex.EncodeToString(s[:]))
}

// object is the name of a blob's object.
func object(b []byte) string { return s3.Name(digestOf(b)) }

// upstream is a registry that has one blob.
type upstream struct {
	b    []byte
	gate chan struct{} // if there, no byte comes before it is closed
	more chan struct{} // of one that halts: the gate of its second half

	mu   sync.Mutex
	asks int
	sent int64
}

func (u *upstream) Host() string { return "up.test" }

func (u *upstream) Fetch(ctx context.Context, from, to int64) (depot.Part, error) {
	u.mu.Lock()
	u.asks++
	u.mu.Unlock()
	if to < 0 || to > int64(len(u.b)) {
		to = int64(len(u.b))
	}
	return depot.Part{Body: &body{u, ctx, bytes.NewReader(u.b[from:to])}, From: from, Size: int64(len(u.b))}, nil
}

// gave is how many bytes it has sent, and asked how many requests it got.
func (u *upstream) gave() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sent
}

func (u *upstream) asked() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.asks
}

type body struct {
	u    *upstream
	ctx  context.Context //nolint:containedctx // as a response's body has one
	from io.Reader
}

func (b *body) Read(p []byte) (int, error) {
	if b.u.gate != nil {
		select {
		case <-b.u.gate:
		case <-b.ctx.Done():
			return 0, b.ctx.Err()
		}
	}
	n, err := b.from.Read(p)
	b.u.mu.Lock()
	b.u.sent += int64(n)
	b.u.mu.Unlock()
	return n, err
}

func (b *body) Close() error { return nil }

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// house is what servers have in common.
type house struct {
	s3    *s3test.Server
	books fairlead.Store
	// endpoint is where the bucket is asked for.
	endpoint string
}

func newHouse(tb testing.TB) *house {
	tb.Helper()
	h := &house{s3: s3test.Start(tb), books: openBooks(tb, filepath.Join(tb.TempDir(), "f.db"))}
	h.endpoint = h.s3.URL
	return h
}

func openBooks(tb testing.TB, path string) fairlead.Store {
	tb.Helper()
	s, err := sqlite.Open(tb.Context(), path, sqlite.Options{Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func bucketAt(endpoint string) (*s3.Bucket, error) {
	return s3.New(s3.Options{
		Location: "s3://blobs", Endpoint: endpoint, Login: s3.Login{AccessKey: s3test.AccessKey, SecretKey: fairlead.SecretText(s3test.SecretKey)},
	})
}

// server is one server's share.
type server struct {
	*depot.Depot
	replica *replica.Replica
	// end closes it, once.
	end func() error
	// reports are what it has reported.
	reports *reports
}

type reports struct {
	mu   sync.Mutex
	list []string
}

func (r *reports) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, err.Error())
}

func (r *reports) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.list, "\n")
}

// options of a server, which a test may change.
type options struct {
	replica.Options
	depot depot.Options
}

func (h *house) open(tb testing.TB, set func(o *options)) *server {
	tb.Helper()
	s := &server{reports: &reports{}}
	bucket, err := bucketAt(h.endpoint)
	if err != nil {
		tb.Fatal(err)
	}
	o := options{
		Options: replica.Options{Bucket: bucket, Books: h.books, Now: time.Now, Wait: wait, Report: s.reports.add},
		depot:   depot.Options{Dir: tb.TempDir(), Now: time.Now, Wait: wait, Report: s.reports.add},
	}
	if set != nil {
		set(&o)
	}
	s.replica = replica.New(tb.Context(), o.Options)
	o.depot.Shared = s.replica
	if s.Depot, err = depot.Open(tb.Context(), o.depot); err != nil {
		tb.Fatal(err)
	}
	s.replica.Attach(s.Depot)
	s.end = sync.OnceValue(func() error {
		defer s.replica.Close()
		return s.Close()
	})
	tb.Cleanup(func() {
		if err := s.end(); err != nil {
			tb.Error(err)
		}
		if said := s.reports.String(); strings.Contains(said, "canary") {
			tb.Errorf("a secret is told: %s", said)
		}
	})
	return s
}

// pull reads a blob and gives its bytes, which may be wrong if there is an error.
func (s *server) pull(tb testing.TB, u *upstream) ([]byte, error) {
	tb.Helper()
	b, err := s.Get(tb.Context(), digestOf(u.b), int64(len(u.b)), "acme", u)
	if err != nil {
		return nil, err
	}
	defer func() { _ = b.Close() }()
	var into bytes.Buffer
	_, err = b.CopyTo(tb.Context(), &into, 0, -1)
	return into.Bytes(), err
}

// pulls reads a blob that has to come.
func (s *server) pulls(tb testing.TB, u *upstream) {
	tb.Helper()
	got, err := s.pull(tb, u)
	if err != nil || !bytes.Equal(got, u.b) {
		tb.Errorf("pulled %d bytes of %d, %v; reported: %s", len(got), len(u.b), err, s.reports)
	}
}

// until waits until something is so.
func until(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for !is() {
		if wait(tb.Context(), time.Millisecond) != nil {
			tb.Fatal(what)
		}
	}
}

// stored waits until a blob is in the store.
func (h *house) stored(tb testing.TB, b []byte) {
	tb.Helper()
	until(tb, "it isn't stored", func() bool {
		d, err := h.books.DepositOf(tb.Context(), digestOf(b))
		return err == nil && d.Whole
	})
}
