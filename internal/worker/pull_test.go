package worker

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
)

// TestAgain says which failed pulls are tried again, and when.
func TestAgain(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	fail := func(k fairlead.Kind, c fairlead.Code, at time.Duration) error {
		e := &fairlead.Error{Kind: k, Code: c}
		if at != 0 {
			e.RetryAt = now.Add(at)
		}
		return e
	}
	for name, c := range map[string]struct {
		err         error
		try         int
		again       bool
		least, most time.Duration
	}{
		"no connection":          {fail(fairlead.Unavailable, fairlead.CodeConnect, 0), 1, true, time.Second, 1250 * time.Millisecond},
		"the second time":        {fail(fairlead.Unavailable, fairlead.CodeConnect, 0), 2, true, 2 * time.Second, 2500 * time.Millisecond},
		"too often":              {fail(fairlead.Unavailable, fairlead.CodeConnect, 0), 3, false, 0, 0},
		"no address":             {fail(fairlead.Unavailable, fairlead.CodeDNS, 0), 1, true, time.Second, 1250 * time.Millisecond},
		"in trouble, until then": {fail(fairlead.Unavailable, fairlead.CodeRegistryBroken, time.Minute), 1, true, time.Minute, time.Minute},
		"rate limited":           {fail(fairlead.Limited, fairlead.CodeRateLimited, 30*time.Second), 1, true, 30 * time.Second, 30 * time.Second},
		"rate limited, no date":  {fail(fairlead.Limited, fairlead.CodeRateLimited, 0), 1, true, time.Second, 1250 * time.Millisecond},
		"rate limited for long":  {fail(fairlead.Limited, fairlead.CodeRateLimited, time.Hour), 1, false, 0, time.Hour},
		"a date that has passed": {fail(fairlead.Limited, fairlead.CodeRateLimited, -time.Hour), 1, true, time.Second, 1250 * time.Millisecond},
		"no trust":               {fail(fairlead.Unavailable, fairlead.CodeTLS, 0), 1, false, 0, 0},
		"login refused":          {fail(fairlead.Denied, fairlead.CodeLoginRefused, 0), 1, false, 0, 0},
		"no right":               {fail(fairlead.Denied, fairlead.CodeNoRight, 0), 1, false, 0, 0},
		"no image":               {fail(fairlead.NotFound, fairlead.CodeNoImage, 0), 1, false, 0, 0},
		"wrong platform":         {fail(fairlead.Invalid, fairlead.CodePlatform, 0), 1, false, 0, 0},
		"anything else":          {os.ErrClosed, 1, false, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, fairlead.Run{}, nothing)
			for range 100 {
				wait, again := b.again(c.err, c.try)
				if again != c.again || again && (wait < c.least || wait > c.most) {
					t.Fatalf("%v after %s", again, wait)
				}
			}
		})
	}
}

// kept is a server that takes outputs.
type kept struct {
	mu    sync.Mutex
	files map[string]string
	fail  int // so many requests fail first
}

func (k *kept) serve(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail--; k.fail >= 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	b, err := io.ReadAll(r.Body)
	if err != nil || string(digestOf(b)) != r.URL.Query().Get("digest") {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	k.files[strings.TrimPrefix(r.URL.Path, "/api/v1/work/runs/r/outputs/")] = string(b)
	w.WriteHeader(http.StatusNoContent)
}

// TestOutputs uploads what a command left: its files, and nothing that it points at.
func TestOutputs(t *testing.T) {
	t.Parallel()
	k := &kept{files: map[string]string{}, fail: 2}
	b := newBench(t, fairlead.Run{}, k.serve)
	dir := b.outputsDir()
	secret := filepath.Join(b.dir, "secret")
	for name, text := range map[string]string{
		secret: "c4nary", filepath.Join(dir, "model.bin"): "model", filepath.Join(dir, "a/b/c d.txt"): "deep", filepath.Join(dir, "empty"): "", filepath.Join(dir, "100%"): "percent",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"link-out": secret, "link-up": "../secret", "link-dir": b.dir, "link-in": "model.bin", "link-nowhere": "none"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.upload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"model.bin": "model", "a/b/c d.txt": "deep", "empty": "", "100%": "percent"}, k.files); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	lines := b.log.texts()
	for _, name := range []string{"link-out", "link-up", "link-dir", "link-in", "link-nowhere", "pipe"} {
		if !slices.Contains(lines, "Output "+name+" is not a regular file and isn't kept.") {
			t.Errorf("nothing is said of %s: %v", name, lines)
		}
	}
	if last := lines[len(lines)-1]; last != "Outputs kept: 4 (16 bytes)." {
		t.Errorf("the log ends with %s", last)
	}
}
