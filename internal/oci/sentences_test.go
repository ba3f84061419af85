package oci_test

import (
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
)

var update = flag.Bool("update", false, "write the golden files")

// TestSentences holds what people read when a pull stops against a golden file. Every
// error comes from a real server, socket or certificate.
func TestSentences(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*testing.T) error{}
	for _, group := range []map[string]func(*testing.T) error{networkCases(), tlsCases(), loginCases(), imageCases(), registryCases(), blobCases()} {
		maps.Copy(cases, group)
	}
	var mu sync.Mutex
	got := map[string]string{}
	t.Run("all", func(t *testing.T) {
		for name, f := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := steady(sentence(t, f(t)))
				mu.Lock()
				defer mu.Unlock()
				got[name] = s
			})
		}
	})
	const file = "testdata/sentences.golden"
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(got)) {
		fmt.Fprintf(&b, "## %s\n%s\n\n", name, got[name])
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s\nrun with -update if that is meant", d)
	}
}

// steady replaces what differs from run to run.
func steady(s string) string {
	for _, r := range []struct{ from, to string }{
		{`(127\.0\.0\.\d|localhost|\[::1\]|[a-z-]+\.test):\d+`, "$1:PORT"},
		{`sha256:[0-9a-f]{64}`, "sha256:DIGEST"},
		{`\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC`, "DATE"},
	} {
		s = regexp.MustCompile(r.from).ReplaceAllString(s, r.to)
	}
	return s
}

// resolve resolves team/app:v1 (or another) at a host.
func resolve(t *testing.T, c *oci.Client, kc fairlead.Keychain, host, name string) error {
	t.Helper()
	_, err := c.Resolve(t.Context(), kc, image(t, host, name))
	return err
}

// plain is a lease's worth of a registry without TLS, or with.
type plain bool

func (p plain) Scheme() string {
	if p {
		return "http"
	}
	return "https"
}

func (plain) CA() string { return "" }

// listener is a server on the socket level.
func listener(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = c.Close() }()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// silent reads and never writes.
func silent(c net.Conn) {
	for b := make([]byte, 1024); ; {
		if _, err := c.Read(b); err != nil {
			return
		}
	}
}

func quick(o *oci.Options) {
	const short = 100 * time.Millisecond
	o.Timeouts = oci.Timeouts{Connect: short, Handshake: short, Header: short, Stall: short}
}
