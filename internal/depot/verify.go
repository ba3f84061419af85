package depot

import (
	"context"
	"fmt"
	"hash"
	"hash/crc32"
	"time"
)

// hasher is how far the bytes have been hashed.
type hasher struct {
	h   hash.Hash
	pos int64 // under f.mu; h is the hashing goroutine's own until the flight ends
}

// tail is how many of the last bytes are let go only when the digest is right: whoever
// has all bytes has the right ones.
const tail = 64 << 10

// hashAll hashes the bytes as they come to be there without a hole, and judges them.
func (f *flight) hashAll(ctx context.Context) {
	buf, done := f.d.buffer()
	defer done()
	for {
		n, whole, ok := f.hashable(ctx, int64(len(buf)))
		if !ok {
			return
		}
		if n == 0 && whole {
			f.judge()
			return
		}
		if _, err := f.file.ReadAt(buf[:n], f.hash.pos); err != nil {
			f.fail(f.local(err))
			return
		}
		_, _ = f.hash.h.Write(buf[:n])
		f.mu.Lock()
		f.hash.pos += n
		f.mu.Unlock()
	}
}

// hashable waits until there is something to hash, or nothing more to come.
func (f *flight) hashable(ctx context.Context, most int64) (n int64, whole, ok bool) {
	f.mu.Lock()
	for {
		n, whole = min(most, f.chunks.watermark()-f.hash.pos), f.chunks.whole()
		if f.err != nil || ctx.Err() != nil {
			f.mu.Unlock()
			return 0, false, false
		}
		// Small pieces are worth waiting for more, for all who wait are woken together.
		if n > 0 || whole {
			f.mu.Unlock()
			return n, whole, true
		}
		wake := f.wait()
		f.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
		}
		f.mu.Lock()
	}
}

// judge compares the digest, and lets the last bytes go if it is right.
func (f *flight) judge() {
	if got := digestOf(f.digest, f.hash.h); got != f.digest {
		f.mu.Lock()
		host := f.feeds[0].src.Host()
		f.mu.Unlock()
		f.fail(f.wrong(host, fmt.Sprintf("the bytes that came from %s have digest %s", host, got)))
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.verified = true
	f.tell()
}

// check looks whether the cells that an earlier flight has left are on the disk. What a
// crash of the machine has taken is fetched again.
func (f *flight) check(ctx context.Context) {
	buf, done := f.d.buffer()
	defer done()
	for i := 0; ctx.Err() == nil; i++ {
		f.mu.Lock()
		cell, ok := f.chunks.unproven(i)
		if !ok {
			f.mu.Unlock()
			return
		}
		i = cell
		from, to := int64(i)*f.chunks.cell, f.chunks.end(i)
		f.mu.Unlock()
		crc, err := f.checksum(buf, from, to)
		good := err == nil && crc == f.proof[i]
		f.mu.Lock()
		f.chunks.checked(i, good)
		if good {
			f.d.counts.resumed.Add(to - from)
		}
		f.arrived(0)
		f.progressed(to - from)
		if !good {
			f.tell()
		}
		f.mu.Unlock()
	}
}

func (f *flight) checksum(buf []byte, from, to int64) (crc uint32, err error) {
	for from < to {
		n, err := f.file.ReadAt(buf[:min(int64(len(buf)), to-from)], from)
		crc = crc32.Update(crc, castagnoli(), buf[:n])
		from += int64(n)
		if err != nil {
			return 0, err
		}
	}
	return crc, nil
}

// lookAround is how often somebody looks for requests that are much slower than others.
const lookAround = 250 * time.Millisecond
