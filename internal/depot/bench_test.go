package depot_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/depot"
)

// The link that fills are measured against: bytes per second of all responses together,
// the share of them that one response may have, and the delay of each request.
const (
	linkRate    = 125e6
	perResponse = 0.32
	roundTrip   = 20 * time.Millisecond
)

// link limits bytes to a rate.
type link struct {
	mu   sync.Mutex
	next time.Time
	rate float64
}

func (l *link) pass(n int) {
	l.mu.Lock()
	if earliest := time.Now().Add(-20 * time.Millisecond); l.next.Before(earliest) {
		l.next = earliest
	}
	l.next = l.next.Add(time.Duration(float64(n) / l.rate * 1e9))
	d := time.Until(l.next)
	l.mu.Unlock()
	if d > 0 {
		time.Sleep(d)
	}
}

// limited is a response over a link.
type limited struct {
	http.ResponseWriter
	all, own *link
	sent     *int64
	mu       *sync.Mutex
}

func (l *limited) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		k := min(len(p), 128<<10)
		l.own.pass(k)
		l.all.pass(k)
		m, err := l.ResponseWriter.Write(p[:k])
		n += m
		l.mu.Lock()
		*l.sent += int64(m)
		l.mu.Unlock()
		if err != nil {
			return n, err
		}
		p = p[k:]
	}
	return n, nil
}

// wide is an upstream behind a link; without one, it is as fast as the machine.
type wide struct {
	*httptest.Server
	sent int64
	mu   sync.Mutex
	got  int
}

func newWide(tb testing.TB, blobs map[string]string, rate float64) *wide {
	tb.Helper()
	w, all := &wide{}, &link{rate: rate}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.got++
		w.mu.Unlock()
		f, err := os.Open(blobs[strings.TrimPrefix(r.URL.Path, "/")])
		if err != nil {
			tb.Error(err)
			return
		}
		defer func() { _ = f.Close() }()
		rw.Header().Set("Content-Type", "application/octet-stream")
		if rate > 0 {
			time.Sleep(roundTrip)
			rw = struct{ http.ResponseWriter }{&limited{rw, all, &link{rate: rate * perResponse}, &w.sent, &w.mu}}
		}
		http.ServeContent(rw, r, "", time.Time{}, f)
	}))
	tb.Cleanup(w.Close)
	return w
}

// over is a source that speaks HTTP.
type over struct {
	url    string
	client *http.Client
}

func (s *over) Host() string { return s.url[:strings.LastIndexByte(s.url, '/')] }

func (s *over) Fetch(ctx context.Context, from, to int64) (depot.Part, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
	if err != nil {
		return depot.Part{}, err
	}
	last := ""
	if to >= 0 {
		last = strconv.FormatInt(to-1, 10)
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%s", from, last))
	res, err := s.client.Do(req) //nolint:bodyclose // The depot closes it.
	if err != nil {
		return depot.Part{}, err
	}
	_, total, _ := strings.Cut(res.Header.Get("Content-Range"), "/")
	size, err := strconv.ParseInt(total, 10, 64)
	return depot.Part{Body: res.Body, From: from, Size: size}, err
}

func newClient(tb testing.TB) *http.Client {
	tb.Helper()
	t := &http.Transport{MaxIdleConnsPerHost: 64}
	tb.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t}
}

// blobFiles makes blobs of these sizes.
func blobFiles(tb testing.TB, sizes ...int) (digests []fairlead.Digest, files map[string]string) {
	tb.Helper()
	dir := tb.TempDir()
	files = map[string]string{}
	for i, size := range sizes {
		b := bytesOf(size, uint64(i))
		digest := sha256Of(b)
		path := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(path, b, 0o600); err != nil {
			tb.Fatal(err)
		}
		digests, files[string(digest)] = append(digests, digest), path
	}
	return digests, files
}

// gateway serves a depot over plain HTTP/1.1.
func gateway(tb testing.TB, d *depot.Depot, up string, client *http.Client) *httptest.Server {
	tb.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		digest := fairlead.Digest(strings.TrimPrefix(r.URL.Path, "/"))
		b, err := d.Get(r.Context(), digest, -1, owner, &over{up + "/" + string(digest), client})
		if err != nil {
			tb.Error(err)
			return
		}
		defer func() { _ = b.Close() }()
		size, err := b.Size(r.Context())
		if err != nil {
			tb.Error(err)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		if _, err := b.CopyTo(r.Context(), w, 0, -1); err != nil {
			panic(http.ErrAbortHandler)
		}
	}))
	tb.Cleanup(s.Close)
	return s
}

// drain reads a URL and drops the bytes.
func drain(tb testing.TB, client *http.Client, url string, want int64) {
	tb.Helper()
	res, err := client.Get(url)
	if err != nil {
		tb.Error(err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, make([]byte, 64<<10)); err != nil || n != want {
		tb.Errorf("%d bytes of %d, %v", n, want, err)
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// memory gives what gives the most memory that was in use since, clients and all.
func memory(b *testing.B) (peak func() uint64) {
	b.Helper()
	runtime.GC()
	var most uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for t := time.NewTicker(20 * time.Millisecond); ; {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse+m.StackInuse)
			select {
			case <-t.C:
			case <-stop:
				t.Stop()
				return
			}
		}
	}()
	return func() uint64 { close(stop); <-stopped; return most }
}

// BenchmarkCold pulls what isn't there, through HTTP on both sides, and compares with
// what the link could do.
func BenchmarkCold(b *testing.B) {
	train := []int{50e6, 101e6, 153e6, 254e6, 351e6, 605e6}
	small := []int{5e6, 10e6, 15e6, 25e6, 35e6, 60e6}
	for _, c := range []struct {
		name    string
		rate    float64
		clients int
		atOnce  int // blobs of one client
		sizes   []int
	}{
		{"wan/train", linkRate, 1, 3, train},
		{"wan/stampede 8", linkRate, 8, 1, []int{504e6}},
		{"wan/stampede 64", linkRate, 64, 1, []int{504e6}},
		// The same with a tenth of the bytes a second, which no machine is too slow for.
		{"tenth/train", linkRate / 10, 1, 3, small},
		{"tenth/stampede 8", linkRate / 10, 8, 1, []int{50e6}},
		{"fast/train", 0, 1, 3, train},
		{"fast/stampede 8", 0, 8, 1, []int{504e6}},
	} {
		b.Run(c.name, func(b *testing.B) {
			digests, files := blobFiles(b, c.sizes...)
			total := 0
			for _, size := range c.sizes {
				total += size
			}
			b.SetBytes(int64(total))
			for b.Loop() {
				b.StopTimer()
				up := newWide(b, files, c.rate)
				o := options(b.TempDir())
				o.ChunkSize = 0
				if c.rate == linkRate/10 {
					o.ChunkSize = 1 << 20
				}
				d, client := open(b, o), newClient(b)
				g := gateway(b, d, up.URL, client)
				pulls := newClient(b)
				peak := memory(b)
				began, before := time.Now(), cpu()
				b.StartTimer()
				var all sync.WaitGroup
				for range c.clients {
					slots := make(chan struct{}, c.atOnce)
					for i, digest := range digests {
						all.Go(func() {
							slots <- struct{}{}
							defer func() { <-slots }()
							drain(b, pulls, g.URL+"/"+string(digest), int64(c.sizes[i]))
						})
					}
				}
				all.Wait()
				b.StopTimer()
				took := time.Since(began)
				m := d.Metrics()
				if c.rate > 0 {
					b.ReportMetric(took.Seconds()*c.rate/float64(total), "x-link")
				}
				b.ReportMetric((cpu() - before).Seconds(), "cpu-s")
				b.ReportMetric(float64(m.Down)/float64(total), "x-bytes")
				b.ReportMetric(float64(m.Requests), "requests")
				b.ReportMetric(float64(peak())/1e6, "peak-MB")
				b.ReportMetric(float64(m.Hosts[0].Parallel), "parallel")
				g.Close()
				settled(b, d)
				for _, digest := range digests {
					if err := d.Remove(b.Context(), digest); err != nil {
						b.Error(err)
					}
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkWarm sends what is there over plain HTTP, beside http.ServeFile.
func BenchmarkWarm(b *testing.B) {
	const size = 504e6
	digests, files := blobFiles(b, size)
	path := files[string(digests[0])]
	o := options(b.TempDir())
	o.ChunkSize = 0
	d, client := open(b, o), newClient(b)
	up := newWide(b, files, 0)
	g := gateway(b, d, up.URL, client)
	drain(b, client, g.URL+"/"+string(digests[0]), size)
	settled(b, d)
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) }))
	b.Cleanup(plain.Close)
	for name, url := range map[string]string{"depot": g.URL + "/" + string(digests[0]), "http.ServeFile": plain.URL} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				drain(b, client, url, size)
			}
		})
	}
}

// TestSendfile serves a growing file and a whole one through the kernel, as far as the
// response writer lets it.
func TestSendfile(t *testing.T) {
	t.Parallel()
	want := bytesOf(40*chunk, 1)
	d := open(t, options(t.TempDir()))
	u := serving(want)
	u.piece = 1000
	for range 2 {
		var calls int
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := d.Get(r.Context(), sha256Of(want), -1, owner, u)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = b.Close() }()
			w.Header().Set("Content-Length", strconv.Itoa(len(want)))
			n, err := b.CopyTo(r.Context(), &readerFrom{w, &calls, t}, 0, -1)
			if err != nil || n != int64(len(want)) {
				t.Errorf("%d bytes, %v", n, err)
			}
		}))
		s.Start()
		res, err := newClient(t).Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || !bytes.Equal(got, want) || calls == 0 {
			t.Errorf("%d bytes, %v, %d calls", len(got), err, calls)
		}
		s.Close()
		settled(t, d)
	}
}

// readerFrom sees that what is read from is a file with a limit, which is what sendfile
// takes.
type readerFrom struct {
	http.ResponseWriter
	calls *int
	t     *testing.T
}

func (w *readerFrom) ReadFrom(r io.Reader) (int64, error) {
	*w.calls++
	l, ok := r.(*io.LimitedReader)
	if !ok {
		w.t.Errorf("reads from a %T", r)
	} else if _, ok := l.R.(*os.File); !ok {
		w.t.Errorf("reads from a %T", l.R)
	}
	return w.ResponseWriter.(io.ReaderFrom).ReadFrom(r)
}
