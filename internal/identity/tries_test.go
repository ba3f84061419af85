package identity

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead"
)

// hands is a clock for tests of this package; fairleadtest stands above it.
type hands struct {
	mu  sync.Mutex
	now time.Time
}

func newHands() *hands { return &hands{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (h *hands) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hands) Move(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// try makes one try and says whether it was let through.
func try(t *testing.T, tr *tries, name, from string, result outcome) bool {
	t.Helper()
	done, err := tr.begin(t.Context(), name, from)
	if err != nil {
		if e := fairlead.AsError("", err); e.Kind != fairlead.Limited || e.RetryAt.IsZero() {
			t.Errorf("refused with %v", err)
		}
		return false
	}
	done(result)
	return true
}

func TestTriesOfAName(t *testing.T) {
	t.Parallel()
	clock := newHands()
	tr := newTries(clock.Now)
	from := func(i int) string { return fmt.Sprintf("198.51.100.%d", i) }
	for i := range freeOfName {
		if !try(t, tr, "ann", from(i), wrong) {
			t.Fatalf("try %d isn't let through", i+1)
		}
	}
	if try(t, tr, "ann", from(99), right) {
		t.Fatal("there is no limit for a name that is tried from everywhere")
	}
	if !try(t, tr, "bob", from(99), wrong) {
		t.Fatal("another name is limited too")
	}
	for _, wait := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour} {
		clock.Move(wait - time.Second)
		if try(t, tr, "ann", from(98), wrong) {
			t.Fatalf("it is let through %s early", time.Second)
		}
		clock.Move(time.Second)
		if !try(t, tr, "ann", from(98), wrong) {
			t.Fatalf("after %s it isn't let through", wait)
		}
	}
	clock.Move(time.Hour)
	if !try(t, tr, "ann", from(98), right) {
		t.Fatal("after the longest wait it isn't let through")
	}
	for i := range freeOfName {
		if !try(t, tr, "ann", from(97), wrong) {
			t.Fatalf("after a right password, try %d isn't let through", i+1)
		}
	}
}

// TestTriesFromAnAddress tries many names from one address. A right password of one's
// own between them doesn't make them undone.
func TestTriesFromAnAddress(t *testing.T) {
	t.Parallel()
	clock := newHands()
	tr := newTries(clock.Now)
	for i := range freeOfAddress {
		if !try(t, tr, fmt.Sprint("user", i), "198.51.100.7", wrong) {
			t.Fatalf("try %d isn't let through", i+1)
		}
		if i+1 < freeOfAddress && !try(t, tr, "mallory", "198.51.100.7", right) {
			t.Fatalf("mallory's own try %d isn't let through", i+1)
		}
	}
	if try(t, tr, "somebody", "198.51.100.7", right) {
		t.Error("there is no limit for an address that tries every name")
	}
	if !try(t, tr, "somebody", "198.51.100.8", right) {
		t.Error("another address is limited too")
	}
	clock.Move(lastWait + time.Second)
	if !try(t, tr, "somebody", "198.51.100.7", wrong) || !try(t, tr, "other", "198.51.100.7", wrong) {
		t.Error("what is long ago is still held against the address")
	}
}

// TestTriesWithoutAName are those with a link: one who guesses links from somewhere
// doesn't keep all others out.
func TestTriesWithoutAName(t *testing.T) {
	t.Parallel()
	tr := newTries(newHands().Now)
	for range freeOfAddress + 1 {
		try(t, tr, "", "198.51.100.7", wrong)
	}
	if !try(t, tr, "", "198.51.100.8", wrong) {
		t.Error("an address is limited that tried nothing")
	}
}

// TestTriesAtOnce begins more tries at once than may be wrong: no more than that get
// through.
func TestTriesAtOnce(t *testing.T) {
	t.Parallel()
	tr := newTries(newHands().Now)
	var mu sync.Mutex
	through := 0
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			done, err := tr.begin(t.Context(), "ann", fmt.Sprintf("198.51.100.%d", i))
			if err != nil {
				return
			}
			mu.Lock()
			through++
			mu.Unlock()
			done(wrong)
		})
	}
	all.Wait()
	if through != freeOfName {
		t.Errorf("%d tries were let through at once, want %d", through, freeOfName)
	}
	if len(tr.turns) != 0 {
		t.Errorf("%d turns are left", len(tr.turns))
	}
}

// TestTriesGivenUp leaves while waiting for a turn.
func TestTriesGivenUp(t *testing.T) {
	t.Parallel()
	tr := newTries(newHands().Now)
	done, err := tr.begin(t.Context(), "ann", "a")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tr.begin(ctx, "ann", "b"); fairlead.KindOf(err) != fairlead.Unavailable {
		t.Errorf("who has left is told %v", err)
	}
	done(unknown)
	if len(tr.turns) != 0 || len(tr.wrong) != 0 {
		t.Errorf("left over: %d turns, %v", len(tr.turns), tr.wrong)
	}
}

// TestTriesAreBounded tries more names than are remembered.
func TestTriesAreBounded(t *testing.T) {
	t.Parallel()
	clock := newHands()
	tr := newTries(clock.Now)
	for i := range 2 * mostTried {
		try(t, tr, fmt.Sprint("u", i), fmt.Sprint("a", i), wrong)
	}
	if len(tr.wrong) > mostTried+2 {
		t.Errorf("%d are remembered", len(tr.wrong))
	}
	for range freeOfName {
		try(t, tr, "ann", "x", wrong)
	}
	clock.Move(time.Second)
	if try(t, tr, "ann", "y", right) {
		t.Error("ann isn't limited")
	}
}
