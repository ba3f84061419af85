package conform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/ref"
)

// engineWorker is the base name of argv[0] by which a test binary becomes a worker that
// is to be killed.
const engineWorker = "conform-engine-worker"

// workerJob is what it is told.
type workerJob struct {
	Place     string
	Image     ref.Image
	ID, Owner string
	Args      []string
	Mounts    []engine.Mount
}

// EngineMain is for the TestMain of an engine's tests: called by another name, the test
// binary is a worker.
func EngineMain(kind EngineKind) {
	if filepath.Base(os.Args[0]) != engineWorker {
		return
	}
	// What its own runtime writes to when it is gone is no reason to end.
	signal.Ignore(syscall.SIGPIPE)
	if err := work(kind, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func work(kind EngineKind, job string) error {
	ctx := context.Background()
	var j workerJob
	if err := json.Unmarshal([]byte(job), &j); err != nil {
		return err
	}
	e, err := kind.Open(ctx, j.Place)
	if err != nil {
		return err
	}
	image, err := e.Pull(ctx, engine.PullRequest{Image: j.Image, Keychain: keys(anonymous())})
	if err != nil {
		return err
	}
	code, err := e.Run(ctx, engine.Container{
		ID: j.ID, Owner: j.Owner, Image: image, Args: j.Args, Mounts: j.Mounts, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	return errors.Join(fmt.Errorf("the container ended by itself with %d", code), err)
}

// killedWorker has a worker start a container, and kills the worker.
func (s *shop) killedWorker(t *testing.T, place string, c engine.Container, m meeting) {
	t.Helper()
	job, err := json.Marshal(workerJob{
		Place: place, Image: s.push(t, busybox(t)), ID: c.ID, Owner: c.Owner, Args: c.Args, Mounts: []engine.Mount{m.mount()},
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", string(job))
	cmd.Args[0] = engineWorker
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	m.up(t, ended)
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	<-ended
}

// testSweep removes what a killed worker left, and nothing else.
func testSweep(t *testing.T, s *shop) {
	t.Helper()
	place := s.kind.Place(t)
	m := newMeeting(t, "up")
	left := s.container("trap '' TERM; echo up >/meet/up; while :; do sleep 1000 & wait; done")
	left.Owner = name()
	left.Args = append(left.Args, left.ID)
	s.killedWorker(t, place, left, m)
	if len(processes(t, left.ID)) == 0 {
		t.Log("the container ended with the worker") // which is as good
	}

	// Another owner's, where one place may have several, and another place's.
	other := newMeeting(t, "up", "go")
	stays := s.container("echo up >/meet/up; cat /meet/go")
	stays.Mounts = []engine.Mount{other.mount()}
	r := s.start(t, stays)
	other.up(t, r.done)

	e := s.open(t, place)
	for range 2 { // the second time there is nothing
		if err := e.Sweep(t.Context(), left.Owner); err != nil {
			t.Fatal(err)
		}
	}
	if list := processes(t, left.ID); len(list) > 0 {
		t.Errorf("there are still processes: %v", list)
	}
	image, err := e.Pull(t.Context(), engine.PullRequest{Image: s.push(t, busybox(t)), Keychain: keys(anonymous())})
	if err != nil {
		t.Fatal(err)
	}
	defer image.Release()
	again := s.container("echo again")
	again.ID, again.Image = left.ID, image
	if o := s.startOn(t, e, again).wait(); o.err != nil || o.out != "again\n" {
		t.Errorf("%+v", o)
	}
	if err := os.WriteFile(filepath.Join(other.dir, "go"), []byte("go\n"), 0); err != nil {
		t.Error(err)
	}
	if o := r.wait(); o.err != nil || o.code != 0 || o.out != "go\n" {
		t.Errorf("the container of another owner: %+v", o)
	}
}
