package runs

import (
	"context"
	"sync"
	"time"

	"fairlead.dev/fairlead"
)

// lookEvery is how often somebody who waits looks by themselves: what happened on
// another replica rings no bell here.
const lookEvery = time.Second

// bell wakes those who wait for something to happen to a run, or for a run to claim.
type bell struct {
	mu   sync.Mutex
	runs map[fairlead.RunID]*waiting
	any  *waiting
}

// waiting is closed when the bell rings, and counts who waits.
type waiting struct {
	rung  chan struct{}
	count int
}

func newBell() *bell {
	return &bell{runs: map[fairlead.RunID]*waiting{}, any: &waiting{rung: make(chan struct{})}}
}

// ring wakes whoever waits for the run.
func (b *bell) ring(id fairlead.RunID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w := b.runs[id]; w != nil {
		close(w.rung)
		delete(b.runs, id)
	}
}

// queued wakes whoever waits for a run to claim.
func (b *bell) queued() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.any.rung)
	b.any = &waiting{rung: make(chan struct{})}
}

// listen gives what is closed at the run's next ring, and what to call when nobody
// listens any more. Listen first, then look, then wait: nothing is missed.
func (b *bell) listen(id fairlead.RunID) (<-chan struct{}, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.runs[id]
	if w == nil {
		w = &waiting{rung: make(chan struct{})}
		b.runs[id] = w
	}
	w.count++
	return w.rung, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if w.count--; w.count == 0 && b.runs[id] == w {
			delete(b.runs, id)
		}
	}
}

func (b *bell) listenQueue() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.any.rung
}

// wait returns when the bell rings, when it is time to look again, or when ctx ends;
// false in the last case.
func wait(ctx context.Context, rung <-chan struct{}) bool {
	t := time.NewTimer(lookEvery)
	defer t.Stop()
	select {
	case <-rung:
		return true
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
