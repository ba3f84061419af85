package runs

import (
	"context"
	"sync"

	"fairlead.dev/fairlead"
)

// clinic diagnoses failed pulls in the background: a few at once, and of what is over that
// none, since a fault that meets many runs at once is the same fault.
type clinic struct {
	beds chan struct{}
	done chan struct{} // closed when no more are taken

	mu     sync.Mutex
	closed bool
	busy   sync.WaitGroup
}

// mostDiagnosed is how many failed runs are diagnosed at once.
const mostDiagnosed = 4

func newClinic() *clinic {
	return &clinic{beds: make(chan struct{}, mostDiagnosed), done: make(chan struct{})}
}

// take runs f in the background, unless too much is under way or the clinic has closed.
func (c *clinic) take(ctx context.Context, f func(ctx context.Context)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	select {
	case c.beds <- struct{}{}:
	default:
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.busy.Go(func() {
		defer cancel()
		defer func() { <-c.beds }()
		f(ctx)
	})
	go func() {
		select {
		case <-c.done:
			cancel()
		case <-ctx.Done():
		}
	}()
}

// close ends what is under way and waits for it.
func (c *clinic) close() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.done)
	}
	c.mu.Unlock()
	c.busy.Wait()
}

// Close ends what goes on in the background. It may be called again.
func (r *Runs) Close() { r.clinic.close() }

// diagnose finds out in the background why a run's pull has failed, and notes it. That it
// couldn't is no fault of the run's.
func (r *Runs) diagnose(ctx context.Context, run fairlead.Run) {
	if r.opts.Doctor == nil || r.opts.Undiagnosed || run.Failure == nil {
		return
	}
	r.clinic.take(ctx, func(ctx context.Context) {
		p, err := r.store.Project(ctx, run.Project)
		if err != nil {
			return
		}
		d, ok := r.opts.Doctor.OfRun(ctx, p, run)
		if !ok || ctx.Err() != nil {
			return
		}
		if r.store.NoteDiagnosis(ctx, run.ID, d) == nil {
			r.bell.ring(run.ID)
		}
	})
}
