package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// person is somebody at a terminal in which fairlead runs.
type person struct {
	t        *testing.T
	pty, tty *os.File // the person's end, and fairlead's
	cmd      *exec.Cmd
	seen     bytes.Buffer
}

// sits starts fairlead in a terminal.
func sits(t *testing.T, dir string, args ...string) *person {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "fairlead", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "FAIRLEAD_CONFIG_DIR="+filepath.Join(dir, "config"), "NO_COLOR=1")
	hers, its, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = hers.Close(), its.Close() })
	cmd.Stdin, cmd.Stdout, cmd.Stderr = its, its, its
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &person{t: t, pty: hers, tty: its, cmd: cmd}
}

// reads reads until the words are there.
func (p *person) reads(words string) {
	p.t.Helper()
	for b := make([]byte, 256); !strings.Contains(p.seen.String(), words); {
		n, err := p.pty.Read(b)
		p.seen.Write(b[:n])
		if err != nil {
			p.t.Fatalf("%q didn't come: %v\n%s", words, err, p.seen.String())
		}
	}
}

func (p *person) types(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.pty, line); err != nil {
		p.t.Fatal(err)
	}
}

// leaves reads all that comes and gives the exit code.
func (p *person) leaves() int {
	p.t.Helper()
	_ = p.tty.Close()
	// A terminal whose other end is closed is an EIO (pty(7)), and that is its end.
	if _, err := io.Copy(&p.seen, p.pty); err != nil && !errors.Is(err, syscall.EIO) {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil && p.cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// startServer starts a server for a test outside of the scripts.
func startServer(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "fairlead", "serve", "--listen", "127.0.0.1:0", "--data", "data", "--no-worker")
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	url, read := readyAt(errs, io.Discard)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		read.Wait()
		_ = cmd.Wait()
	})
	if url == "" {
		t.Fatal("the server ended before it was ready")
	}
}

// TestPrompts sets up and connects a registry as a person does: asked for what wasn't
// given, and no secret is shown.
func TestPrompts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	startServer(t, dir)
	const password, secret = "correct horse battery", "c4n4ry-prompted"

	p := sits(t, dir, "setup", "--data", "data")
	p.reads("Organization")
	p.types("acme\n")
	p.reads("name")
	p.types("ann\n")
	p.reads("E-mail")
	p.types("\n")
	p.reads("New password: ")
	p.types(password + "\n")
	p.reads("New password again: ")
	p.types(password + "\n")
	if code := p.leaves(); code != exitDone {
		t.Fatalf("setup: exit code %d\n%s", code, p.seen.String())
	}

	add := sits(t, dir, "registry", "add", "main", "--no-verify", "--pattern", "registry.acme.example/acme/*")
	add.reads("Username: ")
	add.types("robot\n")
	add.reads("Password")
	add.reads(": ")
	add.types(secret + "\n")
	if code := add.leaves(); code != exitDone || !strings.Contains(add.seen.String(), "Added registry main") {
		t.Errorf("registry add: exit code %d\n%s", code, add.seen.String())
	}
	for _, seen := range []string{p.seen.String(), add.seen.String()} {
		if strings.Contains(seen, password) || strings.Contains(seen, secret) {
			t.Errorf("a secret was shown:\n%s", seen)
		}
		if regexp.MustCompile(`fl[a-z]_`).MatchString(seen) {
			t.Errorf("a token was shown:\n%s", seen)
		}
	}
}

// TestPromptsDiffer has a person type two passwords that aren't the same.
func TestPromptsDiffer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	startServer(t, dir)
	p := sits(t, dir, "setup", "--data", "data", "--organization", "acme", "--name", "ann", "--email", "ann@acme.example")
	p.reads("New password: ")
	p.types("correct horse battery\n")
	p.reads("New password again: ")
	p.types("correct horse batter\n")
	if code := p.leaves(); code != exitFailed || !strings.Contains(p.seen.String(), "the two are not the same") {
		t.Errorf("exit code %d\n%s", code, p.seen.String())
	}
}

// TestPromptInterrupted leaves a prompt by Ctrl-C: fairlead ends, and the terminal shows
// what is typed again.
func TestPromptInterrupted(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, prompt string }{
		{"hidden", "New password: "},
		{"shown", "Organization"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			startServer(t, dir)
			args := []string{"setup", "--data", "data"}
			if row.name == "hidden" {
				args = append(args, "--organization", "acme", "--name", "ann", "--email", "ann@acme.example")
			}
			p := sits(t, dir, args...)
			before, err := term.GetState(int(p.tty.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			p.reads(row.prompt)
			p.types("\x03")
			if err := p.cmd.Wait(); err == nil || p.cmd.ProcessState.ExitCode() != exitFailed {
				t.Errorf("it ended with %v", err)
			}
			after, err := term.GetState(int(p.tty.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			if *before != *after {
				t.Errorf("the terminal was left as %+v, and was %+v", after, before)
			}
		})
	}
}
