// Package web is the HTML door: the pages that people open in a browser. No rule lives
// here: what a page does, it asks of the floor below.
package web

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/control"
	"fairlead.dev/fairlead/internal/identity"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed assets/*
var assetFiles embed.FS

// SetUp makes the first organization: control.
type SetUp interface {
	SetUp(ctx context.Context, d control.SetUpDraft) (identity.Session, error)
}

// Join takes up invitations: identity.
type Join interface {
	Join(ctx context.Context, link, password fairlead.Secret, from, request string) (identity.Session, error)
}

// Options are what the pages show and do.
type Options struct {
	SetUp SetUp
	Join  Join
	// Document is the API's, for the page that shows it.
	Document  *huma.OpenAPI
	PublicURL string
	Version   string
}

// Web is the door. It is an http.Handler.
type Web struct {
	Options
	mux   *http.ServeMux
	pages *template.Template
	doors http.Handler // mux, behind what keeps other sites' pages out
}

// New builds the pages.
func New(o Options) (*Web, error) {
	pages, err := template.New("").ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fairlead.AsError("reading pages", err)
	}
	assets, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		return nil, fairlead.AsError("reading assets", err)
	}
	w := &Web{Options: o, mux: http.NewServeMux(), pages: pages}
	// One name and no more: a directory would be listed.
	w.mux.Handle("GET /assets/{name}", http.StripPrefix("/assets/", http.FileServerFS(assets)))
	w.mux.HandleFunc("GET /{$}", func(rw http.ResponseWriter, _ *http.Request) {
		w.show(rw, http.StatusOK, "home.html", page{Title: "Fairlead"})
	})
	w.mux.HandleFunc("GET /docs", w.docs)
	w.mux.HandleFunc("GET /setup", func(rw http.ResponseWriter, _ *http.Request) {
		w.show(rw, http.StatusOK, "setup.html", page{Title: "Set up Fairlead"})
	})
	w.mux.HandleFunc("POST /setup", w.setUp)
	w.mux.HandleFunc("GET /join", func(rw http.ResponseWriter, _ *http.Request) {
		w.show(rw, http.StatusOK, "join.html", page{Title: "Join"})
	})
	w.mux.HandleFunc("POST /join", w.join)
	w.mux.HandleFunc("/", func(rw http.ResponseWriter, _ *http.Request) {
		w.show(rw, http.StatusNotFound, "missing.html", page{Title: "Not found"})
	})
	return w, w.protect()
}

// protect refuses forms that a page of another site sends: a browser says where they
// come from (Sec-Fetch-Site, or Origin from an older one). A proxy in front may change
// the host, so the public URL's is ours too.
func (w *Web) protect() error {
	p := http.NewCrossOriginProtection()
	if u, err := url.Parse(w.PublicURL); err == nil && u.Host != "" {
		if err := p.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return fairlead.AsError("reading the public URL", err)
		}
	}
	p.SetDenyHandler(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		w.show(rw, http.StatusForbidden, "foreign.html", page{Title: "From another site"})
	}))
	w.doors = p.Handler(w.mux)
	return nil
}

// page is what every page is drawn from.
type page struct {
	Title     string
	PublicURL string
	Version   string
	// Error is what was wrong with the form, beside the field that it names.
	Error *fairlead.Error
	// Form holds what was typed in, but for secrets.
	Form map[string]string
	// Done is set when the page's work is done.
	Done bool
	Data any
}

// policy lets a page load what is ours and nothing else (Content Security Policy Level
// 3), and be framed by nobody.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP answers a request.
func (w *Web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	h := rw.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	w.doors.ServeHTTP(rw, r)
}

// show draws a page whole before it sends any of it.
func (w *Web) show(rw http.ResponseWriter, status int, name string, p page) {
	p.PublicURL, p.Version = w.PublicURL, w.Version
	var b bytes.Buffer
	if err := w.pages.ExecuteTemplate(&b, name, p); err != nil {
		http.Error(rw, "drawing the page went wrong", http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(status)
	_, _ = rw.Write(b.Bytes())
}

// fromOf is the address that the request came from, without its port.
func fromOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
