package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/registrytest"
)

// endings are steps that end in all sorts of ways.
const endings = `
- step:
    name: code
    image: IMAGE
    command: exit $CODE
- step:
    name: killed
    image: IMAGE
    command: kill -KILL $$
- step:
    name: missing
    image: IMAGE
    command: no-such-program
- step:
    name: limited
    image: IMAGE
    time-limit: 1s
    command:
      - echo begun > /valohai/outputs/begun
      - sleep 600
- step:
    name: quiet
    image: IMAGE
    no-output-timeout: 1s
    command:
      - echo begun | tee /valohai/outputs/begun
      - sleep 600
- step:
    name: deaf
    image: IMAGE
    command:
      - trap '' TERM
      - echo begun | tee /valohai/outputs/begun
      - sleep 600 & wait; sleep 600
- step:
    name: polite
    image: IMAGE
    command:
      - trap 'echo I was asked to end; echo last > /valohai/outputs/last; exit 3' TERM
      - echo begun | tee /valohai/outputs/begun
      - sleep 600 & wait
`

// newEndings is a server with a worker inside and the steps above.
func newEndings(t *testing.T, engine string, serveArgs ...string) *house {
	t.Helper()
	registry := registrytest.Debian(t, registrytest.DebianOptions{Auth: registrytest.Bearer, Accounts: accounts()})
	image := registry.Host() + "/acme/train:v1"
	publish(t, image, python(t))
	h := newHouse(t, engine, serveArgs...)
	h.env = slices.Clip(h.env)
	h.setUp()
	h.write("robot.txt", robotPassword)
	h.write("project/valohai.yaml", strings.ReplaceAll(endings, "IMAGE", image))
	h.ok("registry", "add", "main", "--pattern", registry.Host()+"/acme/*", "--username", "robot", "--password-file", "robot.txt", "--plain-http")
	h.ok("project", "create", "rings")
	return h
}

// TestEndings wants each way in which a step ends to be said, and the exit code of
// fairlead run to be the step's own.
func TestEndings(t *testing.T) {
	t.Parallel()
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			h := newEndings(t, engine, "--slots", "4")
			for _, row := range []struct {
				name   string
				args   []string
				code   int
				state  fairlead.RunState
				kind   fairlead.Code
				says   []string
				output string
			}{
				{"good", []string{"code", "--env", "CODE=0"}, 0, fairlead.Complete, "", nil, ""},
				{"code 1", []string{"code", "--env", "CODE=1"}, 1, fairlead.Failed, fairlead.CodeExit, []string{"The command ended with exit code 1."}, ""},
				{"code 42", []string{"code", "--env", "CODE=42"}, 42, fairlead.Failed, fairlead.CodeExit, []string{"The command ended with exit code 42."}, ""},
				{"code 255", []string{"code", "--env", "CODE=255"}, 255, fairlead.Failed, fairlead.CodeExit, nil, ""},
				{"killed", []string{"killed"}, 137, fairlead.Failed, fairlead.CodeExit, nil, ""},
				{"no program", []string{"missing"}, 127, fairlead.Failed, fairlead.CodeExit, []string{"no-such-program"}, ""},
				{"time limit", []string{"limited"}, 1, fairlead.Failed, fairlead.CodeTimeLimit, []string{"time-limit of 1s has passed", "What to do: raise time-limit"}, "begun"},
				{"no output", []string{"quiet"}, 1, fairlead.Failed, fairlead.CodeNoOutput, []string{"begun", "it wrote nothing for 1s", "What to do: raise no-output-timeout"}, "begun"},
			} {
				t.Run(row.name, func(t *testing.T) {
					t.Parallel()
					h := h.of(t)
					queued := h.ok(append(append([]string{"run", "--file", "project/valohai.yaml"}, row.args...), "--detach", "-o", "json")...)
					var run fairlead.Run
					if err := json.Unmarshal([]byte(queued), &run); err != nil {
						t.Fatal(err)
					}
					number := fmt.Sprint(run.Number)
					r := h.run("runs", "logs", number, "--follow")
					if r.code != row.code {
						t.Errorf("exit code %d, want %d:\n%s%s", r.code, row.code, r.out, r.err)
					}
					for _, want := range row.says {
						if !strings.Contains(r.out+r.err, want) {
							t.Errorf("it doesn't say %q:\n%s%s", want, r.out, r.err)
						}
					}
					if err := json.Unmarshal([]byte(h.ok("runs", "show", number, "-o", "json")), &run); err != nil {
						t.Fatal(err)
					}
					var kind fairlead.Code
					if run.Failure != nil {
						kind = run.Failure.Code
					}
					if run.State != row.state || kind != row.kind || run.Attempt != 1 {
						t.Errorf("it is %s with %q in its attempt %d", run.State, kind, run.Attempt)
					}
					if got := h.outputs(number); row.output != "" && !slices.Contains(got, row.output) {
						t.Errorf("its outputs are %q", got)
					}
				})
			}
		})
	}
}

// outputs names a run's outputs.
func (h *house) outputs(number string) []string {
	h.t.Helper()
	var list struct{ Outputs []fairlead.Output }
	if err := json.Unmarshal([]byte(h.ok("runs", "outputs", number, "-o", "json")), &list); err != nil {
		h.t.Fatal(err)
	}
	var names []string
	for _, o := range list.Outputs {
		names = append(names, o.Name)
	}
	return names
}

// begin runs a step in the background, and waits until its command has begun.
func (h *house) begin(step string) *process {
	h.t.Helper()
	p := &process{ended: make(chan struct{})}
	p.cmd = exec.Command(h.bin, "run", step, "--file", "project/valohai.yaml")
	p.cmd.Dir, p.cmd.Env = h.dir, append(slices.Clip(h.env), "FAIRLEAD_SERVER="+h.url)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	h.t.Cleanup(func() { p.stop(syscall.SIGKILL) })
	until(h.t, "the command begins", func() bool {
		select {
		case <-p.ended:
			h.t.Fatalf("it ended:\n%s", p.output())
		default:
		}
		return strings.Contains(p.output(), "\nbegun\n")
	})
	return p
}

// Write keeps what a process prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

// TestStop stops runs: one that waits, one that ends as soon as it is asked to, and one
// that doesn't listen.
func TestStop(t *testing.T) {
	t.Parallel()
	for _, engine := range engines() {
		for _, row := range []struct {
			step, says string
			outputs    []string
		}{
			{"polite", "\nI was asked to end\n", []string{"begun", "last"}},
			{"deaf", "\nbegun\n", []string{"begun"}},
		} {
			t.Run(engine+" "+row.step, func(t *testing.T) {
				t.Parallel()
				h := newEndings(t, engine)
				p := h.begin(row.step)
				waiting := h.ok("run", "code", "--file", "project/valohai.yaml", "--env", "CODE=0", "--detach", "-o", "json")
				if !strings.Contains(waiting, `"queued"`) {
					t.Errorf("the second run doesn't wait: %s", waiting)
				}
				if got := h.ok("runs", "stop", "2"); got != "Run 2 is stopped.\n" {
					t.Errorf("got %q", got)
				}
				if got := h.ok("runs", "stop", "1"); got != "Run 1 is stopping.\n" {
					t.Errorf("got %q", got)
				}
				<-p.ended
				if code := p.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(p.output(), row.says) || !strings.Contains(p.output(), "\nStopped.\n") || !strings.HasSuffix(p.output(), "The run was stopped.\n") {
					t.Errorf("exit code %d:\n%s", code, p.output())
				}
				if diff := cmp.Diff(row.outputs, h.outputs("1")); diff != "" {
					t.Errorf("outputs (-want +got):\n%s", diff)
				}
				if got := h.ok("runs", "stop", "1"); got != "Run 1 is stopped.\n" {
					t.Errorf("a second time: %q", got)
				}
				h.server.stop(syscall.SIGTERM)
				h.noTraces()
			})
		}
	}
}

// TestInterrupt presses Ctrl-C while a run is followed: the run goes on, as the message
// says, and can be followed again.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	h := newEndings(t, "runc")
	p := h.begin("polite")
	p.stop(syscall.SIGINT)
	if code := p.cmd.ProcessState.ExitCode(); code != 130 || !strings.HasSuffix(p.output(),
		"\nThe run goes on. Follow it: fairlead runs logs --follow 1 -p acme/rings. Stop it: fairlead runs stop 1 -p acme/rings\n") {
		t.Errorf("exit code %d:\n%s", code, p.output())
	}
	if got := h.ok("runs", "list"); !strings.Contains(got, "started") {
		t.Errorf("the run doesn't go on:\n%s", got)
	}
	h.ok("runs", "stop", "1", "-p", "acme/rings")
	if r := h.run("runs", "logs", "1", "--follow"); r.code != 1 || !strings.Contains(r.out, "I was asked to end") {
		t.Errorf("exit code %d:\n%s", r.code, r.out)
	}
}

// TestServerEnds ends a server, as systemd does, whose worker performs a run: the run is
// asked to end, is given back, and performed by the next server.
func TestServerEnds(t *testing.T) {
	t.Parallel()
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			// Nobody waits for the end of such a hold: the run has to be given back.
			h := newEndings(t, engine, "--listen", freePort(t), "--hold", "10m")
			h.begin("polite")
			h.server.stop(syscall.SIGTERM)
			if code := h.server.cmd.ProcessState.ExitCode(); code != 0 || strings.Contains(h.server.output(), "level=ERROR") {
				t.Errorf("exit code %d:\n%s", code, h.server.output())
			}
			h.noTraces()
			h.start()
			var run fairlead.Run
			until(t, "the run is performed again", func() bool {
				if err := json.Unmarshal([]byte(h.ok("runs", "show", "1", "-o", "json")), &run); err != nil {
					t.Fatal(err)
				}
				return run.State == fairlead.Started
			})
			if run.Attempt != 2 {
				t.Errorf("it is in its attempt %d", run.Attempt)
			}
			h.ok("runs", "stop", "1")
			if r := h.run("runs", "logs", "1", "--follow"); r.code != 1 || strings.Count(r.out, "Pulling image: ") != 2 {
				t.Errorf("exit code %d:\n%s", r.code, r.out)
			}
		})
	}
}

// TestWorkerEnds ends a worker that performs a run: another gets it at once.
func TestWorkerEnds(t *testing.T) {
	t.Parallel()
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			y := newYard(t, engine, "--hold", "10m")
			first := y.hire("first")
			lock, number := y.hold(600)
			y.performed(lock, true)
			y.hire("second")
			first.stop(syscall.SIGTERM)
			if code := first.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("exit code %d:\n%s", code, first.output())
			}
			y.performed(lock, true)
			if run := y.show(number); run.WorkerName != "second" || run.Attempt != 2 {
				t.Errorf("it is performed by %q in its attempt %d", run.WorkerName, run.Attempt)
			}
			y.end(number)
		})
	}
}

// TestRetries wants a run whose worker is lost to be tried as often as was asked for,
// and then to say why it ended.
func TestRetries(t *testing.T) {
	t.Parallel()
	for _, retries := range []int{0, 1} {
		t.Run(fmt.Sprint(retries), func(t *testing.T) {
			t.Parallel()
			y := newYard(t, "runc")
			lock, number := y.hold(600, "--retries", fmt.Sprint(retries))
			for range retries + 1 {
				w := y.hire(fmt.Sprintf("w-%d", newLock()))
				y.performed(lock, true)
				w.stop(syscall.SIGKILL)
				y.performed(lock, false)
			}
			run := y.ends(number, fairlead.Failed, 1)
			if run.Attempt != retries+1 || run.Failure == nil || run.Failure.Code != fairlead.CodeWorkerLost {
				t.Errorf("it is in its attempt %d: %v", run.Attempt, run.Failure)
			}
		})
	}
}

// TestTwoServers has two servers of one machine share a database, as replicas do, each
// with a worker inside: both perform, and a third that ends takes nobody's worker along.
func TestTwoServers(t *testing.T) {
	t.Parallel()
	registry := registrytest.Debian(t, registrytest.DebianOptions{Auth: registrytest.Bearer, Accounts: accounts()})
	image := registry.Host() + "/acme/train:v1"
	publish(t, image, python(t))
	h := newHouse(t, "runc", "--listen", freePort(t), "--database", bare(pgtest.URL(t)), "--key-file", "key.json", "--hold", killHold)
	h.env = slices.Clip(h.env)
	h.setUp()
	h.write("robot.txt", robotPassword)
	h.holdProject(image)
	h.ok("registry", "add", "main", "--pattern", registry.Host()+"/acme/*", "--username", "robot", "--password-file", "robot.txt", "--plain-http")
	h.ok("project", "create", "rings")
	another := func(data string) *process {
		if err := os.Mkdir(filepath.Join(h.dir, data), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(h.dir, "data", "blobs"), filepath.Join(h.dir, data, "blobs")); err != nil {
			t.Fatal(err)
		}
		return h.spawn("The worker inside", append(slices.Clip(h.serveArgs), "--listen", "127.0.0.1:0", "--data", data)...)
	}
	second := another("data-2")
	another("data-3").stop(syscall.SIGTERM)
	y := &yard{house: h, engine: "runc", seen: watchHolders(t, h.bin)}
	a, first := y.hold(600)
	b, next := y.hold(600)
	y.performed(a, true)
	y.performed(b, true)
	if one, two := y.show(first), y.show(next); one.WorkerName == two.WorkerName || one.Attempt != 1 || two.Attempt != 1 {
		t.Errorf("they are performed by %s and %s, in their attempts %d and %d", one.WorkerName, two.WorkerName, one.Attempt, two.Attempt)
	}
	y.end(first)
	y.end(next)
	for _, p := range []*process{h.server, second} {
		p.stop(syscall.SIGTERM)
		if code := p.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("exit code %d:\n%s", code, p.output())
		}
	}
}

// TestSecondServer wants a second server on a data directory to be refused, in a
// sentence, and the first not to notice.
func TestSecondServer(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", "--listen", freePort(t))
	h.setUp()
	r := h.run(append(slices.Clip(h.serveArgs), "--listen", "127.0.0.1:0")...)
	if want := "Error: locking data directory data: another server is using it\n"; r.code != 1 || !strings.HasPrefix(r.err, want) || !strings.Contains(r.err, "What to do: ") {
		t.Errorf("exit code %d:\n%s", r.code, r.err)
	}
	h.ok("whoami")
	h.server.stop(syscall.SIGKILL)
	h.start() // nothing of the killed one is in the way
	h.ok("whoami")
}

// TestHoldTooShort wants a hold to be refused that no worker can keep.
func TestHoldTooShort(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	r := h.run(append(slices.Clip(h.serveArgs), "--hold", "1s")...)
	if want := "Error: --hold 1s is too short for a worker to keep: give 2s or more\n"; r.code != 2 || !strings.HasPrefix(r.err, want) {
		t.Errorf("exit code %d:\n%s", r.code, r.err)
	}
}
