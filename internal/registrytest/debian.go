package registrytest

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// DebianOptions are what Debian's docker-registry is started with.
type DebianOptions struct {
	// Auth is Open, Basic (htpasswd with bcrypt) or Bearer (our [TokenServer]).
	Auth     Auth
	Accounts []Account
	// TokensApart gives the token endpoint a port of its own. Without, it is at the
	// registry's, and what isn't for it is handed on to the registry: so everything is
	// at one host, which is all that some clients take.
	TokensApart bool
	// Anonymous is what may be done without a login with Bearer.
	Anonymous []Right
	// TLS is NoTLS or GoodTLS.
	TLS TLS
	// Address is where it listens. Empty is a free port of 127.0.0.1.
	Address string
}

// DebianRegistry is Debian's docker-registry (distribution 2.8) in a process of its own.
type DebianRegistry struct {
	// Tokens is its token endpoint; nil without.
	Tokens *TokenServer

	options DebianOptions
	ca      *authority
	dir     string
	command *exec.Cmd
	address string
	front   *server // before the process, if it has the token endpoint
	backend atomic.Pointer[url.URL]

	mu    sync.Mutex
	log   strings.Builder
	ended chan struct{} // closed when the log has ended
}

// Debian starts Debian's docker-registry, which ends with the test. The test fails if
// it isn't installed.
func Debian(tb testing.TB, o DebianOptions) *DebianRegistry {
	tb.Helper()
	d, err := StartDebian(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		d.Close()
		if tb.Failed() {
			tb.Logf("docker-registry said:\n%s", d.troubles())
		}
	})
	return d
}

// StartDebian starts Debian's docker-registry. ctx is for the start only; Close ends it.
func StartDebian(ctx context.Context, o DebianOptions) (*DebianRegistry, error) {
	binary, err := exec.LookPath("docker-registry")
	if err != nil {
		return nil, errors.New("docker-registry is not installed: apt-get install docker-registry")
	}
	now := Config{}.orDefault().Now()
	d := &DebianRegistry{options: o, ended: make(chan struct{})}
	if d.options.Address == "" {
		d.options.Address = "127.0.0.1:0"
	}
	if d.ca, err = newAuthority(now); err != nil {
		return nil, err
	}
	if d.dir, err = os.MkdirTemp("", "registrytest-"); err != nil {
		return nil, err
	}
	realm, err := d.startTokens(ctx)
	if err == nil {
		err = d.startProcess(ctx, binary, realm, now)
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("starting docker-registry: %w\n%s", err, d.Log())
	}
	return d, nil
}

// startProcess starts the process, at the registry's address or behind it.
func (d *DebianRegistry) startProcess(ctx context.Context, binary, realm string, now time.Time) error {
	address, how := d.options.Address, d.options.TLS
	if d.front != nil {
		address, how = "127.0.0.1:0", NoTLS
	}
	file, err := d.configure(address, how, realm, now)
	if err != nil {
		return err
	}
	at, err := d.start(ctx, binary, file)
	if d.front == nil {
		d.address = at
	} else {
		d.backend.Store(&url.URL{Scheme: "http", Host: at})
		d.address = d.front.address
	}
	return err
}

// configure writes everything that the process reads, and gives its configuration.
func (d *DebianRegistry) configure(address string, how TLS, realm string, now time.Time) (string, error) {
	config := fmt.Sprintf("version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s\n  delete:\n    enabled: true\n"+
		"http:\n  addr: %s\n  secret: registrytest\n", filepath.Join(d.dir, "data"), address)
	if how != NoTLS {
		cert, err := d.ca.server(how, now)
		if err != nil {
			return "", err
		}
		key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
		if err != nil {
			return "", err
		}
		certFile, err1 := d.write("cert.pem", pemOf("CERTIFICATE", cert.Certificate[0]))
		keyFile, err2 := d.write("key.pem", pemOf("PRIVATE KEY", key))
		if err := errors.Join(err1, err2); err != nil {
			return "", err
		}
		config += fmt.Sprintf("  tls:\n    certificate: %s\n    key: %s\n", certFile, keyFile)
	}
	auth, err := d.configureAuth(realm)
	if err != nil {
		return "", err
	}
	return d.write("config.yml", config+auth)
}

func (d *DebianRegistry) configureAuth(realm string) (string, error) {
	switch d.options.Auth {
	case Basic:
		var lines strings.Builder
		for _, a := range d.options.Accounts {
			hash, err := bcrypt.GenerateFromPassword([]byte(a.Password), bcrypt.MinCost)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&lines, "%s:%s\n", a.Name, hash)
		}
		file, err := d.write("htpasswd", lines.String())
		return fmt.Sprintf("auth:\n  htpasswd:\n    realm: registry\n    path: %s\n", file), err
	case Bearer:
		file, err := d.write("tokens.pem", d.Tokens.Certificate())
		return fmt.Sprintf("auth:\n  token:\n    realm: %s\n    service: %s\n    issuer: %s\n    rootcertbundle: %s\n",
			realm, d.Tokens.Service(), d.Tokens.Issuer(), file), err
	case Open, Mixed, Guarded:
	}
	return "", nil
}

func (d *DebianRegistry) write(name, content string) (string, error) {
	file := filepath.Join(d.dir, name)
	return file, os.WriteFile(file, []byte(content), 0o600)
}

// start starts the process and waits for the line that says where it listens.
func (d *DebianRegistry) start(ctx context.Context, binary, file string) (string, error) {
	d.command = exec.CommandContext(context.WithoutCancel(ctx), binary, "serve", file)
	d.command.Env = []string{"OTEL_TRACES_EXPORTER=none"}
	d.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := d.command.StderrPipe()
	if err == nil {
		err = d.command.Start()
	}
	if err != nil {
		d.command = nil
		return "", err
	}
	listening := make(chan string, 1)
	go d.read(out, listening)
	select {
	case address := <-listening:
		return address, nil
	case <-d.ended:
		return "", errors.New("it ended at once")
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// read keeps the log until it ends.
func (d *DebianRegistry) read(out io.Reader, listening chan<- string) {
	defer close(d.ended)
	address := regexp.MustCompile(`listening on ([^\s",]+:\d+)`)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		d.mu.Lock()
		d.log.WriteString(lines.Text() + "\n")
		d.mu.Unlock()
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			select {
			case listening <- found[1]:
			default:
			}
		}
	}
}

// Close ends the process, waits for its end, and removes what it stored.
func (d *DebianRegistry) Close() {
	if d.front != nil {
		_ = d.front.http.Close()
	}
	if d.command != nil {
		_ = d.command.Process.Kill()
		<-d.ended
		_ = d.command.Wait()
		d.command = nil
	}
	if d.Tokens != nil {
		d.Tokens.Close()
	}
	_ = os.RemoveAll(d.dir)
}

// Log is what the process has said so far.
func (d *DebianRegistry) Log() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// troubles is the log without the lines that say that all is well.
func (d *DebianRegistry) troubles() string {
	var b strings.Builder
	for line := range strings.Lines(d.Log()) {
		if !strings.Contains(line, "level=info") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// Host is its address with its port.
func (d *DebianRegistry) Host() string { return d.address }

// PID is the process's.
func (d *DebianRegistry) PID() int { return d.command.Process.Pid }

// Scheme is http or https.
func (d *DebianRegistry) Scheme() string {
	if d.options.TLS == NoTLS {
		return "http"
	}
	return "https"
}

// CA is the certificates (PEM) that make its certificate trusted, and that of its token
// endpoint; empty without TLS.
func (d *DebianRegistry) CA() string {
	if d.options.TLS == NoTLS {
		return ""
	}
	if d.Tokens != nil {
		return d.ca.pem() + d.Tokens.ca.pem()
	}
	return d.ca.pem()
}
