package registrytest

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Server says which of a registry's servers was asked.
type Server string

// The servers.
const (
	Front   Server = "registry"
	Tokens  Server = "tokens"
	Storage Server = "storage"
)

// Request is one request that was received.
type Request struct {
	Server Server
	Method string
	Path   string
	Query  string
	Range  string
	// Scheme is that of the Authorization header, in lower case; empty without one.
	Scheme string
	// Account is who was recognised; empty for nobody.
	Account string
	// raw is all of the request, with its body.
	raw string
}

// record is the requests to all of a registry's servers, in their order.
type record struct {
	mu   sync.Mutex
	list []*Request
}

// add notes a request before anything is answered. Its body can be read afterwards.
func (r *record) add(s Server, req *http.Request) *Request {
	var raw bytes.Buffer
	raw.WriteString(req.Method + " " + req.URL.RequestURI() + "\n")
	_ = req.Header.Write(&raw)
	if req.Method == http.MethodPost && s != Front {
		body, _ := io.ReadAll(io.LimitReader(req.Body, 1<<20))
		req.Body = io.NopCloser(bytes.NewReader(body))
		raw.Write(body)
	}
	scheme, _, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	n := &Request{
		Server: s, Method: req.Method, Path: req.URL.Path, Query: req.URL.RawQuery,
		Range: req.Header.Get("Range"), Scheme: strings.ToLower(scheme), raw: raw.String(),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, n)
	return n
}

func (r *record) recognise(n *Request, account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n.Account = account
}

func (r *record) all() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Request, len(r.list))
	for i, n := range r.list {
		list[i] = *n
	}
	return list
}

func (r *record) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = nil
}

// Holds reports whether the secret is anywhere in the request: as it is, escaped, or in
// a Basic login.
func (r Request) Holds(secret string) bool {
	if strings.Contains(r.raw, secret) || strings.Contains(r.raw, url.QueryEscape(secret)) {
		return true
	}
	for word := range strings.FieldsSeq(r.raw) {
		if b, err := base64.StdEncoding.DecodeString(word); err == nil && strings.Contains(string(b), secret) {
			return true
		}
	}
	return false
}
