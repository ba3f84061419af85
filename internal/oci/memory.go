package oci

import (
	"context"
	"errors"
	"sync"
)

// memory remembers what was found out, and lets one caller at a time find it out for
// all who ask for the same. The zero memory is empty.
type memory[K comparable, V any] struct {
	mu      sync.Mutex
	known   map[K]V
	flights map[K]*flight[V]
}

type flight[V any] struct {
	done  chan struct{}
	value V
	err   error
}

// maxKnown bounds a memory. What is forgotten is found out again.
const maxKnown = 4096

// get gives what is known of k if it is still good, and otherwise what find finds,
// which is remembered. fresh says that it was found just now, for this caller or for
// others who asked at the same time. An error isn't remembered; if it is because the
// one who looked went away, the next one looks.
func (m *memory[K, V]) get(
	ctx context.Context, k K, good func(V) bool, find func(context.Context) (V, error),
) (v V, fresh bool, err error) {
	for {
		m.mu.Lock()
		if v, ok := m.known[k]; ok && good(v) {
			m.mu.Unlock()
			return v, false, nil
		}
		f, inFlight := m.flights[k]
		if !inFlight {
			f = m.depart(k)
		}
		m.mu.Unlock()
		if !inFlight {
			m.fly(ctx, k, f, find)
			return f.value, true, f.err
		}
		select {
		case <-ctx.Done():
			return v, false, ctx.Err()
		case <-f.done:
		}
		if f.err == nil || !errors.Is(f.err, context.Canceled) && !errors.Is(f.err, context.DeadlineExceeded) {
			return f.value, true, f.err
		}
	}
}

func (m *memory[K, V]) depart(k K) *flight[V] {
	if m.flights == nil {
		m.flights = map[K]*flight[V]{}
	}
	f := &flight[V]{done: make(chan struct{}), err: context.Canceled} // if find panics
	m.flights[k] = f
	return f
}

func (m *memory[K, V]) fly(ctx context.Context, k K, f *flight[V], find func(context.Context) (V, error)) {
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.flights, k)
		if f.err == nil {
			m.keep(k, f.value)
		}
		close(f.done)
	}()
	f.value, f.err = find(ctx)
}

func (m *memory[K, V]) put(k K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(k, v)
}

func (m *memory[K, V]) keep(k K, v V) {
	if m.known == nil {
		m.known = map[K]V{}
	}
	if _, ok := m.known[k]; !ok && len(m.known) >= maxKnown {
		for other := range m.known { // any
			delete(m.known, other)
			break
		}
	}
	m.known[k] = v
}

// look gives what is known of k, good or not.
func (m *memory[K, V]) look(k K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.known[k]
	return v, ok
}

// forget drops k if what is known of it is still v, by same.
func (m *memory[K, V]) forget(k K, same func(V) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.known[k]; ok && same(v) {
		delete(m.known, k)
	}
}
