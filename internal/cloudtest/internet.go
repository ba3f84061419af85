// Package cloudtest holds fakes of the clouds that can't be reached from a test: AWS,
// Google, Azure, JFrog and Docker Hub. They verify every signature, audience, scope and
// lifetime that they are sent, keep accounts and rights, and answer what is wrong with
// the real services' error bodies.
//
// They are reached under their real names. An [Internet] is a forward proxy at which
// those names lead to the fakes, with certificates of an authority of its own: a program
// that honours HTTPS_PROXY and SSL_CERT_FILE, as the vendors' own clients, Fairlead and
// dockerd do, needs no other change.
package cloudtest

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Internet is where the fakes are. What isn't there is refused, so that no test reaches
// the real one.
type Internet struct {
	listener net.Listener
	server   *http.Server
	key      *ecdsa.PrivateKey
	cert     *x509.Certificate
	caFile   string
	done     chan struct{} // closed when it ends; frees what hangs

	mu       sync.Mutex
	clock    func() time.Time
	handlers map[string]http.Handler
	certs    map[string]*tls.Certificate
	faults   []*Fault
	requests []Request
}

// Request is one request that was received.
type Request struct {
	Host, Method, Path string
	// Status is what was answered; 0 while nothing is.
	Status int
}

// New makes an internet that ends with the test.
func New(tb testing.TB) *Internet {
	tb.Helper()
	n, err := start(tb.Context(), tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(n.close)
	return n
}

func start(ctx context.Context, dir string) (*Internet, error) {
	n := &Internet{
		clock: time.Now, done: make(chan struct{}), handlers: map[string]http.Handler{}, certs: map[string]*tls.Certificate{},
		caFile: filepath.Join(dir, "ca.pem"),
	}
	if err := n.makeAuthority(); err != nil {
		return nil, err
	}
	var err error
	if n.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	n.server = &http.Server{
		Handler: http.HandlerFunc(n.serveProxy), ReadHeaderTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	go func() {
		if err := n.server.Serve(n.listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}()
	return n, nil
}

func (n *Internet) close() {
	close(n.done)
	_ = n.server.Close()
}

// Handle puts a host there: a name such as "sts.amazonaws.com", or one whose first
// label is * for any. A port other than 443 (https) and 80 is part of it.
func (n *Internet) Handle(host string, h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handlers[strings.ToLower(host)] = h
}

// Handler gives who answers for a host at this time, for those who reach it by another
// way than the proxy: a metadata service is asked directly. nil if nobody does.
func (n *Internet) Handler(host string) http.Handler { return n.handler(strings.ToLower(host)) }

// handler finds who answers for a host: by its whole name, else by a name whose first
// label is *.
func (n *Internet) handler(host string) http.Handler {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h, ok := n.handlers[host]; ok {
		return h
	}
	if _, rest, ok := strings.Cut(host, "."); ok {
		return n.handlers["*."+rest]
	}
	return nil
}

// SetClock sets the time of the fakes, and of nobody else.
func (n *Internet) SetClock(now func() time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clock = now
}

// Now is the fakes' time.
func (n *Internet) Now() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.clock()
}

// Requests lists what the fakes were asked, in order.
func (n *Internet) Requests() []Request {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]Request(nil), n.requests...)
}

// ProxyURL is the proxy through which the fakes are reached.
func (n *Internet) ProxyURL() *url.URL {
	return &url.URL{Scheme: "http", Host: n.listener.Addr().String()}
}

// CAFile holds the certificate (PEM) that makes the fakes trusted.
func (n *Internet) CAFile() string { return n.caFile }

// Env is what a process has in its environment to be there. Loopback addresses are
// reached without the proxy, as Go's and other clients always do.
func (n *Internet) Env() []string {
	p := n.ProxyURL().String()
	return []string{"HTTPS_PROXY=" + p, "HTTP_PROXY=" + p, "https_proxy=" + p, "http_proxy=" + p, "SSL_CERT_FILE=" + n.caFile}
}

// Client is a client in this process that is there.
func (n *Internet) Client() *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(n.cert)
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(n.ProxyURL()), TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}}
}

// serveProxy is the forward proxy (RFC 9110, section 9.3.6): CONNECT for https, and
// requests in absolute form for http.
func (n *Internet) serveProxy(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodConnect {
		if req.URL.Host == "" {
			http.Error(w, "this is a proxy", http.StatusBadRequest)
			return
		}
		n.serveHost(w, req, canonical(req.URL.Host, "80"))
		return
	}
	host := canonical(req.Host, "443")
	if n.handler(host) == nil {
		http.Error(w, "there is no host "+host, http.StatusBadGateway)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		_ = conn.Close()
		return
	}
	n.serveTLS(&prefixed{Conn: conn, r: buffered.Reader}, host)
}

// canonical is a host in lower case without the scheme's own port.
func canonical(host, port string) string {
	return strings.TrimSuffix(strings.ToLower(host), ":"+port)
}

// serveTLS speaks https on one connection.
func (n *Internet) serveTLS(conn net.Conn, host string) {
	l := &single{conn: make(chan net.Conn, 1), done: make(chan struct{})}
	l.conn <- tls.Server(conn, &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return n.certificate(host) },
	})
	s := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.serveHost(w, r, host) }),
		ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateClosed || s == http.StateHijacked {
				l.end()
			}
		},
	}
	go func() {
		<-n.done
		_ = conn.Close()
	}()
	_ = s.Serve(l)
}

// serveHost answers for one host.
func (n *Internet) serveHost(w http.ResponseWriter, req *http.Request, host string) {
	h := n.handler(host)
	if h == nil {
		http.Error(w, "there is no host "+host, http.StatusBadGateway)
		return
	}
	req.Host = host
	n.mu.Lock()
	at := len(n.requests)
	n.requests = append(n.requests, Request{Host: host, Method: req.Method, Path: req.URL.Path})
	n.mu.Unlock()
	noting := &noted{ResponseWriter: w, note: func(status int) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.requests[at].Status = status
	}}
	if n.fail(noting, req) {
		return
	}
	h.ServeHTTP(noting, req)
}

// noted notes the status of a reply.
type noted struct {
	http.ResponseWriter
	note func(int)
	told bool
}

// WriteHeader notes the status.
func (w *noted) WriteHeader(status int) {
	if !w.told {
		w.told = true
		w.note(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write is with status 200 if none was written.
func (w *noted) Write(b []byte) (int, error) {
	if !w.told {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (w *noted) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// prefixed is a connection of which something was read already.
type prefixed struct {
	net.Conn
	r *bufio.Reader
}

func (p *prefixed) Read(b []byte) (int, error) { return p.r.Read(b) }

// single is a listener of one connection.
type single struct {
	conn chan net.Conn
	done chan struct{}
	once sync.Once
}

// Accept gives the connection, and then waits for its end.
func (l *single) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *single) end() { l.once.Do(func() { close(l.done) }) }

// Close ends it.
func (l *single) Close() error { l.end(); return nil }

// Addr is nowhere.
func (l *single) Addr() net.Addr { return &net.TCPAddr{} }

func (n *Internet) makeAuthority() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cloudtest authority"},
		NotBefore: time.Now().AddDate(-10, 0, 0), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	if n.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	n.key = key
	return os.WriteFile(n.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

// certificate gives a host's certificate, made at the first time.
func (n *Internet) certificate(host string) (*tls.Certificate, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c, ok := n.certs[host]; ok {
		return c, nil
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(n.certs) + 2)), Subject: pkix.Name{CommonName: "cloudtest"},
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{name},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.DNSNames, template.IPAddresses = nil, []net.IP{ip}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, n.cert, &key.PublicKey, n.key)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	n.certs[host] = c
	return c, nil
}
