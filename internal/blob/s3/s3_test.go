package s3_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/blob"
	"fairlead.dev/fairlead/internal/blob/s3"
	"fairlead.dev/fairlead/internal/conform"
	"fairlead.dev/fairlead/internal/s3test"
)

// options are for a server's bucket.
func options(s *s3test.Server) s3.Options {
	return s3.Options{
		Location: "s3://" + s.Bucket, Endpoint: s.URL, Region: s3test.Region,
		Login: s3.Login{AccessKey: s3test.AccessKey, SecretKey: fairlead.SecretText(s3test.SecretKey)},
	}
}

func open(t *testing.T, o s3.Options) *s3.Bucket {
	t.Helper()
	b, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKeeper(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	var serial atomic.Int64
	conform.Keeper(t, func(t *testing.T) (blob.Keeper, func() blob.Keeper) {
		t.Helper()
		o := options(s)
		o.Location += "/some/prefix" + strings.Repeat("x", int(serial.Add(1)))
		again := func() blob.Keeper {
			k, err := s3.NewKeeper(open(t, o), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		return again(), again
	})
}

// TestBucket writes an object of several parts, and reads ranges of it.
func TestBucket(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	b := open(t, options(s))
	if err := b.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("0123456789abcdef"), (40<<20)/16)
	const name = "sha256/ab/abc"
	if err := b.Put(t.Context(), name, bytes.NewReader(content), int64(len(content))); err != nil {
		t.Fatal(err)
	}
	if got := s.Objects(); !slices.Equal(got, []string{name}) {
		t.Errorf("objects %v", got)
	}
	whole := int64(len(content))
	for _, c := range []struct{ from, to int64 }{{0, -1}, {0, 1}, {0, 100}, {5, 6}, {17, 20 << 20}, {whole - 1, -1}, {whole - 10, whole}, {20 << 20, -1}} {
		body, size, err := b.Get(t.Context(), name, c.from, c.to)
		if err != nil {
			t.Errorf("[%d, %d): %v", c.from, c.to, err)
			continue
		}
		got, err := io.ReadAll(body)
		_ = body.Close()
		to := c.to
		if to < 0 {
			to = whole
		}
		if err != nil || size != whole || !bytes.Equal(got, content[c.from:to]) {
			t.Errorf("[%d, %d) has %d bytes of %d, %v", c.from, c.to, len(got), size, err)
		}
	}
	for range 2 {
		if err := b.Remove(t.Context(), name); err != nil {
			t.Error(err)
		}
		if err := b.Abort(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := b.Get(t.Context(), name, 0, -1); fairlead.KindOf(err) != fairlead.NotFound {
		t.Errorf("removed: %v", err)
	}
}

// TestOwnAuthority reaches a service whose certificate the system doesn't trust.
func TestOwnAuthority(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	front := s.Front(func(h http.Handler) http.Handler { return h })
	front.StartTLS()
	o := options(s)
	o.Endpoint = front.URL
	if err := open(t, o).Check(t.Context()); fairlead.KindOf(err) != fairlead.Unavailable {
		t.Errorf("without its authority: %v", err)
	}
	o.Roots = x509.NewCertPool()
	o.Roots.AddCert(front.Certificate())
	b := open(t, o)
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := b.Put(t.Context(), "x", strings.NewReader("hello"), 5); err != nil {
		t.Error(err)
	}
}

// TestTrouble tells what is wrong without a word of the secret.
func TestTrouble(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	hang := s.Front(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	})
	hang.Start()
	full := s.Front(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut || r.Method == http.MethodPost {
				w.WriteHeader(http.StatusInsufficientStorage)
				_, _ = io.WriteString(w, `<Error><Code>XMinioStorageFull</Code><Message>`+s3test.SecretKey+`</Message></Error>`)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	full.Start()
	for _, c := range []struct {
		name string
		set  func(o *s3.Options)
		want string
	}{
		{"WrongSecret", func(o *s3.Options) { o.SecretKey = fairlead.SecretText("other-canary") }, "refuses the login"},
		{"WrongKey", func(o *s3.Options) { o.AccessKey = "nobody" }, "answers"},
		{"NoBucket", func(o *s3.Options) { o.Location = "s3://another" }, "no bucket another"},
		{"Nobody", func(o *s3.Options) { o.Endpoint = "http://127.0.0.1:1" }, "can't be reached"},
		{"Hangs", func(o *s3.Options) { o.Endpoint = hang.URL }, "took too long"},
		{"Full", func(o *s3.Options) { o.Endpoint = full.URL }, "XMinioStorageFull"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := options(s)
			c.set(&o)
			b := open(t, o)
			var err error
			if c.name == "Full" {
				err = b.Put(context.WithoutCancel(t.Context()), "x", strings.NewReader("hello"), 5)
			} else {
				_, _, err = b.Get(t.Context(), "x", 0, -1)
			}
			e := fairlead.AsError("", err)
			if e.Kind != fairlead.Unavailable || !strings.Contains(e.Why, c.want) {
				t.Errorf("%v", err)
			}
			if text := err.Error() + e.Remedy; strings.Contains(text, "canary") {
				t.Errorf("the secret is told: %s", text)
			}
		})
	}
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	for _, o := range []s3.Options{
		{},
		{Location: "s3://"},
		{Location: "https://x/y"},
		{Location: "s3:///x"},
		{Location: "s3://a/../b"},
		{Location: "s3://a/b//c"},
		{Location: "s3://key:secret@a"},
		{Location: "s3://a", Endpoint: "x"},
		{Location: "s3://a", Endpoint: "https://u:p@x"},
		{Location: "s3://a", Endpoint: "https://x/path"},
		{Location: "s3://a", Endpoint: "ftp://x"},
		{Location: "s3://a", Endpoint: "https://x", Login: s3.Login{AccessKey: "-"}},
	} {
		if o.AccessKey == "" {
			o.AccessKey, o.SecretKey = "k", fairlead.SecretText("s")
		} else {
			o.AccessKey = ""
		}
		if _, err := s3.New(o); fairlead.KindOf(err) != fairlead.Invalid {
			t.Errorf("%s at %s: %v", o.Location, o.Endpoint, err)
		}
	}
}
