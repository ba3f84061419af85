package runc

import (
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fairlead.dev/fairlead"
)

// meter counts the bytes of one layer, for all pulls that wait for it.
type meter struct {
	size  int64
	pulls int // that look at it
	state atomic.Int32
	done  atomic.Int64
}

// The states of a layer, as [fairlead.LayerProgress] has them.
const (
	waiting int32 = iota
	pulling
	unpacking
	done
)

func stateName(state int32) string {
	return [...]string{"waiting", "pulling", "unpacking", "done"}[state]
}

// begin is called when a layer is fetched, for the first time or again.
func (m *meter) begin() {
	m.done.Store(0)
	m.state.Store(pulling)
}

func (m *meter) end() { m.state.Store(done) }

// metered counts what is read of a layer. When all has come, it is still unpacked.
type metered struct {
	io.Reader
	meter *meter
}

func (m *metered) Read(b []byte) (int, error) {
	n, err := m.Reader.Read(b)
	m.meter.done.Add(int64(n))
	if errors.Is(err, io.EOF) {
		m.meter.state.Store(unpacking)
	}
	return n, err
}

// progress is what one pull tells of its layers.
type progress struct {
	tell   func([]fairlead.LayerProgress)
	mu     sync.Mutex
	layers []shown
	last   []fairlead.LayerProgress
}

type shown struct {
	digest fairlead.Digest
	meter  *meter
	there  bool
}

// there notes that a layer had not to be fetched.
func (p *progress) there(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.layers[i].there = true
}

// report tells what has changed.
func (p *progress) report() {
	p.mu.Lock()
	list := make([]fairlead.LayerProgress, 0, len(p.layers))
	for _, l := range p.layers {
		n := fairlead.LayerProgress{Digest: l.digest, State: stateName(l.meter.state.Load()), Done: l.meter.done.Load(), Size: l.meter.size}
		if l.there {
			n.State, n.Done = "there", 0
		}
		list = append(list, n)
	}
	p.mu.Unlock()
	if !slices.Equal(list, p.last) {
		p.last = list
		p.tell(list)
	}
}

// reportEvery is how often progress is told: as often as a person can see.
const reportEvery = 200 * time.Millisecond

// follow tells the progress now and then, and a last time when it is stopped.
func follow(p *progress) (stop func()) {
	if p.tell == nil {
		return func() {}
	}
	quit := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		tick := time.NewTicker(reportEvery)
		defer tick.Stop()
		for {
			p.report()
			select {
			case <-tick.C:
			case <-quit:
				p.report()
				return
			}
		}
	})
	return func() {
		close(quit)
		telling.Wait()
	}
}
