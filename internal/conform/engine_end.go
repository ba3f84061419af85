package conform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
)

// testTwoAtOnce has two containers wait for each other.
func testTwoAtOnce(t *testing.T, s *shop) {
	t.Helper()
	m := newMeeting(t, "one", "two")
	c := s.container("echo hello >/meet/one; cat /meet/two")
	d := s.container("cat /meet/one; echo hello >/meet/two")
	c.Mounts, d.Mounts = []engine.Mount{m.mount()}, []engine.Mount{m.mount()}
	one, two := s.start(t, c), s.start(t, d)
	for _, o := range []outcome{one.wait(), two.wait()} {
		if o.err != nil || o.code != 0 || o.out != "hello\n" {
			t.Errorf("%+v", o)
		}
	}
}

// testGrace ends containers that have begun.
func testGrace(t *testing.T, s *shop) {
	t.Helper()
	const long = time.Hour // nobody waits for that
	for _, row := range []struct {
		name, script string
		grace        time.Duration
		want         string
	}{
		{"it ends", "trap 'echo bye; exit 5' TERM; echo up >/meet/up; while :; do sleep 1000 & wait; done", long, "bye\n"},
		{"it ends by the signal", "trap 'trap - TERM; echo bye; kill -TERM $$' TERM; echo up >/meet/up; sleep 1000 & wait", time.Second, "bye\n"},
		{"it takes no notice", "trap '' TERM; echo up >/meet/up; while :; do sleep 1000 & wait; done", 100 * time.Millisecond, ""},
		{"the first process has no handler", "echo up >/meet/up; while :; do sleep 1000 & wait; done", 100 * time.Millisecond, ""},
		{"no grace", "trap '' TERM; echo up >/meet/up; while :; do sleep 1000 & wait; done", 0, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			m := newMeeting(t, "up")
			c := s.container(row.script)
			c.Mounts, c.Grace = []engine.Mount{m.mount()}, row.grace
			r := s.start(t, c)
			m.up(t, r.done)
			enough := errors.New("enough of " + row.name)
			r.cancel(enough)
			if o := r.wait(); !errors.Is(o.err, enough) || o.out != row.want {
				t.Errorf("%d %v %q, want the cause and %q", o.code, o.err, o.out, row.want)
			}
			s.wantGone(t, c)
		})
	}
}

// wantGone wants a container's name to be free, and its processes to be gone.
func (s *shop) wantGone(t *testing.T, c engine.Container) {
	t.Helper()
	if list := processes(t, c.ID); len(list) > 0 {
		t.Errorf("there are still processes of container %s: %v", c.ID, list)
	}
	again := s.container("echo again")
	again.ID = c.ID
	if got := s.output(t, again); got != "again\n" {
		t.Errorf("%q", got)
	}
}

// testEnded wants nothing to be begun when it is over already.
func testEnded(t *testing.T, s *shop) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errEnough)
	m := newMeeting(t)
	c := s.container("echo >/meet/ran")
	c.Mounts = []engine.Mount{m.mount()}
	if o := s.run(ctx, c); !errors.Is(o.err, errEnough) {
		t.Errorf("%+v", o)
	}
	if _, err := os.Stat(filepath.Join(m.dir, "ran")); err == nil {
		t.Error("the container ran")
	}
	s.wantGone(t, c)
}

// testEndedEarly ends containers on their way to begin.
func testEndedEarly(t *testing.T, s *shop) {
	t.Helper()
	for range 4 {
		c := s.container("trap '' TERM; while :; do sleep 1000 & wait; done")
		c.Grace, c.Args = 0, append(c.Args, c.ID)
		r := s.start(t, c)
		r.cancel(errEnough)
		if o := r.wait(); !errors.Is(o.err, errEnough) {
			t.Errorf("%+v", o)
		}
		s.wantGone(t, c)
	}
}

// testChildren wants whatever a container started to end with it.
func testChildren(t *testing.T, s *shop) {
	t.Helper()
	// A process of each kind has the container's name among its arguments.
	const children = `
trap '' TERM HUP
sh -c 'trap "" TERM HUP; sleep 1000; :' "$1" & 
setsid sh -c 'sleep 1000; :' "$1" >/dev/null 2>&1 &
(setsid sh -c 'echo up >/meet/up; sleep 1000; :' "$1" &)
`
	for _, row := range []struct {
		name, script string
		cancel       bool
	}{
		{"by itself", "cat /meet/go; exit 4", false},
		{"killed", "cat /meet/go; while :; do sleep 1000 & wait; done", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			m := newMeeting(t, "up", "go")
			c := s.container(children + row.script)
			c.Args = append(c.Args, c.ID)
			c.Mounts, c.Grace = []engine.Mount{m.mount()}, 0
			r := s.start(t, c)
			m.up(t, r.done)
			if n := len(processes(t, c.ID)); n < 2 {
				t.Errorf("the test sees only %d processes of the container", n)
			}
			if row.cancel {
				r.cancel(errEnough)
			} else if err := os.WriteFile(filepath.Join(m.dir, "go"), []byte("go\n"), 0); err != nil {
				t.Error(err)
			}
			if o := r.wait(); o.code != 4 && !row.cancel || (o.err != nil) != row.cancel {
				t.Errorf("%+v", o)
			}
			s.wantGone(t, c)
		})
	}
}

// processes lists the command lines of the processes of this machine that name a
// container as one of their arguments, other than the engine's own.
func processes(t *testing.T, id string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		line := string(b)
		if err == nil && strings.Contains(line, "\x00"+id+"\x00") && strings.Contains(line, "sh\x00-c\x00") {
			list = append(list, fmt.Sprintf("%s %q", filepath.Base(filepath.Dir(f)), line))
		}
	}
	return list
}

// testConflict wants a container to keep its name.
func testConflict(t *testing.T, s *shop) {
	t.Helper()
	m := newMeeting(t, "up", "go")
	c := s.container("echo up >/meet/up; cat /meet/go")
	c.Mounts = []engine.Mount{m.mount()}
	r := s.start(t, c)
	m.up(t, r.done)
	second := s.container("true")
	second.ID = c.ID
	o := s.run(t.Context(), second)
	wantKind(t, o.err, fairlead.Conflict, fairlead.CodeEngine)
	if err := os.WriteFile(filepath.Join(m.dir, "go"), []byte("go\n"), 0); err != nil {
		t.Error(err)
	}
	if o := r.wait(); o.err != nil || o.code != 0 || o.out != "go\n" {
		t.Errorf("the first container: %+v", o)
	}
	s.wantGone(t, c)
}
