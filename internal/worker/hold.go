package worker

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/leash"
	"fairlead.dev/fairlead/wire"
)

// Why a run's context ends.
var (
	errStop  = errors.New("somebody asked for the run's end")
	errLost  = errors.New("the worker lost its hold on the run")
	errLeash = errors.New("the hold wasn't renewed in time, and the leash ended the container")
)

// hold is a worker's hold on a run. It is renewed at a third of its life or earlier; each renewal
// moves the deadline of the container's leash. When it can't be renewed, the run's
// contexts end before the server may give the run to another worker.
type hold struct {
	worker *Worker
	run    fairlead.RunID
	fence  int64
	file   string // the leash's deadline

	lose, stop context.CancelCauseFunc

	mu       sync.Mutex
	progress *fairlead.Progress
	moved    chan struct{} // has room for one: the progress is another
	until    time.Duration // what the leash's deadline is
	late     bool          // a deadline has passed before it was moved
}

// share is which part of the hold the container may use: what is left is for the leash
// to notice and for the container to die in.
const shareOfHold = 0.8

// begin notes the hold that came with the claim and begins to renew it. The context
// telling ends with the hold: what is told of the run goes on when the run itself is
// stopped. The context held, below it, ends then too.
func (w *Worker) begin(ctx context.Context, a wire.Assignment, asked time.Duration, dir string) (telling, held context.Context, h *hold, err error) {
	h = &hold{
		worker: w, run: a.Run.ID, fence: a.Run.Fence, file: filepath.Join(dir, "deadline"), moved: make(chan struct{}, 1),
	}
	now, err := leash.Boottime()
	if err != nil {
		return nil, nil, nil, failed("reading the clock", err)
	}
	life := a.Hold
	// A claim may wait for a run longer than a hold lasts, and doesn't tell when in that
	// time the server gave the run. A renewal does.
	if now-asked > life.Duration()/10 {
		renewed, err := h.renew(ctx, life.Duration()/3)
		if err != nil {
			return nil, nil, nil, err
		}
		asked, life = now, renewed.Hold
	}
	if err := h.extend(asked, life.Duration()); err != nil {
		return nil, nil, nil, failed("writing the leash's deadline", err)
	}
	telling, h.lose = context.WithCancelCause(ctx)
	held, h.stop = context.WithCancelCause(telling)
	go h.keep(telling, life.Duration())
	return telling, held, h, nil
}

// extend moves the leash's deadline, for a hold that was asked for at a time of the boot
// clock. It counts from the asking: the server's own count began later.
func (h *hold) extend(asked, life time.Duration) error {
	until := asked + time.Duration(float64(life)*shareOfHold)
	if err := leash.Renew(h.file, until); err != nil {
		return err
	}
	now, err := leash.Boottime()
	h.mu.Lock()
	defer h.mu.Unlock()
	// Whoever looked at the clock before the file was replaced may have seen the old
	// deadline pass.
	h.late = h.late || h.until != 0 && now >= h.until
	h.until = until
	return err
}

// left is how long the leash lets the container live yet.
func (h *hold) left() time.Duration {
	now, err := leash.Boottime()
	if err != nil {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.until - now
}

// ended reports whether a container with this exit code may have been ended by the
// leash, and not by its own command.
func (h *hold) ended(code int) bool {
	left := h.left()
	h.mu.Lock()
	defer h.mu.Unlock()
	return code == leash.ExitDeadline && (h.late || left <= 0)
}

// keep renews until the hold ends. A run that is stopped is held until its outputs are
// kept.
func (h *hold) keep(ctx context.Context, life time.Duration) {
	for wait := pace(life); ; {
		h.wait(ctx, min(wait, max(0, h.left())))
		asked, err := leash.Boottime()
		left := h.left()
		if err != nil || left <= 0 {
			h.lose(errLost) // the leash has ended the container, or is about to
		}
		if ctx.Err() != nil {
			return
		}
		renewed, err := h.renew(ctx, min(life/3, left))
		switch {
		case fairlead.CodeOf(err) == fairlead.CodeFence, fairlead.KindOf(err) == fairlead.NotFound, fairlead.KindOf(err) == fairlead.Unauthenticated:
			h.lose(errLost)
			return
		case err != nil:
			h.worker.Log.WarnContext(ctx, "renewing hold", "run", string(h.run), "error", err.Error())
			wait = life / againShare
			continue
		}
		life = renewed.Hold.Duration()
		wait = pace(life)
		if err := h.extend(asked, life); err != nil {
			h.lose(failed("writing the leash's deadline", err))
			return
		}
		if renewed.Stop {
			h.stop(errStop)
		}
	}
}

// pace is how often a hold is renewed. A renewal also tells whether somebody asked for the
// run's end, which shall not take longer the longer a hold is.
func pace(life time.Duration) time.Duration { return min(life/3, slowestPace) }

const slowestPace = 3 * time.Second

// againShare is which part of its life a hold that couldn't be renewed waits until it is
// tried again: a server that starts again shall be found in time.
const againShare = 20

// renew asks for more time, and doesn't wait long for the answer.
func (h *hold) renew(ctx context.Context, most time.Duration) (wire.Renewed, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	h.mu.Lock()
	p := h.progress
	h.mu.Unlock()
	return client.Do(ctx, h.worker.Client, wire.Renew, wire.RenewRequest{HeldPath: h.path(), Progress: p})
}

// progressEvery is how often progress alone makes the worker renew.
const progressEvery = 500 * time.Millisecond

// wait returns when it is time to renew, or earlier if there is progress to tell.
func (h *hold) wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	soon := time.NewTimer(min(progressEvery, d))
	defer soon.Stop()
	select {
	case <-ctx.Done():
		return
	case <-soon.C:
	}
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-h.moved:
	}
}

// report notes progress, which the next renewal tells.
func (h *hold) report(p fairlead.Progress) {
	h.mu.Lock()
	h.progress = &p
	h.mu.Unlock()
	select {
	case h.moved <- struct{}{}:
	default:
	}
}

func (h *hold) path() wire.HeldPath { return wire.HeldPath{Run: h.run, Fence: h.fence} }
