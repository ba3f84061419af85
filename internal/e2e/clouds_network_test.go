package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead/internal/cloudtest"
)

// machine is a machine at all clouds at once: a network of its own (network_namespaces(7))
// with the clouds' metadata services at 169.254.169.254, which no proxy leads to, and with
// the fakes' proxy at the address that it has outside.
type machine struct {
	t     *testing.T
	calls chan func()
	ns    *os.File
	// asked counts the requests to the metadata services.
	asked atomic.Int64
	hosts string // a hosts(5) file
}

const metadataIP = "169.254.169.254"

// newMachine makes one. metadata are the services, by cloud.
func newMachine(t *testing.T, n *cloudtest.Internet, metadata http.Handler) *machine {
	t.Helper()
	m := &machine{t: t, calls: make(chan func()), hosts: filepath.Join(t.TempDir(), "hosts")}
	if err := os.WriteFile(m.hosts, []byte("127.0.0.1 localhost\n"+metadataIP+" metadata.google.internal\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this function
		err := m.enter()
		ready <- err
		for f := range m.calls {
			f()
		}
	}()
	t.Cleanup(func() { close(m.calls) })
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.ns.Close() })
	proxy := m.listen(n.ProxyURL().Host)
	go func() {
		for {
			c, err := proxy.Accept()
			if err != nil {
				return
			}
			go forward(c, n.ProxyURL().Host)
		}
	}()
	services := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.asked.Add(1)
		metadata.ServeHTTP(w, r)
	})}
	address := m.listen(metadataIP + ":80")
	go func() { _ = services.Serve(address) }()
	t.Cleanup(func() { _ = services.Close() })
	return m
}

// enter takes the thread into a new network and brings up its one interface.
func (m *machine) enter() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("making a network: %w", err)
	}
	var err error
	if m.ns, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return err
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s) //nolint:errcheck // Nothing was written.
	up, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	up.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, up); err != nil {
		return err
	}
	alias, err := unix.NewIfreq("lo:1")
	if err != nil {
		return err
	}
	return errors.Join(alias.SetInet4Addr(net.ParseIP(metadataIP).To4()), unix.IoctlIfreq(s, unix.SIOCSIFADDR, alias))
}

// do does something in the machine's network.
func (m *machine) do(f func()) {
	done := make(chan struct{})
	m.calls <- func() { defer close(done); f() }
	<-done
}

func (m *machine) listen(address string) net.Listener {
	m.t.Helper()
	var l net.Listener
	var err error
	m.do(func() { l, err = (&net.ListenConfig{}).Listen(m.t.Context(), "tcp", address) })
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = l.Close() })
	return l
}

// dial connects to an address of the machine's.
func (m *machine) dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	m.do(func() { c, err = (&net.Dialer{}).DialContext(ctx, network, address) })
	return c, err
}

// within is the command line that another one follows to be run on the machine.
func (m *machine) within() []string {
	return []string{
		"nsenter", fmt.Sprintf("--net=/proc/%d/fd/%d", os.Getpid(), m.ns.Fd()), "unshare", "--mount",
		"/bin/sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, m.hosts,
	}
}

func forward(c net.Conn, to string) {
	defer func() { _ = c.Close() }()
	d, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer func() { _ = d.Close() }()
	go func() {
		_, _ = io.Copy(d, c)
		_ = d.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, d)
}

// metadataServices are those of all clouds, told apart by what they are asked.
func metadataServices(aws, google, azure http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host == "metadata.google.internal" || strings.HasPrefix(r.URL.Path, "/computeMetadata/"):
			google.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, "/metadata/"):
			azure.ServeHTTP(w, r)
		default:
			aws.ServeHTTP(w, r)
		}
	})
}
