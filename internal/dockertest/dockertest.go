// Package dockertest runs a real Docker engine for tests: Debian's dockerd and containerd
// on directories of their own, one for a test process. It is for tests and scripts only.
package dockertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

const remedy = "apt-get install -y --no-install-recommends docker.io containerd"

// Daemon is a running Docker engine. It ends with its containers, and its files go, when
// it is stopped or when this process ends, however that happens.
type Daemon struct {
	dir   string
	env   []string   // beside the environment of this process
	hold  *os.File   // the engine ends when this is closed
	ended chan error // what became of it
	stop  sync.Once
	err   error
}

// shared is the engine of this process. It is process-wide because starting one takes as
// long as many tests, and tests name their containers apart.
var shared = sync.OnceValues(func() (*Daemon, error) {
	return Start(context.Background())
})

// Options say what is particular about an engine.
type Options struct {
	// Env is added to its environment: for a proxy (HTTPS_PROXY), and for the certificates
	// that it trusts (SSL_CERT_FILE).
	Env []string
}

// Host gives the address of this process's Docker engine, as DOCKER_HOST has it.
func Host(tb testing.TB) string {
	tb.Helper()
	d, err := shared()
	if err != nil {
		tb.Fatal(err)
	}
	return d.Host()
}

// Start starts an engine of its own, and returns when it answers.
func Start(ctx context.Context, options ...Options) (*Daemon, error) {
	for _, program := range []string{"dockerd", "containerd"} {
		if _, err := exec.LookPath(program); err != nil {
			if _, err := os.Stat("/usr/sbin/" + program); err != nil {
				return nil, fmt.Errorf("starting the Docker engine: %w: install it with: %s", err, remedy)
			}
		}
	}
	dir, err := os.MkdirTemp("", "docker-")
	if err != nil {
		return nil, fmt.Errorf("starting the Docker engine: %w", err)
	}
	d := &Daemon{dir: dir, ended: make(chan error, 1)}
	for _, o := range options {
		d.env = append(d.env, o.Env...)
	}
	if err := d.start(ctx); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return nil, errors.Join(fmt.Errorf("starting the Docker engine in %s: %w\n%s", dir, err, log), d.Stop(), os.RemoveAll(dir))
	}
	return d, nil
}

// supervise starts containerd and dockerd, waits until its input ends, as it does when
// the process that started it is gone, and cleans up: dockerd ends its containers, what
// is still there then is killed by process id, and what is mounted below the directory
// is unmounted before the directory is removed.
//
// There is no bridge and no address translation: engines of several test processes
// would take them from each other, and so would an engine of the machine.
const supervise = `
trap '' INT TERM HUP
PATH=$PATH:/usr/sbin:/sbin
d=$1
containerd --address "$d/containerd.sock" --root "$d/containerd" --state "$d/state" >>"$d/log" 2>&1 </dev/null &
containerd=$!
dockerd --containerd "$d/containerd.sock" --host "unix://$d/docker.sock" --data-root "$d/data" --exec-root "$d/exec" --pidfile "$d/pid" \
  --bridge none --iptables=false --ip6tables=false --ip-masq=false --ip-forward=false --shutdown-timeout 1 >>"$d/log" 2>&1 </dev/null &
dockerd=$!
while read -r _; do :; done
kill -TERM $dockerd 2>/dev/null; wait $dockerd
kill -TERM $containerd 2>/dev/null; wait $containerd
for c in /proc/[0-9]*/cmdline; do
  if tr '\0' ' ' <"$c" 2>/dev/null | grep -qF -e "-address $d/containerd.sock"; then
    p=${c#/proc/}
    kill -KILL "${p%/cmdline}" 2>/dev/null
  fi
done
while read -r _ at _; do
  case $at in "$d"/*) umount -l "$at" ;; esac
done </proc/self/mounts
cd / && rm -rf "$d"
`

func (d *Daemon) start(ctx context.Context) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close() //nolint:errcheck // The engine has its own.
	d.hold = write
	cmd := exec.Command("/bin/sh", "-c", supervise, "sh", d.dir) //nolint:noctx // A constant and a directory of ours; it outlives ctx.
	// In a mount namespace of its own the engine leaves no mount on the machine,
	// whatever becomes of it. What interrupts the test doesn't reach it: its end of the
	// pipe does.
	cmd.Dir, cmd.Stdin, cmd.SysProcAttr = "/", read, &syscall.SysProcAttr{Setsid: true, Unshareflags: syscall.CLONE_NEWNS}
	cmd.Env = append(os.Environ(), d.env...)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { d.ended <- cmd.Wait() }()
	return d.wait(ctx)
}

// startTime is how long the engine may take to answer. A machine that compiles at the
// same time is slow.
const startTime = 2 * time.Minute

// wait waits until the engine answers or is gone.
func (d *Daemon) wait(ctx context.Context) error {
	api, err := client.New(client.WithHost(d.Host()))
	if err != nil {
		return err
	}
	defer api.Close() //nolint:errcheck // Nothing was written.
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	next := time.NewTicker(50 * time.Millisecond)
	defer next.Stop()
	for {
		_, err := api.Ping(ctx, client.PingOptions{})
		if err == nil {
			return nil
		}
		select {
		case <-next.C:
		case err := <-d.ended:
			d.ended <- err
			return fmt.Errorf("it ended at once: %w", err)
		case <-ctx.Done():
			return err
		}
	}
}

// Host is the engine's address, as DOCKER_HOST has it.
func (d *Daemon) Host() string { return "unix://" + filepath.Join(d.dir, "docker.sock") }

// Stop ends the engine, removes its files, and returns when both is done.
func (d *Daemon) Stop() error {
	d.stop.Do(func() {
		if d.hold == nil {
			return
		}
		d.err = errors.Join(d.hold.Close(), <-d.ended)
	})
	return d.err
}
