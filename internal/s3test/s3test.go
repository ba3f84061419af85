// Package s3test runs a real S3 server for tests: Versity's gateway, built from a module
// of its own. It is for tests only.
package s3test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// The server's only login, and its region. The secret is a canary: it may turn up nowhere.
const (
	AccessKey = "s3test-access"
	SecretKey = "s3test-canary-secret-key"
	Region    = "us-east-1"
)

// Server is a running S3 server with an empty bucket.
type Server struct {
	// URL is its endpoint.
	URL string
	// Bucket is its name, and Dir where its objects lie as files.
	Bucket, Dir string

	tb      testing.TB
	program string
	args    []string
	address string
	process *exec.Cmd
	ended   chan struct{} // closed when the process has
	said    *bytes.Buffer
}

// program is the server's, built once for a test process.
var program = sync.OnceValues(func() ([]byte, error) {
	_, here, _, _ := runtime.Caller(0)
	dir, err := os.MkdirTemp("", "s3test-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "s3server")
	build := exec.CommandContext(context.Background(), "go", "build", "-ldflags=-s -w", "-o", file, ".")
	build.Dir = filepath.Join(filepath.Dir(here), "testdata", "s3server")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the S3 server: %w\n%s", err, out)
	}
	return os.ReadFile(file)
})

// Start starts a server. It ends with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	b, err := program()
	if err != nil {
		tb.Fatal(err)
	}
	base := tb.TempDir()
	s := &Server{tb: tb, Bucket: "blobs", program: filepath.Join(base, "s3server"), said: &bytes.Buffer{}}
	dir, sidecar := filepath.Join(base, "buckets"), filepath.Join(base, "sidecar")
	s.Dir = filepath.Join(dir, s.Bucket)
	for _, d := range []string{dir, sidecar} {
		if err := os.Mkdir(d, 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	if err := write(s.program, b); err != nil {
		tb.Fatal(err)
	}
	// An address of its own, so that it is free, and still is when the server comes back:
	// connections that others make begin at 127.0.0.1.
	s.address = fmt.Sprintf("127.%d.%d.%d:7070", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	s.URL = "http://" + s.address
	s.args = []string{"-listen", s.address, "-dir", dir, "-sidecar", sidecar}
	s.Up()
	tb.Cleanup(s.Down)
	if err := s.client().MakeBucket(tb.Context(), s.Bucket, minio.MakeBucketOptions{}); err != nil {
		tb.Fatalf("%v\n%s", err, s.said)
	}
	return s
}

// write writes a program. While the file is open for writing, no other test of this
// process may start one: a child would hold it open, and it couldn't be run.
func write(file string, b []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(file, b, 0o700)
}

// Up starts the server again after Down.
func (s *Server) Up() {
	s.tb.Helper()
	ctx := context.WithoutCancel(s.tb.Context())
	s.process = exec.CommandContext(ctx, s.program, s.args...)
	s.process.Env = append(os.Environ(), "S3_ACCESS_KEY="+AccessKey, "S3_SECRET_KEY="+SecretKey)
	s.process.Stdout, s.process.Stderr = s.said, s.said
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		s.tb.Fatal(err)
	}
	process, ended := s.process, make(chan struct{})
	s.ended = ended
	go func() {
		_ = process.Wait()
		close(ended)
	}()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/healthz", nil)
		if err != nil {
			s.tb.Fatal(err)
		}
		if answer, err := http.DefaultTransport.RoundTrip(r); err == nil {
			_ = answer.Body.Close()
			return
		}
		select {
		case <-ended:
			s.tb.Fatalf("the S3 server doesn't start:\n%s", s.said)
		default:
		}
	}
}

// Down kills the server. What is in its bucket stays.
func (s *Server) Down() {
	if s.process != nil {
		_ = s.process.Process.Kill()
		<-s.ended
		s.process = nil
	}
}

// Front puts something between the server and who asks it, and gives the endpoint to ask
// at. The request's signature stays good as long as its headers aren't changed.
func (s *Server) Front(between func(http.Handler) http.Handler) *httptest.Server {
	s.tb.Helper()
	to, err := url.Parse(s.URL)
	if err != nil {
		s.tb.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // it is signed
		},
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	front := httptest.NewUnstartedServer(between(proxy))
	s.tb.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
	})
	return front
}

// Objects gives the names of all objects.
func (s *Server) Objects() []string {
	s.tb.Helper()
	var names []string
	for o := range s.client().ListObjects(s.tb.Context(), s.Bucket, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			s.tb.Fatal(o.Err)
		}
		names = append(names, o.Key)
	}
	return names
}

// Spoil turns one byte in the middle of an object over.
func (s *Server) Spoil(name string) {
	s.tb.Helper()
	file := filepath.Join(s.Dir, filepath.FromSlash(name))
	b, err := os.ReadFile(file)
	if err != nil {
		s.tb.Fatal(err)
	}
	b[len(b)/2] ^= 0xff
	if err := os.WriteFile(file, b, 0o600); err != nil {
		s.tb.Fatal(err)
	}
}

func (s *Server) client() *minio.Client {
	s.tb.Helper()
	c, err := minio.New(s.address, &minio.Options{Creds: credentials.NewStaticV4(AccessKey, SecretKey, ""), Region: Region, BucketLookup: minio.BucketLookupPath})
	if err != nil {
		s.tb.Fatal(err)
	}
	return c
}
