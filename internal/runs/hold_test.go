package runs_test

import (
	"bytes"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/wire"
)

// yard is a plane with a project, workers, and a clock that stands.
type yard struct {
	*fairleadtest.Plane
	clock      *fairleadtest.Clock
	one, other *client.Client // workers of acme's
}

const hold = time.Minute

func newYard(t *testing.T, options ...fairleadtest.Option) *yard {
	t.Helper()
	y := &yard{clock: fairleadtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	y.Plane = fairleadtest.Start(t, append([]fairleadtest.Option{fairleadtest.WithClock(y.clock), fairleadtest.WithHold(hold)}, options...)...)
	fairleadtest.Must(t, y.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "models"})
	y.one, y.other = y.Worker(y.Ann, "acme", "one"), y.Worker(y.Ann, "acme", "other")
	return y
}

func path() wire.ProjectPath { return wire.ProjectPath{Owner: "acme", Project: "models"} }

func (y *yard) queue(t *testing.T, with ...func(*wire.RunRequest)) fairlead.Run {
	t.Helper()
	req := wire.RunRequest{ProjectPath: path(), File: "- step:\n    name: train\n    image: busybox\n    command: echo hello\n", Step: "train"}
	for _, set := range with {
		set(&req)
	}
	return fairleadtest.Must(t, y.Ann, wire.CreateRun, req)
}

// claim claims a run, and gives where it is held; nil if there is none.
func (y *yard) claim(t *testing.T, worker *client.Client) *wire.HeldPath {
	t.Helper()
	a := fairleadtest.Must(t, worker, wire.Claim, wire.ClaimRequest{Engine: "docker", Platform: "linux/amd64", Version: "test"})
	if a.Run == nil {
		return nil
	}
	return &wire.HeldPath{Run: a.Run.ID, Fence: a.Run.Fence}
}

func (y *yard) show(t *testing.T, number int64) fairlead.Run {
	t.Helper()
	return fairleadtest.Must(t, y.Ann, wire.ShowRun, wire.RunPath{ProjectPath: path(), Number: number})
}

// acts are all that a worker does with a run that it holds.
func acts(h wire.HeldPath) map[string]func(t *testing.T, c *client.Client) error {
	zero := 0
	return map[string]func(t *testing.T, c *client.Client) error{
		"renew": func(t *testing.T, c *client.Client) error {
			t.Helper()
			return do(t, c, wire.Renew, wire.RenewRequest{HeldPath: h})
		},
		"release": func(t *testing.T, c *client.Client) error {
			t.Helper()
			return do(t, c, wire.Renew, wire.RenewRequest{HeldPath: h, Release: true})
		},
		"append": func(t *testing.T, c *client.Client) error {
			t.Helper()
			return do(t, c, wire.AppendLog, wire.LogLines{HeldPath: h, Lines: []fairlead.LogLine{{Seq: 1, Stream: fairlead.Stdout, Text: "late"}}})
		},
		"lease": func(t *testing.T, c *client.Client) error {
			t.Helper()
			return do(t, c, wire.LeaseHeld, wire.HeldLeaseRequest{HeldPath: h, Host: "docker.io", Repository: "library/busybox"})
		},
		"begin": func(t *testing.T, c *client.Client) error {
			t.Helper()
			return do(t, c, wire.Begin, wire.BegunRequest{HeldPath: h, Pulled: fairlead.PullRecord{Image: "late", Lease: fairlead.Anonymous}})
		},
		"end": func(t *testing.T, c *client.Client) error {
			t.Helper()
			return do(t, c, wire.End, wire.EndRequest{HeldPath: h, ExitCode: &zero})
		},
		"archive": func(t *testing.T, c *client.Client) error {
			t.Helper()
			body, _, err := client.Get(t.Context(), c, wire.GetHeldArchive, h)
			if err == nil {
				_ = body.Close()
			}
			return err
		},
		"output": func(t *testing.T, c *client.Client) error {
			t.Helper()
			return client.Put(t.Context(), c, wire.PutOutput, wire.HeldOutputPath{HeldPath: h, Name: "late", Digest: digest("late"), Size: 4}, bytes.NewReader([]byte("late")), 4)
		},
	}
}

func do[In, Out any](t *testing.T, c *client.Client, op wire.Operation[In, Out], in In) error {
	t.Helper()
	_, err := client.Do(t.Context(), c, op, in)
	return err
}

// refusedAll asks that all acts are refused with the code of a lost fence.
func refusedAll(t *testing.T, c *client.Client, h wire.HeldPath) {
	t.Helper()
	for name, act := range acts(h) {
		if err := act(t, c); fairlead.KindOf(err) != fairlead.Conflict || fairlead.CodeOf(err) != fairlead.CodeFence {
			t.Errorf("%s: %v (%s)", name, err, fairlead.CodeOf(err))
		}
	}
}

func TestWrongHold(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	run := y.queue(t)
	h := y.claim(t, y.one)
	refusedAll(t, y.other, *h)
	refusedAll(t, y.one, wire.HeldPath{Run: h.Run, Fence: h.Fence + 1})
	y.clock.Move(hold + time.Second)
	again := y.claim(t, y.one) // the same worker, under a new fence
	refusedAll(t, y.one, *h)
	if got := y.show(t, run.Number); got.State != fairlead.Preparing || got.Fence != again.Fence || got.Pulled != nil {
		t.Errorf("the run has changed: %+v", got)
	}
	if outputs := fairleadtest.Must(t, y.Ann, wire.ListOutputs, wire.RunPath{ProjectPath: path(), Number: run.Number}); len(outputs.Outputs) > 0 {
		t.Errorf("the run has outputs: %+v", outputs)
	}
	if log := fairleadtest.Must(t, y.Ann, wire.ReadLog, wire.LogRequest{RunPath: wire.RunPath{ProjectPath: path(), Number: run.Number}}); len(log.Lines) > 0 {
		t.Errorf("the run has a log: %+v", log.Lines)
	}
}

func TestAfterTheEnd(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.queue(t)
	h := y.claim(t, y.one)
	zero := 0
	fairleadtest.Must(t, y.one, wire.End, wire.EndRequest{HeldPath: *h, ExitCode: &zero})
	refusedAll(t, y.one, *h)
	if run := y.show(t, 1); run.State != fairlead.Complete || *run.ExitCode != 0 {
		t.Errorf("the run is %+v", run)
	}
}

// TestLost loses the worker until the run was tried as often as it may be.
func TestLost(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	retries := 1
	run := y.queue(t, func(r *wire.RunRequest) { r.Retries = &retries })
	for attempt := 1; attempt <= 2; attempt++ {
		h := y.claim(t, y.one)
		if got := y.show(t, run.Number); got.State != fairlead.Preparing || got.Attempt != attempt || got.WorkerName != "one" {
			t.Fatalf("attempt %d: %+v", attempt, got)
		}
		if y.claim(t, y.other) != nil {
			t.Fatal("two workers hold the run")
		}
		y.clock.Move(hold - time.Second)
		fairleadtest.Must(t, y.one, wire.Renew, wire.RenewRequest{HeldPath: *h})
		y.clock.Move(hold - time.Second)
		if y.claim(t, y.other) != nil {
			t.Fatal("a renewed hold was taken away")
		}
		y.clock.Move(2 * time.Second)
		if err := y.Runs.LoseRuns(t.Context()); err != nil {
			t.Fatal(err)
		}
		refusedAll(t, y.one, *h)
	}
	got := y.show(t, run.Number)
	if got.State != fairlead.Failed || got.Failure == nil || got.Failure.Code != fairlead.CodeWorkerLost {
		t.Errorf("the run is %+v, %+v", got, got.Failure)
	}
	if y.claim(t, y.other) != nil {
		t.Error("a run that was given up is claimed")
	}
}

// TestLostToAnother has another worker take the run over by asking for one.
func TestLostToAnother(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.queue(t)
	h := y.claim(t, y.one)
	y.clock.Move(hold + time.Second)
	taken := y.claim(t, y.other)
	if taken == nil || taken.Run != h.Run || taken.Fence <= h.Fence {
		t.Fatalf("the other worker has %+v", taken)
	}
	refusedAll(t, y.one, *h)
}

// TestRelease gives a run back: another worker may have it at once.
func TestRelease(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	retries := 1
	run := y.queue(t, func(r *wire.RunRequest) { r.Retries = &retries })
	release := func(h *wire.HeldPath) {
		t.Helper()
		fairleadtest.Must(t, y.one, wire.Renew, wire.RenewRequest{HeldPath: *h, Release: true})
		refusedAll(t, y.one, *h)
	}
	h := y.claim(t, y.one)
	fairleadtest.Must(t, y.one, wire.Begin, wire.BegunRequest{HeldPath: *h, Pulled: fairlead.PullRecord{Image: "i", Lease: fairlead.Anonymous}})
	release(h)
	if got := y.show(t, run.Number); got.State != fairlead.Queued || !got.Began.IsZero() || got.Pulled != nil || got.Progress != nil {
		t.Errorf("the run is %+v", got)
	}
	h = y.claim(t, y.one)
	if h == nil {
		t.Fatal("nobody can claim the run")
	}
	release(h)
	if got := y.show(t, run.Number); got.State != fairlead.Failed || got.Failure == nil || got.Failure.Code != fairlead.CodeWorkerLost {
		t.Errorf("the run is %+v, %+v", got, got.Failure)
	}

	stopped := y.queue(t)
	h = y.claim(t, y.one)
	fairleadtest.Must(t, y.Ann, wire.StopRun, wire.RunPath{ProjectPath: path(), Number: stopped.Number})
	release(h)
	if got := y.show(t, stopped.Number); got.State != fairlead.Stopped {
		t.Errorf("the run is %+v", got)
	}
}
