package registrytest

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httputil"
)

// startTokens starts the token endpoint, if there shall be one, and gives its realm.
func (d *DebianRegistry) startTokens(ctx context.Context) (string, error) {
	if d.options.Auth != Bearer {
		return "", nil
	}
	c := Config{Accounts: d.options.Accounts, Anonymous: d.options.Anonymous, TLS: d.options.TLS}.orDefault()
	var err error
	if d.options.TokensApart {
		if d.Tokens, err = StartTokens(ctx, c); err != nil {
			return "", err
		}
		return d.Tokens.URL(), nil
	}
	if d.Tokens, err = newTokens(c); err != nil {
		return "", err
	}
	d.front, err = serve(ctx, d.options.Address, http.HandlerFunc(d.serveFront), c, d.ca)
	if err != nil {
		return "", err
	}
	return d.Scheme() + "://" + d.front.address + tokenPath, nil
}

// serveFront answers token requests, and hands everything else on to the process.
func (d *DebianRegistry) serveFront(w http.ResponseWriter, req *http.Request) {
	backend := d.backend.Load()
	switch {
	case req.URL.Path == tokenPath:
		d.Tokens.serveHTTP(w, req)
	case backend == nil:
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		(&httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(backend)
				r.Out.Host = r.In.Host // it says in its replies where it is
				r.SetXForwarded()
			},
			ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		}).ServeHTTP(w, req)
	}
}
