package e2e

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// way is a way to a server that the test can cut, and that keeps what the server
// answers.
type way struct {
	listener net.Listener
	to       string

	mu       sync.Mutex
	cut      bool
	conns    map[net.Conn]bool
	answered bytes.Buffer
	open     sync.WaitGroup
}

// newWay opens a way to an address. It ends with the test.
func newWay(t *testing.T, to string) *way {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &way{listener: l, to: to, conns: map[net.Conn]bool{}}
	w.open.Go(w.accept)
	t.Cleanup(func() {
		_ = l.Close()
		w.set(true)
		w.open.Wait()
	})
	return w
}

func (w *way) url() string { return "http://" + w.listener.Addr().String() }

func (w *way) accept() {
	for {
		c, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.open.Go(func() { w.carry(c) })
	}
}

// carry hands on both directions until one end closes.
func (w *way) carry(near net.Conn) {
	defer near.Close() //nolint:errcheck // It may be closed already.
	far, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer far.Close() //nolint:errcheck // As above.
	if !w.add(near, far) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(far, near); _ = far.Close() })
	both.Go(func() { _, _ = io.Copy(near, io.TeeReader(far, keeping{w})); _ = near.Close() })
	both.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, near)
	delete(w.conns, far)
}

func (w *way) add(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		w.conns[c] = !w.cut
	}
	return !w.cut
}

// set cuts the way, or lets it be taken again.
func (w *way) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for c := range w.conns {
		if cut {
			_ = c.Close()
		}
	}
}

// answers is all that the server has answered.
func (w *way) answers() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Clone(w.answered.Bytes())
}

// keeping writes into a way's answers.
type keeping struct{ *way }

func (k keeping) Write(b []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.answered.Write(b)
}
