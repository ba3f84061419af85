package oci

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// unknown is a size that nobody has told.
const unknown = -1

const (
	// maxCuts is how often in a row a stream is taken up again.
	maxCuts = 5
	// progress is how many bytes make a row of cuts forgotten.
	progress = 1 << 20
	// firstWait is before the second request; each wait is twice the one before.
	firstWait = 200 * time.Millisecond
	// patience is the longest that a stream waits because the registry asks for it.
	patience = time.Minute
)

// stream is a blob, or a part of one, that outlives its connections.
type stream struct {
	pull     *pull
	d        Descriptor
	off, end int64 // the next byte, and the one after the last; unknown until it ends
	total    int64 // of the whole blob
	ranged   bool  // a part: the whole blob instead is of no use
	body     io.ReadCloser
	server   string // where body comes from
	closed   bool

	request func(http.Header) (*followed, error)
	wait    func(time.Duration) error
	over    func() error // why the caller doesn't want it any more

	cuts  int
	since int64 // bytes since the last cut
}

func (p *pull) stream(ctx context.Context, d Descriptor, from, end int64, ranged bool) (*stream, error) {
	s := &stream{
		pull: p, d: d, off: from, end: end, total: unknown, ranged: ranged,
		wait: func(d time.Duration) error { return p.c.wait(ctx, d) },
		over: ctx.Err,
		request: func(h http.Header) (*followed, error) {
			return p.get(ctx, http.MethodGet, h, acceptBlob, "blobs", string(d.Digest))
		},
	}
	if d.Size > 0 {
		s.total = d.Size
		if s.end == unknown || s.end > d.Size {
			s.end = d.Size
		}
	}
	return s, s.open()
}

func acceptBlob(status int) bool {
	return status == http.StatusOK || status == http.StatusPartialContent || status == http.StatusRequestedRangeNotSatisfiable
}

func (s *stream) Read(b []byte) (int, error) {
	if s.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	for {
		if s.off == s.end {
			return 0, io.EOF
		}
		if s.end != unknown {
			b = b[:min(int64(len(b)), s.end-s.off)]
		}
		n, err := s.body.Read(b)
		s.off, s.since = s.off+int64(n), s.since+int64(n)
		if n > 0 || err == nil {
			return n, nil // the error comes again
		}
		if err == io.EOF && s.end == unknown {
			s.end = s.off
			return 0, io.EOF
		}
		if err := s.resume(err); err != nil {
			return 0, err
		}
	}
}

func (s *stream) Close() error {
	s.closed = true
	return s.body.Close()
}

// resume takes the stream up again after err has cut it.
func (s *stream) resume(err error) error {
	p := s.pull
	_ = s.body.Close()
	s.body = http.NoBody
	if s.since >= progress {
		s.cuts = 0
	}
	s.since = 0
	cause := cutShort(p.what, s.server, err, p.c.now())
	for {
		if over := s.over(); over != nil {
			return unreachable(p.what, p.resource.Host, over, p.c.now())
		}
		if s.cuts++; s.cuts > maxCuts {
			return s.gaveUp(cause)
		}
		if err := s.wait(s.pause(cause)); err != nil {
			return unreachable(p.what, p.resource.Host, err, p.c.now())
		}
		err := s.open()
		if err == nil {
			return nil
		}
		cause = fairlead.AsError(p.what, err)
		if !passing(cause) || cause.RetryAt.Sub(p.c.now()) > patience {
			return err
		}
	}
}

// pause is how long to wait after cause.
func (s *stream) pause(cause *fairlead.Error) time.Duration {
	d := firstWait << (s.cuts - 1)
	if !cause.RetryAt.IsZero() {
		d = max(d, cause.RetryAt.Sub(s.pull.c.now()))
	}
	return d
}

// passing reports whether it may be otherwise a moment later.
func passing(e *fairlead.Error) bool {
	switch e.Code {
	case fairlead.CodeConnect, fairlead.CodeTimeout, fairlead.CodeDNS, fairlead.CodeRateLimited, fairlead.CodeRegistryBroken:
		return e.Kind == fairlead.Unavailable || e.Kind == fairlead.Limited
	default:
		return false
	}
}

func (s *stream) gaveUp(cause *fairlead.Error) error {
	e := *cause
	e.Why = fmt.Sprintf("%s, and so it went %d times in a row, at byte %d", e.Why, maxCuts+1, s.off)
	return &e
}

// open asks for the blob from the next byte on.
func (s *stream) open() error {
	h := identity()
	if s.off > 0 || s.ranged {
		last := ""
		if s.end != unknown {
			last = strconv.FormatInt(s.end-1, 10)
		}
		h.Set("Range", "bytes="+strconv.FormatInt(s.off, 10)+"-"+last)
	}
	res, err := s.request(h)
	if err != nil {
		return err
	}
	if err := s.accept(res); err != nil {
		_ = res.Body.Close()
		return err
	}
	s.body, s.server = res.Body, cmp.Or(res.foreign, s.pull.resource.Host)
	return nil
}

// accept checks that the reply goes on at the next byte, and makes it do so if it
// begins at the first.
func (s *stream) accept(res *followed) error {
	host := s.pull.resource.Host
	if e := res.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return broken(s.pull.what, host+" sends the blob encoded ("+quote(e)+"), although it was asked for it as it is")
	}
	switch res.StatusCode {
	case http.StatusPartialContent:
		first, total, ok := contentRange(res.Header.Get("Content-Range"))
		if !ok || first != s.off {
			return broken(s.pull.what, host+" sent another range of bytes than the one it was asked for")
		}
		return s.sized(total)
	case http.StatusRequestedRangeNotSatisfiable:
		return wrongDigest(s.pull.what, host, fmt.Sprintf("%s has no byte %d of %s", host, s.off, s.d.Digest))
	}
	if err := s.sized(res.ContentLength); err != nil {
		return err
	}
	if s.off > 0 && s.ranged {
		return ErrNoRange
	}
	// The registry knows no ranges. What is there already was hashed already; to read
	// it once more and drop it costs less than to begin again.
	if _, err := io.CopyN(io.Discard, res.Body, s.off); err != nil {
		return cutShort(s.pull.what, host, err, s.pull.c.now())
	}
	return nil
}

// sized compares the blob's size with what the registry says that it is.
func (s *stream) sized(total int64) error {
	switch {
	case total < 0:
	case s.total == unknown:
		s.total = total
		if s.end == unknown || s.end > total {
			s.end = total
		}
	case total != s.total:
		host := s.pull.resource.Host
		return wrongDigest(s.pull.what, host, fmt.Sprintf("%s has %d bytes for %s, which has %d", host, total, s.d.Digest, s.total))
	}
	return nil
}

// contentRange reads "bytes 5-9/10" (RFC 9110, section 14.4). The total may be
// unknown.
func contentRange(s string) (first, total int64, ok bool) {
	unit, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
	span, size, slash := strings.Cut(rest, "/")
	from, to, dash := strings.Cut(strings.TrimSpace(span), "-")
	if !strings.EqualFold(unit, "bytes") || !slash || !dash {
		return 0, 0, false
	}
	first, err1 := strconv.ParseInt(from, 10, 64)
	last, err2 := strconv.ParseInt(to, 10, 64)
	total = unknown
	var err3 error
	if size = strings.TrimSpace(size); size != "*" {
		total, err3 = strconv.ParseInt(size, 10, 64)
	}
	if err1 != nil || err2 != nil || err3 != nil || first < 0 || last < first || total != unknown && last >= total {
		return 0, 0, false
	}
	return first, total, true
}
