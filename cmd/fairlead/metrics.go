package main

import (
	"context"
	"errors"
	"net"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead/internal/server"
)

// metricsFlags say where the server's metrics are.
type metricsFlags struct{ listen, tokenFile string }

func (m *metricsFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&m.listen, "metrics-listen", "", "address at which Prometheus reads /metrics; other machines need --metrics-token-file (default: none)")
	c.Flags().StringVar(&m.tokenFile, "metrics-token-file", "", "file with the token that whoever reads the metrics shows; with it they are at the server's own address, too")
}

// shortestMetricsToken keeps people from tokens that can be guessed.
const shortestMetricsToken = 16

// listenMetrics opens the address for scrapes; nil if there is none.
func (a *app) listenMetrics(ctx context.Context, f metricsFlags, o *server.Options) (net.Listener, error) {
	if f.tokenFile != "" {
		token, err := a.readSecret(f.tokenFile, "metrics token")
		if err != nil {
			return nil, err
		}
		if token.Len() < shortestMetricsToken {
			return nil, usage("the token in --metrics-token-file can be guessed: make one of %d characters or more", shortestMetricsToken)
		}
		o.MetricsToken = token
	}
	if f.listen == "" {
		return nil, nil //nolint:nilnil // None was asked for.
	}
	l, err := server.Listen(ctx, f.listen)
	if err != nil {
		return nil, err
	}
	if at, ok := l.Addr().(*net.TCPAddr); f.tokenFile == "" && (!ok || !at.IP.IsLoopback()) {
		return nil, errors.Join(usage("--metrics-listen %s is there for other machines: give --metrics-token-file too, or an address such as 127.0.0.1:9480", f.listen), l.Close())
	}
	return l, nil
}

func metricsURL(l net.Listener, o server.Options) string {
	scheme := "http://"
	if at, ok := l.Addr().(*net.TCPAddr); o.TLS != nil && ok && !at.IP.IsLoopback() {
		scheme = "https://"
	}
	return scheme + l.Addr().String() + server.MetricsPath
}
