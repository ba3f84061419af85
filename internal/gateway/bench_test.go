package gateway_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"

	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/registrytest"
)

// BenchmarkWarmTag reads a tag that is there, authorized each time, over 16 connections.
// The clients are in this process and read with next to no work of their own.
func BenchmarkWarmTag(b *testing.B) {
	r := newRoom(b, registrytest.Bearer, fairleadtest.WithoutLog())
	registrytest.Push(b, r.reg, registrytest.RandomImage(b, 1000), "team/app:v1", robot())
	path := "/v2/" + r.at("team/app") + "/manifests/v1"
	for name, login := range map[string]string{"basic": basicOf("any", r.token), "bearer": "Bearer " + r.token} {
		b.Run(name, func(b *testing.B) {
			if got := r.ask(b, http.MethodGet, path, r.token); got.status != http.StatusOK {
				b.Fatal(got.status, got.body)
			}
			requests := len(r.reg.Requests())
			const connections = 16
			b.ReportAllocs()
			b.ResetTimer()
			var all sync.WaitGroup
			for i := range connections {
				all.Go(func() {
					if err := r.hammer(path, login, b.N/connections+min(1, max(0, b.N%connections-i))); err != nil {
						b.Error(err)
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
			if n := len(r.reg.Requests()); n != requests {
				b.Errorf("the registry was asked %d times", n-requests)
			}
		})
	}
}

// hammer sends requests one after the other over one connection.
func (r *room) hammer(path, login string, n int) error {
	conn, err := net.Dial("tcp", r.gatewayHost())
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // It was read.
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nAccept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json\r\n\r\n",
		path, r.gatewayHost(), login)
	in := bufio.NewReader(conn)
	for range n {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		if err := skipReply(in); err != nil {
			return err
		}
	}
	return nil
}

// skipReply reads a reply with status 200 and passes over its body.
func skipReply(in *bufio.Reader) error {
	length := 0
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case first && string(line[:12]) != "HTTP/1.1 200":
			return fmt.Errorf("the reply is %q", line)
		case len(line) <= 2:
			_, err := in.Discard(length)
			return err
		}
		if digits, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			for _, c := range bytes.TrimSpace(digits) {
				length = 10*length + int(c-'0')
			}
		}
	}
}

// BenchmarkWarmTagInside is the same without a network: what the gateway itself takes.
func BenchmarkWarmTagInside(b *testing.B) {
	r := newRoom(b, registrytest.Bearer, fairleadtest.WithoutLog())
	registrytest.Push(b, r.reg, registrytest.RandomImage(b, 1000), "team/app:v1", robot())
	path := "/v2/" + r.at("team/app") + "/manifests/v1"
	if got := r.ask(b, http.MethodGet, path, r.token); got.status != http.StatusOK {
		b.Fatal(got.status, got.body)
	}
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, r.URL+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", basicOf("any", r.token))
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		w := &discard{h: http.Header{}}
		for p.Next() {
			clear(w.h)
			r.Gateway.ServeHTTP(w, req)
			if w.status != http.StatusOK {
				b.Errorf("%d", w.status)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

type discard struct {
	h      http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
