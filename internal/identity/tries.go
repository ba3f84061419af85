package identity

import (
	"context"
	"sync"
	"time"

	"fairlead.dev/fairlead"
)

// How many wrong passwords are let through before the next has to wait: a minute,
// doubled with each further one, an hour at most. An address may stand for many people,
// a name for one.
const (
	freeOfName    = 5
	freeOfAddress = 50
	firstWait     = time.Minute
	lastWait      = time.Hour
	mostTried     = 10_000
)

// tries counts wrong passwords in this process. Behind a name or an address that has
// had too many, even the right one waits. Those of one name, and those from one
// address, are checked one after the other, so that no more get through at once than
// one after the other.
type tries struct {
	now func() time.Time

	mu    sync.Mutex
	wrong map[tryKey]tried
	turns map[tryKey]*turn
}

// tryKey is a name or an address.
type tryKey struct{ name, from string }

func (k tryKey) free() int {
	if k.name != "" {
		return freeOfName
	}
	return freeOfAddress
}

// tried counts what is held against a name or an address.
type tried struct {
	count int
	last  time.Time
}

// turn is held by whoever tries.
type turn struct {
	held  chan struct{} // holds one value while somebody has the turn
	count int           // who has it and who waits
}

// outcome is what came of a try.
type outcome int

const (
	unknown outcome = iota // it couldn't be checked
	right
	wrong
)

func newTries(now func() time.Time) *tries {
	return &tries{now: now, wrong: map[tryKey]tried{}, turns: map[tryKey]*turn{}}
}

// begin begins a try, and gives what its outcome is told to, which must be done. name
// may be empty: then only the address counts. [fairlead.Limited] if there were too many
// wrong ones.
func (t *tries) begin(ctx context.Context, name, from string) (func(outcome), error) {
	keys := []tryKey{{from: from}}
	if name != "" {
		keys = []tryKey{{name: name}, {from: from}} // always in this order
	}
	if err := t.allow(keys); err != nil {
		return nil, err // without waiting
	}
	for i, k := range keys {
		if err := t.enter(ctx, k); err != nil {
			t.leave(keys[:i])
			return nil, err
		}
	}
	if err := t.allow(keys); err != nil {
		t.leave(keys)
		return nil, err
	}
	return func(o outcome) {
		t.note(keys, o)
		t.leave(keys)
	}, nil
}

// enter waits for the turn.
func (t *tries) enter(ctx context.Context, k tryKey) error {
	t.mu.Lock()
	w := t.turns[k]
	if w == nil {
		w = &turn{held: make(chan struct{}, 1)}
		t.turns[k] = w
	}
	w.count++
	t.mu.Unlock()
	select {
	case w.held <- struct{}{}:
		return nil
	case <-ctx.Done():
		t.mu.Lock()
		defer t.mu.Unlock()
		t.gone(k, w)
		return &fairlead.Error{Kind: fairlead.Unavailable, What: "checking password", Why: "too many are being checked", Remedy: "try again"}
	}
}

func (t *tries) leave(keys []tryKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range keys {
		w := t.turns[k]
		<-w.held
		t.gone(k, w)
	}
}

func (t *tries) gone(k tryKey, w *turn) {
	if w.count--; w.count == 0 {
		delete(t.turns, k)
	}
}

func (t *tries) allow(keys []tryKey) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range keys {
		f := t.wrong[k]
		if again := f.last.Add(wait(f.count - k.free())); f.count >= k.free() && t.now().Before(again) {
			return &fairlead.Error{
				Kind: fairlead.Limited, What: "logging in", Why: "there were too many wrong passwords",
				Remedy: "wait until " + again.UTC().Format("15:04:05 MST") + ", then try again", RetryAt: again,
			}
		}
	}
	return nil
}

// wait is how long the next try waits after so many too many.
func wait(beyond int) time.Duration {
	w := firstWait
	for range beyond {
		if w *= 2; w >= lastWait {
			return lastWait
		}
	}
	return w
}

// note counts what came of a try. A right password clears its name, and not the
// address: whoever has a password of their own could try all others from there.
func (t *tries) note(keys []tryKey, o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch o {
	case right:
		for _, k := range keys {
			if k.name != "" {
				delete(t.wrong, k)
			}
		}
	case wrong:
		if len(t.wrong) >= mostTried {
			t.sweep()
		}
		for _, k := range keys {
			f := t.wrong[k]
			if t.now().Sub(f.last) > lastWait {
				f.count = 0
			}
			t.wrong[k] = tried{count: f.count + 1, last: t.now()}
		}
	case unknown:
	}
}

// sweep forgets whom nothing is held against any more, or all if that is nobody.
func (t *tries) sweep() {
	for k, f := range t.wrong {
		if t.now().Sub(f.last) > lastWait {
			delete(t.wrong, k)
		}
	}
	if len(t.wrong) >= mostTried {
		clear(t.wrong)
	}
}
