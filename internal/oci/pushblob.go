package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

const (
	// firstChunk is how much is sent at once to a registry, or a proxy in front of it, that
	// doesn't take a blob whole.
	firstChunk = 64 << 20
	// leastChunk is below what no proxy limits anything to.
	leastChunk = 1 << 20
)

// blob brings one blob to the registry, unless it is there.
func (p *push) blob(ctx context.Context, d Descriptor) error {
	what := "pushing " + short(d.Digest) + " to " + p.to.Resource.String()
	u := &upload{push: p, d: d, op: p.op(what, blobObject+string(d.Digest))}
	there, err := u.exists(ctx)
	if err != nil {
		return err
	}
	if there {
		p.tell(d, There, d.Size)
		return nil
	}
	if u.mount(ctx) {
		p.tell(d, Mounted, d.Size)
		return nil
	}
	p.tell(d, Pushing, 0)
	if err := u.run(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	p.sent += d.Size
	p.mu.Unlock()
	p.tell(d, Pushed, d.Size)
	return nil
}

func short(d fairlead.Digest) string {
	const shown = len("sha256:") + 12
	return string(d[:min(len(d), shown)])
}

// upload is one blob's way (Distribution specification, "Pushing blobs").
type upload struct {
	*push
	d  Descriptor
	op *pull

	at    *url.URL // where it goes on; nil before it has begun
	off   int64    // how much the registry has
	chunk int64    // how much is sent at once; 0 is all
	least int64    // how much a chunk must have (OCI-Chunk-Min-Length)
	cuts  int
	since int64 // bytes that went through since the last cut
}

// exists asks whether the repository has the blob.
func (u *upload) exists(ctx context.Context) (bool, error) {
	accept := func(status int) bool { return status == http.StatusOK || status == http.StatusNotFound }
	for {
		res, err := u.op.get(ctx, http.MethodHead, identity(), accept, "blobs", string(u.d.Digest))
		if err == nil {
			drain(res.Body)
			return res.StatusCode == http.StatusOK, nil
		}
		if err := u.pause(ctx, err); err != nil {
			return false, err
		}
	}
}

// mount has the registry take the blob over from another repository. It takes a login
// for both: one that is limited to a repository can't. Whatever goes wrong, the blob is
// sent instead.
func (u *upload) mount(ctx context.Context) bool {
	other := u.o.From
	if other.Repository == "" || other.Host != u.to.Host || other == u.to.Resource || ref.CheckRepository(other.Repository) != nil {
		return false
	}
	if !u.op.lease.Bearer.IsZero() || loginOf(u.op.lease).anonymous() {
		return false
	}
	// Whoever may not pull there may not have it taken over either.
	if _, err := u.kc.Lease(ctx, fairlead.Scope{Resource: other, Verb: fairlead.Pull}); err != nil {
		return false
	}
	query := url.Values{"mount": {string(u.d.Digest)}, "from": {other.Repository}}
	created := false
	err := u.begin(ctx, query, func(status int) { created = status == http.StatusCreated })
	return err == nil && created
}

// run sends the blob, whatever happens on the way, as long as it may be otherwise the next
// time.
func (u *upload) run(ctx context.Context) error {
	for {
		err := u.step(ctx)
		if err == nil {
			return nil
		}
		if smaller, ok := u.shrunk(err); ok {
			u.at, u.off, u.chunk = nil, 0, smaller
			continue
		}
		if !errors.Is(err, errLost) {
			if err := u.pause(ctx, err); err != nil {
				return err
			}
		} else if u.cuts++; u.cuts > maxCuts {
			return broken(u.op.what, u.to.Host+" forgets uploads that have begun")
		}
		done, err := u.resume(ctx, errors.Is(err, errLost))
		if done || err != nil {
			return err
		}
	}
}

// pause waits before the next try, if err may pass; otherwise it gives it back.
func (u *upload) pause(ctx context.Context, err error) error {
	cause := fairlead.AsError(u.op.what, err)
	if ctx.Err() != nil || !passing(cause) || cause.RetryAt.Sub(u.c.now()) > patience {
		return err
	}
	if u.since >= progress {
		u.cuts = 0
	}
	u.since = 0
	if u.cuts++; u.cuts > maxCuts {
		e := *cause
		e.Why = fmt.Sprintf("%s, and so it went %d times in a row, at byte %d", e.Why, maxCuts+1, u.off)
		return &e
	}
	wait := firstWait << (u.cuts - 1)
	if !cause.RetryAt.IsZero() {
		wait = max(wait, cause.RetryAt.Sub(u.c.now()))
	}
	if err := u.c.wait(ctx, wait); err != nil {
		return unreachable(u.op.what, u.to.Host, err, u.c.now())
	}
	return nil
}

// resume asks how much the registry has. A registry that doesn't say is sent the blob
// from its beginning.
func (u *upload) resume(ctx context.Context, lost bool) (done bool, err error) {
	if u.off == u.d.Size { // only the reply may have been lost
		if there, err := u.exists(ctx); there || err != nil {
			return there, err
		}
	}
	if lost || u.at == nil {
		u.at, u.off = nil, 0
		return false, nil
	}
	res, err := u.op.write(ctx, writing{method: http.MethodGet, url: u.here}, func(int) bool { return true })
	if err != nil {
		if passing(fairlead.AsError(u.op.what, err)) {
			u.at, u.off = nil, 0
			return false, nil
		}
		return false, err
	}
	drain(res.Body)
	have, ok := uploadRange(res.Header.Get("Range"))
	if ok = ok && res.StatusCode == http.StatusNoContent && have <= u.d.Size; ok {
		if l := res.Header.Get("Location"); l != "" {
			u.at, err = uploadAt(u.op.what, u.op.endpoint, res.Request.URL, l)
		}
		u.off = have
		return false, err
	}
	u.at, u.off = nil, 0
	return false, nil
}

func (u *upload) here(Endpoint) (*url.URL, error) { return u.at, nil }

// errLost is an upload that the registry doesn't know any more, or at another byte.
var errLost = errors.New("the registry has lost the upload")

// errTooLarge is a request that the registry, or a proxy in front of it, finds too large.
type errTooLarge struct{ error }

func (e errTooLarge) Unwrap() error { return e.error }

// shrunk gives a size at which it may go through, after a registry that found it too
// large.
func (u *upload) shrunk(err error) (int64, bool) {
	if _, ok := errors.AsType[errTooLarge](err); !ok {
		return 0, false
	}
	now := u.chunk
	if now == 0 {
		now = u.d.Size
	}
	next := min(int64(firstChunk), now/4)
	next = max(next, u.least, leastChunk)
	return next, next < now
}

// step brings the upload to its end from where it is.
func (u *upload) step(ctx context.Context) error {
	if u.at == nil {
		created := false
		err := u.begin(ctx, nil, func(status int) { created = status == http.StatusCreated })
		if err != nil || created {
			return err
		}
	}
	for u.off < u.d.Size {
		if err := u.patch(ctx); err != nil {
			return err
		}
	}
	return u.finish(ctx)
}

// begin begins an upload.
func (u *upload) begin(ctx context.Context, query url.Values, status func(int)) error {
	accept := func(status int) bool { return status == http.StatusAccepted || status == http.StatusCreated }
	res, err := u.op.write(ctx, writing{method: http.MethodPost, url: func(e Endpoint) (*url.URL, error) {
		at, err := pathTo(u.op.what, e, u.to.Repository, "blobs", "uploads", "")
		if err == nil {
			at.RawQuery = query.Encode()
		}
		return at, err
	}}, accept)
	if err != nil {
		return err
	}
	drain(res.Body)
	status(res.StatusCode)
	if n, err := strconv.ParseInt(res.Header.Get("OCI-Chunk-Min-Length"), 10, 64); err == nil && n > 0 {
		u.least = n
	}
	if res.StatusCode == http.StatusCreated {
		return nil
	}
	u.off = 0
	u.at, err = uploadAt(u.op.what, u.op.endpoint, res.Request.URL, res.Header.Get("Location"))
	return err
}

// patch sends what comes next. The first request of a blob that is sent whole has no
// Content-Range: many registries know uploads only like that, as Docker sends them.
func (u *upload) patch(ctx context.Context) error {
	n := u.d.Size - u.off
	if u.chunk > 0 {
		n = min(n, u.chunk)
	}
	h := http.Header{"Content-Type": {"application/octet-stream"}}
	if u.off > 0 || n < u.d.Size {
		h.Set("Content-Range", fmt.Sprintf("%d-%d", u.off, u.off+n-1))
	}
	body := func() (io.ReadCloser, error) { return u.part(n) }
	accept := func(status int) bool {
		return status == http.StatusAccepted || status == http.StatusNoContent || status == http.StatusCreated || u.lostBy(status)
	}
	res, err := u.op.write(ctx, writing{method: http.MethodPatch, url: u.here, header: h, body: body, size: n}, accept)
	if err != nil {
		return err
	}
	drain(res.Body)
	if u.lostBy(res.StatusCode) {
		return errLost
	}
	if have, ok := uploadRange(res.Header.Get("Range")); ok && have != u.off+n && have > 1 {
		// It has kept less than it was sent, or counts otherwise than it should.
		if have <= u.off || have > u.off+n {
			return errLost
		}
		n = have - u.off
	}
	u.off, u.since = u.off+n, u.since+n
	if l := res.Header.Get("Location"); l != "" {
		u.at, err = uploadAt(u.op.what, u.op.endpoint, res.Request.URL, l)
	}
	return err
}

// lostBy knows an upload that has begun and isn't there any more.
func (*upload) lostBy(status int) bool {
	return status == http.StatusRequestedRangeNotSatisfiable || status == http.StatusNotFound
}

// part opens the next n bytes.
func (u *upload) part(n int64) (io.ReadCloser, error) {
	r, err := u.from.Open(u.d)
	if err != nil {
		return nil, err
	}
	size, err := r.Seek(0, io.SeekEnd)
	if err == nil && size != u.d.Size {
		err = damaged(u.op.what, u.d.Digest, fmt.Sprintf("it has %d bytes, and should have %d", size, u.d.Size))
	}
	if err == nil {
		_, err = r.Seek(u.off, io.SeekStart)
	}
	if err != nil {
		_ = r.Close()
		return nil, unreadable(u.op.what, err)
	}
	part := &part{Reader: io.LimitReader(r, n), Closer: r, u: u, at: u.off}
	if u.off == 0 && n == u.d.Size {
		if part.check, err = newVerifier(u.d.Digest); err != nil {
			_ = r.Close()
			return nil, unreachable(u.op.what, u.to.Host, err, u.c.now())
		}
	}
	return part, nil
}

// part is some bytes of a blob on their way. One that is sent whole is checked on its
// way, and never comes to its end if it isn't what its digest names.
type part struct {
	io.Reader
	io.Closer
	u     *upload
	at    int64
	check *verifier
}

func (p *part) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.at += int64(n)
	if p.check != nil && n > 0 {
		_, _ = p.check.Write(b[:n])
		if p.at == p.u.d.Size && !p.check.verified() {
			return 0, damaged(p.u.op.what, p.u.d.Digest, "its bytes have another digest")
		}
	}
	if n > 0 {
		p.u.tell(p.u.d, Pushing, p.at)
	}
	return n, err
}

// finish says that these were all bytes, and which digest they have.
func (u *upload) finish(ctx context.Context) error {
	accept := func(status int) bool {
		return status == http.StatusCreated || status == http.StatusNoContent || status == http.StatusOK || u.lostBy(status)
	}
	res, err := u.op.write(ctx, writing{method: http.MethodPut, size: 0, url: func(Endpoint) (*url.URL, error) {
		at := *u.at
		// Appended: what the registry has put into the query is its own, and may be signed.
		if at.RawQuery != "" {
			at.RawQuery += "&"
		}
		at.RawQuery += "digest=" + url.QueryEscape(string(u.d.Digest))
		return &at, nil
	}, header: http.Header{"Content-Type": {"application/octet-stream"}}, body: func() (io.ReadCloser, error) { return http.NoBody, nil }}, accept)
	if err != nil {
		return err
	}
	drain(res.Body)
	if u.lostBy(res.StatusCode) {
		return errLost
	}
	return u.op.agrees(res, u.d.Digest)
}

// uploadRange reads how many bytes an upload has: "0-1023" is 1024. "0-0" is none, as
// Distribution writes it; a blob of one byte isn't worth the difference.
func uploadRange(s string) (int64, bool) {
	from, to, dash := strings.Cut(strings.TrimPrefix(strings.TrimSpace(s), "bytes="), "-")
	last, err := strconv.ParseInt(to, 10, 64)
	if !dash || from != "0" || err != nil || last < 0 {
		return 0, false
	}
	if last == 0 {
		return 0, true
	}
	return last + 1, true
}

func unreadable(what string, err error) error {
	if e, ok := errors.AsType[*fairlead.Error](err); ok {
		return e
	}
	return &fairlead.Error{Kind: fairlead.Invalid, What: what, Why: "what is to be pushed can't be read any more", Remedy: "leave the image alone until it is pushed, then try again"}
}
