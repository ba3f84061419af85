package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// upstreamVerb makes this program the upstream: a process of its own, so that what it
// takes isn't counted as a cache's.
const upstreamVerb = "upstream"

// What the upstream's Bearer logins are made of.
const (
	upstreamUser     = "robot"
	upstreamPassword = "bench"
	upstreamToken    = "bench-token"
)

// upstream is a registry that is read from. Below /open it wants no login.
type upstream struct {
	root     string
	all      *link // nil for as fast as the machine is
	per      float64
	delay    time.Duration
	hung     atomic.Bool
	wake     chan struct{}
	bytes    atomic.Int64
	requests atomic.Int64
	blobGets atomic.Int64
}

// stats are what has been asked of the upstream since they were last taken.
type stats struct {
	Bytes, Requests, Blobs int64
}

// upstreamMain serves until it is killed: at the first address with a login, at the second
// without, at the third what the bench itself asks.
func upstreamMain(args []string) error {
	f := flag.NewFlagSet(upstreamVerb, flag.ContinueOnError)
	root := f.String("root", "", "tree to serve")
	rate := f.Float64("rate", 0, "bytes a second of all responses; 0 is no limit")
	per := f.Float64("per", 0, "bytes a second of each response")
	delay := f.Duration("delay", 0, "delay of each request")
	if err := f.Parse(args); err != nil {
		return err
	}
	u := &upstream{root: *root, per: *per, delay: *delay, wake: make(chan struct{})}
	if *rate > 0 {
		u.all = &link{rate: *rate}
	}
	failed := make(chan error)
	for _, h := range []http.Handler{http.HandlerFunc(u.closed), http.HandlerFunc(u.open), http.HandlerFunc(u.control)} {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // It answers at once.
		if err != nil {
			return err
		}
		fmt.Println(l.Addr())
		go func() { failed <- http.Serve(l, h) }()
	}
	return <-failed
}

// control is what the bench itself asks.
func (u *upstream) control(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/stats":
		_ = json.NewEncoder(w).Encode(stats{u.bytes.Swap(0), u.requests.Swap(0), u.blobGets.Swap(0)})
	case "/hang":
		u.hung.Store(true)
	}
}

// closed wants a login (Distribution, "Token Authentication Specification").
func (u *upstream) closed(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		u.wait()
		if name, password, _ := r.BasicAuth(); name != upstreamUser || password != upstreamPassword {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"token":%q,"expires_in":3600}`, upstreamToken)
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+upstreamToken {
		u.wait()
		w.Header().Set("Www-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="bench"`, r.Host))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	u.open(w, r)
}

// wait is what the way to the upstream takes, or for ever if it hangs.
func (u *upstream) wait() {
	if u.hung.Load() {
		<-u.wake
	}
	time.Sleep(u.delay)
}

// open serves without a login.
func (u *upstream) open(w http.ResponseWriter, r *http.Request) {
	u.requests.Add(1)
	u.wait()
	kind, path := "blobs", ""
	repository, reference, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/")
	if ok {
		kind, path = "manifests", filepath.Join(u.root, "manifests", repository, reference)
	} else if _, digest, ok := strings.Cut(r.URL.Path, "/blobs/"); ok {
		path = filepath.Join(u.root, digest)
	}
	if r.URL.Path == "/v2/" {
		return
	}
	file, err := os.Open(path)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close() //nolint:errcheck // It was read.
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	if kind == "manifests" {
		b, err := os.ReadFile(path)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		h.Set("Content-Type", ocispec.MediaTypeImageManifest)
		h.Set("Docker-Content-Digest", digestOf(b))
	} else if r.Method == http.MethodGet {
		u.blobGets.Add(1)
	}
	if u.all == nil {
		http.ServeContent(&counting{ResponseWriter: w, u: u}, r, "", time.Time{}, file)
		return
	}
	http.ServeContent(struct{ http.ResponseWriter }{&limited{&counting{w, u}, &link{rate: u.per}}}, r, "", time.Time{}, file)
}

// counting counts bytes, and lets files be sent by the kernel.
type counting struct {
	http.ResponseWriter
	u *upstream
}

// Write writes.
func (c *counting) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.u.bytes.Add(int64(n))
	return n, err
}

// ReadFrom has the kernel send a file.
func (c *counting) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(c.ResponseWriter, r)
	c.u.bytes.Add(n)
	return n, err
}

// limited is a response over a link.
type limited struct {
	*counting
	own *link
}

// Write writes as fast as the link lets it.
func (l *limited) Write(b []byte) (n int, err error) {
	const piece = 128 << 10
	for len(b) > 0 {
		k := min(len(b), piece)
		l.own.pass(k)
		l.u.all.pass(k)
		m, err := l.counting.Write(b[:k])
		if n += m; err != nil {
			return n, err
		}
		b = b[k:]
	}
	return n, nil
}

// link lets so many bytes a second pass.
type link struct {
	mu   sync.Mutex
	next time.Time
	rate float64
}

func (l *link) pass(n int) {
	const burst = 20 * time.Millisecond
	l.mu.Lock()
	if earliest := time.Now().Add(-burst); l.next.Before(earliest) {
		l.next = earliest
	}
	l.next = l.next.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
	d := time.Until(l.next)
	l.mu.Unlock()
	if d > 0 {
		time.Sleep(d)
	}
}
