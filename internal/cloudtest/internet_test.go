package cloudtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/internal/cloudtest"
)

func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestInternet(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	n.Handle("one.cloud.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "one "+r.Host) }))
	n.Handle("*.many.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "many "+r.Host) }))
	for _, row := range []struct {
		url  string
		code int
		body string
	}{
		{"https://one.cloud.example/a", 200, "one one.cloud.example"},
		{"https://ONE.cloud.example:443/a", 200, "one one.cloud.example"},
		{"http://one.cloud.example/a", 200, "one one.cloud.example"},
		{"https://a.many.example/", 200, "many a.many.example"},
		{"http://nowhere.example/", 502, "there is no host nowhere.example\n"},
	} {
		code, body := get(t, n.Client(), row.url)
		if code != row.code || body != row.body {
			t.Errorf("%s: %d %q, want %d %q", row.url, code, body, row.code, row.body)
		}
	}
	if _, why := get(t, n.Client(), "https://nowhere.example/"); !strings.Contains(why, "Bad Gateway") {
		t.Errorf("a host that isn't there: %s", why)
	}
	if diff := cmp.Diff(cloudtest.Request{Host: "one.cloud.example", Method: "GET", Path: "/a", Status: 200}, n.Requests()[0]); diff != "" {
		t.Error(diff)
	}
}

// TestEnv has another program reach a fake by nothing but its environment.
func TestEnv(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	n.Handle("registry.cloud.example", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	cmd := exec.CommandContext(t.Context(), "skopeo", "inspect", "docker://registry.cloud.example/a/b")
	cmd.Env = append(n.Env(), "PATH=/usr/bin:/bin", "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "418") {
		t.Errorf("skopeo didn't get to the fake: %v\n%s", err, out)
	}
}

func TestBreak(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	n.Handle("a.example", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	mend := n.Break(cloudtest.Fault{Host: "a.example", Path: "/x", Status: 500, Body: "broken", Header: map[string]string{"Retry-After": "7"}})
	if code, body := get(t, n.Client(), "https://a.example/x"); code != 500 || body != "broken" {
		t.Error(code, body)
	}
	if code, _ := get(t, n.Client(), "https://a.example/y"); code != 200 {
		t.Error(code)
	}
	mend()
	n.Break(cloudtest.Fault{Host: "a.example", Status: 429, Times: 1})
	if code, _ := get(t, n.Client(), "https://a.example/x"); code != 429 {
		t.Error(code)
	}
	if code, _ := get(t, n.Client(), "https://a.example/x"); code != 200 {
		t.Error(code)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n.Break(cloudtest.Fault{Host: "a.example", Hang: true, Match: func(*http.Request) bool { cancel(); return true }})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://a.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Client().Do(req); !errors.Is(err, context.Canceled) { //nolint:bodyclose // There is none.
		t.Error(err)
	}
}
