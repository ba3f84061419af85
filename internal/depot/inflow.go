package depot

import (
	"io"
	"sync"
	"time"
)

// inflow is the body of an answer: what is read of it is counted, and it has to go on.
type inflow struct {
	r     *request
	body  io.Reader
	at    int64 // where the next byte is in the blob
	to    int64 // where what was asked for ends, or unknown
	watch *time.Timer
	over  <-chan struct{} // closed when the request ends
	next  [1]byte         // read ahead, if ahead
	ahead bool
	err   error
}

// glance is how long an upstream has to end an answer of which all that was asked for
// has come. It costs a connection if it doesn't, and nothing else.
const glance = time.Second

func (in *inflow) read(b []byte) (int, error) {
	if in.ahead && len(b) > 0 {
		b[0], in.ahead = in.next[0], false
		in.at++
		return 1, nil
	}
	if in.err != nil {
		return 0, in.err
	}
	n, err := in.body.Read(b)
	in.watch.Reset(in.r.f.d.o.Stall)
	in.count(n)
	in.at += int64(n)
	if err != nil {
		in.err = err
	}
	return n, nil
}

func (in *inflow) count(n int) {
	in.r.bytes += int64(n)
	in.r.f.d.fetched(in.r.feed, n)
}

// fill reads what there is; unless somebody waits for it, until b is full, so that the
// disk is spared small writes. An error comes with what was read before it.
func (in *inflow) fill(b []byte, eager bool) (n int, err error) {
	for n < len(b) {
		m, err := in.read(b[n:])
		n += m
		if err != nil || in.err != nil && !in.ahead {
			return n, in.err
		}
		if eager && n > 0 {
			return n, nil
		}
	}
	return n, nil
}

// skip drops what lies before a byte.
func (in *inflow) skip(to int64, buf []byte) error {
	for in.at < to {
		if _, err := in.read(buf[:min(int64(len(buf)), to-in.at)]); err != nil {
			return err
		}
	}
	return nil
}

// ends reports whether the body is over. Soon says that it is asked only for the
// connection's sake, which can be used again when its end was seen.
func (in *inflow) ends(soon bool) bool {
	if in.ahead {
		return false
	}
	if soon {
		in.watch.Reset(min(glance, in.r.f.d.o.Stall))
	}
	for in.err == nil {
		n, err := in.body.Read(in.next[:])
		in.err = err
		if n > 0 {
			in.count(n)
			in.ahead = true
			return false
		}
	}
	return true
}

// bufferSize is that of the buffers that bytes go through. There are as many as there are
// requests, hashes and readers without sendfile at the same time, and no more.
const bufferSize = 128 << 10

func newBuffers() *sync.Pool {
	return &sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}
}

// buffer gives a buffer, and what gives it back.
func (d *Depot) buffer() ([]byte, func()) {
	b, ok := d.buffers.Get().(*[]byte)
	if !ok {
		fresh := make([]byte, bufferSize)
		b = &fresh
	}
	return *b, func() { d.buffers.Put(b) }
}
