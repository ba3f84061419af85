package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/replica"
)

// How the listener behaves.
const (
	headerTime   = 10 * time.Second
	idleTime     = 2 * time.Minute
	shutdownTime = 10 * time.Second
)

// Listen opens the address that the server answers at.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		why := err.Error()
		if o, ok := errors.AsType[*net.OpError](err); ok {
			why = o.Err.Error()
		}
		e := &fairlead.Error{Kind: fairlead.Unavailable, What: "listening at " + address, Why: why, Remedy: "choose another address with --listen, or stop what uses it"}
		if _, _, malformed := net.SplitHostPort(address); malformed != nil {
			e.Kind, e.Remedy = fairlead.Invalid, "give host and port, such as 127.0.0.1:8480, or :8480 for every address"
		}
		return nil, e
	}
	return l, nil
}

// Serve answers requests that come to l, and does the house's own chores, until ctx
// ends; then it lets requests that are on their way finish.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	h := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime,
		ErrorLog: slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),
		// Requests that wait for something end when the server does.
		BaseContext: func(net.Listener) context.Context { return ctx },
		TLSConfig:   s.opts.TLS,
	}
	operator, err := s.listenOperator(ctx)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	ended := make(chan error, len(listeners))
	for i, l := range listeners {
		if i == 0 && s.opts.TLS != nil {
			l = tls.NewListener(l, s.opts.TLS)
		}
		all.Go(func() { ended <- h.Serve(l) })
	}
	all.Go(func() { s.chores(ctx) })
	all.Go(func() { s.serveOperator(ctx, operator) })
	all.Go(func() { s.often(ctx, watchEvery, "watching connectors", s.Watch.Round) })
	if s.replica != nil {
		all.Go(func() { s.often(ctx, replica.PruneEvery, "pruning the gateway's store", s.replica.Prune) })
	}
	all.Go(func() { s.often(ctx, tellEvery, "telling webhooks", s.Webhooks.Round) })
	if s.cache != nil {
		all.Go(func() { s.often(ctx, noteEvery, "noting what the gateway keeps", s.cache.Round) })
	}
	select {
	case <-ctx.Done():
	case err = <-ended:
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if e := h.Shutdown(stop); e != nil {
		_ = h.Close()
	}
	all.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// How often connectors that are due are looked for, and deliveries, and how often it is
// written down which images were used.
const (
	watchEvery = 20 * time.Second
	tellEvery  = 2 * time.Second
	noteEvery  = time.Minute
)

// often does a round of something again and again, until ctx ends.
func (s *Server) often(ctx context.Context, every time.Duration, doing string, round func(context.Context) error) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := round(ctx); err != nil && ctx.Err() == nil {
			s.opts.Log.WarnContext(ctx, "doing a round", "of", doing, "error", err.Error())
		}
	}
}

// choresEvery is how often lost runs are looked for when no worker asks for one.
const choresEvery = 5 * time.Second

// sweepEvery is how often tokens that have ended are removed.
const sweepEvery = time.Hour

// chores finds runs whose workers were lost, also while no worker is left to ask for
// them, and removes tokens that have ended.
func (s *Server) chores(ctx context.Context) {
	var swept time.Time
	t := time.NewTicker(choresEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := s.Runs.LoseRuns(ctx); err != nil && ctx.Err() == nil {
			s.opts.Log.WarnContext(ctx, "looking for lost runs", "error", err.Error())
		}
		if now := s.opts.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			if err := s.Store.SweepTokens(ctx, now); err != nil && ctx.Err() == nil {
				s.opts.Log.WarnContext(ctx, "sweeping tokens", "error", err.Error())
			}
			if err := s.Webhooks.Sweep(ctx); err != nil && ctx.Err() == nil {
				s.opts.Log.WarnContext(ctx, "sweeping deliveries", "error", err.Error())
			}
		}
	}
}
