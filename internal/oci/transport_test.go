package oci_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	rt "fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

// TestDockerHub shows where docker.io is looked for.
func TestDockerHub(t *testing.T) {
	t.Parallel()
	r := rt.New(t, rt.Config{TLS: rt.GoodTLS})
	p := newProxy(t, r.Host())
	c := client(t, func(o *oci.Options) { o.Proxy = func(*http.Request) (*url.URL, error) { return p.url, nil } })
	err := resolve(t, c, without(r, nil), "docker.io", "library/ubuntu:latest")
	codeIs(t, err, fairlead.CodeTLS) // our certificate isn't Docker's
	if got := p.seen(); !cmp.Equal(got, []string{"registry-1.docker.io:443"}) {
		t.Errorf("%v", got)
	}
}

// TestTransport uses login as a round tripper.
func TestTransport(t *testing.T) {
	t.Parallel()
	for _, auth := range []rt.Auth{rt.Open, rt.Basic, rt.Bearer} {
		t.Run(string(auth), func(t *testing.T) {
			t.Parallel()
			config := accounts(auth, rt.Faults{Redirect: 1})
			config.TLS = rt.GoodTLS
			s := newShelf(t, 1000, config)
			c := client(t)
			over := &http.Client{Transport: c.Transport(with(s, reader), pullOf(s.Host(), "team/app"))}
			get := func(u string) (*http.Response, error) {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				return over.Do(req)
			}
			res, err := get("https://" + s.Host() + "/v2/team/app/blobs/" + string(s.blob.Digest))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(b, s.bytes) {
				t.Errorf("%d bytes, %v", len(b), err)
			}
			_ = res.Body.Close()
			keptAway(t, s.Registry)

			// A login that the caller has put in itself doesn't go elsewhere either.
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.StorageHost()+"/bucket/x", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+reader.Password)
			if res, err = over.Do(req); err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			keptAway(t, s.Registry)

			// A refusal is an error, of the same words as elsewhere.
			if auth != rt.Open {
				res, err := get("https://" + s.Host() + "/v2/other/app/tags/list")
				if err == nil {
					_ = res.Body.Close()
				}
				codeIs(t, err, fairlead.CodeNoRight)
			}
			// Nothing goes to another host without TLS, or to a forbidden one.
			for _, u := range []string{"http://" + s.Host() + "/v2/", "http://127.0.0.1:1/", "https://169.254.169.254/"} {
				res, err := get(u)
				if err == nil {
					_ = res.Body.Close()
				}
				codeIs(t, err, fairlead.CodeEgress)
			}
		})
	}
}

// TestTransportPushes sends bodies, also where the login is refused at first.
func TestTransportPushes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keys     func(*rt.Registry) *keys
		once     bool // the body can be had once only
		wantCode fairlead.Code
	}{
		"at once":                {keys: func(r *rt.Registry) *keys { return with(r, pusher) }},
		"at once, a stream":      {keys: func(r *rt.Registry) *keys { return with(r, pusher) }, once: true},
		"after a refusal":        {keys: staleFirst},
		"a stream is not resent": {keys: staleFirst, once: true, wantCode: fairlead.CodeRegistryBroken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rt.New(t, accounts(rt.Basic, rt.Faults{}))
			kc := c.keys(r)
			s := pullOf(r.Host(), "team/app")
			s.Verb = fairlead.Push
			var body io.Reader = strings.NewReader("{}")
			if c.once {
				body = io.MultiReader(body)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+r.Host()+"/v2/team/app/manifests/v1", body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", ociManifest)
			res, err := client(t).Transport(kc, s).RoundTrip(req)
			codeIs(t, err, c.wantCode)
			if err != nil {
				return
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusCreated || req.Header.Get("Authorization") != "" {
				t.Errorf("%s, %v", res.Status, req.Header)
			}
		})
	}
}

func staleFirst(r *rt.Registry) *keys {
	k := withPassword(r, "pusher", "stale-canary-Ty34")
	k.leases = append(k.leases, with(r, pusher).leases...)
	return k
}

// TestBlobFromDebianResumes cuts the connection to Debian's registry.
func TestBlobFromDebianResumes(t *testing.T) {
	t.Parallel()
	for _, auth := range []rt.Auth{rt.Basic, rt.Bearer} {
		t.Run(string(auth), func(t *testing.T) {
			t.Parallel()
			r := rt.Debian(t, rt.DebianOptions{Auth: auth, Accounts: []rt.Account{pusher, reader}})
			rt.Push(t, r, rt.RandomImage(t, 3<<20), "team/app:v1", pusher)
			host := cutting(t, r.Host(), 1<<20)
			c, kc := client(t), with(r, reader)
			img, err := c.Image(t.Context(), kc, image(t, host, "team/app:v1"), amd64)
			if err != nil {
				t.Fatal(err)
			}
			readWhole(t, c, kc, ref.Resource{Host: host, Repository: "team/app"}, img.Layers[0].Descriptor)
		})
	}
}

// cutting leads connections to another server and cuts each after so many bytes of its
// replies.
func cutting(t *testing.T, to string, after int64) string {
	t.Helper()
	return listener(t, func(here net.Conn) {
		there, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to)
		if err != nil {
			return
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(there, here)
			_ = there.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.CopyN(here, there, after)
		_ = there.Close()
		_ = here.Close()
		<-done
	})
}
