package together_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/together"
)

// TestTogether has many ask while a reading is on its way: one more serves them all, and
// none is given what was read before they asked.
func TestTogether(t *testing.T) {
	t.Parallel()
	var r together.Reader[string, int64]
	var count, value atomic.Int64
	begun, release := make(chan struct{}), make(chan struct{})
	first := make(chan int64, 1)
	go func() {
		n, _ := r.Read(t.Context(), "k", func(context.Context) (int64, error) {
			count.Add(1)
			n := value.Load()
			close(begun)
			<-release
			return n, nil
		})
		first <- n
	}()
	<-begun
	value.Store(1) // a change, acknowledged
	ctx := t.Context()
	gone, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	read := func(ctx context.Context) (int64, error) {
		count.Add(1)
		return value.Load(), ctx.Err()
	}
	asked := make(chan struct{}, 100)
	for i := range 50 {
		all.Go(func() {
			asked <- struct{}{}
			if i == 0 {
				if _, err := r.Read(gone, "k", read); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				return
			}
			if n, err := r.Read(ctx, "k", read); n != 1 || err != nil {
				t.Errorf("given %d, %v", n, err)
			}
		})
	}
	for range 50 {
		<-asked
	}
	if n, err := r.Read(t.Context(), "other", read); n != 1 || err != nil {
		t.Errorf("another key waits: %d, %v", n, err)
	}
	cancel()
	close(release)
	all.Wait()
	if n := <-first; n != 0 {
		t.Errorf("the first is given %d", n)
	}
	// The first, the other key's, and one or more for the fifty: one if all of them
	// waited when the first ended.
	if n := count.Load(); n > 52 {
		t.Errorf("%d readings", n)
	}
}

// TestNothingIsRemembered reads again and again, also after an error and a panic.
func TestNothingIsRemembered(t *testing.T) {
	t.Parallel()
	var r together.Reader[string, int]
	wrong := errors.New("wrong")
	for i := range 10 {
		n, err := r.Read(t.Context(), "k", func(context.Context) (int, error) {
			if i%2 == 1 {
				return 0, wrong
			}
			return i, nil
		})
		if i%2 == 1 && !errors.Is(err, wrong) || i%2 == 0 && (n != i || err != nil) {
			t.Errorf("%d: %d, %v", i, n, err)
		}
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = r.Read(t.Context(), "k", func(context.Context) (int, error) { panic("no") })
	}()
	if n, err := r.Read(t.Context(), "k", func(context.Context) (int, error) { return 7, nil }); n != 7 || err != nil {
		t.Errorf("after a panic: %d, %v", n, err)
	}
}

// TestFresh has writers and readers at once: a reader never sees less than what was
// written before it asked.
func TestFresh(t *testing.T) {
	t.Parallel()
	var r together.Reader[int, int64]
	var value, reads atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 2000 {
				value.Add(1)
				before := value.Load()
				n, err := r.Read(t.Context(), 1, func(context.Context) (int64, error) {
					reads.Add(1)
					return value.Load(), nil
				})
				if err != nil || n < before {
					t.Errorf("read %d after %d was written: %v", n, before, err)
					return
				}
			}
		})
	}
	all.Wait()
	if n := reads.Load(); n > 32000 {
		t.Errorf("%d readings for 32000 askers", n)
	}
}

// slow is a store that answers when it is let.
type slow struct {
	fairlead.Store
	begun chan struct{}
	let   chan struct{}
}

func (s *slow) Revision(context.Context, fairlead.OrganizationID) (int64, error) {
	s.begun <- struct{}{}
	<-s.let
	return 1, nil
}

func (s *slow) ProjectByName(_ context.Context, owner, name fairlead.Name) (fairlead.Project, error) {
	return fairlead.Project{Owner: owner, Name: name}, nil
}

// TestStore gives each what they asked for, and who goes away an error of a store.
func TestStore(t *testing.T) {
	t.Parallel()
	s := &slow{begun: make(chan struct{}, 2), let: make(chan struct{})}
	shared := together.NewStore(s)
	var all sync.WaitGroup
	all.Go(func() {
		if n, err := shared.Revision(t.Context(), "o"); n != 1 || err != nil {
			t.Error(n, err)
		}
	})
	<-s.begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := shared.Revision(ctx, "o"); fairlead.KindOf(err) != fairlead.Unavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("who went away is told %v", err)
	}
	close(s.let)
	all.Wait()
	for i := range 20 {
		name := fairlead.Name(fmt.Sprint("p", i))
		all.Go(func() {
			if p, err := shared.ProjectByName(t.Context(), "o", name); p.Name != name || err != nil {
				t.Error(p, err)
			}
		})
	}
	all.Wait()
}
