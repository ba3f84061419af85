package server

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Pipe is a listener that only this process can reach: through it the worker inside
// the server speaks to it as any other worker would, without a port.
type Pipe struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// NewPipe makes a pipe.
func NewPipe() *Pipe { return &Pipe{conns: make(chan net.Conn), done: make(chan struct{})} }

// Accept waits for a connection.
func (p *Pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close ends the pipe.
func (p *Pipe) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// Addr is nothing that could be dialled.
func (p *Pipe) Addr() net.Addr { return pipeAddr{} }

// Transport reaches the listener, whatever the URL.
func (p *Pipe) Transport() http.RoundTripper {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		here, there := net.Pipe()
		select {
		case p.conns <- there:
			return here, nil
		case <-p.done:
			return nil, net.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
}

// PipeURL is what a client of the pipe gives as the server's URL.
const PipeURL = "http://localhost"

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "inside" }
