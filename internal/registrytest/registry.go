package registrytest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Auth is how a registry asks for logins.
type Auth string

// The ways.
const (
	Open   Auth = ""       // not at all
	Basic  Auth = "basic"  // the login with every request
	Bearer Auth = "bearer" // a token from its token endpoint
	Mixed  Auth = "mixed"  // either
	// Guarded leaves it to Config.Guard.
	Guarded Auth = "guarded"
)

// Config is what a [Registry] is made with. The zero value is open and without TLS.
type Config struct {
	Auth     Auth
	Accounts []Account
	// Anonymous is what may be done without a login, once Auth asks for one.
	Anonymous []Right
	// Guard decides on each request, if Auth is Guarded: on whose behalf it is made, or
	// false if Guard has answered it. repository is empty for /v2/; action is pull or
	// push.
	Guard func(w http.ResponseWriter, req *http.Request, repository, action string) (account string, ok bool)
	TLS   TLS
	// Names are more names and addresses that its certificate is for.
	Names []string
	// Address is where it listens. Empty is a free port of 127.0.0.1.
	Address string
	// Service is what it calls itself at the token endpoint. Empty is "registry.test".
	Service string
	// TokensApart gives the token endpoint a server of its own, at TokensAddress.
	TokensApart   bool
	TokensAddress string
	// TokenLife is how long tokens live. 0 is five minutes.
	TokenLife time.Duration
	// Now is the clock of tokens and certificates. nil is the machine's.
	Now    func() time.Time
	Faults Faults
}

func (c Config) orDefault() Config {
	if c.Address == "" {
		c.Address = "127.0.0.1:0"
	}
	if c.TokensAddress == "" {
		c.TokensAddress = "127.0.0.1:0"
	}
	if c.Service == "" {
		c.Service = Name
	}
	if c.TokenLife == 0 {
		c.TokenLife = 5 * time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Registry is a registry inside of the process.
type Registry struct {
	config Config
	ca     *authority
	issuer *issuer
	store  *store
	record record

	front, tokens, storage *server
	ready                  chan struct{} // closed when all of them listen; before, none answers
	done                   chan struct{} // closed when it ends; frees what stands still
	ending                 sync.Once

	mu     sync.Mutex
	faults Faults
	urls   map[string]int // signed URLs, and how often each is taken yet
}

// New starts a registry that ends with the test.
func New(tb testing.TB, c Config) *Registry {
	tb.Helper()
	r, err := Start(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.Close)
	return r
}

// Start starts a registry. ctx is for the start only; Close ends the registry.
func Start(ctx context.Context, c Config) (*Registry, error) {
	c = c.orDefault()
	ca, err := newAuthority(c.Now())
	if err != nil {
		return nil, fmt.Errorf("making an authority: %w", err)
	}
	r := &Registry{
		config: c, ca: ca, store: newStore(), issuer: newIssuer(c, ca), ready: make(chan struct{}), done: make(chan struct{}),
		faults: c.Faults, urls: map[string]int{},
	}
	if r.front, err = r.serve(ctx, c.Address, http.HandlerFunc(r.serveFront)); err != nil {
		return nil, err
	}
	r.tokens = r.front
	if c.TokensApart {
		if r.tokens, err = r.serve(ctx, c.TokensAddress, http.HandlerFunc(r.serveTokens)); err != nil {
			r.Close()
			return nil, err
		}
	}
	if r.storage, err = r.serve(ctx, "127.0.0.1:0", http.HandlerFunc(r.serveStorage)); err != nil {
		r.Close()
		return nil, err
	}
	close(r.ready)
	return r, nil
}

// Close ends the registry. Requests that are under way are cut off. It may be called
// again.
func (r *Registry) Close() {
	r.ending.Do(func() { close(r.done) })
	for _, s := range []*server{r.front, r.tokens, r.storage} {
		if s != nil {
			_ = s.http.Close()
		}
	}
}

// ServeHTTP is the registry itself, for who has it behind a server or a name of their
// own.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.serveFront(w, req) }

// Host is its address with its port, as it stands in an image's name.
func (r *Registry) Host() string { return r.front.address }

// Port is the port alone, for a name of the test's own.
func (r *Registry) Port() string { return r.front.port() }

// TokensHost is the address of the token endpoint.
func (r *Registry) TokensHost() string { return r.tokens.address }

// StorageHost is the address of the storage to which blobs are redirected.
func (r *Registry) StorageHost() string { return r.storage.address }

// CA is the certificate (PEM) that makes its certificates trusted; empty without TLS.
func (r *Registry) CA() string {
	if r.config.TLS == NoTLS {
		return ""
	}
	return r.ca.pem()
}

// Requests lists what was asked, in order.
func (r *Registry) Requests() []Request { return r.record.all() }

// Connections is how many connections were made to the registry itself.
func (r *Registry) Connections() int { return int(r.front.connections.Load()) }

// Forget empties the list of requests.
func (r *Registry) Forget() { r.record.forget() }

// Revoke makes the tokens that were issued so far invalid.
func (r *Registry) Revoke() { r.issuer.revoke() }

// CloseAccount lets an account log in no more. Tokens that it was given live on.
func (r *Registry) CloseAccount(name string) { r.issuer.closed.Store(name, true) }

// Token issues a token for the account, without being asked at the token endpoint. A
// scope is "repository:name:actions"; it holds what the account may do of it.
func (r *Registry) Token(account string, scopes ...string) string {
	token, err := r.issuer.issue(account, r.issuer.grant(account, scopes), r.current().Opaque)
	if err != nil {
		panic(err)
	}
	return token
}

// Scheme is http or https.
func (r *Registry) Scheme() string {
	if r.config.TLS == NoTLS {
		return "http"
	}
	return "https"
}

// server is one listening server.
type server struct {
	http        *http.Server
	address     string
	connections atomic.Int64
}

func (s *server) port() string {
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		panic(err)
	}
	return port
}

func (r *Registry) serve(ctx context.Context, address string, h http.Handler) (*server, error) {
	return serve(ctx, address, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		<-r.ready
		h.ServeHTTP(w, req)
	}), r.config, r.ca)
}

// serve listens at an address, with or without TLS.
func serve(ctx context.Context, address string, h http.Handler, c Config, ca *authority) (*server, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s := &server{address: l.Addr().String(), http: &http.Server{
		Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}}
	s.http.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	if c.TLS != NoTLS {
		cert, err := ca.server(c.TLS, c.Now(), c.Names...)
		if err != nil {
			_ = l.Close()
			return nil, fmt.Errorf("making a certificate: %w", err)
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	}
	go func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}()
	return s, nil
}
