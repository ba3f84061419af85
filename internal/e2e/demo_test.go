package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/moby/moby/client"
)

// demoBinary is the demonstration as `make demo` builds it.
var demoBinary = sync.OnceValues(func() (string, error) {
	bin, err := binary()
	if err != nil {
		return "", err
	}
	demo := filepath.Join(filepath.Dir(bin), "demo")
	cmd := exec.Command("go", "build", "-o", demo, "fairlead.dev/fairlead/internal/demo")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the demonstration: %w\n%s", err, out)
	}
	return demo, nil
})

// stage is where a demonstration is given: a directory like the module's root after
// `make build`, and one for whatever is temporary.
type stage struct {
	t         *testing.T
	root, tmp string
	cmd       *exec.Cmd
	out       bytes.Buffer
	host      string // of the Docker engine; one that isn't there if there shall be none
}

func newStage(t *testing.T, docker bool) *stage {
	t.Helper()
	python(t) // made in the module's own cache, before its name is lent
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	demo, err := demoBinary()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, root: t.TempDir(), tmp: t.TempDir(), host: "unix:///nowhere/docker.sock"}
	if docker {
		s.host = dockerHost(t)
	}
	module, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.root, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"bin/fairlead": bin, "examples": module + "/examples", ".cache": module + "/.cache", "go.mod": module + "/go.mod"} {
		if err := os.Symlink(target, filepath.Join(s.root, name)); err != nil {
			t.Fatal(err)
		}
	}
	s.cmd = exec.Command(demo)
	s.cmd.Dir, s.cmd.SysProcAttr = s.root, &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Env = append(os.Environ(), "DOCKER_HOST="+s.host, "TMPDIR="+s.tmp, "HOME="+s.root)
	return s
}

// give runs the demonstration; heard is told of each line. It gives the exit code.
func (s *stage) give(heard func(line string)) int {
	s.t.Helper()
	s.cmd.Stderr = &s.out
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	var text strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&text, lines.Text())
		heard(lines.Text())
	}
	_ = s.cmd.Wait()
	s.out.WriteString(text.String())
	return s.cmd.ProcessState.ExitCode()
}

// nothingLeft wants no process, mount, container or file of it. That whoever was killed
// is gone is seen a moment later.
func (s *stage) nothingLeft() {
	s.t.Helper()
	for _, file := range append(glob(s.t, "/proc/[0-9]*/cmdline"), append(glob(s.t, "/proc/[0-9]*/environ"), glob(s.t, "/proc/[0-9]*/mountinfo")...)...) {
		if b, err := os.ReadFile(file); err == nil && bytes.Contains(b, []byte(s.tmp)) {
			name, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
			s.t.Errorf("%s of %q knows the demonstration still", file, name)
		}
	}
	if left := glob(s.t, s.tmp+"/*"); len(left) > 0 {
		s.t.Errorf("these are left: %q", left)
	}
	if !strings.HasPrefix(s.host, "unix:///nowhere") {
		s.noContainers()
	}
	if s.t.Failed() {
		s.t.Logf("the demonstration said:\n%s", &s.out)
	}
}

func (s *stage) noContainers() {
	s.t.Helper()
	api, err := client.New(client.WithHost(s.host))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = api.Close() }()
	list, err := api.ContainerList(context.WithoutCancel(s.t.Context()), client.ContainerListOptions{All: true})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range list.Items {
		if strings.HasPrefix(c.Labels["dev.fairlead.owner"], s.tmp) {
			s.t.Errorf("container %v is left, and %s", c.Names, c.Status)
		}
	}
}

// TestDemo gives the demonstration as `make demo` does, with and without a Docker
// engine.
func TestDemo(t *testing.T) {
	t.Parallel()
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, engine == "docker")
			code := s.give(func(string) {})
			if code != 0 {
				t.Errorf("exit code %d", code)
			}
			for _, want := range []string{
				`(?m)^The worker inside performs runs on engine ` + engine + `\.$`,
				`(?m)^Pulling image: 127\.0\.0\.1:\d+/acme/train:v1\nImage digest: sha256:[0-9a-f]{64}$`,
				`(?m)^State: +complete$`,
				`(?m)^model\.json `,
				`(?m)^# Done in `,
			} {
				if !regexp.MustCompile(want).MatchString(s.out.String()) {
					t.Errorf("it doesn't print %s", want)
				}
			}
			s.nothingLeft()
		})
	}
}

// TestDemoInterrupted ends the demonstration halfway: by Ctrl-C, which reaches everything
// that it started too, and by a signal to it alone.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, at string
		docker   bool
		signal   syscall.Signal
		alone    bool
	}{
		{"registry, Ctrl-C", "# A private registry", false, syscall.SIGINT, false},
		{"push, SIGTERM", "# Somebody has pushed", false, syscall.SIGTERM, true},
		{"server begins, Ctrl-C", "$ fairlead serve", false, syscall.SIGINT, false},
		{"server is ready, SIGTERM", "Fairlead ", false, syscall.SIGTERM, true},
		{"set-up, Ctrl-C", "$ fairlead setup", false, syscall.SIGINT, false},
		{"run, Ctrl-C", "$ fairlead run", false, syscall.SIGINT, false},
		{"pull by runc, Ctrl-C", "Pulling image: ", false, syscall.SIGINT, false},
		{"pull by runc, SIGTERM", "Pulling image: ", false, syscall.SIGTERM, true},
		{"pull by docker, Ctrl-C", "Pulling image: ", true, syscall.SIGINT, false},
		{"container of runc, Ctrl-C", `{"epoch"`, false, syscall.SIGINT, false},
		{"container of docker, SIGTERM", `{"epoch"`, true, syscall.SIGTERM, true},
		{"container of docker, Ctrl-C", `{"epoch"`, true, syscall.SIGINT, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, row.docker)
			interrupted := false
			code := s.give(func(line string) {
				if interrupted || !strings.HasPrefix(line, row.at) {
					return
				}
				interrupted = true
				to := -s.cmd.Process.Pid
				if row.alone {
					to = -to
				}
				if err := syscall.Kill(to, row.signal); err != nil {
					t.Error(err)
				}
			})
			if !interrupted {
				t.Errorf("it never said %q", row.at)
			}
			if code != 1 {
				t.Errorf("exit code %d", code)
			}
			s.nothingLeft()
		})
	}
}
