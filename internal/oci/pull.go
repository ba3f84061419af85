package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// pull is one operation on a repository.
type pull struct {
	c        *Client
	kc       fairlead.Keychain
	resource ref.Resource
	what     string        // the gerund phrase of its errors
	object   string        // what a 404 says isn't there: "tag v1"
	verb     fairlead.Verb // of the login; "" is to pull
	query    string        // of the URL, encoded
	lease    fairlead.Lease
	endpoint Endpoint
	limit    RateLimit // as the last reply to a HEAD has it
}

// get asks for something in the repository. Whatever comes back is a success or a
// status that accept lets through; everything else is an error.
func (p *pull) get(ctx context.Context, method string, h http.Header, accept func(status int) bool, path ...string) (*followed, error) {
	v := &visit{c: p.c, kc: p.kc, scope: fairlead.Scope{Resource: p.resource, Verb: cmp.Or(p.verb, fairlead.Pull)}, what: p.what}
	send := func(method string) sender {
		return func(ctx context.Context, e Endpoint, login fairlead.Secret) (*followed, error) {
			u, err := pathTo(p.what, e, p.resource.Repository, path...)
			if err != nil {
				return nil, err
			}
			u.RawQuery = p.query
			return p.c.follow(ctx, p.what, target{endpoint: e, method: method, url: u, header: h, login: login})
		}
	}
	v.send = send(method)
	if method == http.MethodHead {
		v.explain = send(http.MethodGet)
	}
	res, err := v.do(ctx)
	p.lease, p.endpoint = v.lease, v.endpoint
	if err != nil {
		return nil, err
	}
	p.quote(res)
	if accept(res.StatusCode) {
		return res, nil
	}
	return nil, p.failed(v, res)
}

func only200(status int) bool { return status == http.StatusOK }

// failed makes an error of a reply that is none of what was hoped for.
func (p *pull) failed(v *visit, res *followed) error {
	list := p.c.errorsOf(res)
	what := said(list, v.secrets(proof{})...)
	switch status := res.StatusCode; {
	case res.foreign != "":
		return storage(unwell(p.what, "the storage "+res.foreign+" to which it sends", res.Response, "", p.c.now()))
	case status == http.StatusNotFound:
		return p.missing(v, list, what)
	case hasCode(list, tooMany) && status < 500:
		res.StatusCode = http.StatusTooManyRequests // some say it with another status
	}
	e := unwell(p.what, p.resource.Host, res.Response, what, p.c.now())
	if n := v.lease.Note; e.Kind == fairlead.Limited && v.anonymous() && n != nil && n.Why != "" {
		e.Why += ", and there was no login: " + n.Why
	}
	return e
}

// missing says what isn't there, and that it may be there for others.
func (p *pull) missing(v *visit, list []registryError, said string) error {
	e := &fairlead.Error{Kind: fairlead.NotFound, Code: fairlead.CodeNoImage, What: p.what}
	repository := p.resource.Repository
	switch {
	case hasCode(list, nameUnknown):
		e.Why = fmt.Sprintf("%s knows no repository %s", p.resource.Host, repository)
	case hasCode(list, manifestUnknown), hasCode(list, blobUnknown):
		e.Why = fmt.Sprintf("the repository %s has no %s", repository, p.object)
	default:
		e.Why = fmt.Sprintf("%s knows no repository %s with %s", p.resource.Host, repository, p.object)
		if said != "" {
			e.Why += " (" + quote(said) + ")"
		}
	}
	if strings.HasPrefix(p.object, blobObject) {
		e.Remedy = "push the image again: its manifest is there, and not all that it is made of"
		return e
	}
	if !v.anonymous() {
		e.Why += ", or doesn't show it to the login"
		e.Remedy = "check the image's name and tag, and what the account may read"
		return e
	}
	e.Why += ", or it is private, and there was no login"
	e.Remedy = "check the image's name and tag; if it is private, connect the registry with a login"
	if n := v.lease.Note; n != nil {
		if n.Why != "" {
			e.Why += ": " + n.Why
		}
		if n.Remedy != "" {
			e.Remedy = "check the image's name and tag; if it is private, " + n.Remedy
		}
	}
	return e
}

// whole reads all of r, which has at most limit bytes.
func (p *pull) whole(r io.Reader, limit int64) ([]byte, error) {
	b, err := readAll(r, limit)
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, errTooLong):
		e := broken(p.what, fmt.Sprintf("%s sent more than %d MiB, which no image needs there", p.resource.Host, limit>>20))
		e.Kind = fairlead.Invalid
		return nil, e
	default:
		return nil, cutShort(p.what, p.resource.Host, err, p.c.now())
	}
}

// small fetches a blob that fits into memory.
func (p *pull) small(ctx context.Context, d Descriptor, limit int64) ([]byte, error) {
	blob, err := p.blob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer func() { _ = blob.Close() }()
	return p.whole(blob, limit)
}

// differs says in what bytes differ from their descriptor.
func differs(host string, d Descriptor, got fairlead.Digest, size int64) string {
	if d.Size > 0 && size != d.Size {
		return fmt.Sprintf("%s sent %d bytes for %s, which has %d", host, size, d.Digest, d.Size)
	}
	return fmt.Sprintf("%s sent other bytes for %s: theirs is %s", host, d.Digest, got)
}

// identity asks for bytes as they are.
func identity() http.Header { return http.Header{"Accept-Encoding": {"identity"}} }
