package oci_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"fairlead.dev/fairlead/internal/oci"
	rt "fairlead.dev/fairlead/internal/registrytest"
)

func networkCases() map[string]func(*testing.T) error {
	return map[string]func(*testing.T) error{
		"network: no such name": func(t *testing.T) error {
			t.Helper()
			c := client(t, resolving(rt.Resolver(t, rt.Names(nil))))
			return resolve(t, c, without(plain(false), nil), "nowhere.test", "team/app:v1")
		},
		"network: name server fails": func(t *testing.T) error {
			t.Helper()
			c := client(t, resolving(rt.Resolver(t, func(string) []netip.Addr { return []netip.Addr{{}} })))
			return resolve(t, c, without(plain(false), nil), "registry.test", "team/app:v1")
		},
		"network: nothing listens": func(t *testing.T) error {
			t.Helper()
			_, host := boundSocket(t)
			return resolve(t, client(t), without(plain(true), nil), host, "team/app:v1")
		},
		"network: no route": func(t *testing.T) error {
			t.Helper()
			return resolve(t, client(t, only("224.0.0.1")), without(plain(true), nil), "224.0.0.1:5000", "team/app:v1")
		},
		"network: closed at once": func(t *testing.T) error {
			t.Helper()
			host := listener(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 10_000)) })
			return resolve(t, client(t), without(plain(true), nil), host, "team/app:v1")
		},
		"network: reset": func(t *testing.T) error {
			t.Helper()
			host := listener(t, func(c net.Conn) {
				_, _ = c.Read(make([]byte, 10_000))
				_ = c.(*net.TCPConn).SetLinger(0)
			})
			return resolve(t, client(t), without(plain(true), nil), host, "team/app:v1")
		},
		"network: not HTTP": func(t *testing.T) error {
			t.Helper()
			host := listener(t, func(c net.Conn) {
				_, _ = c.Read(make([]byte, 10_000))
				_, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n\r\n"))
			})
			return resolve(t, client(t), without(plain(true), nil), host, "team/app:v1")
		},
		"network: no connection in time": func(t *testing.T) error {
			t.Helper()
			return resolve(t, client(t, quick), without(plain(true), nil), fullListener(t), "team/app:v1")
		},
		"network: no handshake in time": func(t *testing.T) error {
			t.Helper()
			return resolve(t, client(t, quick), without(plain(false), nil), listener(t, silent), "team/app:v1")
		},
		"network: no answer in time": func(t *testing.T) error {
			t.Helper()
			return resolve(t, client(t, quick), without(plain(true), nil), listener(t, silent), "team/app:v1")
		},
		"network: falls silent": func(t *testing.T) error {
			t.Helper()
			host := listener(t, func(c net.Conn) {
				_, _ = c.Read(make([]byte, 10_000))
				_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\n{"))
				silent(c)
			})
			c := client(t, func(o *oci.Options) { o.Timeouts.Stall = 100 * time.Millisecond })
			_, _, err := c.Manifest(t.Context(), without(plain(true), nil), image(t, host, "team/app").Resource, sha256Of(nil))
			return err
		},
		"network: cut in a manifest": func(t *testing.T) error {
			t.Helper()
			host := listener(t, func(c net.Conn) {
				_, _ = c.Read(make([]byte, 10_000))
				_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\n{"))
			})
			_, _, err := client(t).Manifest(t.Context(), without(plain(true), nil), image(t, host, "team/app").Resource, sha256Of(nil))
			return err
		},
		"network: deadline of the caller": func(t *testing.T) error {
			t.Helper()
			ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
			defer cancel()
			_, err := client(t).Resolve(ctx, without(plain(true), nil), image(t, listener(t, silent), "team/app:v1"))
			return err
		},
		"network: cancelled": func(t *testing.T) error {
			t.Helper()
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(fmt.Errorf("some reason"))
			_, err := client(t).Resolve(ctx, without(plain(true), nil), image(t, listener(t, silent), "team/app:v1"))
			return err
		},
		"network: forbidden address": func(t *testing.T) error {
			t.Helper()
			return resolve(t, client(t, only()), without(plain(true), nil), "169.254.169.254:5000", "team/app:v1")
		},
		"network: forbidden address by name": func(t *testing.T) error {
			t.Helper()
			c := client(t, only(), resolving(rt.Resolver(t, rt.Names(map[string]string{"registry.test": "64:ff9b::7f00:1"}))))
			return resolve(t, c, without(plain(true), nil), "registry.test:5000", "team/app:v1")
		},
		"proxy: nothing listens": func(t *testing.T) error {
			t.Helper()
			c := client(t, proxied("127.0.0.1:1"))
			return resolve(t, c, without(plain(false), nil), "registry.test", "team/app:v1")
		},
		"proxy: refuses": func(t *testing.T) error {
			t.Helper()
			p := newProxy(t, "")
			p.status = http.StatusProxyAuthRequired
			return resolve(t, client(t, proxied(p.url.Host)), without(plain(false), nil), "registry.test", "team/app:v1")
		},
		"proxy: refuses plain HTTP": func(t *testing.T) error {
			t.Helper()
			p := newProxy(t, "")
			p.status = http.StatusProxyAuthRequired
			return resolve(t, client(t, proxied(p.url.Host)), without(plain(true), nil), "registry.test", "team/app:v1")
		},
		"proxy: no connection": func(t *testing.T) error {
			t.Helper()
			p := newProxy(t, "127.0.0.1:1")
			return resolve(t, client(t, proxied(p.url.Host)), without(plain(false), nil), "registry.test", "team/app:v1")
		},
		"proxy: not known": func(t *testing.T) error {
			t.Helper()
			c := client(t, func(o *oci.Options) {
				o.Proxy = func(*http.Request) (*url.URL, error) { return nil, errors.New("parse http://a:proxy-canary@proxy: no") }
			})
			return resolve(t, c, without(plain(false), nil), "registry.test", "team/app:v1")
		},
	}
}

func proxied(host string) func(*oci.Options) {
	return func(o *oci.Options) {
		o.Proxy = func(*http.Request) (*url.URL, error) {
			return &url.URL{Scheme: "http", Host: host, User: url.UserPassword("proxy", "proxy-canary")}, nil
		}
	}
}

func tlsCases() map[string]func(*testing.T) error {
	shown := func(how rt.TLS, known bool) func(*testing.T) error {
		return func(t *testing.T) error {
			t.Helper()
			r := rt.New(t, rt.Config{TLS: how})
			kc := without(r, nil)
			if !known {
				kc = without(plain(false), nil)
			}
			return resolve(t, client(t), kc, r.Host(), "team/app:v1")
		}
	}
	return map[string]func(*testing.T) error{
		"tls: expired":           shown(rt.Expired, true),
		"tls: not yet valid":     shown(rt.NotYetValid, true),
		"tls: wrong name":        shown(rt.WrongName, true),
		"tls: self-signed":       shown(rt.SelfSigned, false),
		"tls: unknown authority": shown(rt.GoodTLS, false),
		"tls: expired by our clock": func(t *testing.T) error {
			t.Helper()
			r := rt.New(t, rt.Config{TLS: rt.GoodTLS})
			clock := newClock()
			clock.pass(2 * 366 * 24 * time.Hour)
			return resolve(t, client(t, at(clock)), without(r, nil), r.Host(), "team/app:v1")
		},
		"tls: plain server": func(t *testing.T) error {
			t.Helper()
			r := rt.New(t, rt.Config{})
			return resolve(t, client(t), without(plain(false), nil), r.Host(), "team/app:v1")
		},
		"tls: plain client": func(t *testing.T) error {
			t.Helper()
			r := rt.New(t, rt.Config{TLS: rt.GoodTLS})
			return resolve(t, client(t), without(plain(true), nil), r.Host(), "team/app:v1")
		},
		"tls: something else": func(t *testing.T) error {
			t.Helper()
			host := listener(t, func(c net.Conn) { _, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n")); silent(c) })
			return resolve(t, client(t), without(plain(false), nil), host, "team/app:v1")
		},
		"tls: old version": func(t *testing.T) error {
			t.Helper()
			return resolve(t, client(t), without(plain(false), nil), oldTLS(t), "team/app:v1")
		},
		"tls: broken bundle": func(t *testing.T) error {
			t.Helper()
			kc := without(plain(false), nil)
			kc.leases[0].CABundle = "not a certificate"
			return resolve(t, client(t), kc, "127.0.0.1:1", "team/app:v1")
		},
	}
}
