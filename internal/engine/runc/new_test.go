package runc_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine/runc"
)

// background begins what a child process does.
func background() context.Context { return context.Background() }

// TestNewErrors wants to be told what the machine lacks, and what to do.
func TestNewErrors(t *testing.T) {
	t.Parallel()
	used := t.TempDir()
	newEngine(t, used)
	inFile := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(inFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	runtime := func(name string) func(*runc.Options) { return func(o *runc.Options) { o.Runtime = name } }
	self := func(name string) func(*runc.Options) { return func(o *runc.Options) { o.Self = name } }
	for _, row := range []struct {
		name, dir string
		change    func(*runc.Options)
		kind      fairlead.Kind
		why       string
	}{
		{"no such runtime", t.TempDir(), runtime("no-such-runtime"), fairlead.Unavailable, "there is no program no-such-runtime"},
		{"a runtime that is none", t.TempDir(), runtime("/bin/false"), fairlead.Unavailable, "asking /bin/false for its version"},
		{"a directory in use", used, runtime(""), fairlead.Conflict, "another process uses this directory"},
		{"below a file", filepath.Join(inFile, "dir"), runtime(""), fairlead.Unavailable, "not a directory"},
		{"a file system without attributes", disk(t, "ramfs", ""), runtime(""), fairlead.Unavailable, "attributes"},
		{"a helper that isn't there", t.TempDir(), self("/no/such/file"), fairlead.Unavailable, "/no/such/file"},
		{"a helper that is another program", t.TempDir(), self("/bin/false"), fairlead.Unavailable, "/bin/false"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, err := open(row.dir, row.change)
			if fairlead.KindOf(err) != row.kind || !strings.Contains(err.Error(), row.why) || fairlead.AsError("", err).Remedy == "" {
				t.Errorf("%v, want %q about %q, and a remedy", err, row.kind, row.why)
			}
		})
	}
}

// TestNotRoot wants the engine to say that it needs to be root.
func TestNotRoot(t *testing.T) {
	t.Parallel()
	cmd := child(t, "runc-test-open", "/nowhere")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "the worker isn't root") {
		t.Errorf("%q %v", out, err)
	}
}
