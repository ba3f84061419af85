// Package e2e tests whole processes: the binary as it is built, real engines, real
// registries, real databases.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"fairlead.dev/fairlead/internal/dockertest"
	"fairlead.dev/fairlead/internal/pgtest"
)

// binary is fairlead as `make build` makes it, without cgo: it is bound into
// containers.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "fairlead-e2e-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "fairlead")
	cmd := exec.Command("go", "build", "-o", bin, "fairlead.dev/fairlead/cmd/fairlead")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building fairlead: %w\n%s", err, out)
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// house is one installation: a server, and a person at a terminal.
type house struct {
	t   *testing.T
	bin string
	// dir is the working directory of every command.
	dir string
	env []string
	// serveArgs are the flags that the server is always started with.
	serveArgs []string
	// within is the command line that servers and workers are started behind, if any.
	within []string
	server *process
	url    string
}

// engines are what runs are performed on.
func engines() []string { return []string{"docker", "runc"} }

// newHouse makes an installation that isn't started yet. engine is docker, runc or "" for
// none.
func newHouse(t *testing.T, engine string, serveArgs ...string) *house {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: a runc engine leaves directories in it that only a sweep removes
	// well, and a failed removal would hide what failed.
	dir := t.TempDir()
	h := &house{t: t, bin: bin, dir: dir}
	h.env = append(os.Environ(), "FAIRLEAD_CONFIG_DIR="+filepath.Join(dir, "config"), "HOME="+dir, "NO_COLOR=1", "PGPASSWORD="+pgtest.Password)
	h.serveArgs = append([]string{
		"serve", "--listen", "127.0.0.1:0", "--data", "data", "--allow-host", "127.0.0.0/8",
		"--preflight=false", "--diagnose-failures=false", // what can't be pulled shall fail where it is pulled
	}, serveArgs...)
	switch engine {
	case "docker":
		h.serveArgs = append(h.serveArgs, "--engine", "docker", "--docker-host", dockertest.Host(t))
	case "runc":
		h.serveArgs = append(h.serveArgs, "--engine", "runc")
	case "":
		h.serveArgs = append(h.serveArgs, "--no-worker")
	}
	return h
}

// bare is a database's URL without its password, which is in the house's environment: on
// a command line it is refused.
func bare(database string) string {
	return strings.Replace(database, ":"+pgtest.Password+"@", "@", 1)
}

// start starts the server, and waits until it and the worker inside are ready.
func (h *house) start() {
	h.t.Helper()
	wait := "The worker inside"
	for _, a := range h.serveArgs {
		if a == "--no-worker" {
			wait = "is ready at"
		}
	}
	h.server = h.spawn(wait, h.serveArgs...)
	m := regexp.MustCompile(`is ready at (\S+)`).FindStringSubmatch(h.server.output())
	if m == nil {
		h.t.Fatalf("the server isn't ready:\n%s", h.server.output())
	}
	h.url = m[1]
}

// setUp starts the server, makes organization acme with administrator ann, and logs in.
func (h *house) setUp() {
	h.t.Helper()
	h.write("ann.txt", "correct horse battery")
	h.start()
	h.ok("setup", "--data", "data", "--organization", "acme", "--name", "ann", "--password-file", "ann.txt")
}

func (h *house) write(name, text string) {
	h.t.Helper()
	file := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// result is what a command did.
type result struct {
	out, err string
	code     int
}

// run runs fairlead to its end.
func (h *house) run(args ...string) result {
	h.t.Helper()
	return h.runContext(h.t.Context(), args...)
}

func (h *house) runContext(ctx context.Context, args ...string) result {
	h.t.Helper()
	cmd := exec.CommandContext(ctx, h.bin, args...)
	cmd.Dir, cmd.Env = h.dir, h.env
	if h.url != "" {
		cmd.Env = append(slices.Clip(h.env), "FAIRLEAD_SERVER="+h.url)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		h.t.Fatalf("fairlead %s: %v", strings.Join(args, " "), err)
	}
	return result{out: out.String(), err: errs.String(), code: cmd.ProcessState.ExitCode()}
}

// ok runs fairlead and wants it to succeed.
func (h *house) ok(args ...string) string {
	h.t.Helper()
	r := h.run(args...)
	if r.code != 0 {
		log := ""
		if h.server != nil {
			log = h.server.output()
		}
		h.t.Fatalf("fairlead %s: exit code %d\n%s%s\nserver:\n%s", strings.Join(args, " "), r.code, r.out, r.err, log)
	}
	return r.out
}

// process is something that runs in the background.
type process struct {
	cmd *exec.Cmd

	mu    sync.Mutex
	text  bytes.Buffer
	ended chan struct{}
}

// spawn starts fairlead in the background and waits until its standard error has the
// words.
func (h *house) spawn(words string, args ...string) *process {
	h.t.Helper()
	line := append(slices.Clone(h.within), append([]string{h.bin}, args...)...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir, cmd.Env = h.dir, h.env
	// A group of its own: what is killed in a test is this process and no other.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	errs, err := cmd.StderrPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	ready := make(chan struct{})
	go func() {
		var once sync.Once
		for lines := bufio.NewScanner(errs); lines.Scan(); {
			p.mu.Lock()
			p.text.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
			if strings.Contains(lines.Text(), words) {
				once.Do(func() { close(ready) })
			}
		}
		_ = cmd.Wait()
		close(p.ended)
	}()
	h.t.Cleanup(func() { p.stop(syscall.SIGTERM) })
	select {
	case <-ready:
	case <-p.ended:
		h.t.Fatalf("fairlead %s ended:\n%s", strings.Join(args, " "), p.output())
	}
	return p
}

// output is what it has written to standard error.
func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// stop ends it with a signal, and waits for its end.
func (p *process) stop(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s)
	<-p.ended
}

// dockerHost is the address of this test's own Docker engine.
func dockerHost(t *testing.T) string {
	t.Helper()
	return dockertest.Host(t)
}
