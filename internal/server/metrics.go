package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/gateway"
	"fairlead.dev/fairlead/internal/metrics"
)

// MetricsPath is where the metrics are.
const MetricsPath = "/metrics"

// tallyTime is how long the database may take to count for a scrape.
const tallyTime = 5 * time.Second

func (s *Server) newMetrics(ctx context.Context) *metrics.Metrics {
	o := metrics.Options{Version: s.opts.Version, Now: s.opts.Now, Tally: func() (fairlead.Tally, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tallyTime) // a scrape has none
		defer cancel()
		return s.Store.Tally(ctx)
	}}
	if !s.opts.NoGateway {
		o.Gateway = s.measureGateway
	}
	return metrics.New(o)
}

// measureGateway gives what the gateway and its depot have counted.
func (s *Server) measureGateway() metrics.Gateway {
	if s.Gateway == nil {
		return metrics.Gateway{}
	}
	g := metrics.Gateway{Usage: s.depot.Usage(), Depot: s.depot.Metrics(), Bounds: gateway.Latencies()}
	for _, r := range s.Gateway.Replies() {
		g.Replies = append(g.Replies, metrics.Reply{Kind: r.Kind, Status: strconv.Itoa(r.Status), Times: r.Times})
	}
	at := map[string]int{}
	for _, m := range s.Gateway.Metrics() {
		at[m.Registry] = len(g.Registries)
		g.Registries = append(g.Registries, metrics.Registry{
			Host: m.Registry, GatewayTraffic: m.GatewayTraffic, Took: m.Took, Latency: m.Latency, Covered: m.Covered,
		})
	}
	for _, h := range g.Depot.Hosts {
		if i, ok := at[strings.TrimPrefix(h.Host, "http://")]; ok {
			g.Registries[i].HostCounts = g.Registries[i].HostCounts.Plus(h.HostCounts)
		}
	}
	for _, l := range s.Gateway.Logins() {
		if i, ok := at[l.Host]; ok {
			g.Registries[i].Limits = append(g.Registries[i].Limits, l.GatewayLimit)
		}
	}
	return g
}

// guarded shows the metrics to whoever shows the token; without one they aren't there.
func (s *Server) guarded() http.Handler {
	h := s.metrics.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.opts.MetricsToken.IsZero() {
			http.NotFound(w, r)
			return
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || !s.opts.MetricsToken.Equal(fairlead.SecretText(strings.TrimSpace(token))) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="fairlead metrics"`)
			http.Error(w, "show the metrics token", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		h.ServeHTTP(w, r)
	})
}

// ServeMetrics answers scrapes that come to l until ctx ends: to everybody who reaches it
// if that is this machine alone, and otherwise to whoever shows the token.
func (s *Server) ServeMetrics(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET "+MetricsPath, s.guarded())
	if s.opts.MetricsToken.IsZero() && loopback(l) {
		mux = http.NewServeMux()
		mux.Handle("GET "+MetricsPath, s.metrics.Handler())
	}
	h := &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, WriteTimeout: idleTime, TLSConfig: s.opts.TLS,
		ErrorLog: slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = h.Close() })
	defer stop()
	var err error
	if s.opts.TLS != nil && !loopback(l) {
		err = h.ServeTLS(l, "", "")
	} else {
		err = h.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// loopback reports whether a listener is for this machine alone.
func loopback(l net.Listener) bool {
	at, ok := l.Addr().(*net.TCPAddr)
	return ok && at.IP.IsLoopback()
}
