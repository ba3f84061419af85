package dockerhub

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"fairlead.dev/fairlead"
)

// webHost is the API's host.
const webHost = "hub.docker.com"

// callLimit is how long one request may take, maxReply how much is read of its reply.
const (
	callLimit = 30 * time.Second
	maxReply  = 16 << 20
)

// call is one request to the API.
type call struct {
	what, method, path string
	bearer             fairlead.Secret
	body               any
}

// ask sends a request and reads a reply of 200. The status is 0 if there is no reply.
func (p Provider) ask(ctx context.Context, c call, into any) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	var body io.Reader
	if c.body != nil {
		b, err := json.Marshal(c.body)
		if err != nil {
			return 0, fairlead.AsError(c.what, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, "https://"+webHost+c.path, body)
	if err != nil {
		return 0, fairlead.AsError(c.what, err)
	}
	req.Header.Set("Accept", "application/json")
	if c.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if !c.bearer.IsZero() {
		req.Header.Set("Authorization", "Bearer "+string(c.bearer.Reveal()))
	}
	res, err := p.tools.HTTP.Do(req)
	if err != nil {
		return 0, unreachable(ctx, c, err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	if err != nil {
		return 0, unreachable(ctx, c, err)
	}
	if res.StatusCode != http.StatusOK {
		return res.StatusCode, p.refused(c, res)
	}
	if json.Unmarshal(b, into) != nil {
		return res.StatusCode, broken(c)
	}
	return res.StatusCode, nil
}

func broken(c call) error {
	return &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: c.what,
		Why:    webHost + " answers, but not as Docker Hub's API: its reply isn't what the documentation says",
		Remedy: "check that no proxy answers in its place, then try again",
	}
}

// refused says what another answer than 200 means.
func (p Provider) refused(c call, res *http.Response) error {
	e := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused, What: c.what}
	switch status := res.StatusCode; {
	case status == http.StatusTooManyRequests:
		e.Kind, e.Code, e.Why, e.Remedy = fairlead.Limited, fairlead.CodeRateLimited, webHost+" gets too many requests", "wait, then try again"
		if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds >= 0 && seconds < 86400 {
			e.RetryAt = p.tools.Now().Add(time.Duration(seconds) * time.Second)
		}
	case status >= http.StatusInternalServerError:
		e.Kind, e.Code = fairlead.Unavailable, fairlead.CodeRegistryBroken
		e.Why, e.Remedy = fmt.Sprintf("%s has an error of its own (status %d)", webHost, status), "try again; if it stays so, look at dockerstatus.com"
	case status == http.StatusUnauthorized:
		e.Why = "Docker Hub doesn't accept the login: the token is wrong, has expired or was revoked, or belongs to another name"
		e.Remedy = "make a new access token at hub.docker.com and give it to the connector; the user name is the Docker ID or the organization's name"
	case status == http.StatusForbidden:
		e.Code, e.Why, e.Remedy = fairlead.CodeNoRight, "Docker Hub knows the login, and it has no right to do this", "give the token the right at hub.docker.com"
	case status == http.StatusNotFound:
		e.Kind, e.Code, e.Why, e.Remedy = fairlead.NotFound, "", "Docker Hub has nothing there", "check the namespace"
	default:
		return broken(c)
	}
	return e
}

// unreachable says why there is no answer.
func unreachable(ctx context.Context, c call, err error) error {
	if known, ok := errors.AsType[*fairlead.Error](err); ok {
		return known
	}
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	e := &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeConnect, What: c.what}
	netErr, isNet := errors.AsType[net.Error](err)
	_, isTLS := errors.AsType[*tls.CertificateVerificationError](err)
	_, isDNS := errors.AsType[*net.DNSError](err)
	switch {
	case ctx.Err() != nil, isNet && netErr.Timeout():
		e.Code, e.Why, e.Remedy = fairlead.CodeTimeout, webHost+" gave no answer in time", "try again; if it stays so, look at the way to it"
	case isDNS:
		e.Code, e.Why, e.Remedy = fairlead.CodeDNS, "the name "+webHost+" has no address here", "check the name servers of this server"
	case isTLS:
		e.Code, e.Why, e.Remedy = fairlead.CodeTLS, "the certificate of "+webHost+" isn't trusted", "check which proxy answers in its place, and have the operator trust its authority"
	default:
		e.Why, e.Remedy = "there is no connection to "+webHost, "check that this server may connect to it"
	}
	return e
}
