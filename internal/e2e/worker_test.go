package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/leash"
	"fairlead.dev/fairlead/internal/registrytest"
)

// yard is a server that performs nothing itself, with a private image and a project of
// holdStep. Its workers are processes of their own.
type yard struct {
	*house
	engine string
	seen   func() map[int]bool
}

func newYard(t *testing.T, engine string, serveArgs ...string) *yard {
	t.Helper()
	registry := registrytest.Debian(t, registrytest.DebianOptions{Auth: registrytest.Bearer, Accounts: accounts()})
	image := registry.Host() + "/acme/train:v1"
	publish(t, image, python(t))
	y := &yard{engine: engine, house: newHouse(t, "", append([]string{"--hold", killHold, "--listen", freePort(t)}, serveArgs...)...)}
	y.env = slices.Clip(y.env)
	y.holdProject(image)
	y.setUp()
	y.write("robot.txt", robotPassword)
	y.ok("registry", "add", "main", "--pattern", registry.Host()+"/acme/*", "--username", "robot", "--password-file", "robot.txt", "--plain-http")
	y.ok("project", "create", "rings")
	if err := os.Remove(filepath.Join(y.dir, "robot.txt")); err != nil {
		t.Fatal(err)
	}
	y.seen = watchHolders(t, y.bin)
	return y
}

// hire makes a worker and starts it.
func (y *yard) hire(name string, more ...string) *process {
	y.t.Helper()
	y.write(name+".token", y.ok("worker", "add", name))
	return y.employ(name, more...)
}

// employ starts a worker that was made.
func (y *yard) employ(name string, more ...string) *process {
	y.t.Helper()
	args := []string{"worker", "--server", y.url, "--token-file", name + ".token", "--dir", name, "--allow-host", "127.0.0.0/8"}
	p := y.spawn("performs runs of", append(append(args, engineFlags(y.t, y.engine)...), more...)...)
	y.t.Cleanup(func() {
		if y.t.Failed() {
			y.t.Logf("worker %s said:\n%s", name, p.output())
		}
	})
	return p
}

// hold queues a run that shows that it is performed for some seconds.
func (y *yard) hold(seconds int, more ...string) (lock int, number string) {
	y.t.Helper()
	lock = newLock()
	var run fairlead.Run
	args := append([]string{"run", "hold", "--file", "project/valohai.yaml", "--detach", "-o", "json", "--env", fmt.Sprintf("LOCK=%d", lock), "--env", fmt.Sprintf("SECONDS=%d", seconds)}, more...)
	if err := json.Unmarshal([]byte(y.ok(args...)), &run); err != nil {
		y.t.Fatal(err)
	}
	return lock, fmt.Sprint(run.Number)
}

// performed waits until the run with the lock is performed, or isn't. The kernel's list
// may leave out a lock while others come and go, and so one look without it says little.
func (y *yard) performed(lock int, wanted bool) {
	y.t.Helper()
	looks := 0
	until(y.t, fmt.Sprintf("lock %d is held (%v)", lock, wanted), func() bool {
		if held := len(holders(y.t, y.bin)[lock]) > 0; held != wanted {
			looks = 0
			return false
		}
		looks++
		return wanted || looks == 20
	})
}

// show reads a run.
func (y *yard) show(number string) fairlead.Run {
	y.t.Helper()
	var run fairlead.Run
	if err := json.Unmarshal([]byte(y.ok("runs", "show", number, "-o", "json")), &run); err != nil {
		y.t.Fatal(err)
	}
	return run
}

// TestServerAway stops the server for as long as the container may live. The leash has
// ended it when the server is back, just in time to be told of an end: which isn't the
// command's, so that the run is performed again.
func TestServerAway(t *testing.T) {
	t.Parallel()
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			y := newYard(t, engine)
			y.hire("gpu-1")
			lock, number := y.hold(600)
			y.performed(lock, true)
			y.signal(y.server, syscall.SIGSTOP)
			y.performed(lock, false)
			y.signal(y.server, syscall.SIGCONT)
			until(t, "the run is performed again, or ends", func() bool {
				return len(holders(t, y.bin)[lock]) > 0 || y.show(number).State.Final()
			})
			if run := y.show(number); run.State.Final() || run.Attempt != 2 {
				t.Errorf("the run is %s in its attempt %d: %v\n%s", run.State, run.Attempt, run.Failure, y.ok("runs", "logs", number))
			}
			y.ok("runs", "stop", number)
			if r := y.run("runs", "logs", number, "--follow"); r.code != 1 || !strings.Contains(r.out, "\nStopped.\n") {
				t.Errorf("exit code %d:\n%s%s", r.code, r.out, r.err)
			}
		})
	}
}

// signal sends a signal, and lets a process go on that was stopped when the test ends.
func (y *yard) signal(p *process, s syscall.Signal) {
	y.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		y.t.Fatal(err)
	}
	if s == syscall.SIGSTOP {
		y.t.Cleanup(func() { _ = p.cmd.Process.Signal(syscall.SIGCONT) })
	}
}

// end ends a run that would go on, and wants it to be stopped.
func (y *yard) end(number string) {
	y.t.Helper()
	y.ok("runs", "stop", number)
	y.ends(number, fairlead.Stopped, 1)
}

// ends waits for a run's end, and wants it to be in a state.
func (y *yard) ends(number string, state fairlead.RunState, code int) fairlead.Run {
	y.t.Helper()
	r := y.run("runs", "logs", number, "--follow")
	run := y.show(number)
	if r.code != code || run.State != state {
		y.t.Errorf("run %s ended with exit code %d as %s, want %d and %s: %v\n%s%s", number, r.code, run.State, code, state, run.Failure, r.out, r.err)
	}
	return run
}

// TestWorkerLost takes away a worker that performs a run, in three ways. Its container
// has ended before another worker gets the run, and when it comes back it changes nothing
// of what the other does.
func TestWorkerLost(t *testing.T) {
	t.Parallel()
	type lost struct {
		first *process
		way   *way
	}
	for _, engine := range engines() {
		for _, row := range []struct {
			name       string
			lose, back func(*yard, lost)
		}{
			{
				"cut off",
				func(_ *yard, l lost) { l.way.set(true) },
				func(_ *yard, l lost) { l.way.set(false) },
			},
			{
				"frozen",
				func(y *yard, l lost) { y.signal(l.first, syscall.SIGSTOP) },
				func(y *yard, l lost) { y.signal(l.first, syscall.SIGCONT) },
			},
			{
				"killed",
				func(_ *yard, l lost) { l.first.stop(syscall.SIGKILL) },
				func(y *yard, _ lost) { y.employ("first") },
			},
		} {
			t.Run(engine+" "+row.name, func(t *testing.T) {
				t.Parallel()
				y := newYard(t, engine)
				l := lost{way: newWay(t, strings.TrimPrefix(y.url, "http://"))}
				l.first = y.hire("first", "--server", l.way.url())
				lock, number := y.hold(600)
				y.performed(lock, true)
				y.hire("second")
				row.lose(y, l)
				// Only when the second one's command is there, the first may be: it would be
				// seen beside it.
				until(t, "the second worker's command begins, or sees another", func() bool {
					if y.show(number).WorkerName != "second" {
						return false
					}
					last, again := lastPart(y.ok("runs", "logs", number), "Pulling image: ")
					return again && (strings.Contains(last, "\nbegun ") || strings.Contains(last, "\nperformed twice"))
				})
				row.back(y, l)
				// The first one is there again when it performs another run.
				other, otherNumber := y.hold(600)
				y.performed(other, true)
				if run := y.show(otherNumber); run.WorkerName != "first" {
					t.Errorf("run %s is performed by %s", otherNumber, run.WorkerName)
				}
				if run := y.show(number); run.State != fairlead.Started || run.WorkerName != "second" || run.Attempt != 2 {
					t.Errorf("run %s is %s, by %s, in its attempt %d", number, run.State, run.WorkerName, run.Attempt)
				}
				y.end(number)
				y.end(otherNumber)
			})
		}
	}
}

// lastPart is what a log says since it last began, if it began more than once.
func lastPart(log, beginning string) (string, bool) {
	return log[max(strings.LastIndex(log, beginning), 0):], strings.Count(log, beginning) > 1
}

// TestServerRestarts kills the server while a worker performs a run, and starts it again
// before the hold ends: the run goes on as if nothing were, and its log is whole.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			y := newYard(t, engine, "--hold", "30s")
			y.hire("gpu-1")
			lock, number := y.hold(4)
			y.performed(lock, true)
			for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
				y.server.stop(s)
				y.start()
			}
			run := y.ends(number, fairlead.Complete, 0)
			if run.Attempt != 1 {
				t.Errorf("it took %d attempts", run.Attempt)
			}
			log := y.ok("runs", "logs", number)
			if want := fmt.Sprintf("\nbegun %d\nended %d\nOutputs kept: 1 ", lock, lock); !strings.Contains(log, want) {
				t.Errorf("the log lacks %q:\n%s", want, log)
			}
		})
	}
}

// TestTwoWorkers has two workers take from one queue, and perform at once.
func TestTwoWorkers(t *testing.T) {
	t.Parallel()
	y := newYard(t, "runc")
	a, first := y.hold(600)
	b, second := y.hold(600)
	c, third := y.hold(600)
	y.hire("gpu-1")
	y.performed(a, true)
	y.hire("gpu-2")
	y.performed(b, true)
	if one, two := y.show(first).WorkerName, y.show(second).WorkerName; one != "gpu-1" || two != "gpu-2" {
		t.Errorf("they are performed by %s and %s", one, two)
	}
	if run := y.show(third); run.State != fairlead.Queued || len(holders(t, y.bin)[c]) != 0 {
		t.Errorf("the third is %s", run.State)
	}
	y.end(second)
	y.performed(c, true)
	if run := y.show(third); run.WorkerName != "gpu-2" {
		t.Errorf("the third is performed by %s", run.WorkerName)
	}
	y.end(first)
	y.end(third)
	list := y.ok("worker", "list")
	for _, name := range []string{"gpu-1", "gpu-2"} {
		if !strings.Contains(list, name+"   runc ") && !strings.Contains(list, name+"  runc ") {
			t.Errorf("the list lacks %s:\n%s", name, list)
		}
	}
}

// TestWorkerHoldsNoSecret looks at all that a worker has while it performs a run of a
// private image: its token is there, and the registry's secret isn't.
func TestWorkerHoldsNoSecret(t *testing.T) {
	t.Parallel()
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			y := newYard(t, engine)
			for _, dir := range []string{"home", "home/tmp"} {
				if err := os.Mkdir(filepath.Join(y.dir, dir), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			y.write("home/w.token", y.ok("worker", "add", "w"))
			person := y.env
			// It shares nothing with whoever connected the registry: no log-in, no home.
			y.env = append(slices.Clip(y.env), "HOME="+filepath.Join(y.dir, "home"), "TMPDIR="+filepath.Join(y.dir, "home", "tmp"), "FAIRLEAD_CONFIG_DIR=")
			worker := y.spawn("performs runs of", append([]string{"worker", "--server", y.url, "--token-file", "home/w.token", "--dir", "home/w", "--allow-host", "127.0.0.0/8", "--log-level", "debug"}, engineFlags(t, engine)...)...)
			y.env = person
			lock, number := y.hold(600)
			y.performed(lock, true)
			c := known(robotPassword)
			if found := c.inFiles(filepath.Join(y.dir, "home"), time.Time{}); len(found) > 0 {
				t.Errorf("on disk: %q", found)
			}
			for _, sort := range []string{"environ", "cmdline"} {
				b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", worker.cmd.Process.Pid, sort))
				if err != nil || len(b) == 0 {
					t.Errorf("its %s: %v", sort, err)
				}
				if found := c.in(b); len(found) > 0 {
					t.Errorf("in its %s: %q", sort, found)
				}
			}
			y.end(number)
			worker.stop(syscall.SIGTERM)
			if found := c.in([]byte(worker.output())); len(found) > 0 {
				t.Errorf("in its log: %q", found)
			}
			if code := worker.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("it ended with %d:\n%s", code, worker.output())
			}
		})
	}
}

// TestWorkerTokens wants a worker that the server won't have to end, and to say why.
func TestWorkerTokens(t *testing.T) {
	t.Parallel()
	y := newYard(t, "runc")
	y.write("garbage.token", "hello")
	y.write("empty.token", "\n")
	y.write("foreign.token", "flw_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	y.write("person.token", y.ok("token", "create", "ci"))
	y.write("removed.token", y.ok("worker", "add", "removed"))
	y.ok("worker", "remove", "removed")
	for _, row := range []struct{ token, says string }{
		{"garbage", "checking who you are: the token is none of Fairlead's\n"},
		{"empty", "reading token from empty.token: it is empty\n"},
		{"missing", "reading token from missing.token: no such file or directory\n"},
		{"foreign", "checking who you are: the token isn't known: it was revoked, or is another server's\n"},
		{"removed", "checking who you are: the token isn't known: it was revoked, or is another server's\n"},
		{"person", "performing run: only a worker may do this, with the token that `fairlead worker add` shows\n"},
	} {
		t.Run(row.token, func(t *testing.T) {
			t.Parallel()
			h := y.of(t)
			r := h.run("worker", "--server", h.url, "--token-file", row.token+".token", "--dir", "dir-"+row.token, "--engine", "runc")
			if r.code != 1 || !strings.Contains(r.err, "Error: "+row.says) || !strings.Contains(r.err, "What to do: ") {
				t.Errorf("exit code %d:\n%s", r.code, r.err)
			}
		})
	}
}

// of is the same house in a part of its test.
func (h *house) of(t *testing.T) *house {
	t.Helper()
	part := *h
	part.t = t
	return &part
}

// TestWorkerRevoked takes a worker's token away while it performs a run: its container
// ends, it says why and ends too, and another performs the run.
func TestWorkerRevoked(t *testing.T) {
	t.Parallel()
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			y := newYard(t, engine)
			first := y.hire("first")
			lock, number := y.hold(600)
			y.performed(lock, true)
			y.ok("worker", "remove", "first")
			<-first.ended
			if code := first.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(first.output(), "Error: checking who you are: the token isn't known: it was revoked") {
				t.Errorf("exit code %d:\n%s", code, first.output())
			}
			y.performed(lock, false)
			y.hire("second")
			y.performed(lock, true)
			y.end(number)
		})
	}
}

// TestLeashTooLate wants a container that begins when the hold has ended already, because
// its engine was slow, to do nothing at all: another worker may have the run.
func TestLeashTooLate(t *testing.T) {
	t.Parallel()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	now, err := leash.Boottime()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, deadline string
		code           int
		begun          bool
	}{
		{"in time", strconv.FormatInt(int64(now+time.Hour), 10), 7, true},
		{"too late", strconv.FormatInt(int64(now), 10), leash.ExitDeadline, false},
		{"no deadline", "soon", leash.ExitDeadline, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			deadline, begun := filepath.Join(dir, "deadline"), filepath.Join(dir, "begun")
			if err := os.WriteFile(deadline, []byte(row.deadline), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), bin)
			cmd.Args = []string{leash.Name, deadline, "/bin/sh", "-c", `: > "$0"; exit 7`, begun}
			// As in a container it is the first process of its namespace: it may kill all
			// others of that.
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != row.code {
				t.Errorf("exit code %d, want %d: %v\n%s", code, row.code, err, out)
			}
			if _, err := os.Stat(begun); (err == nil) != row.begun {
				t.Errorf("the command began: %v, want %v", err == nil, row.begun)
			}
		})
	}
}
