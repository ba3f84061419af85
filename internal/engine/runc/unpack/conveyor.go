package unpack

import (
	"io"
	"sync"
)

// How much is on its way between two steps of the work. All of a layer's buffers
// together take about 2 MiB.
const (
	bufferSize    = 256 << 10
	packedBuffers = 3
	rawBuffers    = 5
)

// conveyor reads ahead: one goroutine fills buffers, a second one looks at them, and
// whoever calls Read takes them in order. So reading, hashing and unpacking overlap,
// in bounded memory.
type conveyor struct {
	free, full, seen chan []byte
	quit             chan struct{}
	once             sync.Once
	working          sync.WaitGroup
	err              error // why it ended; to be read when seen is closed

	taken, rest []byte
}

// convey begins to read. look is called with all bytes in order, by one goroutine.
func convey(r io.Reader, buffers, size int, look func([]byte)) *conveyor {
	c := &conveyor{
		free: make(chan []byte, buffers), full: make(chan []byte, buffers), seen: make(chan []byte, buffers), quit: make(chan struct{}),
	}
	for range buffers {
		c.free <- make([]byte, size)
	}
	if look == nil {
		c.seen = c.full
	} else {
		c.working.Go(func() { c.look(look) })
	}
	c.working.Go(func() { c.fill(r) })
	return c
}

func (c *conveyor) fill(r io.Reader) {
	defer close(c.full)
	for {
		var b []byte
		select {
		case b = <-c.free:
		case <-c.quit:
			return
		}
		n, err := r.Read(b)
		if n > 0 {
			c.full <- b[:n] // has room for all buffers
		} else {
			c.free <- b
		}
		if err != nil {
			c.err = err
			return
		}
	}
}

func (c *conveyor) look(look func([]byte)) {
	defer close(c.seen)
	for b := range c.full {
		look(b)
		c.seen <- b
	}
}

// Read gives what was looked at. The error is the reader's.
func (c *conveyor) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		if c.taken != nil {
			c.free <- c.taken[:cap(c.taken)]
			c.taken = nil
		}
		b, ok := <-c.seen
		if !ok {
			if c.err == nil {
				return 0, io.ErrClosedPipe
			}
			return 0, c.err
		}
		c.taken, c.rest = b, b
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// stop ends the reading ahead. A Read of the reader that is under way goes on; wait
// returns when it is over.
func (c *conveyor) stop() { c.once.Do(func() { close(c.quit) }) }

func (c *conveyor) wait() { c.working.Wait() }
