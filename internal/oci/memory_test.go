package oci

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func always(int) bool { return true }

// TestMemoryFindsOnce has many ask for the same at the same time.
func TestMemoryFindsOnce(t *testing.T) {
	t.Parallel()
	var m memory[string, int]
	var finds atomic.Int32
	begun, release := make(chan struct{}), make(chan struct{})
	find := func(ctx context.Context) (int, error) {
		if finds.Add(1) == 1 {
			close(begun)
		}
		<-release
		return 7, ctx.Err()
	}
	var all sync.WaitGroup
	ask := func() {
		if v, _, err := m.get(t.Context(), "k", always, find); v != 7 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	}
	all.Go(ask)
	<-begun
	for range 10 {
		all.Go(ask)
	}
	close(release)
	all.Wait()
	if n := finds.Load(); n != 1 {
		t.Errorf("found %d times", n)
	}
	if _, fresh, _ := m.get(t.Context(), "k", always, find); fresh {
		t.Error("it was forgotten")
	}
	if _, fresh, _ := m.get(t.Context(), "k", func(int) bool { return false }, find); !fresh {
		t.Error("what isn't good any more was given")
	}
}

// TestMemoryOutlivesWhoAsked has the one who looks go away.
func TestMemoryOutlivesWhoAsked(t *testing.T) {
	t.Parallel()
	var m memory[string, int]
	ctx, cancel := context.WithCancel(t.Context())
	begun := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_, _, err := m.get(ctx, "k", always, func(ctx context.Context) (int, error) {
			close(begun)
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	<-begun
	all.Go(func() {
		v, _, err := m.get(t.Context(), "k", always, func(context.Context) (int, error) { return 8, nil })
		if v != 8 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
	gone, cancelled := context.WithCancel(t.Context())
	cancelled()
	if _, _, err := m.get(gone, "k", always, func(ctx context.Context) (int, error) { return 0, ctx.Err() }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	cancel()
	all.Wait()
}

func TestMemoryForgetsErrors(t *testing.T) {
	t.Parallel()
	var m memory[string, int]
	bad := errors.New("bad")
	if _, _, err := m.get(t.Context(), "k", always, func(context.Context) (int, error) { return 0, bad }); !errors.Is(err, bad) {
		t.Error(err)
	}
	func() {
		defer func() { _ = recover() }()
		_, _, _ = m.get(t.Context(), "k", always, func(context.Context) (int, error) { panic("x") })
	}()
	if v, _, err := m.get(t.Context(), "k", always, func(context.Context) (int, error) { return 9, nil }); v != 9 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	m.forget("k", func(v int) bool { return v != 9 })
	if _, ok := m.look("k"); !ok {
		t.Error("another value was forgotten")
	}
	m.forget("k", always)
	if _, ok := m.look("k"); ok {
		t.Error("it was not forgotten")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	var m memory[int, int]
	for i := range 3 * maxKnown {
		m.put(i, i)
	}
	if n := len(m.known); n != maxKnown {
		t.Errorf("it holds %d", n)
	}
	if v, ok := m.look(3*maxKnown - 1); !ok || v != 3*maxKnown-1 {
		t.Error("the last one is gone")
	}
}
