package leash_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead.dev/fairlead/internal/leash"
)

// TestMain lets this program be the leash.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == leash.Name {
		os.Exit(leash.Main(os.Args[1:], os.Stderr))
	}
	os.Exit(m.Run())
}

// held writes a deadline that is so far away.
func held(t *testing.T, left time.Duration) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "deadline")
	extend(t, file, left)
	return file
}

func extend(t *testing.T, file string, left time.Duration) {
	t.Helper()
	now, err := leash.Boottime()
	if err == nil {
		err = leash.Renew(file, now+left)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// on puts a command on the leash, as the first process of a PID namespace of its own as
// it is in a container: what it kills can't be anybody else's.
func on(t *testing.T, file string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, append([]string{file}, args...)...)
	c.Args[0] = leash.Name
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	return c
}

// code is how a command ended.
func code(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	e, ok := err.(*exec.ExitError) //nolint:errorlint // exec gives it as it is.
	if !ok {
		t.Fatal(err)
	}
	return e.ExitCode()
}

const far = time.Hour

// TestExitCodes hands on how the command ended.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"well":           {[]string{"/bin/sh", "-c", "echo hello"}, 0, "hello\n"},
		"badly":          {[]string{"/bin/sh", "-c", "exit 7"}, 7, ""},
		"by a signal":    {[]string{"/bin/sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
		"killed":         {[]string{"/bin/sh", "-c", "kill -KILL $$"}, 128 + 9, ""},
		"not there":      {[]string{"/no/such/program"}, 127, "the image has no /no/such/program"},
		"not a program":  {[]string{"/dev/null"}, 127, "the image has no /dev/null"},
		"an orphan":      {[]string{"/bin/sh", "-c", "(sleep 100 &) ; exit 3"}, 3, ""},
		"its own reaper": {[]string{"/bin/sh", "-c", "for i in 1 2 3 4 5; do (true &); done; wait; exit 4"}, 4, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := on(t, held(t, far), c.args...)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if got := code(t, cmd.Run()); got != c.code || !strings.Contains(out.String(), c.says) {
				t.Errorf("exit code %d, want %d: %s", got, c.code, out.String())
			}
		})
	}
	if got := code(t, on(t, held(t, far)).Run()); got != 2 {
		t.Errorf("without a program: exit code %d", got)
	}
}

// TestDeadline has the deadline pass: the command and everything that it left behind
// ends, also what ignores signals and what left its process group.
func TestDeadline(t *testing.T) {
	t.Parallel()
	file := held(t, far)
	script := `trap "" TERM INT HUP; setsid sh -c 'trap "" TERM; echo behind; exec sleep 1000' & echo ready; while :; do sleep 1000; done`
	cmd := on(t, file, "/bin/sh", "-c", script)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for range 2 { // both run
		if !lines.Scan() {
			t.Fatal("the command says nothing")
		}
	}
	extend(t, file, -time.Second)
	// What still runs holds the pipe open: its end says that nothing does.
	for lines.Scan() {
		t.Errorf("the command says %s", lines.Text())
	}
	if got := code(t, cmd.Wait()); got != leash.ExitDeadline {
		t.Errorf("exit code %d, want %d", got, leash.ExitDeadline)
	}
}

// TestNoDeadline begins nothing whose hold nobody vouches for.
func TestNoDeadline(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	nonsense := filepath.Join(dir, "nonsense")
	if err := os.WriteFile(nonsense, []byte("soon"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{"none": filepath.Join(dir, "none"), "nonsense": nonsense, "passed": held(t, -time.Second)} {
		marker := filepath.Join(dir, "marker-"+name)
		if got := code(t, on(t, file, "/bin/sh", "-c", "echo x >"+marker).Run()); got != leash.ExitDeadline {
			t.Errorf("%s: exit code %d", name, got)
		}
		if _, err := os.Stat(marker); !os.IsNotExist(err) {
			t.Errorf("%s: the command ran: %v", name, err)
		}
	}
}

// TestDeadlineGone loses the deadline's file while the command runs: what it said last
// holds, so that a renewal is never met half done.
func TestDeadlineGone(t *testing.T) {
	t.Parallel()
	file := held(t, far)
	cmd := on(t, file, "/bin/sh", "-c", "echo ready; read line; exit 5")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if s := bufio.NewScanner(out); !s.Scan() {
		t.Fatal("the command says nothing")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(in, "go on"); err != nil {
		t.Fatal(err)
	}
	if got := code(t, cmd.Wait()); got != 5 {
		t.Errorf("exit code %d", got)
	}
}

// TestSignals hands signals on, to the command's whole group.
func TestSignals(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			name := map[syscall.Signal]string{syscall.SIGTERM: "TERM", syscall.SIGINT: "INT", syscall.SIGHUP: "HUP", syscall.SIGUSR1: "USR1", syscall.SIGUSR2: "USR2"}[s]
			script := "trap 'echo told; exit 9' " + name + "; echo ready; while :; do sleep 0.05; done"
			cmd := on(t, held(t, far), "/bin/sh", "-c", script)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			if !lines.Scan() {
				t.Fatal("the command says nothing")
			}
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			if !lines.Scan() || lines.Text() != "told" {
				t.Errorf("the command says %q", lines.Text())
			}
			if got := code(t, cmd.Wait()); got != 9 && got != 128+int(s) {
				t.Errorf("exit code %d", got)
			}
		})
	}
}

// TestRenew replaces the file in one step: whoever reads it reads a whole number.
func TestRenew(t *testing.T) {
	t.Parallel()
	file := held(t, far)
	done := make(chan error, 1)
	go func() {
		for range 2000 {
			b, err := os.ReadFile(file)
			if err == nil {
				_, err = strconv.ParseInt(string(b), 10, 64)
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 2000 {
		extend(t, file, far)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	files, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(files) != 1 {
		t.Errorf("%d files are left, %v", len(files), err)
	}
	if err := leash.Renew(filepath.Join(t.TempDir(), "none", "deadline"), 0); err == nil {
		t.Error("no error without the directory")
	}
}

// TestBoottime never goes back.
func TestBoottime(t *testing.T) {
	t.Parallel()
	var last time.Duration
	for range 1000 {
		now, err := leash.Boottime()
		if err != nil || now < last || now == 0 {
			t.Fatalf("%s after %s, %v", now, last, err)
		}
		last = now
	}
}
