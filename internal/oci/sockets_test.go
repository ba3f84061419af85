package oci_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"syscall"
	"testing"
)

// boundSocket is a port that nobody else gets and at which nothing listens.
func boundSocket(t *testing.T) (fd int, host string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

// fullListener is a port that takes no more connections: the next ones wait until they
// give up.
func fullListener(t *testing.T) string {
	t.Helper()
	fd, host := boundSocket(t)
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	first, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = first.Close() })
	return host
}

// oldTLS is a server that knows only a version of TLS that nobody should speak.
func oldTLS(t *testing.T) string {
	t.Helper()
	return listener(t, func(c net.Conn) {
		_ = tls.Server(c, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, Certificates: []tls.Certificate{{}}}).Handshake()
	})
}
