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
	errStop = errors.New("somebody asked for the run's end")
	errLost = errors.New("the worker lost its hold on the run")
)

// hold is a worker's hold on a run. It is renewed at a third of its life; each renewal
// moves the deadline of the container's leash. When it can't be renewed, the run's
// context ends before the server may give the run to another worker.
type hold struct {
	worker *Worker
	run    fairlead.RunID
	fence  int64
	file   string // the leash's deadline
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	progress *fairlead.Progress
	moved    chan struct{} // has room for one: the progress is another
}

// share is which part of the hold the container may use: what is left is for the leash
// to notice and for the container to die in.
const shareOfHold = 0.8

// begin notes the hold that came with the claim and begins to renew it. The context
// ends with errStop, errLost, or when ctx ends.
func (w *Worker) begin(ctx context.Context, a wire.Assignment, asked time.Duration, dir string) (context.Context, *hold, error) {
	h := &hold{
		worker: w, run: a.Run.ID, fence: a.Run.Fence, file: filepath.Join(dir, "deadline"), moved: make(chan struct{}, 1),
	}
	if err := leash.Renew(h.file, h.until(asked, a.Hold)); err != nil {
		return nil, nil, failed("writing the leash's deadline", err)
	}
	held, cancel := context.WithCancelCause(ctx)
	h.cancel = cancel
	go h.keep(held, asked+a.Hold.Duration(), a.Hold.Duration())
	return held, h, nil
}

// until is the deadline for a hold that was asked for at a time of the boot clock. It
// counts from the asking: the server's own count began later.
func (h *hold) until(asked time.Duration, life wire.Milliseconds) time.Duration {
	return asked + time.Duration(float64(life.Duration())*shareOfHold)
}

// keep renews until the context ends.
func (h *hold) keep(ctx context.Context, end, life time.Duration) {
	for {
		h.wait(ctx, life/3)
		if ctx.Err() != nil {
			return
		}
		asked, err := leash.Boottime()
		if err != nil {
			h.cancel(errLost)
			return
		}
		if asked >= end-time.Duration(float64(life)*(1-shareOfHold)) {
			h.cancel(errLost) // the leash has ended the container, or is about to
			return
		}
		renewed, err := h.renew(ctx, life)
		switch {
		case fairlead.CodeOf(err) == fairlead.CodeFence, fairlead.KindOf(err) == fairlead.NotFound, fairlead.KindOf(err) == fairlead.Unauthenticated:
			h.cancel(errLost)
			return
		case err != nil:
			h.worker.Log.WarnContext(ctx, "renewing hold", "run", string(h.run), "error", err.Error())
			continue
		}
		life = renewed.Hold.Duration()
		end = asked + life
		if err := leash.Renew(h.file, h.until(asked, renewed.Hold)); err != nil {
			h.cancel(failed("writing the leash's deadline", err))
			return
		}
		if renewed.Stop {
			h.cancel(errStop)
			return
		}
	}
}

// renew asks for more time, within a third of what there is.
func (h *hold) renew(ctx context.Context, life time.Duration) (wire.Renewed, error) {
	ctx, cancel := context.WithTimeout(ctx, life/3)
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
