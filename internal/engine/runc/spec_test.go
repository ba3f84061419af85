package runc_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/engine/runc"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

var update = flag.Bool("update", false, "write the golden files")

// spy is a runtime that keeps what it is told and runs nothing.
func spy(t *testing.T) (program, config string) {
	t.Helper()
	dir := t.TempDir()
	program, config = filepath.Join(dir, "spy"), filepath.Join(dir, "config.json")
	script := fmt.Sprintf(`#!/bin/sh
case "$*" in *--version*) echo "crun version 1.8.1"; exit ;; esac
while [ $# -gt 0 ]; do
  case $1 in --bundle) cp "$2/config.json" %s ;; --pid-file) echo 1 >"$2" ;; esac
  shift
done
`, config)
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return program, config
}

// TestSpec compares what the runtime is told with a golden file. Seccomp's rules are
// those of github.com/moby/profiles, and are only counted.
func TestSpec(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t, registrytest.Config{})
	image := registrytest.Image(t, registrytest.Layer(t,
		registrytest.Entry{Name: "etc/passwd", Body: "app:x:1000:1000::/home/app:\n"},
		registrytest.Entry{Name: "etc/group", Body: "video:x:44:app\n"},
	))
	digest := registrytest.Push(t, r, image, "team/app:v1", registrytest.Account{})
	for _, row := range []struct {
		name string
		c    engine.Container
	}{
		{"plain", engine.Container{Args: []string{"true"}}},
		{"full", engine.Container{
			Args: []string{"sh", "-c", "true"}, Env: []string{"A=1", "PATH=/opt/bin"}, Dir: "/work", CPUs: "0.5",
			Mounts: []engine.Mount{{Source: "/srv/data", Target: "/data", ReadOnly: true}, {Source: "/srv/out", Target: "out"}},
		}},
		{"cores", engine.Container{Args: []string{"true"}, CPUs: "0-0"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			program, config := spy(t)
			dir := t.TempDir()
			e := newEngine(t, dir, func(o *runc.Options) { o.Runtime = program })
			p := pull(t, e, ref.Image{Resource: ref.Resource{Host: r.Host(), Repository: "team/app"}, Digest: digest})
			defer p.Release()
			row.c.ID, row.c.Image = "the-id", p
			if code, err := e.Run(t.Context(), row.c); code != 0 || err != nil {
				t.Fatal(code, err)
			}
			golden(t, filepath.Join("testdata", row.name+".json"), told(t, config, dir))
		})
	}
}

// told gives the configuration without what differs from machine to machine.
func told(t *testing.T, config, dir string) string {
	t.Helper()
	raw, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	var s specs.Spec
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	if rules := s.Linux.Seccomp; rules == nil || rules.DefaultAction != specs.ActErrno || len(rules.Syscalls) == 0 {
		t.Errorf("the rules of seccomp are %+v", rules)
	}
	s.Linux.Seccomp = nil
	for i := range s.Process.Rlimits {
		s.Process.Rlimits[i].Hard, s.Process.Rlimits[i].Soft = 1, 1
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(b.String(), dir, "DIR")
	if s.Hostname != "" {
		text = strings.ReplaceAll(text, `"`+s.Hostname+`"`, `"HOST"`)
		text = strings.ReplaceAll(text, "HOSTNAME="+s.Hostname, "HOSTNAME=HOST")
	}
	return regexp.MustCompile(`/fairlead-[0-9a-f]{12}/`).ReplaceAllString(text, "/PARENT/")
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: %s\nIf it is meant: go test -update", name, diff)
	}
}
