package oci_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
)

func webOf(t *testing.T, o oci.Options) *http.Client {
	t.Helper()
	o.Now = time.Now
	c, err := oci.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	web, err := c.Web(false)
	if err != nil {
		t.Fatal(err)
	}
	return web
}

func fetch(t *testing.T, c *http.Client, address string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer c4nary")
	res, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// TestWeb keeps a provider's client from this machine and from other hosts.
func TestWeb(t *testing.T) {
	t.Parallel()
	var seen []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = append(seen, r.Header.Get("Authorization")) }))
	defer other.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		case "/here":
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
		default:
			_, _ = io.WriteString(w, "hello")
		}
	}))
	defer s.Close()
	if _, _, err := fetch(t, webOf(t, oci.Options{}), s.URL); fairlead.CodeOf(err) != fairlead.CodeEgress {
		t.Errorf("loopback: %v", err)
	}
	open := webOf(t, oci.Options{Egress: oci.Egress{Allow: []string{"127.0.0.0/8"}}})
	if status, body, err := fetch(t, open, s.URL+"/here"); err != nil || status != 200 || body != "hello" {
		t.Error(status, body, err)
	}
	if status, _, err := fetch(t, open, s.URL+"/away"); err != nil || status != http.StatusTemporaryRedirect || len(seen) != 0 {
		t.Error(status, err, seen)
	}
}

// TestMachine reaches metadata services, and nothing that calls itself one.
func TestMachine(t *testing.T) {
	t.Parallel()
	c, err := oci.New(oci.Options{Now: time.Now, Proxy: func(*http.Request) (*url.URL, error) { t.Error("a proxy was asked for"); return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, address := range []string{
		"http://127.0.0.1/", "http://169.254.169.253/", "http://169.254.169.254:8080/", "https://169.254.169.254/", "http://metadata.google.internal.evil.example/",
		"http://[::ffff:10.0.0.1]/", "http://evil.example/169.254.169.254",
	} {
		if _, _, err := fetch(t, c.Machine(), address); fairlead.CodeOf(err) != fairlead.CodeEgress || strings.Contains(err.Error(), "c4nary") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
