package dockertest_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"fairlead.dev/fairlead/internal/dockertest"
)

func TestHost(t *testing.T) {
	t.Parallel()
	if a, b := dockertest.Host(t), dockertest.Host(t); a != b {
		t.Errorf("one process has two engines: %s and %s", a, b)
	}
}

// TestStop wants nothing left of an engine: no socket that answers, no file, no process.
func TestStop(t *testing.T) {
	t.Parallel()
	d, err := dockertest.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	api, err := client.New(client.WithHost(d.Host()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = api.Close() }()
	if _, err := api.Info(t.Context(), client.InfoOptions{}); err != nil {
		t.Error(err)
	}
	if err := d.Stop(); err != nil {
		t.Error(err)
	}
	dir := filepath.Dir(strings.TrimPrefix(d.Host(), "unix://"))
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its files are still there: %v", err)
	}
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		if b, err := os.ReadFile(c); err == nil && strings.Contains(string(b), dir) {
			t.Errorf("a process is still there: %q", b)
		}
	}
}
