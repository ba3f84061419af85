package depot

import (
	"context"
	"errors"
	"sync"
	"time"

	"fairlead.dev/fairlead"
)

// hosts is what is known of the upstreams.
type hosts struct {
	o    Options
	mu   sync.Mutex
	host map[string]*host
}

// host is one upstream: what it can, what it bears, and who is at it.
type host struct {
	o    Options
	name string
	hostCounters

	mu      sync.Mutex
	ranges  ability
	learned time.Time // when ranges was
	busy    int       // requests under way
	queue   []*turn   // flights that wait for one more
	tune    *tuner
	quiet   time.Time // until when it wants no requests
}

// ability is what is known of whether an upstream gives ranges.
type ability int

const (
	unsure ability = iota
	gives
	refuses
)

// turn is one request that waits until it may begin.
type turn struct {
	mine  int // requests of the same flight
	ready chan struct{}
}

// relearn is when an upstream that gave no ranges is asked again.
const relearn = time.Hour

func newHosts(o Options) *hosts { return &hosts{o: o, host: map[string]*host{}} }

func (s *hosts) of(name string) *host {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.host[name]
	if h == nil {
		h = &host{o: s.o, name: name, tune: newTuner(s.o)}
		s.host[name] = h
	}
	return h
}

// HostInfo is what is known of an upstream.
type HostInfo struct {
	Host     string
	Requests int // under way
	Parallel int // that may be
	Ranges   string
	Chunk    int64
	RetryAt  time.Time // zero unless it asked to be left alone
	HostCounts
}

func (s *hosts) list() []HostInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]HostInfo, 0, len(s.host))
	for _, h := range s.host {
		h.mu.Lock()
		i := HostInfo{Host: h.name, Requests: h.busy, Parallel: h.tune.limit, Chunk: h.tune.chunk, Ranges: "unknown", HostCounts: h.counted()}
		switch h.ranges {
		case gives:
			i.Ranges = "yes"
		case refuses:
			i.Ranges = "no"
		case unsure:
		}
		if h.quiet.After(h.o.Now()) {
			i.RetryAt = h.quiet
		}
		h.mu.Unlock()
		list = append(list, i)
	}
	return list
}

// may reports whether a flight with mine requests may make one more: each may have one
// beyond what is best, as long as the upstream bears it. Under h.mu.
func (h *host) may(mine int) bool {
	return h.busy < h.tune.limit || mine == 0 && h.busy < h.o.MaxParallel
}

// acquire waits until a flight with mine requests under way may make one more. It waits
// no longer than until enough is closed, which may be nil.
func (h *host) acquire(ctx context.Context, mine int, enough <-chan struct{}) (bool, error) {
	h.mu.Lock()
	if h.may(mine) {
		h.busy++
		h.mu.Unlock()
		return true, nil
	}
	t := &turn{mine: mine, ready: make(chan struct{})}
	h.queue = append(h.queue, t)
	h.mu.Unlock()
	var err error
	select {
	case <-t.ready:
		return true, nil
	case <-enough:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, other := range h.queue {
		if other == t {
			h.queue = append(h.queue[:i], h.queue[i+1:]...)
			return false, err
		}
	}
	return true, nil // it came in between
}

// tryAcquire begins a request beyond what is best, if the upstream bears it.
func (h *host) tryAcquire() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy >= h.o.MaxParallel || h.quiet.After(h.o.Now()) {
		return false
	}
	h.busy++
	return true
}

// release ends a request.
func (h *host) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy--
	h.admit()
}

// admit lets begin who waits, the flight with the fewest requests first. Under h.mu.
func (h *host) admit() {
	for len(h.queue) > 0 {
		first := 0
		for i, t := range h.queue {
			if t.mine < h.queue[first].mine {
				first = i
			}
		}
		t := h.queue[first]
		if !h.may(t.mine) {
			return
		}
		h.queue = append(h.queue[:first], h.queue[first+1:]...)
		h.busy++
		close(t.ready)
	}
}

// ability gives what is known of ranges. It is asked again after a while whether there
// are still none.
func (h *host) ability() ability {
	h.mu.Lock()
	defer h.mu.Unlock()
	if since := h.o.Now().Sub(h.learned); h.ranges == refuses && (since > relearn || since < 0) {
		h.ranges = unsure
	}
	return h.ranges
}

func (h *host) learn(a ability) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ranges, h.learned = a, h.o.Now()
}

// chunk is how much to ask for at once.
func (h *host) chunk() (size int64, parallel int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tune.chunk, h.tune.limit
}

// pace is what one request does on average: bytes per second, and until the first one.
func (h *host) pace() (rate float64, opened time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tune.each, h.tune.latency
}

func (h *host) arrived(n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.tune.limit
	h.tune.arrived(n, h.busy, h.o.Now())
	if h.tune.limit > before {
		h.admit()
	}
}

func (h *host) brought(n int64, opened, took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tune.brought(n, opened, took)
}

// failed takes note of a request that failed.
func (h *host) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := errors.AsType[*fairlead.Error](err)
	switch {
	case ok && e.Kind == fairlead.Limited:
		if e.RetryAt.After(h.quiet) {
			h.quiet = e.RetryAt
		}
		h.tune.refused()
	case !ok || e.Kind == fairlead.Unavailable:
		h.tune.cut()
	}
}

// pause is how long the upstream wants to be left alone, and until when.
func (h *host) pause() (time.Duration, time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(0, h.quiet.Sub(h.o.Now())), h.quiet
}
