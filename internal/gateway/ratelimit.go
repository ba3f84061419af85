package gateway

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
)

// Quoted takes note of what the registry says of its limit, with whatever reply it does.
func (k keychain) Quoted(l oci.RateLimit) {
	g := k.view.gateway()
	h := g.hostOf(k.view)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.quota, h.quoted = l, g.opts.Now()
}

// fewPart is what part of a registry's limit is kept for what isn't there at all: when no
// more than that is left, tags that are there aren't fetched anew.
const fewPart = 10

// few reports whether little is left of what may be pulled. What the registry said holds
// no longer than its window. Under h.mu.
func (h *host) few(now time.Time) bool {
	q := h.quota
	if !q.Known || q.Left > max(1, q.Of/fewPart) {
		return false
	}
	return q.Window == 0 || now.Before(h.resets())
}

// resets is when the registry's limit has begun anew, at the latest.
func (h *host) resets() time.Time {
	const most = 366 * 24 * 3600 // a number that is no window
	return h.quoted.Add(time.Duration(min(h.quota.Window, most)) * time.Second)
}

// sparing is why a tag isn't asked for again: the last pulls are for what isn't there.
type sparing struct{ because *fairlead.Error }

// Error is why.
func (s sparing) Error() string { return s.because.Error() }

// Unwrap is for errors.As.
func (s sparing) Unwrap() error { return s.because }

func isSparing(err error) bool {
	_, ok := errors.AsType[sparing](err)
	return ok
}

// spare says why what is there isn't fetched anew just now, nil if it may be.
func (h *host) spare(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.few(now) {
		return nil
	}
	return sparing{&fairlead.Error{
		Kind: fairlead.Limited, Code: fairlead.CodeRateLimited, What: "asking the registry", Why: "only " + h.left() + ", which are kept for what isn't there yet",
		Remedy: h.remedy(time.Time{}),
	}}
}

// left says how much may still be pulled. Under h.mu.
func (h *host) left() string {
	s := fmt.Sprintf("%d of %d pulls", h.quota.Left, h.quota.Of)
	if h.quota.Window > 0 {
		s += " in " + (time.Duration(h.quota.Window) * time.Second).String()
	}
	return s + " are left"
}

// remedy says until when to wait. Under h.mu.
func (h *host) remedy(at time.Time) string {
	const form = "2006-01-02 15:04:05 MST"
	wait := "wait"
	switch {
	case !at.IsZero():
		wait += " until " + at.UTC().Format(form)
	case h.quota.Window > 0:
		wait += " until " + h.resets().UTC().Format(form) + " at the latest"
	}
	return wait + ", or connect the registry with a login that has a higher limit"
}

// closed says why it isn't asked just now.
func (h *host) closed(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !now.Before(h.paused) {
		return nil
	}
	e := &fairlead.Error{
		Kind: fairlead.Limited, Code: fairlead.CodeRateLimited, What: "asking the registry", Why: "it has had too many requests", RetryAt: h.paused,
		Remedy: h.remedy(h.paused),
	}
	if h.few(now) {
		e.Why += ": " + h.left()
	}
	return e
}

// learn takes note of what came of asking, and gives it: with what is known of the
// limit, if that is what stands in the way.
func (h *host) learn(now time.Time, err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch fairlead.KindOf(err) {
	case fairlead.Limited:
		e := *fairlead.AsError("asking the registry", err)
		at := e.RetryAt
		if h.few(now) {
			e.Why += "; " + h.left()
			e.Remedy = h.remedy(at)
		}
		if !at.After(now) {
			at = now.Add(shortPause)
		}
		if most := now.Add(longPause); at.After(most) {
			at = most
		}
		h.paused = at
		return &e
	case fairlead.Unavailable, fairlead.Internal:
		h.failed = now
	default:
		h.failed = time.Time{}
	}
	return err
}

// limit is how the registry stands to the login.
func (h *host) limit(now time.Time) fairlead.GatewayLimit {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := fairlead.GatewayLimit{Failed: h.failed, Spared: h.few(now)}
	if now.Before(h.paused) {
		l.RetryAt = h.paused
	}
	if h.quota.Known {
		l.Known, l.Remaining, l.Limit, l.Window, l.Source, l.At = true, h.quota.Left, h.quota.Of, h.quota.Window, h.quota.Source, h.quoted
	}
	return l
}

// seen notes that the view has an image under a name, and gives where its use is noted.
func (v *view) seen(reference string, digest fairlead.Digest) *atomic.Int64 {
	return v.gateway().opts.Catalog.Seen(v.room.owner(), v.room.resource, reference, digest)
}
