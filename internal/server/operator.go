package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/wire"
)

// maxSocketPath is how long the name of a socket may be (unix(7)).
const maxSocketPath = 100

// socketIn gives a name for the operator's socket of a data directory that is short
// enough, and what has to be closed when it was used.
func socketIn(data string) (string, func(), error) {
	path := filepath.Join(data, wire.OperatorSocket)
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(data) //nolint:gosec // The operator names the directory.
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), wire.OperatorSocket), func() { _ = dir.Close() }, nil
}

// listenOperator opens the operator's socket. Only who may read the data directory
// reaches it; what another process has left there goes, since this one has the directory.
func (s *Server) listenOperator(ctx context.Context) (net.Listener, error) {
	failed := func(err error) error {
		return &fairlead.Error{
			Kind: fairlead.Unavailable, What: "listening at " + filepath.Join(s.opts.Data, wire.OperatorSocket), Why: reason(err),
			Remedy: "put the data directory where a socket can be made",
		}
	}
	path, done, err := socketIn(s.opts.Data)
	if err != nil {
		return nil, failed(err)
	}
	defer done()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, failed(err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, failed(err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // its name may be another by then
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(failed(err), l.Close())
	}
	return l, nil
}

// serveOperator answers at the operator's socket until ctx ends.
func (s *Server) serveOperator(ctx context.Context, l net.Listener) {
	h := &http.Server{
		Handler: s.operator, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, ErrorLog: slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = h.Close() })
	defer stop()
	if err := h.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
		s.opts.Log.WarnContext(ctx, "answering the operator", "error", err.Error())
	}
	_ = os.Remove(filepath.Join(s.opts.Data, wire.OperatorSocket))
}

// DialOperator connects to the server that has a data directory. [fairlead.Unavailable]
// if there is none.
func DialOperator(ctx context.Context, data string) (net.Conn, error) {
	path, done, err := socketIn(data)
	if err == nil {
		defer done()
		var conn net.Conn
		if conn, err = (&net.Dialer{}).DialContext(ctx, "unix", path); err == nil {
			return conn, nil
		}
	}
	return nil, &fairlead.Error{
		Kind: fairlead.Unavailable, What: "reaching the server of data directory " + data, Why: reason(err),
		Remedy: "name the data directory of a server that runs, as the user that it runs as",
	}
}
