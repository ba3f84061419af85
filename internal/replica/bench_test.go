package replica_test

import "testing"

// BenchmarkFromStore pulls a blob through a server with an empty disk, out of the store.
func BenchmarkFromStore(b *testing.B) {
	h := newHouse(b)
	u := &upstream{b: bytesOf(128<<20, 70)}
	h.open(b, nil).pulls(b, u)
	h.stored(b, u.b)
	b.SetBytes(int64(len(u.b)))
	for b.Loop() {
		b.StopTimer()
		s := h.open(b, nil)
		b.StartTimer()
		s.pulls(b, u)
		b.StopTimer()
		if err := s.end(); err != nil {
			b.Error(err)
		}
		b.StartTimer()
	}
}
