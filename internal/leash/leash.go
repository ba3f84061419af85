// Package leash is what runs as the first process of a run's container. It holds the
// worker's promise that a run is never performed twice at once: when the worker has
// not renewed its hold by the deadline, because it was killed, cut off, or is too slow,
// the leash ends the container, with nobody's help and on the same kernel's clock.
//
// The deadline is a file that the worker replaces at each renewal: the nanoseconds of
// CLOCK_BOOTTIME (clock_gettime(2)) in decimal. That clock counts on while the machine
// sleeps, isn't set by anybody, and is the same inside and outside of a container.
package leash

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Name is the base name of argv[0] by which the binary becomes the leash.
const Name = "fairlead-leash"

// ExitDeadline is the leash's exit code when the deadline passed, which a command that
// was killed has too.
const ExitDeadline = 128 + int(unix.SIGKILL)

// Exit codes of the leash itself, as a shell has them.
const (
	exitCannotRun  = 126
	exitNotFound   = 127
	exitWrongUsage = 2
)

// lookEvery is how often the deadline file is read, and so how late a renewal may be
// seen. The worker's margin is several times as long.
const lookEvery = 200 * time.Millisecond

// Boottime reads the clock.
func Boottime() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0, fmt.Errorf("reading CLOCK_BOOTTIME: %w", err)
	}
	return time.Duration(t.Nano()), nil
}

// Renew replaces the deadline file: the container may live until the clock shows the
// given time.
func Renew(file string, until time.Duration) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".deadline-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.FormatInt(int64(until), 10))
	err = errors.Join(err, f.Chmod(0o444), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// deadline is a deadline file, and what it said when it could last be read. One that
// never could has passed: nobody vouches for the hold.
type deadline struct {
	file  string
	until time.Duration
}

// passed looks at the clock first, then into the file: a worker that moved the deadline
// before the old one passed can rely on it.
func (d *deadline) passed() bool {
	now, err := Boottime()
	if err != nil {
		return true
	}
	if b, err := os.ReadFile(d.file); err == nil { // The worker names the file.
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil {
			d.until = time.Duration(n)
		}
	}
	return now >= d.until
}

// Main is the leash's main function: args are the deadline file, then the program and
// its arguments. It gives the exit code of the program, 128 + n if signal n ended it,
// and 137 if the deadline passed.
func Main(args []string, errs io.Writer) int {
	if len(args) < 2 {
		_, _ = fmt.Fprintln(errs, "usage:", Name, "DEADLINE-FILE PROGRAM [ARGUMENT...]")
		return exitWrongUsage
	}
	// Asked for before the program begins, so that no signal is missed.
	signals := make(chan os.Signal, 32)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGCHLD)
	d := deadline{file: args[0]}
	if d.passed() {
		return ExitDeadline // the engine was slow: another worker may have the run
	}
	child, code := start(args[1:], errs)
	if child == 0 {
		return code
	}
	return watch(&d, child, signals)
}

// start runs the program in a process group of its own.
func start(args []string, errs io.Writer) (pid, code int) {
	path, err := exec.LookPath(args[0])
	if err != nil {
		_, _ = fmt.Fprintf(errs, "fairlead: the image has no %s, which is needed to run the command\n", args[0])
		return 0, exitNotFound
	}
	pid, err = syscall.ForkExec(path, args, &syscall.ProcAttr{ //nolint:gosec // To run the step's command is what the leash is for.
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setpgid: true}, //nolint:forbidigo // The container's environment is the program's.
	})
	if err != nil {
		_, _ = fmt.Fprintf(errs, "fairlead: the image's %s can't be run: %v\n", args[0], err)
		return 0, exitCannotRun
	}
	return pid, 0
}

// watch reaps children, hands signals on, and looks at the deadline.
func watch(d *deadline, child int, signals <-chan os.Signal) int {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case s := <-signals:
			if s != unix.SIGCHLD {
				if sig, ok := s.(syscall.Signal); ok {
					_ = unix.Kill(-child, sig)
				}
				continue
			}
			if code, ended := reap(child); ended {
				return code
			}
		case <-look.C:
			if d.passed() {
				_ = unix.Kill(-child, unix.SIGKILL)
				if os.Getpid() == 1 { // else it would be everything of the machine
					_ = unix.Kill(-1, unix.SIGKILL)
				}
				return ExitDeadline
			}
		}
	}
}

// reap collects every child that has ended; it tells the program's exit code if that
// is among them.
func reap(child int) (code int, ended bool) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return code, ended
		}
		if pid != child {
			continue
		}
		ended, code = true, status.ExitStatus()
		if status.Signaled() {
			code = 128 + int(status.Signal())
		}
	}
}
