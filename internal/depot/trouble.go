package depot

import (
	"context"
	"errors"

	"fairlead.dev/fairlead"
)

// conclude says what the end of a request means for its flight and its upstream.
func (r *request) conclude(ctx context.Context, err error) {
	f := r.f
	var room *noRoom
	var disk *broken
	var bytes *spoilt
	switch {
	case err == nil:
		f.mu.Lock()
		if r.epoch == f.epoch {
			r.feed.struck = false
		}
		f.mu.Unlock()
		return
	case errors.Is(err, errRevoked), errors.Is(err, errNotHere):
		return
	case errors.As(err, &room), errors.As(err, &disk), errors.As(err, &bytes):
		f.fail(err)
		return
	case errors.Is(err, errStalled):
	case ctx.Err() != nil:
		return // the flight was ended
	}
	f.d.counts.retries.Add(1)
	r.h.failed(err)
	e := f.explain(r.h.name, err)
	f.mu.Lock()
	fatal := f.struck(r, e)
	f.mu.Unlock()
	if fatal {
		f.fail(e)
	}
}

// explain gives an error as people are told it.
func (f *flight) explain(host string, err error) *fairlead.Error {
	e, ok := errors.AsType[*fairlead.Error](err)
	if ok {
		return e
	}
	e = &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeConnect, What: "fetching blob " + string(f.digest),
		Why: "the connection to " + host + " was cut", Remedy: "try again; it goes on where it was",
	}
	if errors.Is(err, errStalled) || errors.Is(err, context.DeadlineExceeded) {
		e.Code, e.Why = fairlead.CodeTimeout, host+" sent nothing for "+f.d.o.Stall.String()
	}
	return e.Because(err)
}

// struck counts a failure, and reports whether it ends the flight. Under f.mu.
func (f *flight) struck(r *request, e *fairlead.Error) bool {
	if r.feed.shared {
		return f.lose(r.feed)
	}
	if !passing(e) {
		return f.refused(r, e)
	}
	if e.Kind == fairlead.Limited && e.RetryAt.Sub(f.d.o.Now()) > f.d.o.Patience {
		return f.lose(r.feed)
	}
	if r.epoch == f.epoch { // others that failed at the same time are the same failure
		f.epoch++
		f.failures++
		f.since = 0
	}
	return f.failures >= maxFailures
}

// passing reports whether it may be otherwise a moment later.
func passing(e *fairlead.Error) bool {
	return e.Kind == fairlead.Limited || e.Kind == fairlead.Unavailable
}

// refused is for an upstream that doesn't want to give the blob. In the middle of it,
// that may be a login that has just ended, of which the source knows now. Otherwise
// another who wants the blob may have more of a right. Under f.mu.
func (f *flight) refused(r *request, e *fairlead.Error) bool {
	if r.epoch != f.epoch {
		return false // it began before that was known
	}
	if e.Kind != fairlead.Invalid && !r.feed.struck && f.since > 0 {
		r.feed.struck = true
		f.epoch++
		f.since = 0
		return false
	}
	return f.lose(r.feed)
}

// lose goes on without a source, and reports whether there is none left. Under f.mu.
func (f *flight) lose(lost *feed) bool {
	for i, other := range f.feeds {
		if other != lost {
			continue
		}
		if len(f.feeds) == 1 {
			return true
		}
		f.feeds = append(f.feeds[:i:i], f.feeds[i+1:]...)
		return false
	}
	return false
}
