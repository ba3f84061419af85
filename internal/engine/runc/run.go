package runc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
)

// killTime is how long a container that was killed may take to be gone.
const killTime = 10 * time.Second

// run is a container on its way. In its directory are
//
//	plan.json    what the helper is to do
//	upper/ work/ what the container writes
//	root/        where the helper mounts the container's root
//	l/           links to the layers, by short names
//	etc/         the container's hosts, hostname and resolv.conf
//	config.json  for the runtime
//	pid          written by the runtime when the container's program has begun
//	log          what the runtime has to say
//	failure      why the helper couldn't
//	alive        locked for as long as the helper, or what it became, is there
type run struct {
	e   *Engine
	id  string
	dir string
}

// Run runs a container to its end.
func (e *Engine) Run(ctx context.Context, c engine.Container) (int, error) {
	r := &run{e: e, id: c.ID, dir: e.path("runs", c.ID)}
	if err := r.begin(); err != nil {
		return 0, err
	}
	defer r.end(context.WithoutCancel(ctx))
	if err := r.prepare(c); err != nil {
		return 0, failed("preparing the container", err)
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	out, errs := &handed{to: c.Stdout}, &handed{to: c.Stderr}
	cmd, err := r.start(out, errs)
	if err != nil {
		return 0, failed("starting the container", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = r.stop(context.WithoutCancel(ctx), cmd, c.Grace, ended)
	}
	code, err := r.outcome(cmd, c.Args, err)
	if ctx.Err() != nil {
		return code, context.Cause(ctx)
	}
	if lost := errors.Join(out.err, errs.err); lost != nil && err == nil {
		return 0, engineError("running the container", "handing on its output: "+reason(lost), "look at the worker's machine")
	}
	return code, err
}

// handed hands output on, and keeps the error of that: of a container that ends badly
// because nobody takes its output, exec would tell only how it ended.
type handed struct {
	to  io.Writer
	err error
}

func (h *handed) Write(b []byte) (int, error) {
	n, err := h.to.Write(b)
	if err != nil {
		h.err = err
	}
	return n, err
}

// begin makes the container's directory.
func (r *run) begin() error {
	if !validID(r.id) {
		return &fairlead.Error{Kind: fairlead.Invalid, Code: fairlead.CodeEngine, What: "preparing the container", Why: fmt.Sprintf("%q is no name for one", r.id)}
	}
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	err := os.Mkdir(r.dir, 0o700)
	if errors.Is(err, os.ErrExist) {
		return &fairlead.Error{Kind: fairlead.Conflict, Code: fairlead.CodeEngine, What: "preparing the container", Why: "there is one named " + r.id}
	}
	if err != nil {
		return failed("preparing the container", err)
	}
	r.e.running[r.id] = true
	return nil
}

// validID reports whether a name is one for a file, a cgroup and the runtimes.
func validID(id string) bool {
	return id != "" && len(id) <= 128 && id[0] != '.' && id[0] != '-' && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == ""
}

// end removes what is left. What it can't, [Engine.Sweep] removes.
func (r *run) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, killTime)
	defer cancel()
	_ = r.e.sweep(ctx, r.e.runtime, r.id)
	r.e.mu.Lock()
	delete(r.e.running, r.id)
	r.e.mu.Unlock()
}

func (r *run) file(name string) string { return filepath.Join(r.dir, name) }

// prepare writes all that the helper needs.
func (r *run) prepare(c engine.Container) error {
	r.e.mu.Lock()
	i := r.e.images[c.Image.Ref]
	r.e.mu.Unlock()
	if i == nil {
		return engineError("preparing the container", "the image "+c.Image.Ref+" was let go", "report it")
	}
	for _, name := range []string{"upper", "work", "root", "l", "etc"} {
		if err := os.Mkdir(r.file(name), 0o755); err != nil { //nolint:gosec // The directory above is the worker's alone; these are in the container.
			return err
		}
	}
	p := r.newPlan(i)
	for n, l := range p.Layers {
		if err := os.Symlink(l.Dir, filepath.Join(r.file("l"), fmt.Sprint(n))); err != nil {
			return err
		}
	}
	var err error
	if p.Spec, err = r.spec(c, i); err != nil {
		return err
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return os.WriteFile(r.file("plan.json"), b, 0o600)
}

// start starts the helper in a mount namespace of its own.
func (r *run) start(out, errs io.Writer) (*exec.Cmd, error) {
	alive, err := lockFile(r.file("alive"))
	if err != nil {
		return nil, err
	}
	defer alive.Close() //nolint:errcheck // The helper has it too.
	cmd := r.e.helper("run", r.dir)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = out, errs, []*os.File{alive}
	return cmd, cmd.Start()
}

// helper is this program by its other name. It isn't ended by a context: whoever starts
// it, ends the container properly.
func (e *Engine) helper(args ...string) *exec.Cmd {
	return &exec.Cmd{
		Path: e.self, Args: append([]string{HelperName}, args...), Env: environment(), Dir: "/",
		SysProcAttr: &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS, Setsid: true},
	}
}

// lockFile makes a file and locks it, for as long as anybody has it open who got it from
// here.
func lockFile(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // The engine's own.
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// stop asks the container to end, and ends it after the grace. The runtime hands the
// signal on to the container's first process; the helper, if it is still that, ends.
func (r *run) stop(ctx context.Context, cmd *exec.Cmd, grace time.Duration, ended <-chan error) error {
	_ = cmd.Process.Signal(unix.SIGTERM)
	if err, ok := within(grace, ended); ok {
		return err
	}
	killed, err, ok := r.killed(ctx, ended, func(ctx context.Context) error { return r.e.kill(ctx, r.id) })
	if ok {
		return err
	}
	// Without the runtime itself the container is still there, and holds its output open.
	_ = cmd.Process.Kill()
	_, err, ok = r.killed(ctx, ended, func(ctx context.Context) error { return r.e.remove(ctx, r.e.runtime, r.id) })
	if ok {
		return err
	}
	return errors.Join(killed, engineError("ending container "+r.id, "it doesn't end", "look at the worker's machine"))
}

// killed kills until the container has ended. Once isn't enough: a runtime that is on
// its way itself may not find the container, and says so only sometimes.
func (r *run) killed(ctx context.Context, ended <-chan error, kill func(context.Context) error) (failure, err error, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, killTime)
	defer cancel()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if e := kill(ctx); ctx.Err() == nil {
			failure = e
		}
		select {
		case err := <-ended:
			return nil, err, true
		case <-ctx.Done():
			return failure, nil, false
		case <-tick.C:
		}
	}
}

func within(d time.Duration, ended <-chan error) (error, bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case err := <-ended:
		return err, true
	case <-t.C:
		return nil, false
	}
}

// outcome tells the container's exit code from the failures of whoever ran it. The
// runtime's exit code is the container's once its program has begun.
func (r *run) outcome(cmd *exec.Cmd, args []string, err error) (int, error) {
	if why, e := os.ReadFile(r.file("failure")); e == nil {
		return 0, decodeFailure(why)
	}
	if _, e := os.Stat(r.file("pid")); e != nil {
		return 0, engineError(fmt.Sprintf("starting the container with %q", args), r.said(err), "look at the image and at the worker's machine")
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 0, engineError("running the container", fmt.Sprintf("%s was ended by the signal %s", r.e.runtime.name, status.Signal()), "look at the worker's machine")
	}
	if _, isExit := errors.AsType[*exec.ExitError](err); err != nil && !isExit {
		return 0, engineError("running the container", "handing on its output: "+reason(err), "")
	}
	return cmd.ProcessState.ExitCode(), nil
}

// said is what the runtime has to say, or else how it ended.
func (r *run) said(err error) string {
	b, _ := os.ReadFile(r.file("log"))
	for line := range strings.Lines(string(b)) {
		var entry struct {
			Level   string `json:"level"`
			Message string `json:"msg"`
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Level == "error" && entry.Message != "" {
			return entry.Message
		}
	}
	if err == nil {
		return r.e.runtime.name + " ended without having started it"
	}
	return r.e.runtime.name + ": " + reason(err)
}
